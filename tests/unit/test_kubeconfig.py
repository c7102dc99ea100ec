from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from operations.errors import OperationError
from operations.kubeconfig import check_context, check_reachable, paths, read

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a kubeconfig with these contexts."""

    def kubeconfig(name: str, *contexts: str, current: str = "") -> Path:
        path = tmp_path / name
        lines = [f"current-context: {current}"] if current else []
        lines += ["contexts:", *(f"- name: {context}" for context in contexts)] if contexts else []
        path.write_text("\n".join([*lines, ""]))
        return path

    return kubeconfig


def refused(expected: str | None, environ: dict[str, str]) -> str:
    with pytest.raises(OperationError) as caught:
        check_context(expected, environ)
    return str(caught.value)


def env(*files: Path) -> dict[str, str]:
    return {"KUBECONFIG": ":".join(map(str, files))}


def test_any_current_context_will_do_where_none_is_expected(write: Write) -> None:
    check_context(None, env(write("config", "one", "two", current="two")))


def test_the_expected_context_may_be_the_current_one(write: Write) -> None:
    check_context("one", env(write("config", "one", current="one")))


def test_without_kubeconfig_set_the_home_folders_one_counts(write: Write, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    path = write(".kube/config", "one", current="one")
    check_context("one", {"HOME": str(tmp_path)})
    assert read({"HOME": str(tmp_path)}).files == (path,)
    assert read({"HOME": str(tmp_path), "KUBECONFIG": ""}).files == (path,), "an empty one is none"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = refused(None, env(tmp_path / "none"))
    assert f"there is no kubeconfig: {tmp_path / 'none'} does not exist" in message
    assert "Set KUBECONFIG" in message


def test_all_missing_files_are_named(tmp_path: Path) -> None:
    message = refused("one", env(tmp_path / "a", tmp_path / "b"))
    assert f"{tmp_path / 'a'}, {tmp_path / 'b'}" in message


def test_no_current_context_is_an_error_that_names_the_contexts(write: Write) -> None:
    message = refused(None, env(write("config", "one", "two")))
    assert "has no current context (contexts: one, two)" in message
    assert "kubectl config use-context" in message


def test_an_empty_kubeconfig_has_no_context(write: Write) -> None:
    assert "(contexts: none)" in refused(None, env(write("config")))


def test_a_current_context_that_does_not_exist_is_an_error(write: Write) -> None:
    message = refused(None, env(write("config", "one", current="gone")))
    assert 'the current context "gone" does not exist (contexts: one)' in message


def test_an_expected_context_that_is_not_there_is_an_error(write: Write) -> None:
    message = refused("lab", env(write("config", "one", current="one")))
    assert message.startswith('dapr-osm:kubeContext: "lab" is not a context of ')
    assert "(there: one)" in message


def test_an_expected_context_that_is_not_the_current_one_is_an_error(write: Write) -> None:
    message = refused("lab", env(write("config", "lab", "production", current="production")))
    assert 'this stack is for "lab", but "production" is current' in message
    assert message.endswith("Run: kubectl config use-context lab")


def test_several_files_are_merged_and_the_first_current_context_wins(write: Write, tmp_path: Path) -> None:
    first = write("first", "one")
    second = write("second", "two", current="two")
    third = write("third", "three", "one", current="three")
    environ = env(first, tmp_path / "missing", second, third)
    found = read(environ)
    assert found.files == (first, second, third), "a file that does not exist is passed over, as kubectl does"
    assert found.current == "two"
    assert found.contexts == ("one", "two", "three")
    check_context("two", environ)


def test_a_context_may_stand_in_another_file_than_its_choice(write: Write) -> None:
    check_context("two", env(write("first", current="two"), write("second", "two")))


@pytest.mark.parametrize(
    "content",
    [
        b"a: [unclosed",
        b"- a list",
        b"just text",
        b"contexts: text",
        b"contexts: 5",
        b"contexts: [{no: name}]",
        b"contexts: [text]",
        b"\x00",
        b"\xff\xfe binary",
    ],
)
def test_a_malformed_file_is_named_with_the_cause(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    message = refused(None, env(path))
    assert f"{path} can't be read as a kubeconfig: " in message


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "HOME": "/nonexistent"}


def test_in_a_pod_no_kubeconfig_is_needed() -> None:
    check_context(None, IN_POD)


def test_in_a_pod_an_expected_context_is_still_wanted() -> None:
    assert "there is no kubeconfig" in refused("lab", IN_POD)


def test_in_a_pod_a_named_kubeconfig_has_to_exist() -> None:
    assert "/nonexistent/config does not exist" in refused(None, {**IN_POD, "KUBECONFIG": "/nonexistent/config"})


def test_out_of_a_pod_a_kubeconfig_is_needed() -> None:
    assert "there is no kubeconfig" in refused(None, {"HOME": "/nonexistent"})


def test_empty_parts_of_kubeconfig_name_no_file() -> None:
    assert paths({"KUBECONFIG": ":/a::/b:"}) == [Path("/a"), Path("/b")]


def test_checking_reads_the_environment_it_is_given(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(write("other", "other", current="other")))
    check_context("one", env(write("config", "one", current="one")))


# --- whether anything is there ----------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[int]:
    """A port of this machine's own loopback that something listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> int:
    """A port of this machine's own loopback that nothing listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def cluster_at(path: Path, server: str, **more: str) -> dict[str, str]:
    content = {
        "current-context": "c",
        "contexts": [
            {"name": "c", "context": {"cluster": "k", "user": "u"}},
            {"name": "other", "context": {"cluster": "none"}},
        ],
        "clusters": [{"name": "k", "cluster": {"server": server, **more}}],
    }
    path.write_text(yaml.safe_dump(content))
    return {"KUBECONFIG": str(path)}


def test_a_cluster_that_listens_is_in_reach(tmp_path: Path, listening: int) -> None:
    check_reachable(cluster_at(tmp_path / "config", f"https://127.0.0.1:{listening}"))


def test_a_cluster_that_does_not_listen_is_named_at_once(tmp_path: Path, silent: int) -> None:
    with pytest.raises(OperationError) as caught:
        check_reachable(cluster_at(tmp_path / "config", f"https://127.0.0.1:{silent}"))
    assert f'the cluster of context "c" does not answer at https://127.0.0.1:{silent}: ' in str(caught.value)
    assert "kubectl config use-context" in str(caught.value)


def test_a_cluster_behind_a_proxy_is_not_tried(tmp_path: Path, silent: int) -> None:
    server = f"https://127.0.0.1:{silent}"
    check_reachable(cluster_at(tmp_path / "config", server, **{"proxy-url": "http://proxy.example"}))
    check_reachable({**cluster_at(tmp_path / "config", server), "HTTPS_PROXY": "http://proxy.example"})


@pytest.mark.parametrize("content", ["", "current-context: c\n", "current-context: c\ncontexts: [{name: c}]\n"])
def test_a_kubeconfig_that_names_no_server_is_left_to_other_checks(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    check_reachable({"KUBECONFIG": str(path)})


def test_in_a_pod_nothing_is_tried() -> None:
    check_reachable(IN_POD)


def test_a_cluster_may_stand_in_another_file_than_its_context(tmp_path: Path, write: Write, silent: int) -> None:
    second = tmp_path / "second"
    cluster_at(second, f"https://127.0.0.1:{silent}")
    with pytest.raises(OperationError, match=str(silent)):
        check_reachable(env(write("first", current="c"), second))

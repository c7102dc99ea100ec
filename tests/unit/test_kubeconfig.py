from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from cluster.errors import OperationError
from cluster.kubeconfig import check_context, check_reachable, paths, read

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


def test_an_expected_context_counts_whichever_is_current(write: Write) -> None:
    environ = env(write("config", "lab", "production", current="production"))
    assert check_context("lab", environ) == "lab"
    assert check_context(None, environ) == "production"


def test_an_expected_context_needs_no_current_one(write: Write) -> None:
    assert check_context("lab", env(write("config", "lab"))) == "lab"
    assert check_context("lab", env(write("other", "lab", current="gone"))) == "lab"


def test_a_misspelt_context_is_told_with_the_one_that_was_meant(write: Write) -> None:
    message = refused("prod-eu", env(write("config", "lab", "prod_eu", current="lab")))
    assert '(there: lab, prod_eu); did you mean "prod_eu"?' in message
    assert "Set KUBECONFIG to the file that holds it, or mend the setting." in message


def test_several_files_are_merged_and_the_first_current_context_wins(write: Write, tmp_path: Path) -> None:
    first = write("first", "one")
    second = write("second", "two", current="two")
    third = write("third", "three", "one", current="three")
    environ = env(first, tmp_path / "missing", second, third)
    found = read(environ)
    assert found.files == (first, second, third), "a file that does not exist is passed over, as kubectl does"
    assert found.current == "two"
    assert tuple(found.contexts) == ("one", "two", "three")
    check_context("two", environ)


def test_a_context_may_stand_in_another_file_than_its_choice(write: Write) -> None:
    check_context("two", env(write("first", current="two"), write("second", "two")))


def test_of_two_entries_with_one_name_the_first_counts_as_a_whole(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "config", tmp_path / "b" / "config"
    for path, user in ((first, {"username": "ann"}), (second, {"username": "bob", "password": "x"})):
        path.parent.mkdir()
        path.write_text(yaml.safe_dump({"users": [{"name": "u", "user": user}, {"name": path.parent.name}]}))
    found = read(env(first, second, first))
    assert found.files == (first, second), "a file that is named twice is read once"
    assert found.users["u"].content == {"username": "ann"}, "what the second one adds to it does not count"
    assert (found.users["u"].file, found.users["b"].file) == (first, second)


@pytest.mark.parametrize("content", ["", "# nothing\n", "\n", "contexts:\nclusters: null\n", "null"])
def test_a_file_that_says_nothing_is_passed_over(content: str, tmp_path: Path, write: Write) -> None:
    (tmp_path / "empty").write_text(content)
    assert check_context(None, env(tmp_path / "empty", write("config", "one", current="one"))) == "one"


def test_a_date_is_a_text_as_for_kubectl(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("users: [{name: 2020-01-01, user: {token: 2020-01-02}}]")
    assert read(env(tmp_path / "config")).users["2020-01-01"].content == {"token": "2020-01-02"}


def test_a_path_is_taken_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths({"KUBECONFIG": "~/config"}) == [Path("~/config")], "kubectl leaves ~ to the shell"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: [unclosed", "it is no YAML: "),
        (b"users: [{name: u, user: {token: hidden, }]\n", "it is no YAML: "),
        (b"token: 'hidden\n  x\n", "it is no YAML: "),
        (b"- a list", "the file must be a map"),
        (b"just text", "the file must be a map"),
        (b"contexts: text", "contexts must be a list"),
        (b"contexts: 5", "contexts must be a list"),
        (b"users: {token: hidden}", "users must be a list"),
        (b"contexts: [text]", "contexts[0] must be a map"),
        (b"contexts: [{name: a}, {name: 5}]", "contexts[1].name must be a text"),
        (b"users: [{name: a, user: [hidden]}]", "users[0].user must be a map"),
        (b"users: [{name: a}, {name: a}]", 'two of its users are called "a"'),
        (b"current-context: 5", "current-context must be a text"),
        (b"\x00", "it is no text"),
        (b"\xff\xfe hidden", "it is no text"),
    ],
)
def test_a_malformed_file_is_named_with_the_cause_and_not_quoted(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    message = refused(None, env(path))
    assert f"{path} can't be read as a kubeconfig: {says}" in message
    assert "Mend the file, or take it out of KUBECONFIG." in message
    assert "hidden" not in message


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    assert f"{tmp_path} can't be read as a kubeconfig: Is a directory" in refused(None, env(tmp_path))


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": "/nonexistent"}


def test_in_a_pod_no_kubeconfig_is_needed() -> None:
    assert check_context(None, IN_POD) is None


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
    environ = cluster_at(tmp_path / "config", f"https://127.0.0.1:{silent}", **{"proxy-url": "http://proxy.example"})
    check_reachable(environ)
    check_reachable({**cluster_at(tmp_path / "config", "https://api.invalid"), "HTTPS_PROXY": "http://proxy.example"})


def test_the_environments_proxy_does_not_lead_to_loopback(tmp_path: Path, silent: int) -> None:
    environ = cluster_at(tmp_path / "config", f"https://127.0.0.1:{silent}") | {"HTTPS_PROXY": "http://proxy.example"}
    with pytest.raises(OperationError, match="does not answer"):
        check_reachable(environ)


def test_the_named_contexts_cluster_is_tried(tmp_path: Path, silent: int) -> None:
    environ = cluster_at(tmp_path / "config", f"https://127.0.0.1:{silent}")
    check_reachable(environ, "other")
    with pytest.raises(OperationError, match='context "c" does not answer'):
        check_reachable(environ, "c")


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


@pytest.mark.parametrize("server", ["https://host:99999", "https://[fd00::1", "https://a..b:6443"])
@pytest.mark.parametrize("environ", [{}, {"HTTPS_PROXY": "http://proxy.example"}], ids=["direct", "by proxy"])
def test_a_server_that_is_no_address_is_left_to_other_checks(
    server: str, environ: dict[str, str], tmp_path: Path
) -> None:
    check_reachable(cluster_at(tmp_path / "config", server) | environ)


INLINE = "apiVersion: v1\nusers:\n- name: u\n  user: {token: hidden}\n"


@pytest.mark.parametrize("content", [INLINE, '{"users": [{"name": "u", "user": {"token": "hidden"}}]}', "hidden" * 99])
def test_a_kubeconfigs_content_in_place_of_its_path_is_told_and_not_shown(content: str) -> None:
    """A variable of a CI system that should have been of the kind "file"."""
    message = refused(None, {"KUBECONFIG": content})
    assert "KUBECONFIG names no file" in message
    assert "hidden" not in message


def test_a_file_in_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: Path, **_: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", stat)
    message = refused(None, env(tmp_path / "config"))
    assert f"{tmp_path / 'config'} can't be read as a kubeconfig: Permission denied" in message

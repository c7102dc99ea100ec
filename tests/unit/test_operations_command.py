"""``python -m operations``, as Commands run it."""

from __future__ import annotations

import inspect
import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml

from model import names
from model.stage import Stage
from operations import __main__ as command
from operations import injector, mesh, revocation
from operations.cluster import Cluster
from operations.errors import OperationError
from settings import ROOT

from .fake_cluster import FakeCluster
from .live_cluster import LiveCluster, in_a_hurry
from .test_stages import expected_at


def run(*arguments: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with nothing in the environment but this."""
    return subprocess.run(  # noqa: S603 - this project's own code
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def connected(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr(Cluster, "connect", classmethod(lambda cls: cluster))


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["verify", "verify"], ["--help"]])
def test_a_wrong_use_exits_with_2_and_names_every_operation(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for name in command.OPERATIONS:
        assert name in captured.err


def test_an_operation_that_fails_exits_with_1_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(cluster: Cluster, environ: Mapping[str, str]) -> str:
        raise OperationError("the cause, and what to do about it")

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(command, "OPERATIONS", {"some-operation": fail})
    assert command.main(["some-operation"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: the cause, and what to do about it\n")


def test_an_operations_result_is_all_of_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add_crd("components.dapr.io", "Component")
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_NAMESPACE", "dapr-system")
    monkeypatch.setenv("OPERATION_CRDS", json.dumps(["components.dapr.io"]))
    monkeypatch.delenv(command.PREVIOUS, raising=False)
    assert command.main(["record-cluster-wide"]) == 0
    recorded = capsys.readouterr().out
    assert json.loads(recorded) == {"customresourcedefinitions": {"components.dapr.io": True}}
    # The command provider hands it to the delete operation, without its newline.
    monkeypatch.setenv(command.PREVIOUS, recorded.strip())
    assert command.main(["remove-cluster-wide"]) == 0
    assert capsys.readouterr().out == "", "an operation without a result prints none"
    assert fake.deleted == [], "what was recorded stays"


def test_without_a_record_nothing_is_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add_crd("components.dapr.io", "Component")
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_NAMESPACE", "dapr-system")
    monkeypatch.setenv("OPERATION_CRDS", json.dumps(["components.dapr.io"]))
    monkeypatch.delenv(command.PREVIOUS, raising=False)
    assert command.main(["remove-cluster-wide"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: PULUMI_COMMAND_STDOUT is not set"), "and no traceback"
    assert fake.requests == [], "it does not even look"


def test_services_are_looked_up_as_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/default/services/kubernetes", spec={"clusterIP": "10.96.0.1", "ports": []})
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_SERVICES", json.dumps(["default/kubernetes"]))
    assert command.main(["look-up-services"]) == 0
    assert json.loads(capsys.readouterr().out) == {"default/kubernetes": {"clusterIP": "10.96.0.1", "ports": []}}


def test_a_missing_service_exits_with_1_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    monkeypatch.setenv("OPERATION_SERVICES", json.dumps(["dapr-system/dapr-api"]))
    assert command.main(["look-up-services"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Service dapr-system/dapr-api does not exist")


def test_policies_are_withdrawn_as_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"labels": {names.OWNER_LABEL: names.OWNER}}
    targets = "/apis/access.smi-spec.io/v1alpha3/namespaces/{}/traffictargets/old"
    fake = FakeCluster()
    for namespace in ("one", "two", "three"):
        fake.add(targets.format(namespace), metadata=own)
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_NAMESPACES", json.dumps(["one", "two"]))
    monkeypatch.setenv("OPERATION_DECLARED", json.dumps(["TrafficTarget/two/old"]))
    assert command.main(["withdraw-policies"]) == 0
    assert fake.deleted == [targets.format("one")]
    assert json.loads(capsys.readouterr().out)["declared"] == ["TrafficTarget/two/old"]


def test_calls_are_revoked_with_what_was_printed_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[dict[str, object]] = []

    def revoke(cluster: Cluster, **arguments: object) -> str:
        given.append(arguments)
        return "printed"

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(revocation, "revoke", revoke)
    monkeypatch.setenv("OPERATION_CALLS", json.dumps([["a", "b"]]))
    monkeypatch.setenv("OPERATION_APPS", json.dumps({"a": "one"}))
    monkeypatch.delenv(command.PREVIOUS, raising=False)
    assert command.main(["revoke-calls"]) == 0
    monkeypatch.setenv(command.PREVIOUS, "before")
    assert command.main(["revoke-calls"]) == 0
    same = {"calls": [["a", "b"]], "apps": {"a": "one"}}
    assert given == [{**same, "previous": None}, {**same, "previous": "before"}]
    assert capsys.readouterr().out == "printed\n" * 2


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", "null", '{"apps": 1}'])
def test_an_expectation_that_is_none_is_told_how_to_hand_it_over(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    monkeypatch.delenv("OPERATION_EXPECTATION", raising=False)
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    assert command.main(["verify"]) == 1
    assert "pulumi stack output expectation | .venv/bin/python -m operations verify" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["environment", "standard input"])
def test_a_verification_is_handed_what_it_expects(
    by: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_hurry(monkeypatch)
    expected = expected_at(Stage.LOCKED)
    connected(monkeypatch, LiveCluster(expected))
    monkeypatch.setenv("OPERATION_EXPECTATION", expected.to_json() if by == "environment" else "")
    monkeypatch.setattr(sys, "stdin", io.StringIO(expected.to_json()))
    assert command.main(["verify"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert (findings["stage"], findings["calls"]) == ("locked", {"pythonapp -> nodeapp": "is refused by the mesh"})


def test_a_patch_is_a_merge_patch_of_the_named_manager() -> None:
    sent: list[dict[str, object]] = []

    class Transport:
        def param_serialize(self, method: str, path: str, **more: object) -> tuple[object, ...]:
            sent.append({"method": method, "path": path, **more})
            return ()

        def call_api(self, **more: object) -> object:
            return SimpleNamespace(status=200, data=b"{}", read=lambda: None)

    cluster = Cluster(Transport())
    cluster.request("PATCH", "/x", {"fieldManager": "me"}, {"a": 1})
    cluster.request("POST", "/x", body={"a": 1})
    patch, post = sent
    assert patch["header_params"] == {
        "Accept": "application/json, */*",
        "Content-Type": "application/merge-patch+json",
    }, "API servers refuse a PATCH of any other type that holds a plain object"
    assert (patch["query_params"], patch["body"]) == ([("fieldManager", "me")], {"a": 1})
    assert post["header_params"] == {"Accept": "application/json, */*", "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("operation", "module", "function"),
    [("await-injector", injector, "await_injector"), ("await-mesh", mesh, "await_mesh")],
)
def test_what_waits_needs_not_be_told_how_long(
    monkeypatch: pytest.MonkeyPatch, operation: str, module: ModuleType, function: str
) -> None:
    wait = getattr(module, function)
    assert inspect.signature(wait).parameters["seconds"].default == module.__dict__["SECONDS"] > 0
    given: list[dict[str, object]] = []

    def waited(cluster: Cluster, **arguments: object) -> str:
        given.append(arguments)
        return ""

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(module, function, waited)
    for key in ("OPERATION_CRDS", "OPERATION_WEBHOOKS"):
        monkeypatch.setenv(key, "{}")
    monkeypatch.setenv("OPERATION_NAMESPACE", "osm-system")
    monkeypatch.setenv("OPERATION_MESH_CONFIG", "osm-mesh-config")
    monkeypatch.delenv("OPERATION_SECONDS", raising=False)
    assert command.main([operation]) == 0
    (arguments,) = given
    assert arguments["namespace"] == "osm-system"
    assert "seconds" not in arguments


def test_a_missing_kubeconfig_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    result = run("-m", "operations", "verify", environ={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})
    assert result.returncode == 1
    assert "error: the kubeconfig can't be used" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == "", "stdout is an operation's result, never a library's remarks"


def kubeconfig(path: Path, content: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    return path


CONNECT = "from operations.cluster import Cluster; print(Cluster.connect()._api.configuration.host)"


def test_the_current_context_of_a_kubeconfig_is_connected_to(tmp_path: Path) -> None:
    path = kubeconfig(
        tmp_path / "config",
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "https://192.0.2.1:6443"}}],
            "users": [{"name": "u", "user": {}}],
        },
    )
    result = run("-W", "error", "-c", CONNECT, environ={"KUBECONFIG": str(path), "HOME": str(tmp_path)})
    assert (result.stdout, result.stderr) == ("https://192.0.2.1:6443\n", "")


def test_operations_merge_several_kubeconfig_files_as_the_check_before_them_does(tmp_path: Path) -> None:
    first = kubeconfig(
        tmp_path / "first",
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [],
            "users": [{"name": "u", "user": {}}],
        },
    )
    second = kubeconfig(
        tmp_path / "second",
        {
            "contexts": [],
            "users": [],
            "clusters": [{"name": "k", "cluster": {"server": "https://192.0.2.1:6443"}}],
        },
    )
    result = run("-c", CONNECT, environ={"KUBECONFIG": f"{first}:{second}", "HOME": str(tmp_path)})
    assert result.stdout == "https://192.0.2.1:6443\n", result.stderr

"""``python -m steps``, as Commands run it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from cluster.client import Cluster
from cluster.errors import OperationError
from model.owner import Owner
from model.stage import Stage
from settings import ROOT
from steps import __main__ as command
from steps import injector, mesh, revocation

from .fake_cluster import FakeCluster, InjectingCluster
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
    def connect(cls: type[Cluster], context: str | None = None) -> Cluster:
        return cluster

    monkeypatch.setattr(Cluster, "connect", classmethod(connect))
    monkeypatch.setenv("OPERATION_STACK", "dev")
    monkeypatch.delenv("OPERATION_CLUSTER", raising=False)


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


# --- which cluster ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("given", "context"), [(None, None), ("", None), ("kind-dev", "kind-dev")])
def test_the_cluster_is_the_one_of_the_context_that_is_named(
    monkeypatch: pytest.MonkeyPatch, given: str | None, context: str | None
) -> None:
    asked: list[str | None] = []

    def connect(cls: type[Cluster], context: str | None = None) -> Cluster:
        asked.append(context)
        return FakeCluster()

    monkeypatch.setattr(Cluster, "connect", classmethod(connect))
    monkeypatch.delenv("OPERATION_CONTEXT", raising=False)
    if given is not None:
        monkeypatch.setenv("OPERATION_CONTEXT", given)
    assert command.main([command.NOTE_CLUSTER]) == 0
    assert asked == [context]


@pytest.mark.parametrize("operation", [name for name in command.OPERATIONS if name != command.NOTE_CLUSTER])
def test_every_operation_refuses_another_cluster_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], operation: str
) -> None:
    ran: list[str] = []

    def run_it(cluster: Cluster, env: Mapping[str, str]) -> str:
        ran.append(operation)
        return ""

    connected(monkeypatch, FakeCluster(uid="another"))
    monkeypatch.setattr(command, "OPERATIONS", {**command.OPERATIONS, operation: run_it})
    monkeypatch.setenv("OPERATION_CLUSTER", "this-cluster")
    assert command.main([operation]) == 1
    assert "this stack is on another cluster" in capsys.readouterr().err
    assert ran == []
    monkeypatch.setenv("OPERATION_CLUSTER", "another")
    assert command.main([operation]) == 0
    assert ran == [operation]


def test_noting_the_cluster_works_before_any_is_known(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster(uid="6f1f0c1e"))
    monkeypatch.delenv("OPERATION_CLUSTER", raising=False)
    monkeypatch.delenv(command.PREVIOUS, raising=False)
    assert command.main(["note-cluster"]) == 0
    noted = capsys.readouterr().out
    assert json.loads(noted) == {"cluster": "6f1f0c1e"}
    monkeypatch.setenv(command.PREVIOUS, noted.strip())
    assert command.main(["note-cluster"]) == 0, "the same one again"
    connected(monkeypatch, FakeCluster(uid="another"))
    assert command.main(["note-cluster"]) == 1
    assert "this stack is on another cluster" in capsys.readouterr().err


def test_the_sweep_refuses_another_cluster_than_the_one_that_was_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster(uid="another")
    path = "/api/v1/namespaces/dapr-test"
    fake.add(path, metadata={"labels": Owner(stack="dev").labels})
    connected(monkeypatch, fake)
    monkeypatch.setenv(command.PREVIOUS, json.dumps({"cluster": "this-cluster"}))
    assert command.main(["sweep"]) == 1
    assert "this stack is on another cluster" in capsys.readouterr().err
    assert fake.changes == []
    monkeypatch.delenv(command.PREVIOUS)
    assert command.main(["sweep"]) == 1, "where nothing was noted, any cluster may be another one"
    assert "PULUMI_COMMAND_STDOUT is not set" in capsys.readouterr().err
    assert fake.changes == []
    monkeypatch.setenv(command.PREVIOUS, json.dumps({"cluster": "another"}))
    assert command.main(["sweep"]) == 0
    assert fake.deleted == [path]


# --- what others use ------------------------------------------------------------------------------------------------

KEPT = {
    "sweep": ("steps.sweep.sweep", {}),
    "remove-runtime": (
        "steps.runtime.remove",
        {"OPERATION_RUNTIME": '{"definitions": [], "clusterWide": {}, "namespaced": {}}'},
    ),
    "withdraw-webhooks": ("steps.runtime.withdraw_webhooks", {"OPERATION_WEBHOOKS": "{}"}),
    "check-definitions": ("steps.definitions.check_unused", {"OPERATION_DEFINITIONS": "[]"}),
    "check-teardown": (
        "steps.teardown.check",
        {"OPERATION_TEARDOWN": '{"dapr": "d", "osm": null, "definitions": {}, "namespaces": []}'},
    ),
}


@pytest.mark.parametrize("operation", KEPT)
@pytest.mark.parametrize(("keep", "runs"), [("true", 0), ("false", 1), (None, 1)])
def test_where_what_others_use_is_kept_nothing_of_it_is_removed_or_checked(
    monkeypatch: pytest.MonkeyPatch, operation: str, keep: str | None, runs: int
) -> None:
    calls: list[str] = []
    function, environ = KEPT[operation]
    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(function, lambda *_, **__: calls.append(function))
    monkeypatch.setenv("OPERATION_NAMESPACE", "osm-system")
    monkeypatch.setenv(command.PREVIOUS, json.dumps({"cluster": "this-cluster"}))
    monkeypatch.delenv("OPERATION_KEEP", raising=False)
    for name, value in {**environ, **({"OPERATION_KEEP": keep} if keep else {})}.items():
        monkeypatch.setenv(name, value)
    assert command.main([operation]) == 0
    assert len(calls) == runs


@pytest.mark.parametrize(
    ("operation", "variable"),
    [("note-definitions", "OPERATION_DEFINITIONS"), ("note-teardown", "OPERATION_TEARDOWN")],
)
def test_a_note_is_printed_as_it_was_given_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], operation: str, variable: str
) -> None:
    fake = FakeCluster()
    connected(monkeypatch, fake)
    monkeypatch.setenv(variable, '["x"]')
    assert command.main([operation]) == 0
    assert capsys.readouterr().out == '["x"]\n'
    assert fake.requests == []


def test_definitions_that_another_release_lacks_must_be_nobodys_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add_crd("mcpservers.dapr.io", "MCPServer")
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_NAMESPACE", "dapr-system")
    monkeypatch.setenv("OPERATION_DEFINITIONS", '["components.dapr.io"]')
    monkeypatch.setenv(command.PREVIOUS, '["components.dapr.io", "mcpservers.dapr.io"]')
    assert command.main(["note-definitions"]) == 0
    capsys.readouterr()
    fake.add("/apis/dapr.io/v1/namespaces/shop/mcpservers/theirs")
    assert command.main(["note-definitions"]) == 1
    assert "MCPServer/shop/theirs" in capsys.readouterr().err


def test_a_teardown_is_checked_as_it_was_noted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/dapr-test", metadata={"labels": Owner(stack="dev").labels})
    fake.add("/api/v1/namespaces/dapr-test/configmaps/theirs")
    connected(monkeypatch, fake)
    stack: dict[str, Any] = {"dapr": "dapr-system", "osm": None, "definitions": {}, "namespaces": ["dapr-test"]}
    monkeypatch.setenv("OPERATION_TEARDOWN", json.dumps(stack))
    monkeypatch.delenv("OPERATION_KEEP", raising=False)
    assert command.main(["check-teardown"]) == 1
    assert "namespace dapr-test also holds ConfigMap theirs" in capsys.readouterr().err


def test_an_injector_is_paused_with_what_was_printed_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    monkeypatch.setenv("OPERATION_NAMESPACE", "dapr-system")
    monkeypatch.setenv("OPERATION_RELEASE", "1.18.1")
    before = {"release": "1.18.1", "at": "then"}
    monkeypatch.setenv(command.PREVIOUS, json.dumps(before))
    assert command.main(["pause-injector"]) == 0
    assert json.loads(capsys.readouterr().out) == before


def test_the_injection_is_awaited_as_the_environment_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = InjectingCluster(("daprd",))
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_IMAGES", '{"dapr-test": "node:1"}')
    monkeypatch.setenv("OPERATION_SIDECARS", '["daprd"]')
    monkeypatch.setenv("OPERATION_PULL_SECRET", "")
    monkeypatch.setenv("OPERATION_SECONDS", "60")
    assert command.main(["await-injection"]) == 0
    assert json.loads(capsys.readouterr().out)["namespaces"] == ["dapr-test"]
    assert fake.objects == {}


# --- what an operation prints ---------------------------------------------------------------------------------------

RUNTIME = {"definitions": ["traffictargets.access.smi-spec.io"], "clusterWide": {}, "namespaced": {}}
RECORDED = {"customresourcedefinitions": {"traffictargets.access.smi-spec.io": True}}


@pytest.fixture
def someone_elses_definition(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster with a definition that OSM would bring, and an environment that names it."""
    fake = FakeCluster()
    fake.add_crd("traffictargets.access.smi-spec.io", "TrafficTarget")
    connected(monkeypatch, fake)
    monkeypatch.setenv("OPERATION_NAMESPACE", "osm-system")
    monkeypatch.setenv("OPERATION_RUNTIME", json.dumps(RUNTIME))
    monkeypatch.delenv("OPERATION_KEEP", raising=False)
    monkeypatch.delenv(command.PREVIOUS, raising=False)
    return fake


def test_an_operations_result_is_all_of_stdout(
    someone_elses_definition: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["record-runtime"]) == 0
    recorded = capsys.readouterr().out
    assert json.loads(recorded) == RECORDED
    # The command provider hands it to the delete operation, without its newline.
    monkeypatch.setenv(command.PREVIOUS, recorded.strip())
    assert command.main(["remove-runtime"]) == 0
    assert capsys.readouterr().out == "", "an operation without a result prints none"
    assert someone_elses_definition.deleted == [], "what was recorded stays"


def test_without_a_record_nothing_is_removed(
    someone_elses_definition: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["remove-runtime"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: PULUMI_COMMAND_STDOUT is not set"), "and no traceback"
    assert someone_elses_definition.requests == [], "it does not even look"


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
    own = {"labels": Owner(stack="dev").labels}
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
    assert "pulumi stack output expectation | .venv/bin/python -m steps verify" in capsys.readouterr().err


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


@pytest.mark.parametrize(
    ("operation", "module", "function"),
    [("await-injector", injector, "await_injector"), ("await-mesh", mesh, "await_mesh")],
)
def test_what_waits_is_told_how_long(
    monkeypatch: pytest.MonkeyPatch, operation: str, module: ModuleType, function: str
) -> None:
    given: list[dict[str, object]] = []

    def waited(cluster: Cluster, **arguments: object) -> str:
        given.append(arguments)
        return ""

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(module, function, waited)
    for key in ("OPERATION_CRDS", "OPERATION_WEBHOOKS", "OPERATION_RECORD"):
        monkeypatch.setenv(key, "{}")
    monkeypatch.setenv("OPERATION_NAMESPACE", "osm-system")
    monkeypatch.setenv("OPERATION_MESH_CONFIG", "osm-mesh-config")
    monkeypatch.setenv("OPERATION_SECONDS", "77")
    assert command.main([operation]) == 0
    (arguments,) = given
    assert (arguments["namespace"], arguments["seconds"]) == ("osm-system", 77)


def test_a_missing_kubeconfig_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    result = run("-m", "steps", "verify", environ={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})
    assert result.returncode == 1
    assert "error: there is no kubeconfig" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == "", "stdout is an operation's result, never a library's remarks"


def kubeconfig(path: Path, content: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    return path


CONNECT = "from cluster.client import Cluster; print(Cluster.connect().server)"


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

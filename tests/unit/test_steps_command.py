"""``python -m steps``, as Commands run it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from cluster.client import Cluster
from cluster.errors import OperationError
from model.arguments import (
    AllowedCalls,
    Arguments,
    ClusterNote,
    ControlPlaneWait,
    DeclaredPolicies,
    Definitions,
    InjectionWait,
    InjectorPause,
    MeshParts,
    RuntimeObjects,
    ServicesWanted,
    Teardown,
    WorkloadsWait,
)
from model.expectation import Expectation
from model.owner import Owner
from model.policies import Call, Policy
from model.stage import Stage
from model.verify_level import VerifyLevel
from settings import ROOT
from steps import __main__ as command
from steps import injector, mesh, revocation
from verification import verify

from .fake_cluster import FakeCluster, InjectingCluster
from .live_cluster import LiveCluster, in_a_hurry
from .test_stages import expected_at, further


def run(*arguments: str, environ: Mapping[str, str], stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, with nothing in the environment but this."""
    return subprocess.run(  # noqa: S603 - this project's own code
        [sys.executable, *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        input=stdin,
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
    monkeypatch.delenv(command.PREVIOUS, raising=False)


def given(monkeypatch: pytest.MonkeyPatch, arguments: Arguments | str) -> None:
    """Put an operation's arguments on standard input."""
    text = arguments if isinstance(arguments, str) else arguments.to_json()
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


NOTE = ClusterNote(keep=False)
# Arguments of every operation.
RUNTIME = RuntimeObjects(
    namespace="osm-system",
    definitions=("traffictargets.access.smi-spec.io",),
    cluster_wide={},
    namespaced={},
)
DEFINITIONS = Definitions(namespace="dapr-system", definitions=("components.dapr.io",), keep=False)
WAIT = ControlPlaneWait(
    namespace="osm-system",
    webhooks={},
    keep=False,
    seconds=77,
    mesh=MeshParts(mesh_config="osm-mesh-config", crds=(), record="{}"),
)
TEARDOWN = Teardown(
    dapr_namespace="dapr-system", osm_namespace=None, definitions={}, namespaces=("dapr-test",), keep=False
)
ARGUMENTS: Mapping[str, Arguments] = {
    command.NOTE_CLUSTER: NOTE,
    "sweep": NOTE,
    "record-runtime": RUNTIME,
    "remove-runtime": RUNTIME,
    "withdraw-webhooks": WAIT,
    "note-definitions": DEFINITIONS,
    "check-definitions": DEFINITIONS,
    "pause-injector": InjectorPause(namespace="dapr-system", release="1.18.1"),
    "await-injector": WAIT,
    "await-injection": InjectionWait(images={"dapr-test": "node:1"}, sidecars=("daprd",), pull_secret="", seconds=60),
    "await-workloads": WorkloadsWait(workloads=(("Deployment", "n", "web"),), seconds=5),
    "await-apps": WorkloadsWait(workloads=(("Deployment", "n", "web"),), seconds=5),
    "look-up-services": ServicesWanted(services=("default/kubernetes",)),
    "await-mesh": WAIT,
    "withdraw-policies": DeclaredPolicies(namespaces=("one", "two"), declared=("TrafficTarget/two/old",)),
    "revoke-calls": AllowedCalls(calls=(Call(source="a", destination="b"),), apps={"a": "one"}),
    "verify": expected_at(Stage.LOCKED),
    "verify-up": expected_at(Stage.LOCKED),
    "note-teardown": TEARDOWN,
    "check-teardown": TEARDOWN,
}


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
    def fail(here: command.Here, arguments: Arguments) -> str:
        raise OperationError("the cause, and what to do about it")

    connected(monkeypatch, FakeCluster())
    given(monkeypatch, NOTE)
    failing = command.Operation(arguments=ClusterNote, run=fail)
    monkeypatch.setattr(command, "OPERATIONS", {"some-operation": failing})
    assert command.main(["some-operation"]) == 1
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "error: the cause, and what to do about it\n")


# --- which cluster ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("named", "context"), [(None, None), ("", None), ("kind-dev", "kind-dev")])
def test_the_cluster_is_the_one_of_the_context_that_is_named(
    monkeypatch: pytest.MonkeyPatch, named: str | None, context: str | None
) -> None:
    asked: list[str | None] = []

    def connect(cls: type[Cluster], context: str | None = None) -> Cluster:
        asked.append(context)
        return FakeCluster()

    monkeypatch.setattr(Cluster, "connect", classmethod(connect))
    monkeypatch.delenv("OPERATION_CONTEXT", raising=False)
    if named is not None:
        monkeypatch.setenv("OPERATION_CONTEXT", named)
    given(monkeypatch, NOTE)
    assert command.main([command.NOTE_CLUSTER]) == 0
    assert asked == [context]


@pytest.mark.parametrize("operation", [name for name in command.OPERATIONS if name != command.NOTE_CLUSTER])
def test_every_operation_refuses_another_cluster_before_it_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], operation: str
) -> None:
    ran: list[str] = []

    def run_it(here: command.Here, arguments: Arguments) -> str:
        assert arguments == ARGUMENTS[operation]
        ran.append(operation)
        return ""

    connected(monkeypatch, FakeCluster(uid="another"))
    running = replace(command.OPERATIONS[operation], run=run_it)
    monkeypatch.setattr(command, "OPERATIONS", {**command.OPERATIONS, operation: running})
    given(monkeypatch, ARGUMENTS[operation])
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
    given(monkeypatch, NOTE)
    assert command.main(["note-cluster"]) == 0
    noted = capsys.readouterr().out
    assert json.loads(noted) == {"cluster": "6f1f0c1e"}
    monkeypatch.setenv(command.PREVIOUS, noted.strip())
    given(monkeypatch, NOTE)
    assert command.main(["note-cluster"]) == 0, "the same one again"
    connected(monkeypatch, FakeCluster(uid="another"))
    monkeypatch.setenv(command.PREVIOUS, noted.strip())
    given(monkeypatch, NOTE)
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
    given(monkeypatch, NOTE)
    assert command.main(["sweep"]) == 1
    assert "this stack is on another cluster" in capsys.readouterr().err
    assert fake.changes == []
    monkeypatch.delenv(command.PREVIOUS)
    given(monkeypatch, NOTE)
    assert command.main(["sweep"]) == 1, "where nothing was noted, any cluster may be another one"
    assert "PULUMI_COMMAND_STDOUT is not set" in capsys.readouterr().err
    assert fake.changes == []
    monkeypatch.setenv(command.PREVIOUS, json.dumps({"cluster": "another"}))
    given(monkeypatch, NOTE)
    assert command.main(["sweep"]) == 0
    assert fake.deleted == [path]


# --- what others use ------------------------------------------------------------------------------------------------

KEPT = {
    "sweep": "steps.sweep.sweep",
    "remove-runtime": "steps.runtime.remove",
    "withdraw-webhooks": "steps.runtime.withdraw_webhooks",
    "check-definitions": "steps.definitions.check_unused",
}


@pytest.mark.parametrize("operation", KEPT)
@pytest.mark.parametrize(("keep", "runs"), [(True, 0), (False, 1)])
def test_where_what_others_use_is_kept_nothing_of_it_is_removed_or_checked(
    monkeypatch: pytest.MonkeyPatch, operation: str, keep: bool, runs: int
) -> None:
    calls: list[str] = []
    function = KEPT[operation]
    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(function, lambda *_, **__: calls.append(function))
    monkeypatch.setenv(command.PREVIOUS, json.dumps({"cluster": "this-cluster"}))
    arguments: Any = ARGUMENTS[operation]
    given(monkeypatch, replace(arguments, keep=keep))
    assert command.main([operation]) == 0
    assert len(calls) == runs


@pytest.mark.parametrize("keep", [True, False])
def test_the_look_before_a_destroy_is_made_whatever_is_kept(monkeypatch: pytest.MonkeyPatch, keep: bool) -> None:
    looked: list[Teardown] = []
    connected(monkeypatch, FakeCluster())
    withdrawn: list[bool] = []
    monkeypatch.setattr("steps.teardown.check", lambda cluster, stack, owner: looked.append(stack))
    monkeypatch.setattr("steps.runtime.withdraw_unanswered", lambda cluster, owner: withdrawn.append(bool(looked)))
    given(monkeypatch, replace(TEARDOWN, keep=keep))
    assert command.main(["check-teardown"]) == 0
    assert [stack.keep for stack in looked] == [keep]
    assert withdrawn == ([] if keep else [True]), "once it is clear that the stack may go, and not where it stays"


def test_a_note_is_printed_and_nobody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    connected(monkeypatch, fake)
    for operation, printed in (("note-definitions", '["components.dapr.io"]'), ("note-teardown", TEARDOWN.to_json())):
        given(monkeypatch, ARGUMENTS[operation])
        assert command.main([operation]) == 0
        assert capsys.readouterr().out == f"{printed}\n"
    assert fake.requests == []


def test_definitions_that_another_release_lacks_must_be_nobodys_any_more(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add_crd("mcpservers.dapr.io", "MCPServer")
    connected(monkeypatch, fake)
    given(monkeypatch, DEFINITIONS)
    monkeypatch.setenv(command.PREVIOUS, '["components.dapr.io", "mcpservers.dapr.io"]')
    assert command.main(["note-definitions"]) == 0
    capsys.readouterr()
    given(monkeypatch, DEFINITIONS)
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
    given(monkeypatch, TEARDOWN)
    assert command.main(["check-teardown"]) == 1
    assert "namespace dapr-test also holds ConfigMap theirs" in capsys.readouterr().err


def test_an_injector_is_paused_with_what_was_printed_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    given(monkeypatch, ARGUMENTS["pause-injector"])
    before = {"release": "1.18.1", "at": "then"}
    monkeypatch.setenv(command.PREVIOUS, json.dumps(before))
    assert command.main(["pause-injector"]) == 0
    assert json.loads(capsys.readouterr().out) == before


def test_the_injection_is_awaited_as_the_arguments_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = InjectingCluster(("daprd",))
    connected(monkeypatch, fake)
    given(monkeypatch, ARGUMENTS["await-injection"])
    assert command.main(["await-injection"]) == 0
    assert json.loads(capsys.readouterr().out)["namespaces"] == ["dapr-test"]
    assert fake.objects == {}


# --- what an operation prints ---------------------------------------------------------------------------------------

RECORDED = {"customresourcedefinitions": {"traffictargets.access.smi-spec.io": True}}


@pytest.fixture
def someone_elses_definition(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster with a definition that OSM would bring, and arguments that name it."""
    fake = FakeCluster()
    fake.add_crd("traffictargets.access.smi-spec.io", "TrafficTarget")
    connected(monkeypatch, fake)
    given(monkeypatch, RUNTIME)
    return fake


def test_an_operations_result_is_all_of_stdout(
    someone_elses_definition: FakeCluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["record-runtime"]) == 0
    recorded = capsys.readouterr().out
    assert json.loads(recorded) == RECORDED
    # The command provider hands it to the delete operation, without its newline.
    monkeypatch.setenv(command.PREVIOUS, recorded.strip())
    given(monkeypatch, RUNTIME)
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


def test_services_are_looked_up_as_the_arguments_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/default/services/kubernetes", spec={"clusterIP": "10.96.0.1", "ports": []})
    connected(monkeypatch, fake)
    given(monkeypatch, ARGUMENTS["look-up-services"])
    assert command.main(["look-up-services"]) == 0
    assert json.loads(capsys.readouterr().out) == {"default/kubernetes": {"clusterIP": "10.96.0.1", "ports": []}}


def test_a_missing_service_exits_with_1_and_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    given(monkeypatch, ServicesWanted(services=("dapr-system/dapr-api",)))
    assert command.main(["look-up-services"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Service dapr-system/dapr-api does not exist")


def test_policies_are_withdrawn_as_the_arguments_ask(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"labels": Owner(stack="dev").labels}
    targets = "/apis/access.smi-spec.io/v1alpha3/namespaces/{}/traffictargets/old"
    fake = FakeCluster()
    for namespace in ("one", "two", "three"):
        fake.add(targets.format(namespace), metadata=own)
    connected(monkeypatch, fake)
    given(monkeypatch, ARGUMENTS["withdraw-policies"])
    assert command.main(["withdraw-policies"]) == 0
    assert fake.deleted == [targets.format("one")]
    assert json.loads(capsys.readouterr().out)["declared"] == ["TrafficTarget/two/old"]


def test_calls_are_revoked_with_what_was_printed_before(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[dict[str, object]] = []

    def revoke(cluster: Cluster, **arguments: object) -> str:
        told.append(arguments)
        return "printed"

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(revocation, "revoke", revoke)
    given(monkeypatch, ARGUMENTS["revoke-calls"])
    assert command.main(["revoke-calls"]) == 0
    monkeypatch.setenv(command.PREVIOUS, "before")
    given(monkeypatch, ARGUMENTS["revoke-calls"])
    assert command.main(["revoke-calls"]) == 0
    same = {"calls": [("a", "b")], "apps": {"a": "one"}}
    assert told == [{**same, "previous": None}, {**same, "previous": "before"}]
    assert capsys.readouterr().out == "printed\n" * 2


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", "null", '{"apps": 1}'])
def test_an_expectation_that_is_none_is_told_how_to_hand_it_over(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    given(monkeypatch, text)
    assert command.main(["verify"]) == 1
    assert "pulumi stack output expectation | .venv/bin/python -m steps verify" in capsys.readouterr().err


@pytest.mark.parametrize("operation", [name for name in command.OPERATIONS if name != command.VERIFY])
@pytest.mark.parametrize("text", ["", "{}", '{"of": "an earlier version"}'])
def test_arguments_of_another_version_are_told_with_the_way_out_and_nothing_is_touched(
    operation: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    connected(monkeypatch, fake)
    given(monkeypatch, text)
    assert command.main([operation]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: the arguments of {operation} can't be read (")
    assert "Run `pulumi up` with this version once" in said
    assert len(said.splitlines()) == 1
    assert fake.changes == []


@pytest.mark.parametrize(
    ("change", "where"),
    [({"kept": True}, "kept"), ({"mesh": {"mesh_config": "x", "crds": ["a", 1], "record": ""}}, "mesh.crds.1")],
    ids=["one too many", "one of another type"],
)
def test_arguments_that_do_not_fit_are_told_by_their_place(
    change: dict[str, Any], where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    given(monkeypatch, json.dumps(json.loads(WAIT.to_json()) | change))
    assert command.main(["withdraw-webhooks"]) == 1
    assert f"the arguments of withdraw-webhooks can't be read ({where}: " in capsys.readouterr().err


def test_a_wait_for_the_mesh_without_what_the_mesh_is_made_of_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connected(monkeypatch, FakeCluster())
    given(monkeypatch, replace(WAIT, mesh=None))
    assert command.main(["await-mesh"]) == 1
    assert capsys.readouterr().err.startswith("error: `mesh` is missing")


@pytest.mark.parametrize("operation", command.OPERATIONS)
def test_an_operations_arguments_survive_being_handed_over(operation: str) -> None:
    arguments = ARGUMENTS[operation]
    assert command.OPERATIONS[operation].arguments.from_json(arguments.to_json()) == arguments


@pytest.mark.parametrize("operation", ["verify", "verify-up"])
def test_a_verification_is_handed_what_it_expects(
    operation: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    in_a_hurry(monkeypatch)
    expected = expected_at(Stage.LOCKED)
    connected(monkeypatch, LiveCluster(expected))
    given(monkeypatch, expected)
    assert command.main([operation]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert findings["stage"] == "locked"
    assert findings["calls"]["pythonapp -> nodeapp"].startswith("is refused by the mesh")


# Linux hands over no longer text to a process (MAX_ARG_STRLEN: 32 pages).
LONGEST_VARIABLE = 128 * 1024


def sixty_apps() -> Expectation:
    """A stack of sixty apps, each of which a policy lets call another one."""
    apps = {name: further(name) for name in (f"a-team-with-a-long-name-{number:02}" for number in range(60))}
    names = list(apps)
    policies = tuple(
        Policy(name=f"policy-{number:02}", destination=to, sources=(names[number - 1],), routes=f"routes-{number:02}")
        for number, to in enumerate(names)
    )
    return expected_at(Stage.SMI, "1.12.0", apps=apps, policies=policies)


def test_sixty_apps_and_what_is_seen_of_them_fit_wherever_they_go(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)
    expected = sixty_apps()
    assert len(expected.calls) == 60 * 59
    cluster = LiveCluster(expected)
    cluster.allow()
    # What a step has printed may come back to it by the environment.
    assert len(json.dumps(verify.verify(cluster, expected))) < LONGEST_VARIABLE / 2
    revoked = revocation.revoke(
        FakeCluster(), calls=[(c.source, c.destination) for c in expected.calls], apps={}, previous=None
    )
    assert len(revoked) < LONGEST_VARIABLE


@pytest.mark.parametrize("apps", [60, 600])
def test_a_process_takes_as_many_apps_as_there_are(apps: int, tmp_path: Path) -> None:
    expected = replace(sixty_apps(), level=VerifyLevel.OFF)
    many = replace(expected, apps=expected.apps * (apps // 60)).to_json()
    environ = {"KUBECONFIG": str(no_cluster(tmp_path)), "HOME": str(tmp_path)}
    result = run("launch.py", "verify", environ=environ, stdin=many)
    assert json.loads(result.stdout)["verified"] == "no: dapr-osm:verify is off", result.stderr
    assert apps == 60 or len(many) > LONGEST_VARIABLE, "more than an environment variable would hold"


@pytest.mark.parametrize(
    ("operation", "module", "function"),
    [("await-injector", injector, "await_injector"), ("await-mesh", mesh, "await_mesh")],
)
def test_what_waits_is_told_how_long(
    monkeypatch: pytest.MonkeyPatch, operation: str, module: ModuleType, function: str
) -> None:
    told: list[dict[str, object]] = []

    def waited(cluster: Cluster, **arguments: object) -> str:
        told.append(arguments)
        return ""

    connected(monkeypatch, FakeCluster())
    monkeypatch.setattr(module, function, waited)
    given(monkeypatch, WAIT)
    assert command.main([operation]) == 0
    (arguments,) = told
    assert (arguments["namespace"], arguments["seconds"]) == ("osm-system", 77)


def test_pods_that_are_ready_are_told_with_the_moment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = FakeCluster()
    fake.add("/apis/apps/v1/namespaces/n/deployments/web", spec={"replicas": 0}, status={})
    connected(monkeypatch, fake)
    given(monkeypatch, ARGUMENTS["await-workloads"])
    assert command.main(["await-workloads"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ready"] == ["Deployment n/web"]
    assert told["at"]


@pytest.mark.parametrize(("operation", "tidied"), [("await-workloads", []), ("await-apps", ["n"])])
def test_what_an_interrupted_run_has_left_goes_once_the_apps_are_ready(
    operation: str, tidied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    fake = FakeCluster()
    fake.add("/apis/apps/v1/namespaces/n/deployments/web", spec={"replicas": 0}, status={})
    connected(monkeypatch, fake)
    monkeypatch.setattr(
        "steps.leftovers.remove_unused_secrets", lambda cluster, owner, namespaces: seen.extend(namespaces)
    )
    given(monkeypatch, ARGUMENTS[operation])
    assert command.main([operation]) == 0
    assert seen == tidied


def test_a_missing_kubeconfig_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    result = run("-m", "steps", "verify", environ={"KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)})
    assert result.returncode == 1
    assert "error: there is no kubeconfig" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == "", "stdout is an operation's result, never a library's remarks"


def kubeconfig(path: Path, content: Mapping[str, object]) -> Path:
    path.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Config", **content}))
    return path


def no_cluster(folder: Path) -> Path:
    """A kubeconfig of a cluster that is not there."""
    return kubeconfig(
        folder / "config",
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [{"name": "k", "cluster": {"server": "http://127.0.0.1:1"}}],
            "users": [{"name": "u", "user": {}}],
        },
    )


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

"""What the stack's own state says is deployed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import deployed
from cluster.errors import OperationError
from deployed import Deployed, parse

PREFIX = "urn:pulumi:dev::dapr-osm::"
OUTPUTS = dict[str, Any]


def command(name: str, stdout: Any, component: str = "ClusterIdentity") -> tuple[str, OUTPUTS]:
    urn = f"{PREFIX}dapr-osm:components:{component}$command:local:Command::{name}"
    outputs = {"create": "x", "environment": {}, "interpreter": ["python3"], "stderr": "", "stdout": stdout}
    return urn, {"type": "command:local:Command", "outputs": outputs}


def kubernetes(kind: str, name: str, uid: str | None, namespace: str | None = None) -> tuple[str, OUTPUTS]:
    token = f"kubernetes:core/v1:{kind}"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **({"uid": uid} if uid else {})}
    outputs = {"apiVersion": "v1", "kind": kind, "metadata": metadata}
    return f"{PREFIX}{token}::dapr-chart/{kind.lower()}/{name}", {"type": token, "outputs": outputs}


# As Pulumi's engine answers for a stack in the middle of its first up.
ANSWER: dict[str, OUTPUTS] = dict(
    [
        (f"{PREFIX}pulumi:pulumi:Stack::dapr-osm-dev", {"type": "pulumi:pulumi:Stack", "outputs": {"stage": "smi"}}),
        (f"{PREFIX}pulumi:providers:kubernetes::cluster", {"type": "pulumi:providers:kubernetes", "outputs": {}}),
        (
            f"{PREFIX}dapr-osm:components:DaprInstall::dapr",
            {"type": "dapr-osm:components:DaprInstall", "outputs": {"namespace": "dapr-system", "version": "1.18.1"}},
        ),
        command("cluster-noted", '{"cluster": "6f1f0c1e"}'),
        command("osm-runtime", '{"customresourcedefinitions": {}}', "OsmInstall"),
        command("never-ran", None),
        kubernetes("Namespace", "dapr-test", "u1"),
        kubernetes("Secret", "dapr-trust-bundle", "u2", "dapr-system"),
        kubernetes("Secret", "pending", None, "dapr-system"),
        (
            f"{PREFIX}kubernetes:core/v1:NamespacePatch::join",
            {"type": "kubernetes:core/v1:NamespacePatch", "outputs": None},
        ),
        (
            f"{PREFIX}kubernetes:core/v1:NamespacePatch::joined",
            {
                "type": "kubernetes:core/v1:NamespacePatch",
                "outputs": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "uid": "u3"}},
            },
        ),
        (
            f"{PREFIX}kubernetes:config.openservicemesh.io/v1alpha2:MeshConfigPatch::exclusions-patch",
            {
                "type": "kubernetes:config.openservicemesh.io/v1alpha2:MeshConfigPatch",
                "outputs": {"kind": "MeshConfig", "metadata": {"name": "osm-mesh-config", "uid": "u4"}},
            },
        ),
    ]
)


STEPS = {urn.rpartition("::")[2]: urn for urn, found in ANSWER.items() if found["type"] == "command:local:Command"}


def test_a_state_tells_its_cluster_its_objects_and_what_its_commands_printed() -> None:
    assert parse(ANSWER) == Deployed(
        cluster="6f1f0c1e",
        objects={("Namespace", "", "dapr-test"): "u1", ("Secret", "dapr-system", "dapr-trust-bundle"): "u2"},
        commands={
            "cluster-noted": '{"cluster": "6f1f0c1e"}',
            "osm-runtime": '{"customresourcedefinitions": {}}',
        },
        steps={name: dict(ANSWER[urn]["outputs"] or {}) for name, urn in STEPS.items()},
        releases=(),
        joined=frozenset({"shop"}),
    )


def test_a_stack_without_a_state_has_nothing_deployed() -> None:
    assert parse({}) == Deployed(cluster=None, objects={}, commands={}, steps={}, releases=())


def test_helm_releases_of_an_earlier_version_are_found() -> None:
    releases = {
        f"{PREFIX}dapr-osm:components:{component}$kubernetes:helm.sh/v3:Release::{name}": {
            "type": "kubernetes:helm.sh/v3:Release",
            "outputs": {"name": name, "status": {"status": "deployed"}},
        }
        for component, name in (("DaprInstall", "dapr-release"), ("OsmInstall", "osm-release"))
    }
    assert parse(releases).releases == ("dapr-release", "osm-release")


def test_what_is_no_kubernetes_object_and_no_command_says_nothing() -> None:
    odd = {
        "a": {"type": "x:y:Z", "outputs": {"metadata": "text", "kind": "Secret"}},
        "b": {"type": "x:y:Z", "outputs": {"metadata": {"uid": "u", "name": "n"}}},
        "c": {"type": "x:y:Z", "outputs": {"metadata": {"uid": "u", "name": "n"}, "kind": 1}},
        "d": {"type": "x:y:Z"},
        "e": {"type": "x:y:Z", "outputs": {"stdout": "printed by something else"}},
    }
    assert parse(odd) == Deployed(cluster=None, objects={}, commands={}, steps={}, releases=())


class Engine:
    """Answers an invoke as Pulumi's engine does, after some that fail, and keeps what it was asked."""

    def __init__(self, value: Any, failures: int = 0) -> None:
        self.value = value
        self.failures = failures
        self.asked: list[tuple[str, Any]] = []

    def __call__(self, token: str, arguments: Any) -> Engine:
        self.asked.append((token, arguments))
        if len(self.asked) <= self.failures:
            raise Exception("invoke failed: failed to load checkpoint: EOF")
        return self


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], Engine]:
    """Make an engine the one that a running stack asks."""

    def run(engine: Engine) -> Engine:
        monkeypatch.setattr("pulumi.runtime.invoke", engine)
        monkeypatch.setattr("deployed.PAUSE", 0)
        for name, value in (("organization", "acme"), ("project", "dapr-osm"), ("stack", "dev")):
            monkeypatch.setattr(f"pulumi.get_{name}", lambda value=value: value)
        return engine

    return run


@pytest.mark.parametrize(
    ("answer", "cluster"),
    [({"name": "x", "outputs": ANSWER}, "6f1f0c1e"), ({"name": "x", "outputs": {}}, None), ({}, None), (None, None)],
)
def test_the_running_stacks_own_state_is_read(
    running: Callable[[Engine], Engine], answer: Any, cluster: str | None
) -> None:
    engine = running(Engine(answer))
    assert deployed.read().cluster == cluster
    assert engine.asked == [(deployed.TOKEN, {"stackName": "acme/dapr-osm/dev"})]


def test_a_state_that_is_being_saved_is_asked_for_again(running: Callable[[Engine], Engine]) -> None:
    engine = running(Engine({"name": "x", "outputs": ANSWER}, failures=3))
    assert deployed.read().cluster == "6f1f0c1e"
    assert len(engine.asked) == 4


def test_a_state_that_cannot_be_read_is_said_in_one_line_and_stops_the_run(
    running: Callable[[Engine], Engine],
) -> None:
    running(Engine({}, failures=10_000))
    with pytest.raises(OperationError, match=r"acme/dapr-osm/dev could not be read.*checkpoint: EOF.*Run it again"):
        deployed.read()


def test_what_is_noted_of_the_cluster_is_what_the_step_prints() -> None:
    assert json.loads(parse(ANSWER).commands[deployed.NOTED]) == {"cluster": "6f1f0c1e"}

"""Pods that were made without their sidecars: a drained node's successors while an injector was away, say."""

from __future__ import annotations

import pytest

from model.stage import Stage

from .program import MESHED, at, empty_cluster, noted, run
from .recording import Graph, Values
from .views import again_with, changed

PODS = "/api/v1/namespaces/dapr-test/pods"
VERIFICATION = f"{next(iter(noted())).rpartition('::')[0]}::verification-run"


def verified(stage: Stage, bare: str = "") -> dict[str, Values]:
    """The state of a stack that was verified at a stage; perhaps because pods lacked sidecars then."""
    environment = {"OPERATION_BARE": bare} if bare else {}
    last = {"stdin": at(stage)["verification-run"].inputs["stdin"], "environment": environment}
    return {**noted(), VERIFICATION: {"type": "command:local:Command", "outputs": last}}


def on_cluster(stage: Stage, *containers: str, bare: str = "") -> Graph:
    """A run where nodeapp has a pod with these containers."""
    cluster = empty_cluster()
    spec = {"containers": [{"name": name} for name in containers], "initContainers": [{"name": "osm-init"}]}
    metadata = {"annotations": {"dapr.io/app-id": "nodeapp"}, "labels": {"dapr-osm/stack": "test"}}
    cluster.add(f"{PODS}/nodeapp-1", metadata=metadata, spec=spec, status={"phase": "Running"})
    return run(stage=stage.value, cluster=cluster, state=verified(stage, bare))


WHOLE = ("node", "daprd", "envoy", "osm-healthcheck")


@pytest.mark.parametrize("stage", MESHED)
def test_a_pod_without_its_sidecars_is_told_and_makes_the_verification_run_again(stage: Stage) -> None:
    graph = on_cluster(stage, "node", "daprd")
    assert changed(at(stage), graph) == {"verification-run"}
    assert again_with(graph, "verification-run")["OPERATION_BARE"]
    (said,) = [text for text in graph.warnings() if "sidecars" in text]
    assert said.endswith("dapr-test/nodeapp-1 lacks envoy, osm-healthcheck")


@pytest.mark.parametrize("stage", MESHED)
def test_whole_pods_change_nothing_before_and_after(stage: Stage) -> None:
    assert changed(at(stage), on_cluster(stage, *WHOLE)) == set()
    healed = on_cluster(stage, *WHOLE, bare="0123456789abcdef")
    assert again_with(healed, "verification-run")["OPERATION_BARE"] == "0123456789abcdef", "nothing to do any more"
    assert healed.warnings() == []


def test_a_move_to_another_stage_is_verified_anyway() -> None:
    cluster = empty_cluster()
    metadata = {"annotations": {"dapr.io/app-id": "nodeapp"}, "labels": {"dapr-osm/stack": "test"}}
    cluster.add(f"{PODS}/nodeapp-1", metadata=metadata, spec={"containers": [{"name": "node"}]}, status={})
    graph = run(stage="permissive", cluster=cluster, state=verified(Stage.DAPR))
    assert "OPERATION_BARE" not in again_with(graph, "verification-run")
    assert graph.warnings() == [], "such pods get successors in the same run"

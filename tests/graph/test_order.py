"""What has to be there before what, over any number of steps: creation's order, and in reverse that of a destroy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from model.expectation import Expectation
from model.stage import Stage
from operations import verify as verification
from tests.unit.live_cluster import LiveCluster

from .program import RELEASES, STAGES, at
from .recording import Graph

MESHED = [stage for stage in STAGES if stage.meshed]
PODS = ("hello-nodeapp", "hello-pythonapp")

# After, before.
EVERYWHERE = [
    ("dapr-cluster-wide", "dapr-namespace"),
    ("dapr-release", "dapr-namespace"),
    ("dapr-release", "dapr-cluster-wide"),
    ("dapr-crds", "dapr-cluster-wide"),
    ("dapr-release", "dapr-crds"),
    ("dapr-injector-ready", "dapr-release"),
    ("hello-redis-component", "dapr-release"),
    ("dapr-services", "dapr-injector-ready"),
    ("hello-redis-component", "hello-redis-server"),
    ("hello-redis-component", "hello-redis-service"),
    ("hello-redis-server", "hello-redis-password"),
    ("hello-dapr-secret-reader", "hello-secret-reader"),
    *[(pod, "dapr-release") for pod in PODS],
    *[(pod, "dapr-injector-ready") for pod in PODS],
    *[(pod, "hello-redis-server") for pod in PODS],
    *[(pod, "hello-redis-component") for pod in PODS],
    *[(pod, "hello-dapr-secret-reader") for pod in PODS],
]
IN_THE_MESH = [
    ("osm-cluster-wide", "osm-namespace"),
    ("osm-release", "osm-namespace"),
    ("osm-release", "osm-cluster-wide"),
    ("osm-mesh-ready", "osm-release"),
    ("exclusions-patch", "osm-mesh-ready"),
    ("hello-namespace", "exclusions-patch"),
    ("exclusions-patch", "dapr-services"),
    ("hello-redis-server", "exclusions-patch"),
    *[(pod, "exclusions-patch") for pod in PODS],
    *[(pod, "osm-mesh-ready") for pod in PODS],
]


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("after", "before"), EVERYWHERE)
def test_at_every_stage_one_comes_after_the_other(stage: Stage, version: str, after: str, before: str) -> None:
    assert before in at(stage, version).before(after)


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize(("after", "before"), IN_THE_MESH)
def test_in_the_mesh_one_comes_after_the_other(stage: Stage, version: str, after: str, before: str) -> None:
    assert before in at(stage, version).before(after)


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_a_namespace_comes_before_everything_that_lives_in_it(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    homes = {one.object_name: one.name for one in graph.of_type("kubernetes:core/v1:Namespace")}
    seen = 0
    for one in graph.resources.values():
        inputs = one.inputs
        home = inputs.get("metadata", {}).get("namespace") or inputs.get("namespace")
        if home is not None:
            seen += 1
            assert homes[home] in graph.before(one.name), f"{one.name} lives in {home}"
    assert seen >= (9 if version == "1.12.0" else 10), "there are that many at the least"


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_pods_come_after_the_service_accounts_that_they_run_as(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for pod in PODS:
        assert f"{pod}-account" in graph.before(pod)


def test_routes_come_before_the_traffic_target_that_names_them() -> None:
    graph = at(Stage.SMI)
    assert "smi-routes" in graph.direct("smi-traffic-target")
    assert {"osm-mesh-ready", "hello-namespace", "smi-withdraw"} <= graph.before("smi-routes")


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_the_verification_comes_after_everything_else(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    others = {one.name for one in graph.resources.values() if not one.type.startswith("pulumi:providers:")}
    assert graph.before("verification-run") == others - {"verification-run"}


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_waits_for_the_verification(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert not [name for name in graph.resources if "verification-run" in graph.before(name)]


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_waits_for_itself(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert not [name for name in graph.resources if name in graph.before(name)]


def test_without_a_mesh_nothing_of_osm_is_there_or_waited_for() -> None:
    graph = at(Stage.DAPR)
    said = repr([(one.type, one.name, one.inputs) for one in graph.everything if one.name != "verification-run"])
    for word in ("osm-system", "osm-mesh", "smi", "exclusions", "monitored-by", "sidecar-injection: enabled"):
        assert word not in said.lower().replace("dapr-osm", "")
    assert "osm" not in graph


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", [Stage.PERMISSIVE, Stage.LOCKED])
def test_where_there_are_no_policies_none_is_declared(stage: Stage, version: str) -> None:
    assert "smi-routes" not in at(stage, version)
    assert "smi-traffic-target" not in at(stage, version)


def expectation_of(graph: Graph) -> Expectation:
    environment: Mapping[str, Any] = graph["verification-run"].inputs["environment"]
    return Expectation.from_json(environment["OPERATION_EXPECTATION"])


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage.orders_flow and not stage.policies])
def test_policies_of_the_stage_that_was_left_do_not_fail_the_next_stages_verification(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi deletes what is no longer declared after all else, so also after the verification."""
    monkeypatch.setattr(verification, "POLL_SECONDS", 0)
    graph = at(stage)
    expected = expectation_of(graph)
    cluster = LiveCluster(expected)
    if "smi-withdraw" not in graph.before("verification-run"):
        cluster.allow()  # the last stage's policies are still there
    assert verification.verify(cluster, expected)["stage"] == stage.value

"""What has to be there before what, over any number of steps: creation's order, and in reverse that of a destroy."""

from __future__ import annotations

import pytest

from model.stage import Stage
from operations import order_stream, verify
from operations.errors import OperationError

from .live import LiveApps
from .program import BY_ADDRESS, BY_NAME_FORMAT, MESHED, RELEASES, STAGES, at
from .views import PODS, expected_by

ROUTES = {version: "smi-tcp-routes" if version in BY_ADDRESS else "smi-routes" for version in RELEASES}

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
    more = len(PODS) if version in BY_ADDRESS else int(version in BY_NAME_FORMAT)
    assert seen >= 9 + more, "there are that many at the least"


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_pods_come_after_the_service_accounts_that_they_run_as(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for pod in PODS:
        assert f"{pod}-account" in graph.before(pod)


@pytest.mark.parametrize("version", RELEASES)
def test_routes_come_before_the_traffic_target_that_names_them(version: str) -> None:
    graph, routes = at(Stage.SMI, version), ROUTES[version]
    assert routes in graph.direct("smi-traffic-target")
    assert {"osm-mesh-ready", "hello-namespace", "smi-withdraw"} <= graph.before(routes)


@pytest.mark.parametrize("version", RELEASES)
def test_callers_get_new_pods_once_all_policies_are_what_they_are_to_be(version: str) -> None:
    graph = at(Stage.SMI, version)
    wanted = {"smi-withdraw", ROUTES[version], "smi-traffic-target", *PODS}
    assert wanted <= graph.before("smi-revoke"), "a pod that comes earlier could slip through"


@pytest.mark.parametrize("version", RELEASES)
def test_where_nothing_is_allowed_callers_get_new_pods_once_all_policies_are_withdrawn(version: str) -> None:
    assert {"smi-withdraw", *PODS} <= at(Stage.LOCKED, version).before("smi-revoke")


@pytest.mark.parametrize("version", BY_ADDRESS)
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("pod", PODS)
def test_a_service_of_daprs_comes_after_the_deployment_that_owns_it(stage: Stage, version: str, pod: str) -> None:
    graph = at(stage, version)
    assert pod in graph.direct(f"{pod}-dapr-service")
    assert {name for name in graph.resources if f"{pod}-dapr-service" in graph.direct(name)} <= {
        "smi-withdraw",
        "smi-revoke",
        "verification-run",
    }


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


@pytest.mark.parametrize("version", RELEASES)
def test_without_a_mesh_nothing_of_osm_is_there_or_waited_for(version: str) -> None:
    graph = at(Stage.DAPR, version)
    said = repr([(one.type, one.name, one.inputs) for one in graph.everything if one.name != "verification-run"])
    for word in ("osm-system", "osm-mesh", "smi", "exclusions", "monitored-by", "sidecar-injection: enabled"):
        assert word not in said.lower().replace("dapr-osm", "")
    assert "osm" not in graph


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", [Stage.PERMISSIVE, Stage.LOCKED])
def test_where_there_are_no_policies_none_is_declared(stage: Stage, version: str) -> None:
    assert not [one.name for one in at(stage, version).resources.values() if "smi-spec.io" in one.type]


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if not stage.enforces])
def test_policies_of_the_stage_that_was_left_do_not_fail_the_next_stages_verification(
    stage: Stage, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi deletes what is no longer declared after all else, so also after the verification."""
    monkeypatch.setattr(order_stream, "POLL_SECONDS", 0)
    graph = at(stage, version)
    assert "smi-withdraw" not in graph.before("verification-run"), "so the last stage's policies are still there"
    left = expected_by(at(Stage.SMI, version)).policies or ()
    cluster = LiveApps(expected_by(graph), policies=left)
    assert verify.verify(cluster, expected_by(graph))["stage"] == stage.value


@pytest.mark.parametrize("version", RELEASES)
def test_policies_that_stand_as_declared_are_what_the_last_stages_verification_looks_for(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_stream, "POLL_SECONDS", 0)
    expected = expected_by(at(Stage.SMI, version))
    cluster = LiveApps(expected, policies=expected.policies or ())
    assert verify.verify(cluster, expected)["policies"] == list(expected.policies or ())
    with pytest.raises(OperationError, match="TrafficTarget/dapr-test/pythodapp-traffic-target does not exist"):
        verify.verify(LiveApps(expected), expected)

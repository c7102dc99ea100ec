"""What has to be there before what, over any number of steps: creation's order, and in reverse that of a destroy."""

from __future__ import annotations

import pytest

from cluster.errors import OperationError
from model.stage import Stage
from tests.unit.live_cluster import LiveCluster, in_a_hurry
from verification import verify

from .charts import ADDRESS, own, resource_of
from .program import BY_HTTP, CORNERS, MESHED, STAGES, WAYS, at, run
from .recording import Graph
from .views import PODS, expected_by

INJECTOR = "dapr-chart/deployment/dapr-sidecar-injector"
SENTRY = "dapr-chart/deployment/dapr-sentry"
BOOTSTRAP = "osm-chart/deployment/osm-bootstrap"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
BUILT_IN = ("v1", "apps/v1", "policy/v1")
# After, before.
EVERYWHERE = [
    ("dapr-runtime", "dapr-namespace"),
    ("dapr-injector-ready", INJECTOR),
    ("dapr-injector-ready", "dapr-definitions"),
    ("dapr-services", "dapr-injector-ready"),
    ("hello-redis-component", "dapr-injector-ready"),
    ("hello-redis-component", "hello-redis-server"),
    ("hello-redis-component", "hello-redis-service"),
    ("hello-redis-server", "hello-redis-password"),
    ("hello-dapr-secret-reader", "hello-secret-reader"),
    ("hello-injection", "dapr-injector-ready"),
    ("hello-injection", "hello-namespace"),
    *[(pod, "dapr-injector-ready") for pod in PODS],
    *[(pod, "hello-injection") for pod in PODS],
    *[(pod, "hello-redis-server") for pod in PODS],
    *[(pod, "hello-redis-component") for pod in PODS],
    *[(pod, "hello-dapr-secret-reader") for pod in PODS],
]
IN_THE_MESH = [
    ("osm-runtime", "osm-namespace"),
    ("osm-mesh-ready", BOOTSTRAP),
    ("osm-mesh-ready", "osm-chart/deployment/osm-injector"),
    ("osm-mesh-ready", "osm-chart/deployment/osm-controller"),
    ("exclusions-patch", "osm-mesh-ready"),
    ("exclusions-patch", "dapr-services"),
    ("hello-namespace", "exclusions-patch"),
    ("hello-redis-server", "exclusions-patch"),
    *[(pod, "exclusions-patch") for pod in PODS],
    *[(pod, "osm-mesh-ready") for pod in PODS],
]


def missing(graph: Graph, wanted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Which of the wanted edges the graph lacks, over any number of steps."""
    return [(after, before) for after, before in wanted if before not in graph.before(after)]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_at_every_stage_one_comes_after_the_other(stage: Stage, version: str) -> None:
    assert not missing(at(stage, version), EVERYWHERE)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_in_the_mesh_one_comes_after_the_other(stage: Stage, version: str) -> None:
    assert not missing(at(stage, version), IN_THE_MESH)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_cluster_is_known_before_anything_is_made_on_it(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    made = [one.name for one in graph.resources.values() if one.name not in ("cluster", "cluster-noted")]
    assert not [name for name in made if "cluster-noted" not in graph.before(name)]
    assert not graph.before("cluster-noted")


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_namespace_comes_before_everything_that_lives_in_it(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    homes = {one.object_name: one.name for one in graph.of_type("kubernetes:core/v1:Namespace")}
    assert len(homes) == (3 if stage.meshed else 2)
    lives = {
        one.name: one.inputs["metadata"]["namespace"]
        for one in graph.objects
        if one.name not in homes.values() and "namespace" in one.inputs["metadata"]
    }
    for name, home in lives.items():
        assert home in homes, f"{name} is in {home}, which is not the stack's"
        assert homes[home] in graph.before(name), f"{name} lives in {home}"
    for home in homes:
        assert home in lives.values(), "each was looked at"


# --- a chart's objects --------------------------------------------------------------------------------------------


def waves(chart: str, version: str, first: str) -> list[list[str]]:
    """A chart's resources, in the order in which they have to come: all of one before each of the next."""
    objects = own(chart, version) if chart == "dapr" else own(chart)
    definitions = [item for item in objects if item["kind"] == "CustomResourceDefinition"]
    workloads = [item for item in objects if item["kind"] in WORKLOADS]
    custom = [
        item
        for item in objects
        if item["apiVersion"] not in BUILT_IN and not item["apiVersion"].partition("/")[0].endswith(".k8s.io")
    ]
    rest = [item for item in objects if item not in [*definitions, *workloads, *custom]]
    leaders = [item for item in workloads if item["metadata"]["name"] == first]
    followers = [item for item in workloads if item not in leaders]
    assert len(leaders) == 1
    assert len(rest) + len(definitions) + len(custom) + len(workloads) == len(objects)
    ordered = [definitions, rest, custom, leaders, followers]
    return [[resource_of(chart, item) for item in wave] for wave in ordered if wave]


@pytest.mark.parametrize(("chart", "first", "count"), [("dapr", "dapr-sentry", 5), ("osm", "osm-bootstrap", 3)])
@pytest.mark.parametrize("version", WAYS)
def test_a_charts_objects_come_after_its_runtimes_note_in_waves(
    version: str, chart: str, first: str, count: int
) -> None:
    graph = at(Stage.SMI, version)
    ordered = waves(chart, version, first)
    assert len(ordered) == count, "OSM's chart brings no definitions, and so no objects of them"
    before = {f"{chart}-runtime", f"{chart}-namespace"}
    for wave in ordered:
        for name in wave:
            assert before <= graph.before(name), name
            assert not graph.before(name) & set(wave), "those of one wave don't wait for each other"
        before |= set(wave)
    assert before - {f"{chart}-runtime", f"{chart}-namespace"} == {one.name for one in graph.charted(f"{chart}-chart")}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_old_injector_is_gone_before_any_workload_of_another_release_starts(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    workloads = {one.name for one in graph.charted("dapr-chart") if one.inputs["kind"] in WORKLOADS}
    assert len(workloads) >= 4
    for name in workloads:
        assert "dapr-release-change" in graph.before(name), "it would refuse its successor's pod"
    others = {one.name for one in graph.charted("dapr-chart")} - workloads
    assert not [name for name in others if "dapr-release-change" in graph.direct(name)]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_injector_is_ready_after_all_of_dapr(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert {one.name for one in graph.charted("dapr-chart")} <= graph.before("dapr-injector-ready")


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_the_mesh_is_ready_after_all_of_osm(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert {one.name for one in graph.within("osm-chart")} <= graph.before("osm-mesh-ready")
    assert "osm-mesh-ready" in graph.before("exclusions-patch"), "the patch would create what osm-bootstrap fills"


@pytest.mark.parametrize("version", WAYS)
def test_dapr_and_osm_do_not_wait_for_each_other(version: str) -> None:
    graph = at(Stage.SMI, version)
    daprs = {one.name for one in graph.within("dapr")}
    osms = {one.name for one in graph.within("osm")}
    assert not [name for name in daprs if graph.before(name) & osms], "both are made at the same time"
    assert not [name for name in osms if graph.before(name) & daprs]


# --- the apps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_no_app_starts_before_a_probe_got_its_sidecars(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    served = {one.name for one in graph.objects if one.name.startswith("hello-") and one.name.endswith("-pods")}
    assert served == set(PODS)
    for pod in served:
        assert "hello-injection" in graph.direct(pod)
    assert "hello-injection" not in graph.before("hello-redis-server"), "Redis has no sidecars"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_pods_come_after_the_service_accounts_that_they_run_as(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for pod in PODS:
        assert pod.replace("-pods", "-account") in graph.before(pod)


@pytest.mark.parametrize("stage", STAGES)
def test_a_service_of_daprs_comes_after_the_deployment_that_owns_it(stage: Stage) -> None:
    graph = at(stage, ADDRESS)
    for pod in PODS:
        service = pod.replace("-pods", "-dapr-service")
        assert pod in graph.direct(service)
        assert {name for name in graph.resources if service in graph.direct(name)} <= {
            "hello-ready",
            "smi-withdraw",
            "smi-revoke",
            "verification-run",
            "teardown-check",
        }


# --- policies -----------------------------------------------------------------------------------------------------


def routes_of(version: str) -> str:
    return "smi-tcp-routes" if version == ADDRESS else "smi-routes"


@pytest.mark.parametrize("version", WAYS)
def test_routes_come_before_the_traffic_target_that_names_them(version: str) -> None:
    graph, routes = at(Stage.SMI, version), routes_of(version)
    assert routes in graph.direct("smi-traffic-target")
    assert {"osm-mesh-ready", "hello-namespace", "smi-withdraw"} <= graph.before(routes)


@pytest.mark.parametrize("version", WAYS)
def test_callers_get_new_pods_once_all_policies_are_what_they_are_to_be(version: str) -> None:
    graph = at(Stage.SMI, version)
    wanted = {"smi-withdraw", routes_of(version), "smi-traffic-target", *PODS}
    assert wanted <= graph.before("smi-revoke"), "a pod that comes earlier could slip through"


@pytest.mark.parametrize("version", WAYS)
def test_where_nothing_is_allowed_callers_get_new_pods_once_all_policies_are_withdrawn(version: str) -> None:
    assert {"smi-withdraw", *PODS} <= at(Stage.LOCKED, version).before("smi-revoke")


@pytest.mark.parametrize("version", BY_HTTP)
def test_policies_about_calls_need_nobodys_pods(version: str) -> None:
    assert not set(PODS) & at(Stage.SMI, version).before("smi-traffic-target")


# --- first and last -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_verification_comes_after_everything_but_the_guard(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    others = set(graph.resources) - {"cluster", "verification-run", "teardown-check"}
    assert graph.before("verification-run") == others


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_guard_comes_after_everything_so_that_a_destroy_begins_with_it(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    guard = graph["teardown-check"]
    assert guard.inputs["delete"] == "check-teardown"
    assert graph.before(guard.name) == set(graph.resources) - {"cluster", guard.name}, (
        "what it does not wait for could go although it refuses; the provider touches nothing"
    )
    waited = {urn for name in graph.before(guard.name) for urn in [graph[name].parent]}
    components = {one.urn for one in graph.components.values()} - {guard.parent}
    assert components <= waited | {graph.components[n].parent for n in graph.components}, "no component without a child"


def test_the_guard_comes_after_apps_and_policies_of_a_stacks_own_too() -> None:
    graph = run(
        apps={"third": {"image": "mirror.example/third:1", "port": 8080, "servicePort": 81}},
        policies={"orders": {"destination": "third", "sources": ["pythonapp"]}},
    )
    assert graph.before("teardown-check") == set(graph.resources) - {"cluster", "teardown-check"}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_waits_for_the_guard(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert not [name for name in graph.resources if "teardown-check" in graph.before(name)]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_waits_for_itself(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert not [name for name in graph.resources if name in graph.before(name)]


@pytest.mark.parametrize("version", WAYS)
def test_without_a_mesh_nothing_of_osm_is_there_or_waited_for(version: str) -> None:
    graph = at(Stage.DAPR, version)
    said = repr(
        [
            (one.type, one.name, one.inputs)
            for one in graph.everything
            if one.name not in ("verification-run", "cluster")
        ]
    )
    for word in (
        "osm-system",
        "osm-mesh",
        "smi-",
        "exclusions",
        "monitored-by",
        "'openservicemesh.io/sidecar-injection': 'enabled'",
    ):
        assert word not in said.lower().replace("dapr-osm", "")
    assert "osm" not in graph.components
    assert "monitored-by" in repr([one.inputs for one in at(Stage.SMI, version).everything]), "the words are right"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.PERMISSIVE, Stage.LOCKED])
def test_where_there_are_no_policies_none_is_declared(stage: Stage, version: str) -> None:
    assert not [one.name for one in at(stage, version).resources.values() if "smi-spec.io" in one.type]


@pytest.mark.parametrize(("stage", "version"), [corner for corner in CORNERS if not corner[0].enforces])
def test_policies_of_the_stage_that_was_left_do_not_fail_the_next_stages_verification(
    stage: Stage, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pulumi deletes what is no longer declared after all else, so also after the verification."""
    in_a_hurry(monkeypatch)
    graph = at(stage, version)
    assert "smi-withdraw" not in graph.before("verification-run"), "so the last stage's policies are still there"
    left = expected_by(at(Stage.SMI, version)).policies or ()
    cluster = LiveCluster(expected_by(graph))
    cluster.allow(*left)
    assert verify.verify(cluster, expected_by(graph))["stage"] == stage.value


@pytest.mark.parametrize("version", WAYS)
def test_policies_that_stand_as_declared_are_what_the_last_stages_verification_looks_for(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_hurry(monkeypatch)
    expected = expected_by(at(Stage.SMI, version))
    cluster = LiveCluster(expected)
    cluster.allow()
    assert verify.verify(cluster, expected)["policies"] == list(expected.policies or ())
    with pytest.raises(OperationError, match="TrafficTarget/dapr-test/pythodapp-traffic-target does not exist"):
        verify.verify(LiveCluster(expected), expected)

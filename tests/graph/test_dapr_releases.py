"""The default Dapr release, stage by stage: exactly how its graph differs from the page's, and the way there.

Whatever is said of the page's release elsewhere holds for everything that is not named here.
"""

from __future__ import annotations

import json
import re

import pytest

from model import versions
from model.exclusions import DECLARED_ANNOTATION
from model.route import Route
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION

from .charts import ADDRESS, DNS_NAME
from .program import CREDENTIALS, MESHED, PAGE, SERVICES_OF, STAGES, WAYS, at, run
from .recording import UNKNOWN, Graph, Values
from .views import (
    PODS,
    PORT_LIST,
    again_with,
    annotations_of,
    arguments,
    changed,
    covers,
    differing,
    digests,
    excluded,
    expected_by,
    fingerprint,
    identity,
    own,
    owned,
    traffic,
    without_note,
)

OLD, NEW = PAGE, DEFAULT_DAPR_VERSION
ROUTE = {
    "nameResolution": {
        "component": "nameformat",
        "version": "v1",
        "configuration": {"format": "{appid}-dapr.dapr-test.svc.cluster.local:50002"},
    }
}
SCHEDULERS = ("dapr-system/dapr-scheduler-server", "dapr-system/dapr-scheduler-server-a")


def new(stage: Stage = Stage.SMI) -> Graph:
    return at(stage, NEW)


def test_a_release_of_every_way_is_tried() -> None:
    assert [versions.DAPR_RELEASES[version].route for version in WAYS] == list(map(Route, ROUTES))
    assert {release.route for release in versions.DAPR_RELEASES.values()} == set(Route)


def test_the_newer_release_is_the_default_one() -> None:
    one, other = run(daprVersion=None), new()
    assert {r.urn: r.inputs for r in one.everything} == {r.urn: r.inputs for r in other.everything}


ROUTES = ("dns-name", "address", "name-format")
LOOKED_UP = {DNS_NAME: [], **dict.fromkeys((ADDRESS, DEFAULT_DAPR_VERSION), list(SCHEDULERS))}


# --- Dapr itself ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("version", WAYS)
def test_the_schedulers_services_are_looked_up_too(stage: Stage, version: str) -> None:
    given = again_with(at(stage, version), "dapr-services")
    assert set(given) == {"OPERATION_RELEASE"}
    assert arguments(at(stage, version), "dapr-services")["services"] == [
        "default/kubernetes",
        "dapr-system/dapr-placement-server",
        "dapr-system/dapr-api",
        "dapr-system/dapr-sentry",
        *LOOKED_UP[version],
    ]
    assert re.fullmatch("[0-9a-f]{16}", given["OPERATION_RELEASE"])
    for other in WAYS:
        if other != version:
            assert given["OPERATION_RELEASE"] != again_with(at(stage, other), "dapr-services")["OPERATION_RELEASE"]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("version", WAYS)
def test_what_was_looked_up_is_daprs_output(stage: Stage, version: str) -> None:
    assert (at(stage, version).components["dapr"].outputs or {})["services"] == {
        service: {"clusterIP": spec["clusterIP"], "ports": [{"name": "", **port} for port in spec["ports"]]}
        for service, spec in SERVICES_OF[version].items()
    }


@pytest.mark.parametrize(("version", "missing"), [(version, one) for version in WAYS for one in LOOKED_UP[version]])
@pytest.mark.parametrize("stage", [Stage.DAPR, Stage.SMI])
def test_a_scheduler_that_is_not_there_stops_the_program(stage: Stage, version: str, missing: str) -> None:
    services = {service: spec for service, spec in SERVICES_OF[version].items() if service != missing}
    with pytest.raises(Exception, match=f"Service {missing} does not exist"):
        run(stage=stage.value, daprVersion=version, services=services)


# --- how sidecars find each other -------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_apps_sidecars_are_told_to_use_names_that_the_mesh_routes(stage: Stage) -> None:
    configuration = new(stage)["hello-configuration"]
    assert configuration.type == "kubernetes:dapr.io/v1alpha1:Configuration"
    assert configuration.inputs == {
        "apiVersion": "dapr.io/v1alpha1",
        "kind": "Configuration",
        "metadata": owned("mesh-names", "dapr-test"),
        "spec": ROUTE,
    }


@pytest.mark.parametrize("stage", STAGES)
def test_a_first_preview_shows_the_configuration_in_full(stage: Stage) -> None:
    preview = run(stage=stage.value, daprVersion=NEW, preview=True)
    assert preview["hello-configuration"].inputs == new(stage)["hello-configuration"].inputs


@pytest.mark.parametrize("stage", STAGES)
def test_the_configuration_comes_after_dapr_and_before_the_apps(stage: Stage) -> None:
    graph = new(stage)
    wanted = {"dapr-injector-ready", "hello-namespace"}
    assert wanted <= graph.before("hello-configuration")
    for pod in PODS:
        assert "hello-configuration" in graph.before(pod), "daprd reads it only when it starts"
    assert "hello-configuration" in graph.before("verification-run")


@pytest.mark.parametrize("stage", MESHED)
def test_in_the_mesh_the_configuration_comes_after_the_exclusions_like_all_else_of_the_apps(stage: Stage) -> None:
    assert {"osm-mesh-ready", "exclusions-patch"} <= new(stage).before("hello-configuration")


def test_neither_redis_nor_a_namespace_waits_for_the_configuration() -> None:
    graph = new()
    waiting = {name for name in graph.resources if "hello-configuration" in graph.before(name)}
    assert waiting == {*PODS, "hello-ready", "smi-revoke", "verification-run", "teardown-check"}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("pod", PODS)
def test_pods_name_their_configuration_and_carry_its_digest(stage: Stage, pod: str) -> None:
    given, before = annotations_of(new(stage), pod), annotations_of(at(stage, OLD), pod)
    added = {key: value for key, value in given.items() if key not in before}
    assert added == {"dapr.io/config": "mesh-names", "dapr-osm/configuration": fingerprint(ROUTE)}
    assert re.fullmatch("[0-9a-f]{16}", added["dapr-osm/configuration"])
    assert {key for key in before if given[key] != before[key]} == (
        {"dapr-osm/dapr", "dapr-osm/interception"} if stage.meshed else {"dapr-osm/dapr"}
    ), "other exclusions need pods that were injected with them, and another release needs its own daprd"


@pytest.mark.parametrize("stage", STAGES)
def test_the_name_that_pods_give_is_the_configurations_own_beside_them(stage: Stage) -> None:
    graph = new(stage)
    configuration = graph["hello-configuration"].inputs["metadata"]
    for pod in PODS:
        assert annotations_of(graph, pod)["dapr.io/config"] == configuration["name"]
        assert graph[pod].inputs["metadata"]["namespace"] == configuration["namespace"]


def test_the_configuration_is_the_same_at_every_stage() -> None:
    assert len({json.dumps(new(stage)["hello-configuration"].inputs, sort_keys=True) for stage in STAGES}) == 1
    for pod in PODS:
        assert len({annotations_of(new(stage), pod)["dapr-osm/configuration"] for stage in STAGES}) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_the_pages_release_knows_nothing_of_a_configuration_or_a_scheduler(stage: Stage) -> None:
    graph = at(stage, PAGE)
    configurations = [one.name for one in graph.everything if one.type.endswith(":Configuration")]
    assert configurations == ["dapr-chart/configuration/daprsystem"], "that of Dapr's own control plane"
    others = [one for one in graph.everything if "-chart" not in one.name and one.name != "dapr-runtime"]
    said = repr([(one.name, one.inputs, one.outputs) for one in others]) + repr(graph.stack_outputs)
    for word in (
        "mesh-names",
        "nameformat",
        "dapr.io/config'",
        "dapr-osm/configuration",
        "scheduler",
        "healthcheck",
        "dapr-service'",
    ):
        assert word not in said


# --- exclusions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "permissive"), [(Stage.PERMISSIVE, True), (Stage.LOCKED, False), (Stage.SMI, False)])
def test_the_mesh_config_also_excludes_the_schedulers(stage: Stage, permissive: bool) -> None:
    assert without_note(new(stage)) == {
        "apiVersion": "config.openservicemesh.io/v1alpha2",
        "kind": "MeshConfig",
        "metadata": {
            "name": "osm-mesh-config",
            "namespace": "osm-system",
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/patchFieldManager": "dapr-osm"},
        },
        "spec": {
            "traffic": {
                "enableEgress": True,
                "enablePermissiveTrafficPolicyMode": permissive,
                "outboundIPRangeExclusionList": ["10.96.0.1/32"],
                "outboundPortExclusionList": [50005, 8201, 6379, 50006],
            }
        },
    }


@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize("pod", PODS)
def test_step_6s_ports_are_the_same(stage: Stage, pod: str) -> None:
    assert annotations_of(new(stage), pod)[PORT_LIST] == "80,443"


@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize("pod", PODS)
def test_ports_of_a_scope_of_pods_move_into_their_annotation(stage: Stage, pod: str) -> None:
    graph = run(stage=stage.value, daprVersion=NEW, portScope="pod")
    assert traffic(graph)["outboundPortExclusionList"] == []
    assert annotations_of(graph, pod)[PORT_LIST] == "80,443,6379,8201,50005,50006"


@pytest.mark.parametrize("stage", MESHED)
@pytest.mark.parametrize("pod", PODS)
def test_pods_say_what_they_were_injected_with(stage: Stage, pod: str) -> None:
    digests = new(stage).components["exclusions"].outputs or {}
    assert annotations_of(new(stage), pod)["dapr-osm/interception"] == digests["injection_digest"]


SHARED = [
    (50005, "dapr-placement-server"),
    (8201, "dapr-placement-server"),
    (6379, "redis"),
    (50006, "dapr-scheduler-server"),
]
OWN = [(443, "dapr-api"), (80, "dapr-api"), (443, "dapr-sentry"), (443, "dapr-scheduler-server-a")]


@pytest.mark.parametrize("stage", MESHED)
def test_the_exclusions_in_force_are_an_output_with_the_reason_for_each(stage: Stage) -> None:
    graph = new(stage)
    exclusions = graph.stack_outputs["exclusions"]
    assert [row["cidr"] for row in exclusions["ipRanges"]] == ["10.96.0.1/32"]
    assert excluded(graph, "meshPorts") == SHARED
    assert excluded(graph, "podPorts") == OWN
    assert all(row["reason"] for found in exclusions.values() for row in found)
    assert "schedulers" in exclusions["meshPorts"][3]["reason"]
    assert "schedulers" in exclusions["podPorts"][3]["reason"]


@pytest.mark.parametrize("stage", MESHED)
def test_a_scope_of_pods_is_in_the_output_too(stage: Stage) -> None:
    graph = run(stage=stage.value, daprVersion=NEW, portScope="pod")
    assert excluded(graph, "meshPorts") == []
    assert excluded(graph, "podPorts") == SHARED + OWN


def test_without_a_mesh_nothing_is_excluded_from_it() -> None:
    assert new(Stage.DAPR).stack_outputs["exclusions"] == {"ipRanges": [], "meshPorts": [], "podPorts": []}


@pytest.mark.parametrize("stage", MESHED)
def test_a_first_preview_shows_lists_that_are_not_known_yet(stage: Stage) -> None:
    assert traffic(run(stage=stage.value, daprVersion=NEW, preview=True)) == {
        "enableEgress": True,
        "enablePermissiveTrafficPolicyMode": stage.permissive,
        "outboundIPRangeExclusionList": UNKNOWN,
        "outboundPortExclusionList": UNKNOWN,
    }


def moved(service: str, port: int) -> dict[str, Values]:
    """The cluster's Services, with one scheduler's port somewhere else."""
    ports = [{"name": "etcd-client", "port": 2379}, {"name": "api", "port": port}]
    return {**SERVICES_OF[NEW], service: {"clusterIP": "None", "ports": ports}}


@pytest.mark.parametrize(
    ("service", "mesh", "pods"),
    [
        (SCHEDULERS[0], [50005, 8201, 6379, 1234], "80,443"),
        (SCHEDULERS[1], [50005, 8201, 6379, 50006], "80,443,1234"),
    ],
)
def test_the_schedulers_ports_are_the_clusters_own(service: str, mesh: list[int], pods: str) -> None:
    graph = run(daprVersion=NEW, services=moved(service, 1234))
    assert traffic(graph)["outboundPortExclusionList"] == mesh
    for pod in PODS:
        assert annotations_of(graph, pod)[PORT_LIST] == pods
        assert graph[pod].inputs != new()[pod].inputs, "OSM reads what is excluded at injection only"
    assert covers(graph) != covers(new())


@pytest.mark.parametrize("service", SCHEDULERS)
def test_a_scheduler_whose_port_is_named_otherwise_stops_the_program(service: str) -> None:
    services = {**SERVICES_OF[NEW], service: {"clusterIP": "None", "ports": [{"name": "grpc", "port": 50006}]}}
    with pytest.raises(Exception, match=f"Service {service.split('/')[1]} has none of the ports named 'api'; it has"):
        run(daprVersion=NEW, services=services)


def test_further_exclusions_come_after_the_schedulers() -> None:
    graph = run(daprVersion=NEW, extraPortExclusions=[9090, 443, 50006])
    assert traffic(graph)["outboundPortExclusionList"] == [50005, 8201, 6379, 50006, 9090, 443]


def test_a_cluster_with_a_scheduler_changes_nothing_for_a_release_without_one() -> None:
    services = {**SERVICES_OF[OLD], **{service: SERVICES_OF[NEW][service] for service in SCHEDULERS}}
    graph = run(daprVersion=OLD, services=services)
    assert {name: one.inputs for name, one in graph.resources.items()} == {
        name: one.inputs for name, one in at(Stage.SMI, OLD).resources.items()
    }


# --- what is expected, and what is said -------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_verification_expects_osms_answer_to_daprds_probe_in_the_mesh(stage: Stage) -> None:
    assert set(again_with(new(stage), "verification-run")) == {"OPERATION_COVERS"}
    expected = expected_by(new(stage))
    assert (expected.by_http, expected.through_envoys) == (True, stage.meshed)
    assert {app.name: app.containers for app in expected.apps} == (
        {
            "nodeapp": ("daprd", "envoy", "node", "osm-healthcheck"),
            "pythonapp": ("daprd", "envoy", "osm-healthcheck", "python"),
        }
        if stage.meshed
        else {"nodeapp": ("daprd", "node"), "pythonapp": ("daprd", "python")}
    )
    assert {app.init_containers for app in expected.apps} == {("osm-init",) if stage.meshed else ()}


@pytest.mark.parametrize("stage", STAGES)
def test_only_containers_are_expected_differently(stage: Stage) -> None:
    one, other = (arguments(graph, "verification-run") for graph in pair(stage))
    for app in (*one["apps"], *other["apps"]):
        app["containers"] = [name for name in app["containers"] if name != "osm-healthcheck"]
    assert one == other


@pytest.mark.parametrize("stage", STAGES)
def test_the_stacks_outputs_differ_in_what_the_release_is(stage: Stage) -> None:
    one, other = at(stage, OLD).stack_outputs, new(stage).stack_outputs
    assert differing(one, other) == {("versions", "dapr")} | (
        {("expectation",), ("exclusions", "meshPorts"), ("exclusions", "podPorts")} if stage.meshed else set()
    )
    assert other["versions"]["dapr"] == DEFAULT_DAPR_VERSION
    assert other["expectation"] == new(stage)["verification-run"].inputs["stdin"]


# --- from one release to the other ------------------------------------------------------------------------------


def pair(stage: Stage) -> tuple[Graph, Graph]:
    return at(stage, OLD), at(stage, NEW)


@pytest.mark.parametrize("stage", STAGES)
def test_both_releases_have_the_same_resources_but_for_the_configuration(stage: Stage) -> None:
    one, other = pair(stage)
    assert own(other) - own(one) == {"hello-configuration"}
    assert own(one) - own(other) == set()
    assert set(one.components) == set(other.components)


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_the_release_is_an_update_and_replaces_nothing(stage: Stage) -> None:
    one, other = pair(stage)
    shared = [(name, one[name]) for name in one.resources if name in other]
    assert len(shared) > 50, "charts' objects too"
    for name, recorded in shared:
        assert identity(recorded) == identity(other[name]), name
        assert not recorded.delete_before_replace
        # Every Command asks for the first of these, and none has any triggers.
        assert recorded.replace_on_changes <= {"triggers[*]"}, "an update would replace it for that"
        assert "triggers" not in other[name].inputs


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_the_release_updates_just_what_it_is_about(stage: Stage) -> None:
    one, other = pair(stage)
    found = {name: differing(one[name].inputs, other[name].inputs) for name in changed(one, other) if name in own(one)}
    annotation = ("spec", "template", "metadata", "annotations")
    pods = {(*annotation, key) for key in ("dapr.io/config", "dapr-osm/configuration", "dapr-osm/dapr")}
    verification = {("environment", "OPERATION_COVERS")}
    release = ("environment", "OPERATION_RELEASE")
    expected = {
        "dapr-release-change": {("stdin", "release")},
        "dapr-definitions": {("stdin", "definitions")},
        "dapr-injector-ready": {release},
        "dapr-services": {("stdin", "services"), release},
        "hello-injection": {release},
        **dict.fromkeys(PODS, pods),
        "verification-run": verification,
        "teardown-check": {("stdin", "definitions", "dapr-system")},
    }
    if stage.meshed:
        expected |= {
            "exclusions-patch": {
                ("spec", "traffic", "outboundPortExclusionList"),
                ("metadata", "annotations", DECLARED_ANNOTATION),
            },
            "hello-injection": {release, ("environment", "OPERATION_MESH"), ("stdin", "sidecars")},
            **dict.fromkeys(PODS, pods | {(*annotation, "dapr-osm/interception")}),
            "verification-run": verification | {("stdin", "apps")},
        }
    assert found == expected


@pytest.mark.parametrize("stage", STAGES)
def test_what_comes_before_what_differs_by_the_configuration_only(stage: Stage) -> None:
    one, other = pair(stage)
    for name in own(one):
        assert own(other, other.direct(name)) - one.direct(name) <= {"hello-configuration"}
        assert own(one, one.direct(name)) <= other.direct(name)


@pytest.mark.parametrize("stage", STAGES)
def test_another_release_is_verified_again(stage: Stage) -> None:
    one, other = pair(stage)
    assert covers(one) != covers(other)


@pytest.mark.parametrize("stage", STAGES)
def test_a_release_is_in_the_digests_of_what_it_changes(stage: Stage) -> None:
    one, other = (digests(graph) for graph in pair(stage))
    assert {name for name in one if one[name] != other[name]} == {"dapr", "hello"} | (
        {"exclusions"} if stage.meshed else set()
    )


# --- settings beside the release --------------------------------------------------------------------------------


def test_where_there_are_credentials_the_configuration_is_the_same() -> None:
    graph = run(daprVersion=NEW, registryCredentials=CREDENTIALS)
    assert graph["hello-configuration"].inputs == new()["hello-configuration"].inputs
    assert "hello-namespace-registry-credentials" in graph.before("hello-nodeapp-pods")

"""What the settings change in the graph, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION

from .charts import ADDRESS, DNS_NAME
from .program import CORNERS, MESHED, SERVICES, STAGES, WAYS, at, run
from .recording import Graph
from .views import (
    PODS,
    PORT_LIST,
    annotations_of,
    changed,
    container_of,
    covers,
    differing,
    digests,
    expected_by,
    outputs,
    traffic,
)


def annotation(graph: Graph, key: str, pod: str = "hello-nodeapp-pods") -> str:
    return annotations_of(graph, pod)[key]


def interception(graph: Graph) -> str:
    one, other = (annotation(graph, "dapr-osm/interception", pod) for pod in PODS)
    assert one == other, "both apps are injected with the same lists"
    return one


# --- exclusions -------------------------------------------------------------------------------------------------


# By way: the MeshConfig's list and the pods' annotation, then the annotation where all is the pods'.
LISTS = {
    DNS_NAME: ([50005, 8201, 6379], "80,443", "80,443,6379,8201,50005"),
    ADDRESS: ([50005, 8201, 6379, 50006], "80,443", "80,443,6379,8201,50005,50006"),
    DEFAULT_DAPR_VERSION: ([50005, 8201, 6379, 50006], "80,443", "80,443,6379,8201,50005,50006"),
}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_the_lists_are_those_of_the_releases_services(stage: Stage, version: str) -> None:
    graph, (mesh, pods, _) = at(stage, version), LISTS[version]
    assert traffic(graph)["outboundPortExclusionList"] == mesh
    assert {annotation(graph, PORT_LIST, pod) for pod in PODS} == {pods}


@pytest.mark.parametrize(("stage", "version"), [corner for corner in CORNERS if corner[0].meshed])
def test_ports_of_a_scope_of_pods_move_into_their_annotation(stage: Stage, version: str) -> None:
    graph = run(stage=stage.value, daprVersion=version, portScope="pod")
    assert traffic(graph)["outboundPortExclusionList"] == []
    assert {annotation(graph, PORT_LIST, pod) for pod in PODS} == {LISTS[version][2]}


@pytest.mark.parametrize("version", WAYS)
def test_further_exclusions_join_the_meshs_lists(version: str) -> None:
    mesh, pods, _ = LISTS[version]
    graph = run(daprVersion=version, extraPortExclusions=[9090, 6379, 50006], extraIpRangeExclusions=["192.0.2.0/24"])
    wanted = [*mesh, 9090, *([] if 50006 in mesh else [50006])]
    assert traffic(graph)["outboundPortExclusionList"] == wanted, "each port once"
    assert traffic(graph)["outboundIPRangeExclusionList"] == ["10.96.0.1/32", "192.0.2.0/24"]
    assert {annotation(graph, PORT_LIST, pod) for pod in PODS} == {pods}


def test_the_minimal_set_is_redis_alone_while_envoy_sends_on_what_it_does_not_know() -> None:
    graph = run(exclusions="minimal")
    assert traffic(graph)["outboundPortExclusionList"] == [6379]
    assert traffic(graph)["outboundIPRangeExclusionList"] == []
    assert graph.stack_outputs["exclusions"]["podPorts"] == []
    for pod in PODS:
        assert PORT_LIST not in annotations_of(graph, pod), "OSM refuses an empty list"


@pytest.mark.parametrize("version", WAYS)
def test_the_minimal_set_has_all_that_daprd_dials_where_envoy_drops_what_it_does_not_know(version: str) -> None:
    mesh, pods, _ = LISTS[version]
    graph = run(daprVersion=version, exclusions="minimal", enableEgress=False)
    assert traffic(graph)["outboundPortExclusionList"] == [port for port in mesh if port != 8201], "but not raft"
    assert traffic(graph)["outboundIPRangeExclusionList"] == [], "nor the API server"
    by_name = version != DNS_NAME
    assert {annotation(graph, PORT_LIST, pod) for pod in PODS} == {"443" if by_name else pods}


def test_the_minimal_set_too_may_be_the_pods_alone() -> None:
    graph = run(exclusions="minimal", portScope="pod")
    assert traffic(graph)["outboundPortExclusionList"] == []
    assert annotation(graph, PORT_LIST) == "6379"


def test_further_exclusions_join_the_minimal_set() -> None:
    graph = run(exclusions="minimal", extraPortExclusions=[9090], extraIpRangeExclusions=["192.0.2.0/24"])
    assert traffic(graph)["outboundPortExclusionList"] == [6379, 9090]
    assert traffic(graph)["outboundIPRangeExclusionList"] == ["192.0.2.0/24"]


def test_the_api_server_stays_in_the_mesh_where_that_is_asked_for() -> None:
    graph = run(redisPasswordIn="component", excludeApiServer=False)
    assert traffic(graph)["outboundIPRangeExclusionList"] == []
    assert graph.stack_outputs["exclusions"]["ipRanges"] == []


def test_exclusions_follow_the_clusters_own_services() -> None:
    services = {
        **SERVICES,
        "default/kubernetes": {"clusterIP": "172.20.0.1", "ports": []},
        "dapr-system/dapr-api": {"ports": [{"name": "grpc", "port": 443}, {"name": "legacy", "port": 81}]},
        "dapr-system/dapr-placement-server": {
            "ports": [{"name": "raft-node", "port": 8202}, {"name": "api", "port": 50007}]
        },
    }
    graph = run(services=services)
    assert traffic(graph)["outboundIPRangeExclusionList"] == ["172.20.0.1/32"]
    assert traffic(graph)["outboundPortExclusionList"] == [50007, 8202, 6379, 50006]
    assert annotation(graph, PORT_LIST) == "81,443"


def test_a_service_whose_ports_are_named_otherwise_stops_the_program() -> None:
    services = {**SERVICES, "dapr-system/dapr-sentry": {"ports": [{"name": "new", "port": 1}]}}
    with pytest.raises(Exception, match="Service dapr-sentry has none of the ports named '', 'grpc', 'legacy'; it has"):
        run(services=services)


@pytest.mark.parametrize("version", WAYS)
def test_one_port_too_many_stops_the_program(version: str) -> None:
    mesh, _, everything = LISTS[version]
    room = 15 - len(everything.split(","))
    extra = list(range(10001, 10001 + room))
    assert traffic(run(daprVersion=version, extraPortExclusions=extra))["outboundPortExclusionList"] == [*mesh, *extra]
    with pytest.raises(Exception, match="16 ports are excluded"):
        run(daprVersion=version, extraPortExclusions=[*extra, 10000])


@pytest.mark.parametrize(
    "change",
    [
        {"extraPortExclusions": [9090]},
        {"extraIpRangeExclusions": ["192.0.2.0/24"]},
        {"portScope": "pod"},
        {"exclusions": "minimal"},
        {"envoyImage": "mirror.example/envoy:1"},
        {"osmRegistry": "mirror.example/osm"},
        {"osmValues": {"osm": {"image": {"tag": "v1.2.4-patched"}}}},
        {"redisPasswordIn": "component", "excludeApiServer": False},
    ],
    ids=str,
)
def test_pods_are_rolled_when_the_lists_change(change: dict[str, Any]) -> None:
    assert interception(run(**change)) != interception(at(Stage.SMI)), "OSM reads its lists at injection only"


@pytest.mark.parametrize(
    "change",
    [
        {"extraPortExclusions": [6379]},
        {"timeoutSeconds": 777},
        {"verifySeconds": 60},
        {"osmValues": {"osm": {"osmController": {"replicaCount": 2}}}},
        {"osmValues": {"osm": {"injector": {"replicaCount": 2}}}},
        {"redisImage": "mirror.example/redis:1"},
        {"readAllSecrets": True},
        {"enableEgress": False},
        {"policies": {"pythodapp-traffic-target": None}},
        {"policies": {"pythodapp-traffic-target": {"pathRegex": "/dapr.*"}}},
        {"apps": {"third": {"image": "mirror.example/third:1"}}},
        {"osmChart": "oci://mirror.example/charts/osm", "daprChart": "oci://mirror.example/charts/dapr"},
    ],
    ids=str,
)
def test_pods_are_not_rolled_for_anything_else(change: dict[str, Any]) -> None:
    graph = run(**change)
    for pod in PODS:
        assert graph[pod].inputs == at(Stage.SMI)[pod].inputs


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize(
    "change",
    [
        {"daprRegistry": "mirror.example/dapr"},
        {"daprValues": {"global": {"logAsJson": True}}},
    ],
    ids=str,
)
def test_pods_are_rolled_with_their_daprd_and_for_nothing_else_of_it(change: dict[str, Any], version: str) -> None:
    one, other = at(Stage.SMI, version), run(daprVersion=version, **change)
    for pod in PODS:
        assert differing(one[pod].inputs, other[pod].inputs) == {
            ("spec", "template", "metadata", "annotations", "dapr-osm/dapr")
        }
        assert annotation(other, "dapr-osm/dapr", pod) == outputs(other, "dapr")["sidecars"]


def test_permissive_mode_rolls_no_pod() -> None:
    assert len({interception(at(stage)) for stage in STAGES if stage.meshed}) == 1


@pytest.mark.parametrize("version", WAYS)
def test_a_new_secret_rolls_everything_that_holds_its_password(version: str) -> None:
    # Pulumi makes a new Secret, under a new name, when its content changes.
    one, other = at(Stage.SMI, version), run(daprVersion=version, suffix="5e6f7a8b")
    assert changed(one, other) == {
        "hello-redis-server",
        "hello-redis-component",
        "hello-secret-reader",
        "hello-nodeapp-pods",
        "hello-pythonapp-pods",
        "verification-run",
    }, "daprd reads its Components only when it starts"
    assert interception(one) == interception(other)


def state_store(graph: Graph) -> str:
    one, other = (annotation(graph, "dapr-osm/state-store", pod) for pod in PODS)
    assert one == other, "both apps' daprds read the same Component"
    return one


@pytest.mark.parametrize("stage", STAGES)
def test_another_secret_or_another_place_of_the_password_rolls_the_pods(stage: Stage) -> None:
    ways = [
        run(stage=stage.value, redisPasswordIn=place, suffix=suffix)
        for place in ("secret", "component")
        for suffix in ("1a2b3c4d", "5e6f7a8b")
    ]
    assert len({state_store(graph) for graph in ways}) == len(ways), "daprd reads its Components only when it starts"


@pytest.mark.parametrize("stage", STAGES)
def test_another_image_of_redis_leaves_the_way_into_it_as_it_is(stage: Stage) -> None:
    other = run(stage=stage.value, redisImage="mirror.example/redis:1")
    assert state_store(other) == state_store(at(stage))
    assert changed(at(stage), other) == {"hello-redis-server", "verification-run"}


# --- seconds ----------------------------------------------------------------------------------------------------


def test_seconds_of_a_verification_reach_it() -> None:
    graph = run(verifySeconds=60)
    assert expected_by(graph).seconds == 60
    assert changed(at(Stage.SMI), graph) == {"verification-run"}


@pytest.mark.parametrize("stage", STAGES)
def test_another_timeout_changes_no_object_and_only_the_commands_that_wait(stage: Stage) -> None:
    waits = {"dapr-injector-ready", "hello-injection", "hello-redis-ready", "hello-ready"}
    waits |= {"dapr-chart/ready/dapr-sentry", "dapr-chart/ready/dapr-operator"}
    if stage.meshed:
        waits |= {"osm-mesh-ready", "osm-chart/ready/osm-bootstrap", "osm-chart/ready/osm-controller"}
    assert changed(at(stage), run(stage=stage.value, timeoutSeconds=777)) == waits


# --- what makes Services be looked up again ---------------------------------------------------------------------


def looked_up(graph: Graph) -> Any:
    return graph["dapr-services"].inputs


def test_another_release_of_dapr_is_looked_up_anew() -> None:
    assert looked_up(at(Stage.SMI, ADDRESS)) != looked_up(at(Stage.SMI))


@pytest.mark.parametrize(
    "change",
    [
        {"timeoutSeconds": 777},
        {"redisImage": "mirror.example/redis:1"},
        {"osmRegistry": "mirror.example/osm"},
        # Of the same release, with the same Services.
        {"daprRegistry": "mirror.example/dapr"},
        {"daprValues": {"global": {"logAsJson": True}}},
        {"portScope": "pod"},
        {"enableEgress": False},
        {"apps": {"third": {"image": "mirror.example/third:1"}}},
        {"extraPortExclusions": [9090]},
        {"stage": "locked"},
        {"stage": "permissive"},
        {"stage": "dapr"},
    ],
    ids=str,
)
def test_services_are_not_looked_up_again_for_anything_else(change: dict[str, Any]) -> None:
    assert looked_up(run(**change)) == looked_up(at(Stage.SMI))


# --- what makes a verification run again ------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_config_is_not_verified_again(stage: Stage) -> None:
    one, two = at(stage), run(stage=stage.value, again=True)
    assert one is not two
    assert one["verification-run"].inputs == two["verification-run"].inputs


@pytest.mark.parametrize(
    "change",
    [
        {"redisImage": "mirror.example/redis:1"},
        {"nodeAppImage": "mirror.example/node:1"},
        {"pythonAppImage": "mirror.example/python:1"},
        {"envoyImage": "mirror.example/envoy:1"},
        {"curlImage": "mirror.example/curl:1"},
        {"daprRegistry": "mirror.example/dapr"},
        {"osmRegistry": "mirror.example/osm"},
        {"daprValues": {"global": {"logAsJson": True}}},
        {"osmValues": {"osm": {"injector": {"replicaCount": 2}}}},
        {"enableEgress": False},
        {"apps": {"third": {"image": "mirror.example/third:1"}}},
        {"apps": {"nodeapp": {"replicas": 2}}},
        {"apps": {"nodeapp": {"env": {"A": "1"}}}},
        {"apps": {"nodeapp": {"resources": {"limits": {"memory": "1Gi"}}}}},
        {"policies": {"pythodapp-traffic-target": None}},
        {"policies": {"pythodapp-traffic-target": {"pathRegex": "/dapr.*"}}},
        {"daprVersion": DNS_NAME},
        {"daprVersion": ADDRESS},
        {"extraPortExclusions": [9090]},
        {"extraIpRangeExclusions": ["192.0.2.0/24"]},
        {"portScope": "pod"},
        {"redisPasswordIn": "component"},
        {"redisPasswordIn": "component", "excludeApiServer": False},
        {"readAllSecrets": True},
        {"stage": "locked"},
        {"stage": "permissive"},
        {"stage": "dapr"},
    ],
    ids=str,
)
def test_a_change_of_what_is_verified_is_verified_again(change: dict[str, Any]) -> None:
    assert covers(run(**change)) != covers(at(Stage.SMI))


@pytest.mark.parametrize(
    "change",
    [
        {"port": 8081},
        {"servicePort": 82},
        {"namespace": "shops"},
        {"image": "mirror.example/shop:2"},
        {"replicas": 3},
        {"env": {"A": "1"}},
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"pod": {"spec": {"priorityClassName": "high"}}},
    ],
    ids=str,
)
def test_whatever_is_said_of_an_app_of_a_stacks_own_is_verified_again(change: dict[str, Any]) -> None:
    app = {"image": "mirror.example/shop:1", "port": 8080, "servicePort": 81}
    assert covers(run(apps={"shop": {**app, **change}})) != covers(run(apps={"shop": app}))


def test_ports_that_dapr_moves_are_verified_again() -> None:
    services = {**SERVICES, "dapr-system/dapr-sentry": {"ports": [{"name": "grpc", "port": 444}]}}
    assert covers(run(services=services)) != covers(at(Stage.SMI))


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("osm", {"osmValues": {"osm": {"osmController": {"replicaCount": 2}}}}),
        ("exclusions", {"enableEgress": False}),
        ("hello", {"apps": {"nodeapp": {"replicas": 2}}}),
        ("smi", {"policies": {"pythodapp-traffic-target": None}}),
        ("hello", {"readAllSecrets": True}),
    ],
)
def test_a_change_of_one_component_is_in_no_others_digest(component: str, change: dict[str, Any]) -> None:
    one, other = digests(at(Stage.SMI)), digests(run(**change))
    assert {name for name in one if one[name] != other[name]} == {component}


def test_another_release_of_dapr_is_in_its_own_digest_and_in_that_of_the_apps_that_it_serves() -> None:
    one, other = digests(at(Stage.SMI)), digests(run(daprRegistry="mirror.example/dapr"))
    assert {name for name in one if one[name] != other[name]} == {"dapr", "hello"}


def test_every_stage_of_every_release_is_verified_for_itself() -> None:
    graphs = [at(stage, version) for stage in STAGES for version in WAYS]
    assert len({covers(graph) for graph in graphs}) == len(graphs)


def test_a_policy_alone_changes_the_digest() -> None:
    assert covers(at(Stage.LOCKED)) != covers(at(Stage.SMI))
    assert interception(at(Stage.LOCKED)) == interception(at(Stage.SMI))


# --- egress -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "version"), [corner for corner in CORNERS if corner[0].meshed])
def test_without_egress_only_the_mesh_config_changes(stage: Stage, version: str) -> None:
    one, other = at(stage, version), run(stage=stage.value, daprVersion=version, enableEgress=False)
    assert changed(one, other) == {"exclusions-patch", "verification-run"}
    assert differing(one["exclusions-patch"].inputs, other["exclusions-patch"].inputs) == {
        ("spec", "traffic", "enableEgress")
    }
    assert (traffic(one)["enableEgress"], traffic(other)["enableEgress"]) == (True, False)
    assert differing(one["verification-run"].inputs, other["verification-run"].inputs) == {
        ("environment", "OPERATION_COVERS")
    }


def test_without_a_mesh_egress_is_nothing() -> None:
    assert changed(at(Stage.DAPR), run(stage="dapr", enableEgress=False)) == set()


# --- Dapr's own mTLS --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_where_calls_ride_the_mesh_as_tcp_daprs_mtls_can_be_on(stage: Stage) -> None:
    one, other = at(stage, ADDRESS), run(stage=stage.value, daprVersion=ADDRESS, daprMtls=True)
    differ = {name: differing(one[name].inputs, other[name].inputs) for name in changed(one, other)}
    # Its own Configuration says so, and daprd is told when it is injected.
    (own,) = {name for name in differ if name.endswith("configuration/daprsystem")}
    assert other[own].inputs["spec"]["mtls"]["enabled"] is True
    assert one[own].inputs["spec"]["mtls"]["enabled"] is False
    charts = {name for name in differ if name.startswith("dapr-chart/")}
    assert set(differ) - charts == set(PODS) | {"hello-injection", "verification-run", "dapr-injector-ready"}
    for pod in PODS:
        assert differ[pod] == {("spec", "template", "metadata", "annotations", "dapr-osm/dapr")}
    assert expected_by(one) == expected_by(other)


# --- replicas, environment and resources of the walkthrough's apps ----------------------------------------------


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_replicas_are_the_deployments_and_nothing_elses(stage: Stage, version: str) -> None:
    one = at(stage, version)
    other = run(stage=stage.value, daprVersion=version, apps={"nodeapp": {"replicas": 3}})
    assert changed(one, other) == {"hello-nodeapp-pods", "verification-run"}
    assert differing(one["hello-nodeapp-pods"].inputs, other["hello-nodeapp-pods"].inputs) == {("spec", "replicas")}
    assert other["hello-nodeapp-pods"].inputs["spec"]["replicas"] == 3
    assert expected_by(one) == expected_by(other), "how many there are is the Deployment's word"


def test_what_a_stack_says_of_an_app_of_the_walkthrough_is_added_to_it() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    other = run(apps={"nodeapp": {"env": {"COLOUR": "blue"}, "resources": resources}})
    assert changed(at(Stage.SMI), other) == {"hello-nodeapp-pods", "verification-run"}
    assert differing(at(Stage.SMI)["hello-nodeapp-pods"].inputs, other["hello-nodeapp-pods"].inputs) == {
        ("spec", "template", "spec", "containers")
    }
    assert container_of(other) == {
        **container_of(at(Stage.SMI)),
        "env": [{"name": "APP_PORT", "value": "3000"}, {"name": "COLOUR", "value": "blue"}],
        "resources": resources,
    }

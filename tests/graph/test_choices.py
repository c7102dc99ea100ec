"""What the settings change in the graph, and what they leave alone."""

from __future__ import annotations

from typing import Any

import pytest

from model.stage import Stage

from .program import SERVICES, STAGES, at, run
from .recording import Graph

PODS = ("hello-nodeapp", "hello-pythonapp")


def traffic(graph: Graph) -> dict[str, Any]:
    result: dict[str, Any] = graph["exclusions-patch"].inputs["spec"]["traffic"]
    return result


def annotation(graph: Graph, key: str, pod: str = "hello-nodeapp") -> str:
    return str(graph[pod].inputs["spec"]["template"]["metadata"]["annotations"][key])


def interception(graph: Graph) -> str:
    one, other = (annotation(graph, "dapr-osm/interception", pod) for pod in PODS)
    assert one == other, "both apps are injected with the same lists"
    return one


def covers(graph: Graph) -> str:
    return str(graph["verification-run"].inputs["environment"]["OPERATION_COVERS"])


# --- exclusions -------------------------------------------------------------------------------------------------


def test_ports_of_a_scope_of_pods_move_into_their_annotation() -> None:
    graph = run(portScope="pod")
    assert traffic(graph)["outboundPortExclusionList"] == []
    for pod in PODS:
        assert annotation(graph, "openservicemesh.io/outbound-port-exclusion-list", pod) == "80,443,6379,8201,50005"


def test_further_exclusions_join_the_meshs_lists() -> None:
    graph = run(extraPortExclusions=[9090, 6379], extraIpRangeExclusions=["192.0.2.0/24"])
    assert traffic(graph)["outboundPortExclusionList"] == [50005, 8201, 6379, 9090]
    assert traffic(graph)["outboundIPRangeExclusionList"] == ["10.96.0.1/32", "192.0.2.0/24"]
    assert annotation(graph, "openservicemesh.io/outbound-port-exclusion-list") == "80,443"


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
            "ports": [{"name": "raft-node", "port": 8202}, {"name": "api", "port": 50006}]
        },
    }
    graph = run(services=services)
    assert traffic(graph)["outboundIPRangeExclusionList"] == ["172.20.0.1/32"]
    assert traffic(graph)["outboundPortExclusionList"] == [50006, 8202, 6379]
    assert annotation(graph, "openservicemesh.io/outbound-port-exclusion-list") == "80,81,443"


def test_a_service_whose_ports_are_named_otherwise_stops_the_program() -> None:
    services = {**SERVICES, "dapr-system/dapr-sentry": {"ports": [{"name": "new", "port": 1}]}}
    with pytest.raises(Exception, match="Service dapr-sentry has none of the ports named 'grpc', 'legacy'; it has"):
        run(services=services)


def test_too_many_ports_stop_the_program() -> None:
    with pytest.raises(Exception, match="16 ports are excluded"):
        run(extraPortExclusions=list(range(10001, 10012)))


@pytest.mark.parametrize(
    "change",
    [
        {"extraPortExclusions": [9090]},
        {"extraIpRangeExclusions": ["192.0.2.0/24"]},
        {"portScope": "pod"},
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
        {"timeoutSeconds": 400},
        {"verifySeconds": 60},
        {"osmValues": {"osm": {"injector": {"replicaCount": 1}}}},
        {"redisImage": "mirror.example/redis:1"},
        {"readAllSecrets": True},
        {"daprChart": "https://mirror.example/charts", "osmChart": "https://mirror.example/charts"},
    ],
    ids=str,
)
def test_pods_are_not_rolled_for_anything_else(change: dict[str, Any]) -> None:
    graph = run(**change)
    for pod in PODS:
        assert graph[pod].inputs == at(Stage.SMI)[pod].inputs


def test_permissive_mode_rolls_no_pod() -> None:
    assert len({interception(at(stage)) for stage in STAGES if stage.meshed}) == 1


def test_a_new_secret_rolls_everything_that_holds_its_password() -> None:
    # Pulumi makes a new Secret, under a new name, when its content changes.
    one, other = at(Stage.SMI), run(suffix="5e6f7a8b")
    changed = {name for name in one.resources if one[name].inputs != other[name].inputs}
    assert changed == {
        "hello-redis-server",
        "hello-redis-component",
        "hello-secret-reader",
        "hello-nodeapp",
        "hello-pythonapp",
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
    changed = {name for name in other.resources if other[name].inputs != at(stage)[name].inputs}
    assert changed == {"hello-redis-server", "verification-run"}


# --- images and charts ------------------------------------------------------------------------------------------


def test_every_image_setting_reaches_its_container_or_chart() -> None:
    graph = run(
        daprRegistry="mirror.example/dapr",
        osmRegistry="mirror.example/osm",
        envoyImage="mirror.example/envoy:1",
        curlImage="mirror.example/curl:1",
        redisImage="mirror.example/redis:1",
        nodeAppImage="mirror.example/node:1",
        pythonAppImage="mirror.example/python:1",
    )
    osm = graph["osm-release"].inputs["values"]["osm"]
    assert graph["dapr-release"].inputs["values"]["global"]["registry"] == "mirror.example/dapr"
    assert osm["image"] == {"registry": "mirror.example/osm"}
    assert (osm["sidecarImage"], osm["curlImage"]) == ("mirror.example/envoy:1", "mirror.example/curl:1")
    for name, image in (("hello-redis-server", "redis"), ("hello-nodeapp", "node"), ("hello-pythonapp", "python")):
        (container,) = graph[name].inputs["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"mirror.example/{image}:1"


def test_further_values_are_merged_into_the_charts() -> None:
    graph = run(
        daprValues={"global": {"logAsJson": True}},
        osmValues={"osm": {"image": {"tag": "1.2.4"}}},
        osmRegistry="mirror.example/osm",
    )
    assert graph["dapr-release"].inputs["values"] == {
        "global": {"mtls": {"enabled": False}, "tag": "1.12.0", "logAsJson": True}
    }
    assert graph["osm-release"].inputs["values"]["osm"]["image"] == {"registry": "mirror.example/osm", "tag": "1.2.4"}


def test_seconds_reach_the_releases_and_the_verification() -> None:
    graph = run(timeoutSeconds=777, verifySeconds=66)
    assert graph["dapr-release"].inputs["timeout"] == 777
    assert graph["osm-release"].inputs["timeout"] == 777
    assert '"seconds": 66' in graph["verification-run"].inputs["environment"]["OPERATION_EXPECTATION"]


@pytest.mark.parametrize("stage", STAGES)
def test_another_timeout_changes_releases_and_no_command(stage: Stage) -> None:
    one, other = at(stage), run(stage=stage.value, timeoutSeconds=777)
    changed = {name for name in one.resources if one[name].inputs != other[name].inputs}
    assert changed == ({"dapr-release", "osm-release"} if stage.meshed else {"dapr-release"})


# --- what makes Services be looked up again ---------------------------------------------------------------------


def looked_up(graph: Graph) -> Any:
    return graph["dapr-services"].inputs


@pytest.mark.parametrize(
    "change", [{"daprValues": {"global": {"logAsJson": True}}}, {"daprRegistry": "r/dapr"}], ids=str
)
def test_another_release_of_dapr_is_looked_up_anew(change: dict[str, Any]) -> None:
    assert looked_up(run(**change)) != looked_up(at(Stage.SMI))


@pytest.mark.parametrize(
    "change",
    [
        {"timeoutSeconds": 400},
        {"redisImage": "mirror.example/redis:1"},
        {"osmRegistry": "mirror.example/osm"},
        {"portScope": "pod"},
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
    one, two = at(stage), run(stage=stage.value)
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
        {"osmValues": {"osm": {"enableEgress": False}}},
        {"extraPortExclusions": [9090]},
        {"extraIpRangeExclusions": ["192.0.2.0/24"]},
        {"portScope": "pod"},
        {"redisPasswordIn": "component"},
        {"redisPasswordIn": "component", "excludeApiServer": False},
        {"daprChart": "https://mirror.example/charts"},
        {"osmChart": "https://mirror.example/charts"},
        {"readAllSecrets": True},
        {"stage": "locked"},
        {"stage": "permissive"},
        {"stage": "dapr"},
    ],
    ids=str,
)
def test_a_change_of_what_is_verified_is_verified_again(change: dict[str, Any]) -> None:
    assert covers(run(**change)) != covers(at(Stage.SMI))


def test_ports_that_dapr_moves_are_verified_again() -> None:
    services = {**SERVICES, "dapr-system/dapr-sentry": {"ports": [{"name": "grpc", "port": 444}]}}
    assert covers(run(services=services)) != covers(at(Stage.SMI))


@pytest.mark.parametrize(
    ("component", "change"),
    [
        ("dapr", {"daprChart": "https://mirror.example/charts"}),
        ("osm", {"osmChart": "https://mirror.example/charts"}),
        ("hello", {"readAllSecrets": True}),
    ],
)
def test_a_change_of_one_component_is_in_no_others_digest(component: str, change: dict[str, Any]) -> None:
    one, other = digests(at(Stage.SMI)), digests(run(**change))
    assert {name for name in one if one[name] != other[name]} == {component}


def digests(graph: Graph) -> dict[str, Any]:
    outputs = {name: one.outputs or {} for name, one in graph.components.items()}
    return {name: given["digest"] for name, given in outputs.items() if "digest" in given}


def test_every_stage_is_verified_for_itself() -> None:
    assert len({covers(at(stage)) for stage in STAGES}) == len(STAGES)


def test_a_policy_alone_changes_the_digest() -> None:
    assert covers(at(Stage.LOCKED)) != covers(at(Stage.SMI))
    assert interception(at(Stage.LOCKED)) == interception(at(Stage.SMI))

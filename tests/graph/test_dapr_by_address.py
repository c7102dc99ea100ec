"""Dapr 1.16.0, stage by stage: exactly how the graph of a release whose calls ride the mesh as TCP differs.

It is compared with the page's release; whatever is said of that elsewhere holds for everything that is not named here.
"""

from __future__ import annotations

from typing import Any

import pytest

from model.exclusions import DECLARED_ANNOTATION
from model.stage import Stage

from .charts import ADDRESS
from .program import MESHED, PAGE, STAGES, at, run
from .recording import UNKNOWN, Graph
from .views import (
    FORCE,
    IN_ONE_STEP,
    MARK,
    PODS,
    PORT_LIST,
    SKIP_AWAIT,
    annotations_of,
    arguments,
    changed,
    covers,
    declared_policies,
    differing,
    digests,
    excluded,
    expected_by,
    identity,
    outputs,
    own,
    owned,
    traffic,
)

NEW = ADDRESS
SERVICE = "kubernetes:core/v1:Service"
SERVICES = ("hello-nodeapp-dapr-service", "hello-pythonapp-dapr-service")
# Dapr's control plane's own.
OWN_CONFIGURATION = "dapr-chart/configuration/daprsystem"
HTTP, TCP = "smi-routes", "smi-tcp-routes"


def new(stage: Stage = Stage.SMI) -> Graph:
    return at(stage, NEW)


def pair(stage: Stage) -> tuple[Graph, Graph]:
    return at(stage, PAGE), new(stage)


def service(app: str, label: str) -> dict[str, Any]:
    """The Service of an app's daprd, as Dapr's operator makes it, but for the protocol of calls between sidecars."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"{app}-dapr",
            "namespace": "dapr-test",
            "labels": {"dapr.io/enabled": "true", **MARK},
            "annotations": {"dapr.io/app-id": app, **FORCE, **SKIP_AWAIT},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "name": app,
                    "uid": f"uid-of-hello-{app}-pods",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "clusterIP": "None",
            "selector": {"app": label},
            "ports": [
                {"name": "dapr-http", "port": 80, "targetPort": 3500, "protocol": "TCP"},
                {"name": "dapr-grpc", "port": 50001, "targetPort": 50001, "protocol": "TCP"},
                {
                    "name": "dapr-internal",
                    "port": 50002,
                    "targetPort": 50002,
                    "protocol": "TCP",
                    "appProtocol": "tcp",
                },
                {"name": "dapr-metrics", "port": 9090, "targetPort": 9090, "protocol": "TCP"},
            ],
        },
    }


# --- the Services of daprds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("app", "label"), [("nodeapp", "node"), ("pythonapp", "python")])
def test_every_app_has_the_service_of_its_daprd_with_calls_declared_as_tcp(stage: Stage, app: str, label: str) -> None:
    graph = new(stage)
    made = graph[f"hello-{app}-dapr-service"]
    assert made.type == SERVICE
    assert graph.parent_of(made) == f"hello-{app}"
    assert made.provider == "cluster", "by server-side apply it takes over what the operator may have made"
    assert made.inputs == service(app, label)
    assert graph.direct(made.name) == {f"hello-{app}-pods", "hello-namespace"}, "and no pod waits for it"
    assert made.ignore_changes == {"metadata.ownerReferences"}, "a preview of a Deployment's update knows no uid"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", SERVICES)
def test_it_stays_for_daprs_operator_when_it_is_no_longer_declared(stage: Stage, name: str) -> None:
    made = new(stage)[name]
    assert made.retain_on_delete, "else a newer release would lose it after its operator has taken it over"
    assert not made.delete_before_replace


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_it_selects_the_pods_of_the_deployment_that_owns_it(stage: Stage, app: str) -> None:
    graph = new(stage)
    pods = graph[f"hello-{app}-pods"].inputs["spec"]["template"]["metadata"]["labels"]
    assert graph[f"hello-{app}-dapr-service"].inputs["spec"]["selector"].items() <= pods.items()


def test_a_first_preview_knows_all_of_it_but_who_owns_it() -> None:
    preview = run(daprVersion=NEW, preview=True)
    for name in SERVICES:
        assert differing(preview[name].inputs, new()[name].inputs) == {("metadata", "ownerReferences")}
        assert preview[name].inputs["metadata"]["ownerReferences"] is UNKNOWN


@pytest.mark.parametrize("stage", STAGES)
def test_daprs_operator_leaves_these_services_alone(stage: Stage) -> None:
    def reconciles(graph: Graph) -> bool:
        operator = graph["dapr-chart/deployment/dapr-operator"].inputs["spec"]["template"]["spec"]["containers"][0]
        return "--disable-service-reconciler" not in operator["args"]

    assert not reconciles(new(stage))
    assert reconciles(at(stage, PAGE))


@pytest.mark.parametrize("stage", STAGES)
def test_no_configuration_tells_sidecars_how_to_find_each_other(stage: Stage) -> None:
    graph = new(stage)
    assert [one.name for one in graph.everything if one.type.endswith(":Configuration")] == [OWN_CONFIGURATION]
    for pod in PODS:
        assert not {"dapr.io/config", "dapr-osm/configuration"} & annotations_of(graph, pod).keys()


# --- policies ---------------------------------------------------------------------------------------------------


def test_the_pages_permission_is_one_for_connections_to_the_port_of_calls() -> None:
    graph = new()
    assert graph[TCP].inputs == {
        "apiVersion": "specs.smi-spec.io/v1alpha4",
        "kind": "TCPRoute",
        "metadata": owned("nodeapp-service-routes", "dapr-test", annotations=IN_ONE_STEP),
        "spec": {"matches": {"ports": [50002]}},
    }
    assert graph["smi-traffic-target"].inputs == {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": owned("pythodapp-traffic-target", "dapr-test", annotations=IN_ONE_STEP),
        "spec": {
            "destination": {"kind": "ServiceAccount", "name": "nodeapp", "namespace": "dapr-test"},
            "rules": [{"kind": "TCPRoute", "name": "nodeapp-service-routes"}],
            "sources": [{"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"}],
        },
    }
    assert HTTP not in graph


def test_the_routes_of_the_other_way_are_withdrawn_before_the_traffic_target_is_changed() -> None:
    one, other = pair(Stage.SMI)
    assert set(declared_policies(one)) - set(declared_policies(other)) == {
        "HTTPRouteGroup/dapr-test/nodeapp-service-routes"
    }
    assert {"smi-withdraw", TCP} <= other.before("smi-traffic-target")


# --- exclusions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", MESHED)
def test_the_mesh_config_excludes_the_schedulers_and_never_the_calls(stage: Stage) -> None:
    assert traffic(new(stage)) == {
        "enableEgress": True,
        "enablePermissiveTrafficPolicyMode": stage.permissive,
        "outboundIPRangeExclusionList": ["10.96.0.1/32"],
        "outboundPortExclusionList": [50005, 8201, 6379, 50006],
    }
    for pod in PODS:
        assert annotations_of(new(stage), pod)[PORT_LIST] == "80,443"


@pytest.mark.parametrize("stage", MESHED)
def test_the_exclusions_in_force_are_an_output(stage: Stage) -> None:
    graph = new(stage)
    assert excluded(graph, "meshPorts") == [
        (50005, "dapr-placement-server"),
        (8201, "dapr-placement-server"),
        (6379, "redis"),
        (50006, "dapr-scheduler-server"),
    ]
    assert excluded(graph, "podPorts") == [
        (443, "dapr-api"),
        (80, "dapr-api"),
        (443, "dapr-sentry"),
        (443, "dapr-scheduler-server-a"),
    ]


# --- what is expected -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_connections_are_counted_instead_of_calls(stage: Stage) -> None:
    expected = expected_by(new(stage))
    assert expected.by_http is False
    assert expected.through_envoys is stage.meshed
    mesh = ["envoy", "osm-healthcheck"] if stage.meshed else []
    assert {app.name: app.containers for app in expected.apps} == {
        "nodeapp": tuple(sorted(["daprd", "node", *mesh])),
        "pythonapp": tuple(sorted(["daprd", "python", *mesh])),
    }


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_else_is_expected_differently(stage: Stage) -> None:
    one, other = (arguments(graph, "verification-run") for graph in pair(stage))
    assert differing(one, other) == {("by_http",)} | ({("apps",)} if stage.meshed else set()) | (
        {("policies",)} if stage.policies else set()
    )
    for app in (*one["apps"], *other["apps"]):
        app["containers"] = [name for name in app["containers"] if name != "osm-healthcheck"]
    assert one["apps"] == other["apps"]


@pytest.mark.parametrize("stage", STAGES)
def test_the_stacks_outputs_differ_in_what_the_release_is(stage: Stage) -> None:
    one, other = (graph.stack_outputs for graph in pair(stage))
    assert differing(one, other) == {("versions", "dapr"), ("expectation",)} | (
        {("exclusions", "meshPorts"), ("exclusions", "podPorts")} if stage.meshed else set()
    )


# --- from one release to the other ------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", STAGES)
def test_both_releases_have_the_same_resources_but_for_these(stage: Stage) -> None:
    one, other = pair(stage)
    assert own(other) - own(one) == {*SERVICES, *([TCP] if stage.policies else [])}
    assert own(one) - own(other) == ({HTTP} if stage.policies else set())
    assert set(one.components) == set(other.components)


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_the_release_replaces_nothing(stage: Stage) -> None:
    one, other = pair(stage)
    shared = one.resources.keys() & other.resources.keys()
    assert len(shared) > 50, "charts' objects too"
    for name in shared:
        assert identity(one[name]) == identity(other[name]), name
        assert not one[name].delete_before_replace
        assert "triggers" not in other[name].inputs


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_the_release_updates_just_what_it_is_about(stage: Stage) -> None:
    one, other = pair(stage)
    found = {name: differing(one[name].inputs, other[name].inputs) for name in changed(one, other) if name in own(one)}
    annotation = ("spec", "template", "metadata", "annotations")
    injected = {(*annotation, "dapr-osm/interception")} if stage.meshed else set()
    release, mesh = ("environment", "OPERATION_RELEASE"), ("environment", "OPERATION_MESH")
    expected = {
        "dapr-release-change": {("stdin", "release")},
        "dapr-injector-ready": {release},
        "dapr-services": {("stdin", "services"), release},
        "hello-injection": {release, *([mesh, ("stdin", "sidecars")] if stage.meshed else [])},
        **dict.fromkeys(PODS, {(*annotation, "dapr-osm/dapr")} | injected),
        "verification-run": {
            ("environment", "OPERATION_COVERS"),
            ("stdin", "by_http"),
            *([("stdin", "apps")] if stage.meshed else []),
            *([("stdin", "policies")] if stage.policies else []),
        },
    }
    if stage.meshed:
        declared = ("metadata", "annotations", DECLARED_ANNOTATION)
        expected["exclusions-patch"] = {("spec", "traffic", "outboundPortExclusionList"), declared}
    if stage.policies:
        expected["smi-withdraw"] = {("stdin", "declared")}
        expected["smi-traffic-target"] = {("spec", "rules")}
    assert found == expected


@pytest.mark.parametrize("stage", STAGES)
def test_what_comes_before_what_differs_by_the_new_resources_only(stage: Stage) -> None:
    one, other = pair(stage)
    for name in own(one) & own(other) - {"smi-withdraw"}:
        assert own(other, other.direct(name)) - one.direct(name) <= {*SERVICES, TCP}
        assert own(one, one.direct(name)) - other.direct(name) <= {HTTP}


def test_policies_about_connections_come_after_the_pods_that_make_them() -> None:
    # A TCPRoute refuses the HTTP calls of pods from before; an HTTPRouteGroup lets connections through.
    one, other = pair(Stage.SMI)
    assert set(PODS) <= other.direct("smi-withdraw")
    assert not set(PODS) & one.before("smi-withdraw")


@pytest.mark.parametrize("stage", STAGES)
def test_a_release_is_in_the_digests_of_what_it_changes(stage: Stage) -> None:
    one, other = (digests(graph) for graph in pair(stage))
    assert {name for name in one if one[name] != other[name]} == {
        "dapr",
        "hello",
        *(["exclusions"] if stage.meshed else []),
        *(["smi"] if stage.policies else []),
    }
    assert covers(at(stage, PAGE)) != covers(new(stage))
    assert outputs(new(stage), "dapr")["version"] == NEW

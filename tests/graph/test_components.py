"""Each component on its own: it can be used anywhere, and takes Pulumi's options as any resource does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_type_hints

import pulumi
import pulumi_kubernetes as k8s
import pytest

import components
from components import (
    ClusterIdentity,
    ClusterIdentityArgs,
    Connection,
    DaprInstall,
    DaprInstallArgs,
    HelloKubernetesApps,
    HelloKubernetesAppsArgs,
    Interception,
    MeshConfigExclusions,
    MeshConfigExclusionsArgs,
    OsmInstall,
    OsmInstallArgs,
    SmiPolicies,
    SmiPoliciesArgs,
    TeardownGuard,
    TeardownGuardArgs,
    Verification,
    VerificationArgs,
)
from components.chart_resources import ChartResources, ChartResourcesArgs
from components.connection import provider
from components.control_plane import InstalledChart
from components.dapr_app import DaprApp, DaprAppArgs
from components.namespaces import HomeArgs, home
from components.redis_state_store import RedisStateStore, RedisStateStoreArgs
from model import apps as model_apps
from model import policies as model_policies
from model.arguments import Teardown
from model.chart import ChartObject
from model.exclusions import ExclusionSet, PortScope
from model.expectation import expectation
from model.names import Namespaces
from model.owner import Owner
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, OSM_RELEASE

from .program import CLUSTER, SERVICES, found_on, moved_to, stdout_on
from .recording import Graph, Mocks, Recorded, Secret, record

DAPR = DAPR_RELEASES[DEFAULT_DAPR_VERSION]
APPS = model_apps.walkthrough("tests", node_image="node:1", python_image="python:1")
POLICIES = list(model_policies.walkthrough().values())


def chart_object(api_version: str, kind: str, name: str, wave: int, namespace: str | None = None) -> ChartObject:
    """A chart's object, ready to be registered."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return ChartObject(
        body={"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": {"a": 1}}, wave=wave
    )


DEFINITION = "things.example.com"
OBJECTS = (
    chart_object("apiextensions.k8s.io/v1", "CustomResourceDefinition", DEFINITION, 0),
    chart_object("v1", "ServiceAccount", "someone", 1, "daprs"),
    chart_object("v1", "Secret", "something", 1, "daprs"),
    chart_object("apps/v1", "Deployment", "first", 3, "daprs"),
    chart_object("apps/v1", "Deployment", "second", 4, "daprs"),
)
CHART = InstalledChart(objects=OBJECTS)

Make = Callable[[str, Connection, pulumi.Resource, pulumi.ResourceOptions | None], pulumi.ComponentResource]


class Group(pulumi.ComponentResource):
    """Somebody's own component, around ours."""

    def __init__(self, name: str) -> None:
        super().__init__("test:index:Group", name)
        self.register_outputs({})


def identity(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> ClusterIdentity:
    args = ClusterIdentityArgs(provider=connection.provider, context=None, owner=connection.owner)
    return ClusterIdentity(name, args, opts)


def dapr(name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> DaprInstall:
    args = DaprInstallArgs(connection=connection, chart=CHART, namespace="daprs", release=DAPR, timeout_seconds=60)
    return DaprInstall(name, args, opts)


def osm(name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> OsmInstall:
    args = OsmInstallArgs(connection=connection, chart=CHART, namespace="osms", release=OSM_RELEASE, timeout_seconds=60)
    return OsmInstall(name, args, opts)


def chart(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> ChartResources:
    args = ChartResourcesArgs(connection=connection, objects=OBJECTS, after=[other], timeout_seconds=60)
    return ChartResources(name, args, opts)


def exclusions(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> MeshConfigExclusions:
    args = MeshConfigExclusionsArgs(
        connection=connection,
        mesh=other,
        namespaces=Namespaces(),
        services=json.loads(found_on(SERVICES, list(SERVICES))),
        permissive=True,
        enable_egress=True,
        sidecars="0123456789abcdef",
        exclusion_set=ExclusionSet.PAGE,
        exclude_api_server=True,
        port_scope=PortScope.MESH,
        extra_ports=(),
        extra_ip_ranges=(),
    )
    return MeshConfigExclusions(name, args, opts)


def apps(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> HelloKubernetesApps:
    args = HelloKubernetesAppsArgs(
        connection=connection,
        stage=Stage.SMI,
        namespace="tests",
        apps=APPS,
        redis_image="redis:1",
        redis_password="secret",
        password_in_component=False,
        read_all_secrets=False,
        registry_credentials=None,
        route=DAPR.route,
        control_planes=["daprs"],
        dapr=other,
        dapr_digest="d",
        sidecars=["daprd"],
        timeout_seconds=60,
        interception=Interception(pod_annotation="80", digest="d", configured=other),
    )
    return HelloKubernetesApps(name, args, opts)


def redis(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> RedisStateStore:
    place = home("home", HomeArgs(connection=connection, name="somewhere"), other)
    args = RedisStateStoreArgs(
        connection=connection,
        home=place,
        image="redis:1",
        password="secret",
        password_in_component=False,
        dapr=other,
        timeout_seconds=60,
    )
    return RedisStateStore(name, args, opts)


def app(name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> DaprApp:
    args = DaprAppArgs(
        connection=connection,
        app=APPS["nodeapp"],
        home=home("home", HomeArgs(connection=connection, name="tests"), other),
        annotations={},
        own_account=True,
        own_dapr_service=True,
        after=[other],
        timeout_seconds=60,
    )
    return DaprApp(name, args, opts)


def policies(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> SmiPolicies:
    args = SmiPoliciesArgs(
        connection=connection,
        namespaces={"tests": "tests"},
        policies=POLICIES,
        apps=APPS,
        route=DAPR.route,
        mesh=other,
        deployed=other,
    )
    return SmiPolicies(name, args, opts)


def verification(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> Verification:
    expected = expectation(
        Stage.SMI, stack="test", dapr=DAPR, osm=OSM_RELEASE, apps=APPS, policies=POLICIES, seconds=60
    )
    args = VerificationArgs(connection=connection, expectation=expected, covers=["a"], after=[other])
    return Verification(name, args, opts)


def guard(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> TeardownGuard:
    args = TeardownGuardArgs(connection=connection, stack=TEARDOWN, after=[other])
    return TeardownGuard(name, args, opts)


TEARDOWN = Teardown(dapr_namespace="d", osm_namespace=None, definitions={}, namespaces=(), keep=False)
COMPONENTS = [identity, dapr, osm, chart, exclusions, apps, app, redis, policies, verification, guard]
# Those that make Kubernetes objects.
WITH_OBJECTS = [dapr, osm, chart, exclusions, apps, app, redis, policies]


def made_by(make: Make) -> type[pulumi.ComponentResource]:
    """The class of the component that one of the functions above makes."""
    made: type[pulumi.ComponentResource] = get_type_hints(make)["return"]
    return made


def recorded(program: Callable[[Connection, pulumi.Resource], Any], mocks: Mocks | None = None) -> Graph:
    def run() -> None:
        reached = provider(None)
        connection = Connection(provider=reached, context=None, cluster=CLUSTER, owner=Owner(stack="test"))
        other = k8s.core.v1.ConfigMap("other", opts=pulumi.ResourceOptions(provider=reached))
        program(connection, other)

    return record(run, mocks=mocks or answering())


def answering() -> Mocks:
    """Who answers for the providers."""
    return Mocks(stdout_on(moved_to("daprs", SERVICES)))


def children(graph: Graph, component: str) -> list[str]:
    """Names of all that a provider manages below a component, however deep."""
    return [one.name for one in graph.within(component)]


@pytest.mark.parametrize("make", COMPONENTS)
def test_a_component_stands_where_its_parent_option_puts_it(make: Make) -> None:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        make("mine", connection, other, pulumi.ResourceOptions(parent=Group("group")))

    graph = recorded(program)
    component = graph.components["mine"]
    assert graph.parent_of(component) == "group"
    assert component.urn.split("::")[2].startswith("test:index:Group$dapr-osm:components:")
    assert children(graph, "mine"), "children stay its own, and are not re-parented by its options"
    assert not [one for one in graph.resources.values() if graph.parent_of(one) == "group"]


@pytest.mark.parametrize("make", COMPONENTS)
def test_a_component_without_options_stands_at_the_top(make: Make) -> None:
    graph = recorded(lambda connection, other: make("mine", connection, other, None))
    assert graph.parent_of(graph.components["mine"]) == ""


@pytest.mark.parametrize("make", COMPONENTS)
def test_a_component_may_bear_any_name_and_its_children_follow(make: Make) -> None:
    graph = recorded(lambda connection, other: make("another-name", connection, other, None))
    names = children(graph, "another-name")
    assert names
    assert all(name.startswith("another-name") for name in names)


@pytest.mark.parametrize("make", [chart, exclusions, apps, app, redis, policies, verification, guard])
def test_whatever_a_component_is_told_to_wait_for_comes_first(make: Make) -> None:
    graph = recorded(lambda connection, other: make("mine", connection, other, None))
    waiting = [name for name in children(graph, "mine") if "other" in graph.before(name)]
    assert waiting, "its arguments name a resource that has to be there before"


def test_whatever_the_policies_are_told_is_deployed_comes_before_callers_get_new_pods() -> None:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        deployed = k8s.core.v1.ConfigMap("deployed", opts=pulumi.ResourceOptions(provider=connection.provider))
        args = SmiPoliciesArgs(
            connection=connection,
            namespaces={"tests": "tests"},
            policies=POLICIES,
            apps=APPS,
            route=DAPR.route,
            mesh=other,
            deployed=deployed,
        )
        SmiPolicies("mine", args)

    graph = recorded(program)
    assert [name for name in graph.resources if "deployed" in graph.before(name)] == ["mine-revoke"], (
        "policies need nobody's pods"
    )
    assert {"mine-withdraw", "mine-routes", "mine-traffic-target", "other"} <= graph.before("mine-revoke")


@pytest.mark.parametrize("make", COMPONENTS)
def test_all_of_a_component_waits_for_what_its_options_name(make: Make) -> None:
    mocks = answering()
    mocks.slow = frozenset({"first"})

    def program(connection: Connection, other: pulumi.Resource) -> None:
        first = k8s.core.v1.ConfigMap("first", opts=pulumi.ResourceOptions(provider=connection.provider))
        make("mine", connection, other, pulumi.ResourceOptions(depends_on=[first]))

    graph = recorded(program, mocks)
    assert graph["first"].urn in graph.components["mine"].dependencies, "so that it goes after all of it, too"
    done = mocks.created.index("first")
    assert not [name for name in children(graph, "mine") if mocks.created.index(name) < done]


@pytest.mark.parametrize("make", WITH_OBJECTS)
def test_a_components_objects_are_on_the_cluster_of_whoever_made_it(make: Make) -> None:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        theirs = k8s.Provider("theirs")
        make("mine", connection, other, pulumi.ResourceOptions(provider=theirs))

    graph = recorded(program)
    objects = [one for one in graph.within("mine") if one.is_kubernetes]
    assert objects
    assert {one.provider for one in objects} == {"theirs"}, "children inherit what their caller chose"


# Attributes that are no outputs, and outputs that only show that it is done.
BESIDE: dict[Make, tuple[set[str], set[str]]] = {
    identity: ({"connection"}, {"cluster"}),
    chart: ({"resources"}, {"objects"}),
    app: ({"account", "deployment"}, set()),
    guard: (set(), {"stack"}),
}


@pytest.mark.parametrize("make", COMPONENTS)
def test_every_component_declares_its_outputs_as_annotations(make: Make) -> None:
    graph = recorded(lambda connection, other: make("mine", connection, other, None))
    attributes, more = BESIDE.get(make, (set(), set()))
    declared = set(made_by(make).__annotations__)
    outputs = set(graph.components["mine"].outputs or {})
    assert outputs, "a component without outputs never shows as done"
    assert outputs == (declared - attributes) | more
    assert attributes <= declared


def test_all_components_are_tried_here() -> None:
    public = [getattr(components, name) for name in components.__all__]
    made = {one for one in public if isinstance(one, type) and issubclass(one, pulumi.ComponentResource)}
    assert made | {RedisStateStore, DaprApp, ChartResources} == {made_by(make) for make in COMPONENTS}


# --- a chart's objects --------------------------------------------------------------------------------------------


def charted(**more: Any) -> Graph:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        before = k8s.core.v1.ConfigMap("before", opts=pulumi.ResourceOptions(provider=connection.provider))
        shared: dict[str, Any] = {"connection": connection, "objects": OBJECTS, "timeout_seconds": 60, **more}
        args = ChartResourcesArgs(after=[other], before_workloads=[before], **shared)
        ChartResources("mine", args, pulumi.ResourceOptions(provider=connection.provider))

    return recorded(program)


def test_each_wave_of_a_chart_waits_for_the_whole_one_before_it() -> None:
    graph = charted()
    definition, account, secret, first, second = (f"mine/{item.kind.lower()}/{item.name}" for item in OBJECTS)
    assert {name: graph.direct(name) for name in children(graph, "mine")} == {
        definition: {"other"},
        account: {definition},
        secret: {definition},
        first: {account, secret, "before"},
        "mine/ready/first": {first},
        second: {first, "mine/ready/first", "before"},
        "mine/ready/second": {second},
    }


def test_the_pods_of_a_wave_are_waited_for_in_place_of_pulumis_wait() -> None:
    graph = charted()
    for name in ("first", "second"):
        asked = json.loads(graph[f"mine/ready/{name}"].inputs["stdin"])
        assert asked == {"workloads": [["Deployment", "daprs", name]], "served_by": [], "seconds": 60}
    assert graph["mine/ready/first"].inputs["environment"]["OPERATION_COVERS"]


def objects_of(graph: Graph) -> list[Recorded]:
    """What of the chart is on the cluster."""
    return [one for one in graph.within("mine") if one.is_kubernetes]


def test_what_a_chart_of_secret_values_makes_is_secret() -> None:
    for one in objects_of(charted(secret=True)):
        assert isinstance(one.inputs["spec"], Secret), "a value may be anywhere in it"
        assert one.object_name, "but not in its name"
    assert not [one for one in objects_of(charted()) if isinstance(one.inputs["spec"], Secret)]


def test_labels_and_annotations_of_secret_values_are_secret_but_what_this_program_writes() -> None:
    """A chart takes some of its values for them, and the marks are how the stack's objects are known."""
    marks = {
        "labels": {"dapr-osm/stack": "dev", "token": "hunter2"},
        "annotations": {"pulumi.com/patchForce": "true", "token": "hunter2"},
    }
    first = next(item for item in OBJECTS if item.name == "first")
    marked = replace(first, body={**first.body, "metadata": {**first.body["metadata"], **marks}})
    graph = charted(secret=True, objects=[marked])
    metadata = graph["mine/deployment/first"].inputs["metadata"]
    for kind, given in marks.items():
        assert [name for name in given if isinstance(metadata[kind][name], Secret)] == ["token"]
    covers = graph["mine/ready/first"].inputs["environment"]["OPERATION_COVERS"]
    assert not isinstance(covers, Secret), "what is known of an object by then is none"


def test_a_definition_that_was_there_before_stays_when_the_stack_goes() -> None:
    kept = {one.name for one in objects_of(charted(kept=frozenset({DEFINITION}))) if one.retain_on_delete}
    assert kept == {f"mine/customresourcedefinition/{DEFINITION}"}


@pytest.mark.parametrize(("key", "attribute"), [("retain", "retain_on_delete"), ("protect", "protect")])
def test_all_of_a_chart_can_be_kept_or_protected(key: str, attribute: str) -> None:
    assert {getattr(one, attribute) for one in objects_of(charted(**{key: True}))} == {True}
    assert {getattr(one, attribute) for one in objects_of(charted())} == {False}


def planes(**more: Any) -> Graph:
    """Both control planes, with more said of them."""

    def program(connection: Connection, other: pulumi.Resource) -> None:
        opts = pulumi.ResourceOptions(provider=connection.provider)
        shared: dict[str, Any] = {"connection": connection, "chart": CHART, "timeout_seconds": 60, **more}
        DaprInstall("dapr", DaprInstallArgs(namespace="daprs", release=DAPR, **shared), opts)
        OsmInstall("osm", OsmInstallArgs(namespace="osms", release=OSM_RELEASE, **shared), opts)

    return recorded(program)


def test_control_planes_that_others_use_stay_and_every_step_is_told() -> None:
    graph = planes(keep_shared=True)
    for plane in ("dapr", "osm"):
        made = [one for one in graph.within(plane) if one.is_kubernetes]
        assert {one.retain_on_delete for one in made} == {True}
        deletes = [one for one in graph.within(plane) if one.inputs.get("delete")]
        assert {json.loads(one.inputs["stdin"])["keep"] for one in deletes} == {True}
        assert len(deletes) >= 2


def test_protected_control_planes_and_their_namespaces_are_not_deleted() -> None:
    graph = planes(protect=True)
    assert {one.protect for plane in ("dapr", "osm") for one in graph.within(plane) if one.is_kubernetes} == {True}


def test_a_namespace_that_a_team_brings_is_joined_and_left_as_it_was() -> None:
    graph = planes(existing_namespace=True)
    for plane, namespace in (("dapr", "daprs"), ("osm", "osms")):
        one = graph[f"{plane}-namespace"]
        assert one.type == "kubernetes:core/v1:NamespacePatch"
        assert one.inputs["metadata"] == {
            "name": namespace,
            "annotations": {"pulumi.com/patchForce": "true", "pulumi.com/patchFieldManager": "dapr-osm"},
        }
        assert not one.retain_on_delete, "its deletion takes only that away again"
    assert not graph.of_type("kubernetes:core/v1:Namespace")


def test_what_a_control_plane_does_not_say_of_a_secret_chart_is_in_its_digest_by_name_only() -> None:
    def told(value: int, *, secret: bool) -> Any:
        item = ChartObject(body={**OBJECTS[1].body, "spec": {"a": value}}, wave=1)
        graph = planes(chart=InstalledChart(objects=[*OBJECTS[:1], item], secret=secret))
        return graph["dapr-injector-ready"].inputs["environment"]["OPERATION_RELEASE"]

    assert told(1, secret=False) != told(2, secret=False)
    assert told(1, secret=True) == told(2, secret=True), "a digest of a secret tells of it"


@pytest.mark.parametrize("secret", [False, True])
def test_daprs_services_are_looked_up_anew_only_where_they_could_be_others(secret: bool) -> None:
    def told(*, release: str = DEFAULT_DAPR_VERSION, **ports: int) -> Any:
        services = [
            ChartObject(body={**chart_object("v1", "Service", name, 1).body, "spec": {"port": ports.get(key)}}, wave=1)
            for key, name in (("api", "dapr-api"), ("other", "dapr-webhook"))
        ]
        chart = InstalledChart(objects=[*OBJECTS, *services], secret=secret)

        def program(connection: Connection, other: pulumi.Resource) -> None:
            args = DaprInstallArgs(
                namespace="daprs",
                release=replace(DAPR, version=release),
                connection=connection,
                chart=chart,
                timeout_seconds=60,
            )
            DaprInstall("dapr", args, pulumi.ResourceOptions(provider=connection.provider))

        return recorded(program)["dapr-services"].inputs["environment"]["OPERATION_RELEASE"]

    before = told(api=443, other=443)
    assert told(api=443, other=444) == before, "no daprd talks to it, so what bypasses the mesh stays known"
    assert (told(api=444, other=443) != before) is not secret, "a digest of a secret tells of it"
    assert told(api=443, other=443, release="9.9.9") != before

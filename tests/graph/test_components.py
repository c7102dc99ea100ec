"""Each component on its own: it can be used anywhere, and takes Pulumi's options as any resource does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, get_type_hints

import pulumi
import pulumi_kubernetes as k8s
import pytest

import components
from components import (
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
    Verification,
    VerificationArgs,
    connect,
)
from components.namespaces import own_namespace
from components.redis_state_store import RedisStateStore, RedisStateStoreArgs
from model import apps as model_apps
from model import policies as model_policies
from model.exclusions import ExclusionSet, PortScope
from model.expectation import expectation
from model.names import Namespaces
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, OSM_RELEASE
from settings import Chart

from .program import SERVICES, found_on, moved_to, stdout_on
from .recording import Graph, Mocks, record

DAPR = DAPR_RELEASES[DEFAULT_DAPR_VERSION]
APPS = model_apps.walkthrough("tests", node_image="node:1", python_image="python:1")
POLICIES = list(model_policies.walkthrough().values())
CHART = Chart(source="https://charts.example", version="1")

Make = Callable[[str, Connection, pulumi.Resource, pulumi.ResourceOptions | None], pulumi.ComponentResource]


class Group(pulumi.ComponentResource):
    """Somebody's own component, around ours."""

    def __init__(self, name: str) -> None:
        super().__init__("test:index:Group", name)
        self.register_outputs({})


def dapr(name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> DaprInstall:
    args = DaprInstallArgs(
        connection=connection,
        namespace="daprs",
        release=DAPR,
        mtls=False,
        chart=CHART,
        registry=None,
        values={},
        registry_credentials=None,
        timeout_seconds=60,
    )
    return DaprInstall(name, args, opts)


def osm(name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None) -> OsmInstall:
    args = OsmInstallArgs(
        connection=connection,
        namespace="osms",
        release=OSM_RELEASE,
        chart=CHART,
        registry=None,
        envoy_image=None,
        curl_image=None,
        values={},
        registry_credentials=None,
        timeout_seconds=60,
    )
    return OsmInstall(name, args, opts)


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
        redis_password="secret",  # noqa: S106 - the test's own
        password_in_component=False,
        read_all_secrets=False,
        registry_credentials=None,
        route=DAPR.route,
        dapr=other,
        dapr_digest="d",
        interception=Interception(pod_annotation="80", digest="d", configured=other),
    )
    return HelloKubernetesApps(name, args, opts)


def redis(
    name: str, connection: Connection, other: pulumi.Resource, opts: pulumi.ResourceOptions | None
) -> RedisStateStore:
    home = own_namespace("home", name="somewhere", connection=connection, parent=other, registry_credentials=None)
    args = RedisStateStoreArgs(
        connection=connection,
        home=home,
        image="redis:1",
        password="secret",  # noqa: S106 - the test's own
        password_in_component=False,
        dapr=other,
    )
    return RedisStateStore(name, args, opts)


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
    expected = expectation(Stage.SMI, dapr=DAPR, osm=OSM_RELEASE, apps=APPS, policies=POLICIES, seconds=60)
    return Verification(name, VerificationArgs(expectation=expected, covers=["a"], after=[other]), opts)


COMPONENTS = [dapr, osm, exclusions, apps, redis, policies, verification]


def made_by(make: Make) -> type[pulumi.ComponentResource]:
    """The class of the component that one of the functions above makes."""
    made: type[pulumi.ComponentResource] = get_type_hints(make)["return"]
    return made


def recorded(program: Callable[[Connection, pulumi.Resource], Any]) -> Graph:
    def run() -> None:
        connection = connect()
        other = k8s.core.v1.ConfigMap("other", opts=pulumi.ResourceOptions(provider=connection.apply))
        program(connection, other)

    return record(run, mocks=Mocks(stdout_on(moved_to("daprs", SERVICES))))


def children(graph: Graph, component: str) -> list[str]:
    """Names of all that a provider manages below a component, however deep."""
    below = [one for one in graph.everything if graph.parent_of(one) == component]
    found = [one.name for one in below if one.custom]
    for one in below:
        if not one.custom:
            found += children(graph, one.name)
    return found


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


@pytest.mark.parametrize("make", [apps, redis, policies, verification, exclusions])
def test_whatever_a_component_is_told_to_wait_for_comes_first(make: Make) -> None:
    graph = recorded(lambda connection, other: make("mine", connection, other, None))
    waiting = [name for name in children(graph, "mine") if "other" in graph.before(name)]
    assert waiting, "its arguments name a resource that has to be there before"


def test_whatever_the_policies_are_told_is_deployed_comes_before_callers_get_new_pods() -> None:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        deployed = k8s.core.v1.ConfigMap("deployed", opts=pulumi.ResourceOptions(provider=connection.apply))
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
def test_a_component_waits_for_what_its_options_name(make: Make) -> None:
    def program(connection: Connection, other: pulumi.Resource) -> None:
        first = k8s.core.v1.ConfigMap("first", opts=pulumi.ResourceOptions(provider=connection.apply))
        make("mine", connection, other, pulumi.ResourceOptions(depends_on=[first]))

    graph = recorded(program)
    component = graph.components["mine"]
    assert graph["first"].urn in component.dependencies, "the option reached the component"


@pytest.mark.parametrize("make", COMPONENTS)
def test_every_component_declares_its_outputs_as_annotations(make: Make) -> None:
    graph = recorded(lambda connection, other: make("mine", connection, other, None))
    declared = set(made_by(make).__annotations__)
    outputs = set(graph.components["mine"].outputs or {})
    assert outputs, "a component without outputs never shows as done"
    assert outputs == declared


def test_all_components_are_tried_here() -> None:
    public = [getattr(components, name) for name in components.__all__]
    made = {one for one in public if isinstance(one, type) and issubclass(one, pulumi.ComponentResource)}
    assert made | {RedisStateStore} == {made_by(make) for make in COMPONENTS}

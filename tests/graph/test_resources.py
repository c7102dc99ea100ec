"""Which resources each stage has, of what type, under which names, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from model.inventory import own_objects
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION
from settings import load

from .charts import ADDRESS, DNS_NAME, own, resource_of, token_of
from .program import CORNERS, CREDENTIALS, OWN_APPS, OWN_POLICIES, SECRET_KEYS, STAGES, WAYS, at, config_for, run
from .recording import Graph
from .views import PODS, changed, outputs

NAMESPACE = "kubernetes:core/v1:Namespace"
SERVICE = "kubernetes:core/v1:Service"
SECRET = "kubernetes:core/v1:Secret"  # noqa: S105 - a type token
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
COMMAND = "command:local:Command"
PROVIDER = "pulumi:providers:kubernetes"
OURS = "dapr-osm:components"

# Type, resource's name, Kubernetes object's name, parent's name.
Row = tuple[str, str, str | None, str]

DAPR_STAGE: set[Row] = {
    (PROVIDER, "cluster", None, ""),
    (f"{OURS}:ClusterIdentity", "cluster", None, ""),
    (COMMAND, "cluster-noted", None, "cluster"),
    (f"{OURS}:DaprInstall", "dapr", None, ""),
    (NAMESPACE, "dapr-namespace", "dapr-system", "dapr"),
    (COMMAND, "dapr-release-change", None, "dapr"),
    (COMMAND, "dapr-runtime", None, "dapr"),
    (f"{OURS}:ChartResources", "dapr-chart", None, "dapr"),
    (COMMAND, "dapr-chart/ready/dapr-sentry", None, "dapr-chart"),
    (COMMAND, "dapr-chart/ready/dapr-operator", None, "dapr-chart"),
    (COMMAND, "dapr-definitions", None, "dapr"),
    (COMMAND, "dapr-injector-ready", None, "dapr"),
    (COMMAND, "dapr-services", None, "dapr"),
    (f"{OURS}:HelloKubernetesApps", "hello", None, ""),
    (NAMESPACE, "hello-namespace", "dapr-test", "hello"),
    (f"{OURS}:RedisStateStore", "hello-redis", None, "hello"),
    (SECRET, "hello-redis-password", None, "hello-redis"),
    (DEPLOYMENT, "hello-redis-server", "redis", "hello-redis"),
    (COMMAND, "hello-redis-ready", None, "hello-redis"),
    (SERVICE, "hello-redis-service", "redis", "hello-redis"),
    ("kubernetes:dapr.io/v1alpha1:Component", "hello-redis-component", "statestore", "hello-redis"),
    (ROLE, "hello-secret-reader", "secret-reader", "hello"),
    (BINDING, "hello-dapr-secret-reader", "dapr-secret-reader", "hello"),
    (COMMAND, "hello-injection", None, "hello"),
    (f"{OURS}:DaprApp", "hello-nodeapp", None, "hello"),
    (DEPLOYMENT, "hello-nodeapp-pods", "nodeapp", "hello-nodeapp"),
    (SERVICE, "hello-nodeapp-service", "nodeapp", "hello-nodeapp"),
    (f"{OURS}:DaprApp", "hello-pythonapp", None, "hello"),
    (DEPLOYMENT, "hello-pythonapp-pods", "pythonapp", "hello-pythonapp"),
    (COMMAND, "hello-ready", None, "hello"),
    (f"{OURS}:Verification", "verification", None, ""),
    (COMMAND, "verification-run", None, "verification"),
    (f"{OURS}:TeardownGuard", "teardown", None, ""),
    (COMMAND, "teardown-check", None, "teardown"),
}
MESH: set[Row] = {
    (f"{OURS}:OsmInstall", "osm", None, ""),
    (NAMESPACE, "osm-namespace", "osm-system", "osm"),
    (COMMAND, "osm-runtime", None, "osm"),
    (f"{OURS}:ChartResources", "osm-chart", None, "osm"),
    (COMMAND, "osm-chart/ready/osm-bootstrap", None, "osm-chart"),
    (COMMAND, "osm-chart/ready/osm-controller", None, "osm-chart"),
    (COMMAND, "osm-mesh-ready", None, "osm"),
    (f"{OURS}:MeshConfigExclusions", "exclusions", None, ""),
    (
        "kubernetes:config.openservicemesh.io/v1alpha2:MeshConfigPatch",
        "exclusions-patch",
        "osm-mesh-config",
        "exclusions",
    ),
    *((token_of(item), resource_of("osm", item), item["metadata"]["name"], "osm-chart") for item in own("osm")),
}
WITHDRAWAL: set[Row] = {
    (f"{OURS}:SmiPolicies", "smi", None, ""),
    (COMMAND, "smi-withdraw", None, "smi"),
    (COMMAND, "smi-revoke", None, "smi"),
}
ACCOUNTS: set[Row] = {
    (ACCOUNT, "hello-nodeapp-account", "nodeapp", "hello-nodeapp"),
    (ACCOUNT, "hello-pythonapp-account", "pythonapp", "hello-pythonapp"),
}
SMI = "smi-spec.io"
TARGET: Row = (
    f"kubernetes:access.{SMI}/v1alpha3:TrafficTarget",
    "smi-traffic-target",
    "pythodapp-traffic-target",
    "smi",
)
HTTP: set[Row] = {
    TARGET,
    (f"kubernetes:specs.{SMI}/v1alpha4:HTTPRouteGroup", "smi-routes", "nodeapp-service-routes", "smi"),
}
TCP: set[Row] = {
    TARGET,
    (f"kubernetes:specs.{SMI}/v1alpha4:TCPRoute", "smi-tcp-routes", "nodeapp-service-routes", "smi"),
}
COMMON: dict[Stage, set[Row]] = {
    Stage.DAPR: DAPR_STAGE,
    Stage.PERMISSIVE: DAPR_STAGE | MESH,
    Stage.LOCKED: DAPR_STAGE | MESH | ACCOUNTS | WITHDRAWAL,
    Stage.SMI: DAPR_STAGE | MESH | ACCOUNTS | WITHDRAWAL,
}
CONFIGURATION: set[Row] = {("kubernetes:dapr.io/v1alpha1:Configuration", "hello-configuration", "mesh-names", "hello")}
DAPR_SERVICES: set[Row] = {
    (SERVICE, "hello-nodeapp-dapr-service", "nodeapp-dapr", "hello-nodeapp"),
    (SERVICE, "hello-pythonapp-dapr-service", "pythonapp-dapr", "hello-pythonapp"),
}
# What a release's way through the mesh adds at every stage, and its policies.
ADDED_BY: dict[str, set[Row]] = {DNS_NAME: set(), ADDRESS: DAPR_SERVICES, DEFAULT_DAPR_VERSION: CONFIGURATION}
POLICIES: dict[str, set[Row]] = {DNS_NAME: HTTP, ADDRESS: TCP, DEFAULT_DAPR_VERSION: HTTP}


def charted(version: str) -> set[Row]:
    """Dapr's own objects."""
    return {
        (token_of(item), resource_of("dapr", item), item["metadata"]["name"], "dapr-chart")
        for item in own("dapr", version)
    }


def expected(stage: Stage, version: str) -> set[Row]:
    return COMMON[stage] | charted(version) | ADDED_BY[version] | (POLICIES[version] if stage.policies else set())


def rows(graph: Graph) -> set[Row]:
    return {(one.type, one.name, one.object_name, graph.parent_of(one)) for one in graph.everything}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_exactly_these_resources(stage: Stage, version: str) -> None:
    assert rows(at(stage, version)) == expected(stage, version)


@pytest.mark.parametrize("version", WAYS)
def test_only_the_last_move_of_the_walkthrough_adds_nothing_but_policies(version: str) -> None:
    locked, smi = at(Stage.LOCKED, version), at(Stage.SMI, version)
    assert rows(smi) - rows(locked) == POLICIES[version]
    assert rows(locked) <= rows(smi)
    assert changed(locked, smi) == {"smi-withdraw", "smi-revoke", "verification-run"}, (
        "no pod is rolled and no list changed by it"
    )


@pytest.mark.parametrize("version", WAYS)
def test_the_move_from_permissive_to_locked_touches_only_what_it_is_about(version: str) -> None:
    before, after = at(Stage.PERMISSIVE, version), at(Stage.LOCKED, version)
    assert rows(after) - rows(before) == ACCOUNTS | WITHDRAWAL
    assert rows(before) <= rows(after)
    assert changed(before, after) == {
        "exclusions-patch",
        "hello-dapr-secret-reader",
        *PODS,
        "verification-run",
    }
    traffic = before["exclusions-patch"].inputs["spec"]["traffic"], after["exclusions-patch"].inputs["spec"]["traffic"]
    assert {key for key in traffic[0] if traffic[0][key] != traffic[1][key]} == {"enablePermissiveTrafficPolicyMode"}


@pytest.mark.parametrize("version", WAYS)
def test_the_move_into_the_mesh_touches_the_apps_and_their_namespace_only(version: str) -> None:
    before, after = at(Stage.DAPR, version), at(Stage.PERMISSIVE, version)
    assert rows(after) - rows(before) == MESH
    assert rows(before) <= rows(after)
    steps = {"hello-injection", "hello-ready", "verification-run", "teardown-check"}
    assert changed(before, after) == {"hello-namespace", *PODS, *steps}


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_a_second_run_of_the_same_config_declares_the_same(stage: Stage, version: str) -> None:
    one, two = at(stage, version), run(stage=stage.value, daprVersion=version, again=True)
    assert {r.urn: (r.inputs, r.dependencies, r.provider) for r in one.everything} == {
        r.urn: (r.inputs, r.dependencies, r.provider) for r in two.everything
    }


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_a_first_preview_shows_the_same_resources_as_the_update(stage: Stage, version: str) -> None:
    assert rows(run(stage=stage.value, daprVersion=version, preview=True)) == expected(stage, version)


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_nothing_on_the_cluster_is_read_by_pulumi_itself(stage: Stage, version: str, preview: bool) -> None:
    graph = run(stage=stage.value, daprVersion=version, preview=preview)
    assert not [one.name for one in graph.everything if one.read], "every refresh would report it as changed"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_there_is_no_helm_release_anywhere(stage: Stage, version: str) -> None:
    assert not [one.name for one in at(stage, version).everything if "helm" in one.type.lower()]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_left_on_the_cluster_when_it_goes_but_services_that_daprs_operator_takes_over(
    stage: Stage, version: str
) -> None:
    kept = {one.name for one in at(stage, version).everything if one.retain_on_delete}
    # What is written into the MeshConfig goes with it.
    configured = {"exclusions-patch"} if stage.meshed else set()
    assert kept == configured | {name for _, name, _, _ in (DAPR_SERVICES if version == ADDRESS else set())}


# --- components -------------------------------------------------------------------------------------------------

TOKENS = {
    "dapr-osm:components:ChartResources",
    "dapr-osm:components:ClusterIdentity",
    "dapr-osm:components:DaprApp",
    "dapr-osm:components:DaprInstall",
    "dapr-osm:components:HelloKubernetesApps",
    "dapr-osm:components:MeshConfigExclusions",
    "dapr-osm:components:OsmInstall",
    "dapr-osm:components:RedisStateStore",
    "dapr-osm:components:SmiPolicies",
    "dapr-osm:components:TeardownGuard",
    "dapr-osm:components:Verification",
}


def test_a_type_token_never_changes_since_a_changed_one_replaces_everything_under_it() -> None:
    graphs = [at(stage, version) for stage in STAGES for version in WAYS]
    assert {one.type for graph in graphs for one in graph.components.values()} == TOKENS


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_component_registers_outputs_that_are_known(stage: Stage, version: str) -> None:
    for component in at(stage, version).components.values():
        assert component.outputs, f"{component.name} registers none, and so never shows as done"
        assert all(value is not None for value in component.outputs.values())


@pytest.mark.parametrize("version", WAYS)
def test_components_register_exactly_the_outputs_that_they_declare(version: str) -> None:
    graph = at(Stage.SMI, version)
    assert {name: set(outputs(graph, name)) for name in graph.components} == {
        "cluster": {"cluster"},
        "dapr": {"namespace", "services", "version", "digest", "sidecars"},
        "dapr-chart": {"objects"},
        "osm": {"namespace", "version", "digest", "sidecars"},
        "osm-chart": {"objects"},
        "exclusions": {"exclusions", "pod_annotation", "injection_digest", "digest"},
        "hello": {"namespaces", "digest"},
        "hello-redis": {"secret_name", "access_digest", "digest"},
        "hello-nodeapp": {"digest"},
        "hello-pythonapp": {"digest"},
        "smi": {"digest"},
        "verification": {"findings"},
        "teardown": {"stack"},
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_childs_name_starts_with_its_components(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for one in graph.everything:
        parent = graph.parent_of(one)
        if parent:
            assert one.name.startswith(parent), "two instances of a component would else meet in one name"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_only_components_and_providers_stand_at_the_top(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for one in graph.everything:
        if not graph.parent_of(one):
            assert not one.custom or one.type == PROVIDER


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_each_app_is_a_branch_of_its_own(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for app in ("nodeapp", "pythonapp"):
        branch = graph.within(f"hello-{app}")
        named = {one.name for one in graph.objects if one.object_name in (app, f"{app}-dapr")}
        assert {one.name for one in branch} == named, "what an up shows of an app stands together"


# --- what the ownership check is told -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [{}, {"apps": OWN_APPS, "policies": OWN_POLICIES}, {"registryCredentials": CREDENTIALS}],
    ids=["walkthrough", "own", "credentials"],
)
@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_the_inventory_knows_every_object_that_components_register(
    stage: Stage, version: str, more: dict[str, Any]
) -> None:
    graph = run(stage=stage.value, daprVersion=version, **more)
    settings = load(config_for(stage=stage.value, daprVersion=version, **more), SECRET_KEYS.__contains__)
    known = own_objects(
        settings.stage,
        where=settings.namespaces,
        apps=settings.apps,
        policies=settings.policies.values(),
        route=settings.dapr.route,
        existing=(),
        registry_credentials=settings.registry_credentials,
    )
    registered = {
        (one.inputs["apiVersion"], one.inputs["kind"], one.inputs["metadata"].get("namespace"), one.object_name)
        for one in graph.objects
        if not graph.parent_of(one).endswith("-chart")
        and one.object_name is not None
        and not one.type.endswith("Patch")
        # Dapr's operator may have made it, and hands it over.
        and not one.name.endswith("-dapr-service")
    }
    assert {(item.api_version, item.kind, item.namespace, item.name) for item in known} == registered


def test_the_only_name_that_pulumi_makes_up_is_the_password_secrets() -> None:
    made_up = {one.name for stage in STAGES for one in at(stage).objects if one.object_name is None}
    assert made_up == {"hello-redis-password"}

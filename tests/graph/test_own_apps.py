"""Apps and policies of a stack's own, in a namespace of their own, and a stack without the walkthrough's."""

from __future__ import annotations

from typing import Any

import pytest

from model.policies import Call
from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION

from .charts import ADDRESS
from .program import BY_HTTP, CORNERS, CREDENTIALS, MESHED, OWN_APPS, OWN_POLICIES, PAGE, STAGES, WAYS, at, run
from .recording import Graph
from .views import (
    IN_ONE_STEP,
    MARK,
    OWN_WAIT,
    SKIP_AWAIT,
    annotations_of,
    arguments,
    changed,
    container_of,
    covers,
    declared_policies,
    expected_by,
    fingerprint,
    outputs,
    owned,
)

APPS = OWN_APPS
POLICIES = OWN_POLICIES
OWN = ("hello-shop-pods", "hello-customer-pods")
CALLS = [["customer", "shop"], ["pythonapp", "nodeapp"]]


def own(stage: Stage = Stage.SMI, version: str = DEFAULT_DAPR_VERSION, **more: Any) -> Graph:
    return run(stage=stage.value, daprVersion=version, **{"apps": APPS, "policies": POLICIES, **more})


def without_walkthrough(stage: Stage = Stage.SMI, version: str = DEFAULT_DAPR_VERSION) -> Graph:
    return own(
        stage,
        version,
        apps={**APPS, "nodeapp": None, "pythonapp": None},
        policies={**POLICIES, "pythodapp-traffic-target": None},
    )


# --- what there is ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_own_apps_add_exactly_these_resources(stage: Stage, version: str) -> None:
    graph = own(stage, version)
    added = {"hello-namespace-shops": "hello", "hello-shop-pods": "hello-shop", "hello-shop-service": "hello-shop"}
    added["hello-customer-pods"] = "hello-customer"
    if version == DEFAULT_DAPR_VERSION:
        added["hello-configuration-shops"] = "hello"
    for app in ("hello-shop", "hello-customer"):
        if version == ADDRESS:
            added[f"{app}-dapr-service"] = app
        if stage.own_service_accounts:
            added[f"{app}-account"] = app
    if stage.policies:
        routes = "tcp-routes" if version == ADDRESS else "routes"
        added |= dict.fromkeys((f"smi-customers-may-buy-{routes}", "smi-customers-may-buy-traffic-target"), "smi")
    assert graph.resources.keys() - at(stage, version).resources.keys() == added.keys()
    assert at(stage, version).resources.keys() <= graph.resources.keys()
    assert {name: graph.parent_of(graph[name]) for name in added} == added
    assert graph.components.keys() - at(stage, version).components.keys() == {"hello-shop", "hello-customer"}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_own_apps_change_nothing_else_but_what_knows_all_apps(stage: Stage, version: str) -> None:
    knowing = {"hello-injection", "hello-ready", "verification-run", "teardown-check"}
    knowing |= {"smi-withdraw", "smi-revoke"} if stage.enforces else set()
    assert changed(at(stage, version), own(stage, version)) == knowing


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_their_namespace_is_made_and_joins_the_mesh_like_the_walkthroughs(stage: Stage, version: str) -> None:
    graph = own(stage, version)
    made = graph["hello-namespace-shops"]
    assert made.type == "kubernetes:core/v1:Namespace"
    assert made.inputs["metadata"] == owned(
        "shops",
        labels={"openservicemesh.io/monitored-by": "osm"} if stage.meshed else None,
        annotations={"openservicemesh.io/sidecar-injection": "enabled"} if stage.meshed else None,
    )
    if stage.meshed:
        assert {"osm-mesh-ready", "exclusions-patch"} <= graph.before(made.name)


@pytest.mark.parametrize("stage", STAGES)
def test_each_namespace_has_a_configuration_that_names_it(stage: Stage) -> None:
    graph = own(stage)
    for resource, namespace, apps in (
        ("hello-configuration", "dapr-test", ("hello-nodeapp-pods", "hello-pythonapp-pods")),
        ("hello-configuration-shops", "shops", OWN),
    ):
        spec = {
            "nameResolution": {
                "component": "nameformat",
                "version": "v1",
                "configuration": {"format": f"{{appid}}-dapr.{namespace}.svc.cluster.local:50002"},
            }
        }
        assert graph[resource].inputs == {
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Configuration",
            "metadata": owned("mesh-names", namespace),
            "spec": spec,
        }
        for app in apps:
            assert annotations_of(graph, app)["dapr.io/config"] == "mesh-names"
            assert annotations_of(graph, app)["dapr-osm/configuration"] == fingerprint(spec)
            assert resource in graph.before(app)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_deployment_is_what_the_config_says_of_its_app(stage: Stage, version: str) -> None:
    graph = own(stage, version)
    inputs = graph["hello-shop-pods"].inputs
    assert inputs["metadata"] == owned("shop", "shops", {"app": "shop"}, OWN_WAIT)
    assert inputs["spec"]["replicas"] == 2
    assert inputs["spec"]["selector"] == {"matchLabels": {"app": "shop"}}
    assert inputs["spec"]["template"]["metadata"]["labels"] == {"app": "shop", **MARK}
    security = container_of(graph)["securityContext"]
    assert container_of(graph, "hello-shop-pods") == {
        "name": "shop",
        "image": "mirror.example/shop:1",
        "env": [{"name": "COLOUR", "value": "blue"}, {"name": "SIZE", "value": "1"}],
        "ports": [{"containerPort": 8080}],
        "securityContext": security,
        "resources": APPS["shop"]["resources"],
    }
    spec = inputs["spec"]["template"]["spec"]
    assert set(spec) == {"serviceAccountName", "securityContext", "containers"}
    assert spec["serviceAccountName"] == ("shop" if stage.own_service_accounts else "default")
    assert {"hello-injection", "hello-namespace-shops"} <= graph.before("hello-shop-pods")


@pytest.mark.parametrize("version", WAYS)
def test_an_app_that_says_nothing_but_its_image_is_one_pod_that_listens_nowhere(version: str) -> None:
    graph = own(version=version)
    assert graph["hello-customer-pods"].inputs["spec"]["replicas"] == 1
    container = container_of(graph, "hello-customer-pods")
    assert "ports" not in container
    assert not container["env"]
    assert container["resources"] == container_of(graph, "hello-nodeapp-pods")["resources"]
    assert "dapr.io/app-port" not in annotations_of(graph, "hello-customer-pods")
    assert "hello-customer-service" not in graph


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_pods_are_annotated_as_the_walkthroughs_but_for_the_state_store_that_they_do_not_see(
    stage: Stage, version: str
) -> None:
    graph = own(stage, version)
    node = annotations_of(graph, "hello-nodeapp-pods")
    own_keys = {"dapr.io/app-id": "shop", "dapr.io/app-port": "8080"}
    if version == DEFAULT_DAPR_VERSION:
        own_keys["dapr-osm/configuration"] = fingerprint(graph["hello-configuration-shops"].inputs["spec"])
    shared = {key: value for key, value in node.items() if key != "dapr-osm/state-store"}
    assert annotations_of(graph, "hello-shop-pods") == {**shared, **own_keys}
    assert "dapr-osm/state-store" in node


def test_an_app_in_the_state_stores_namespace_sees_it() -> None:
    graph = run(apps={"third": {"image": "mirror.example/third:1"}})
    assert (
        annotations_of(graph, "hello-third-pods")["dapr-osm/state-store"]
        == outputs(graph, "hello-redis")["access_digest"]
    )
    assert "hello-namespace-dapr-test" not in graph
    subjects = graph["hello-dapr-secret-reader"].inputs["subjects"]
    assert [subject["name"] for subject in subjects] == ["default", "nodeapp", "pythonapp", "third"]


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_accounts_of_another_namespace_read_no_secret_of_the_state_stores(stage: Stage, version: str) -> None:
    binding = own(stage, version)["hello-dapr-secret-reader"].inputs
    assert binding == at(stage, version)["hello-dapr-secret-reader"].inputs


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage.enforces])
@pytest.mark.parametrize("app", ["shop", "customer"])
def test_each_app_has_an_identity_of_its_own_in_its_namespace(stage: Stage, version: str, app: str) -> None:
    graph = own(stage, version)
    assert graph[f"hello-{app}-account"].inputs["metadata"] == owned(app, "shops")
    assert f"hello-{app}-account" in graph.before(f"hello-{app}-pods")


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_service_is_at_the_apps_own_port(stage: Stage, version: str) -> None:
    inputs = own(stage, version)["hello-shop-service"].inputs
    assert inputs["metadata"] == owned("shop", "shops", {"app": "shop"}, SKIP_AWAIT)
    assert inputs["spec"] == {
        "type": "ClusterIP",
        "selector": {"app": "shop"},
        "ports": [{"protocol": "TCP", "port": 81, "targetPort": 8080}],
    }


def test_the_service_of_its_daprd_is_beside_the_app() -> None:
    inputs = own(version=ADDRESS)["hello-shop-dapr-service"].inputs
    assert (inputs["metadata"]["name"], inputs["metadata"]["namespace"]) == ("shop-dapr", "shops")
    assert inputs["metadata"]["ownerReferences"][0]["uid"] == "uid-of-hello-shop-pods"
    assert inputs["spec"]["selector"] == {"app": "shop"}


def test_credentials_reach_the_own_namespace_too() -> None:
    graph = own(registryCredentials=CREDENTIALS)
    secret = graph["hello-namespace-shops-registry-credentials"]
    assert secret.inputs["metadata"] == owned("registry-credentials", "shops")
    for pod in OWN:
        assert secret.name in graph.before(pod)
        spec = graph[pod].inputs["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry-credentials"}]


# --- who may call whom ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
def test_a_policy_is_two_smi_objects_in_its_destinations_namespace(version: str) -> None:
    graph = own(version=version)
    tcp = version == ADDRESS
    routes = graph["smi-customers-may-buy-tcp-routes" if tcp else "smi-customers-may-buy-routes"]
    kind = "TCPRoute" if tcp else "HTTPRouteGroup"
    rule = {"kind": kind, "name": "customers-may-buy-routes"} | ({} if tcp else {"matches": ["dapr-calls"]})
    assert routes.inputs == {
        "apiVersion": "specs.smi-spec.io/v1alpha4",
        "kind": kind,
        "metadata": owned("customers-may-buy-routes", "shops", annotations=IN_ONE_STEP),
        "spec": {"matches": {"ports": [50002]} if tcp else [{"name": "dapr-calls"}]},
    }
    target = graph["smi-customers-may-buy-traffic-target"]
    assert target.inputs == {
        "apiVersion": "access.smi-spec.io/v1alpha3",
        "kind": "TrafficTarget",
        "metadata": owned("customers-may-buy", "shops", annotations=IN_ONE_STEP),
        "spec": {
            "destination": {"kind": "ServiceAccount", "name": "shop", "namespace": "shops"},
            "rules": [rule],
            "sources": [{"kind": "ServiceAccount", "name": "customer", "namespace": "shops"}],
        },
    }
    assert routes.name in graph.direct(target.name)
    assert {"smi-withdraw", "hello-namespace-shops"} <= graph.before(routes.name)
    assert target.name in graph.before("smi-revoke")


@pytest.mark.parametrize("version", BY_HTTP)
def test_a_path_is_in_the_routes_match(version: str) -> None:
    policy = {**POLICIES["customers-may-buy"], "pathRegex": "/dapr.*"}
    graph = own(version=version, policies={"customers-may-buy": policy})
    assert graph["smi-customers-may-buy-routes"].inputs["spec"] == {
        "matches": [{"name": "dapr-calls", "pathRegex": "/dapr.*"}]
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage.enforces])
def test_withdrawal_and_revocation_know_every_namespace_app_and_call(stage: Stage, version: str) -> None:
    graph = own(stage, version)
    withdraw, revoke = arguments(graph, "smi-withdraw"), arguments(graph, "smi-revoke")
    assert withdraw["namespaces"] == ["dapr-test", "shops"]
    kind = "TCPRoute" if version == ADDRESS else "HTTPRouteGroup"
    declared = [
        f"{kind}/dapr-test/nodeapp-service-routes",
        "TrafficTarget/dapr-test/pythodapp-traffic-target",
        f"{kind}/shops/customers-may-buy-routes",
        "TrafficTarget/shops/customers-may-buy",
    ]
    assert declared_policies(graph) == (declared if stage.policies else [])
    assert list(expected_by(graph).policies or ()) == declared_policies(graph)
    assert [[call["source"], call["destination"]] for call in revoke["calls"]] == (CALLS if stage.policies else [])
    assert revoke["apps"] == {
        "nodeapp": "dapr-test",
        "pythonapp": "dapr-test",
        "shop": "shops",
        "customer": "shops",
    }


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_call_within_a_namespace_is_tried(stage: Stage, version: str) -> None:
    assert expected_by(own(stage, version)).calls == {
        Call(source=source, destination=destination): not stage.enforces or stage.policies
        for source, destination in CALLS
    }, "the other two apps listen nowhere"


@pytest.mark.parametrize("version", WAYS)
def test_a_call_that_no_policy_names_is_expected_to_be_refused(version: str) -> None:
    apps = {**APPS, "customer": {**APPS["customer"], "port": 8081}}
    calls = expected_by(own(version=version, apps=apps)).calls
    assert calls[Call(source="shop", destination="customer")] is False
    assert len(calls) == 3


@pytest.mark.parametrize("version", (PAGE, ADDRESS))
def test_where_the_way_allows_it_a_policy_crosses_namespaces(version: str) -> None:
    graph = own(version=version, policies={"orders": {"destination": "nodeapp", "sources": ["customer"]}})
    target = graph["smi-orders-traffic-target"].inputs
    assert target["metadata"]["namespace"] == "dapr-test"
    assert target["spec"]["sources"] == [{"kind": "ServiceAccount", "name": "customer", "namespace": "shops"}]
    assert expected_by(graph).calls[Call(source="customer", destination="nodeapp")]


@pytest.mark.parametrize(
    "changed_to",
    [
        {"image": "mirror.example/shop:2"},
        {"port": 8081},
        {"servicePort": 82},
        {"replicas": 3},
        {"env": {"COLOUR": "red", "SIZE": "1"}},
        {"resources": {"limits": {"memory": "512Mi"}}},
        {"namespace": "stalls"},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_whatever_changes_of_an_app_is_verified_anew(changed_to: dict[str, Any]) -> None:
    other = own(apps={**APPS, "shop": {**APPS["shop"], **changed_to}}, policies={})
    assert covers(own(policies={})) != covers(other)


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_own_apps_pods_are_verified(stage: Stage, version: str) -> None:
    expected = expected_by(own(stage, version))
    assert expected.namespaces == ("dapr-test", "shops")
    shop, node = expected.app("shop"), expected.app("nodeapp")
    assert (shop.namespace, shop.container) == ("shops", "shop")
    assert set(shop.containers) ^ set(node.containers) == {"shop", "node"}
    assert shop.init_containers == node.init_containers
    assert shop.service_account == ("shop" if stage.own_service_accounts else "default")


@pytest.mark.parametrize("stage", STAGES)
def test_the_stacks_outputs_name_every_namespace(stage: Stage) -> None:
    graph = own(stage)
    assert graph.stack_outputs["namespaces"]["apps"] == ["dapr-test", "shops"]
    assert outputs(graph, "hello")["namespaces"] == {"dapr-test": "dapr-test", "shops": "shops"}


# --- without the walkthrough's ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_null_removes_the_walkthroughs_apps_and_their_policy(stage: Stage, version: str) -> None:
    whole, graph = own(stage, version), without_walkthrough(stage, version)
    gone = {"hello-nodeapp-pods", "hello-nodeapp-service", "hello-pythonapp-pods"}
    if version == ADDRESS:
        gone |= {"hello-nodeapp-dapr-service", "hello-pythonapp-dapr-service"}
    if stage.own_service_accounts:
        gone |= {"hello-nodeapp-account", "hello-pythonapp-account"}
    if stage.policies:
        gone |= {"smi-traffic-target", "smi-tcp-routes" if version == ADDRESS else "smi-routes"}
    assert whole.resources.keys() - graph.resources.keys() == gone
    assert graph.resources.keys() <= whole.resources.keys()
    knowing = {"hello-injection", "hello-ready", "verification-run"}
    if stage.enforces:
        knowing |= {"smi-revoke", "hello-dapr-secret-reader"} | ({"smi-withdraw"} if stage.policies else set())
    assert changed(whole, graph) == knowing


@pytest.mark.parametrize("stage", MESHED)
def test_without_the_walkthroughs_apps_nothing_names_them(stage: Stage) -> None:
    graph = without_walkthrough(stage, PAGE)
    said = repr([(one.name, one.inputs, one.outputs) for one in graph.everything]) + repr(graph.stack_outputs)
    for word in ("nodeapp", "pythonapp", "pythodapp"):
        assert word not in said
    assert "watchOrders" not in graph.stack_outputs
    assert [app.name for app in expected_by(graph).apps] == ["shop", "customer"]


def test_without_its_policy_the_walkthroughs_call_is_expected_to_be_refused() -> None:
    graph = run(policies={"pythodapp-traffic-target": None})
    assert expected_by(graph).calls == {Call(source="pythonapp", destination="nodeapp"): False}
    assert expected_by(graph).policies == ()
    assert arguments(graph, "smi-revoke")["calls"] == []
    assert changed(at(Stage.SMI), graph) == {"smi-withdraw", "smi-revoke", "verification-run"}

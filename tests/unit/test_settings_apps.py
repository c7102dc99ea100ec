"""The settings ``apps`` and the namespaces that they live in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.apps import RESOURCES, App
from model.names import Namespaces
from model.versions import DAPR_RELEASES
from settings import APP_KEYS, LONGEST_APP_ID, MOST_REPLICAS
from settings.networks import HELD_PORTS

from .config import only_problem, parsed, refused

SHOP = {"image": "registry.example/shop:1", "port": 8080}


def apps(**given_apps: Any) -> dict[str, App]:
    return dict(parsed(apps=given_apps).apps)


def problem(**given_apps: Any) -> str:
    return only_problem(apps=given_apps)


# --- merging ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("none", [{}, "{}", None])
def test_without_apps_of_its_own_a_stack_has_the_walkthroughs(none: Any) -> None:
    found = parsed(apps=none, nodeAppImage="r/node:1", pythonAppImage="r/python:1").apps
    assert {name: app.image for name, app in found.items()} == {"nodeapp": "r/node:1", "pythonapp": "r/python:1"}
    assert {app.namespace for app in found.values()} == {"dapr-test"}


def test_an_app_comes_beside_the_walkthroughs_with_what_is_not_said_at_its_default() -> None:
    found = apps(shop={"image": "registry.example/shop:1"})
    assert list(found) == ["nodeapp", "pythonapp", "shop"]
    assert found["shop"] == App(
        name="shop",
        namespace="dapr-test",
        image="registry.example/shop:1",
        label="shop",
        container="shop",
        port=None,
        service_port=None,
        replicas=1,
        environment={},
        resources=RESOURCES,
    )


def test_everything_that_is_said_of_an_app_reaches_its_own_field() -> None:
    said = {
        "namespace": "back",
        "image": "registry.example/shop:1",
        "port": 8080,
        "servicePort": 80,
        "replicas": 3,
        "env": {"LEVEL": "debug"},
        "resources": {"limits": {"memory": "1Gi"}},
        "pod": {"metadata": {"labels": {"team": "shop"}}},
    }
    assert set(said) == set(APP_KEYS)
    assert apps(shop=said)["shop"] == App(
        name="shop",
        namespace="back",
        image="registry.example/shop:1",
        label="shop",
        container="shop",
        port=8080,
        service_port=80,
        replicas=3,
        environment={"LEVEL": "debug"},
        resources={"limits": {"memory": "1Gi"}},
        pod_overlay={"metadata": {"labels": {"team": "shop"}}},
    )


def test_apps_may_come_as_json_as_pulumi_hands_them_over() -> None:
    assert parsed(apps=json.dumps({"shop": SHOP})).apps == parsed(apps={"shop": SHOP}).apps


def test_what_is_said_of_one_of_the_walkthroughs_changes_that_and_nothing_else() -> None:
    before, after = apps(), apps(nodeapp={"replicas": 2, "env": {"LEVEL": "debug"}})
    assert after["nodeapp"].replicas == 2
    assert after["nodeapp"].environment == {"APP_PORT": "3000", "LEVEL": "debug"}, "added to its own"
    assert (after["nodeapp"].image, after["nodeapp"].port) == (before["nodeapp"].image, 3000)
    assert after["pythonapp"] == before["pythonapp"]


@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_the_walkthroughs_apps_stay_with_their_state_store_and_each_other(app: str) -> None:
    line = only_problem(daprVersion="1.12.0", apps={app: {"namespace": "back"}})
    assert line == (
        f"dapr-osm:apps.{app}.namespace is not set here for an app of the walkthrough. Set dapr-osm:appsNamespace."
    )


def test_null_removes_one_of_the_walkthroughs() -> None:
    given = parsed(apps={"pythonapp": None}, policies={"pythodapp-traffic-target": None})
    assert list(given.apps) == ["nodeapp"]


def test_null_of_an_app_that_there_is_not_is_refused() -> None:
    assert problem(shop=None).startswith("dapr-osm:apps.shop is null, which only removes an app of the walkthrough. ")


def test_a_stack_may_have_apps_of_its_own_only_but_not_none() -> None:
    without = {"nodeapp": None, "pythonapp": None}
    policies = {"pythodapp-traffic-target": None}
    assert list(parsed(apps={**without, "shop": SHOP}, policies=policies).apps) == ["shop"]
    assert only_problem(apps=without, policies=policies).startswith("dapr-osm:apps leaves no app at all.")


# --- what an app is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [5, "text", [], True])
def test_an_app_that_is_no_object_is_refused(fields: Any) -> None:
    line = problem(shop=fields)
    assert line.startswith(
        f"dapr-osm:apps.shop: {json.dumps(fields)} is not an object with an app's keys. It has the keys namespace, "
    )


@pytest.mark.parametrize(
    ("key", "mend"),
    [
        ("replica", "Did you mean dapr-osm:apps.shop.replicas?"),
        ("ports", "Did you mean dapr-osm:apps.shop.port?"),
        ("zzz", "There are namespace, image, port, servicePort, replicas, env, resources, pod."),
    ],
)
def test_an_unknown_key_of_an_app_is_asked_about(key: str, mend: str) -> None:
    line = problem(shop={**SHOP, key: "1"})
    assert line == f"dapr-osm:apps.shop.{key} is not a key that there is here. {mend}"


def test_an_app_id_has_room_for_daprs_service() -> None:
    assert 63 - len("-dapr") == LONGEST_APP_ID
    name = "a" * LONGEST_APP_ID
    assert len(apps(**{name: SHOP})[name].dapr_service) == 63
    line = problem(**{"a" * 59: SHOP})
    assert "is not named by a name of at most 58 lower-case letters" in line


@pytest.mark.parametrize("name", ["", "Shop", "my_shop", "-shop", "shop-", "my.shop", "shöp", "a b"])
def test_an_app_id_that_cannot_be_the_name_of_its_objects_is_refused(name: str) -> None:
    assert "is not named by a name of at most 58" in problem(**{name: SHOP})


@pytest.mark.parametrize(
    "name", ["redis", "node", "python", "default", "daprd", "envoy", "osm-init", "osm-healthcheck"]
)
def test_an_app_id_that_something_else_is_called_by_is_refused(name: str) -> None:
    line = problem(**{name: SHOP})
    assert line.startswith(f"dapr-osm:apps.{name} is a name that is taken: ")


def test_every_container_of_an_injectors_is_a_taken_name() -> None:
    injected = {c for r in DAPR_RELEASES.values() for c in (*r.containers, *r.mesh_containers)}
    for name in injected:
        assert "injector adds" in problem(**{name: SHOP}), "a pod's containers have different names"


def test_an_app_that_is_called_like_daprs_service_of_another_is_refused() -> None:
    line = problem(shop=SHOP, **{"shop-dapr": {**SHOP, "servicePort": 80}})
    assert line.startswith("dapr-osm:apps.shop-dapr is a name that is taken: Dapr's Service of shop.")
    assert list(apps(**{"shop-dapr": SHOP}))[-1] == "shop-dapr", "without that other one it is free"


def test_an_app_of_a_stacks_own_needs_an_image() -> None:
    line = problem(shop={"port": 8080})
    assert line == "dapr-osm:apps.shop.image is not set. Every app of a stack's own needs an image."
    assert "is not an image name" in problem(shop={"image": "a b"})


@pytest.mark.parametrize(("app", "setting"), [("nodeapp", "nodeAppImage"), ("pythonapp", "pythonAppImage")])
def test_the_images_of_the_walkthroughs_have_settings_of_their_own(app: str, setting: str) -> None:
    line = problem(**{app: {"image": "r/other:1"}})
    assert line.startswith(f"dapr-osm:apps.{app}.image is not set here for an app of the walkthrough.")
    assert line.endswith(f"Set dapr-osm:{setting}.")


@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
@pytest.mark.parametrize("key", ["port", "servicePort"])
def test_the_ports_of_the_walkthroughs_are_fixed(app: str, key: str) -> None:
    line = problem(**{app: {key: 8080}})
    assert line.startswith(f"dapr-osm:apps.{app}.{key} is not set here for an app of the walkthrough.")
    assert line.endswith("Remove it; the quickstart's app is fixed.")


@pytest.mark.parametrize("key", ["port", "servicePort"])
@pytest.mark.parametrize("port", [0, 65536, -1, True, "http", 80.5])
def test_what_is_no_port_of_an_app_is_refused(key: str, port: Any) -> None:
    line = problem(shop={**SHOP, key: port})
    assert line.startswith(f"dapr-osm:apps.shop.{key}: ")
    assert "is not a TCP port from 1 to 65535" in line


def test_a_service_of_an_app_that_listens_nowhere_is_refused() -> None:
    line = problem(shop={"image": "i", "servicePort": 80})
    assert line.startswith("dapr-osm:apps.shop.servicePort: 80 is set for an app that listens nowhere.")


@pytest.mark.parametrize("replicas", [1, MOST_REPLICAS, "2"])
def test_an_app_has_from_one_to_twenty_pods(replicas: Any) -> None:
    assert apps(shop={**SHOP, "replicas": replicas})["shop"].replicas == int(replicas)


@pytest.mark.parametrize("replicas", [0, MOST_REPLICAS + 1, -1, "many", True, 1.5])
def test_any_other_number_of_pods_is_refused(replicas: Any) -> None:
    assert MOST_REPLICAS == 20
    line = problem(shop={**SHOP, "replicas": replicas})
    assert line.startswith("dapr-osm:apps.shop.replicas: ")
    assert "is not a number of pods from 1 to 20" in line


@pytest.mark.parametrize("value", [1, True, None, 1.5, [], {}])
@pytest.mark.parametrize("app", ["nodeapp", "shop"])
def test_environment_variables_are_texts(app: str, value: Any) -> None:
    fields = {**(SHOP if app == "shop" else {}), "env": {"A": "fine", "B": value}}
    line = problem(**{app: fields})
    assert line == (f'dapr-osm:apps.{app}.env.B is not a text. Write numbers and true as texts: "1".')


def test_an_app_of_the_walkthrough_keeps_its_own_environment() -> None:
    line = problem(nodeapp={"env": {"APP_PORT": "8080", "LEVEL": "debug"}})
    assert line == ("dapr-osm:apps.nodeapp.env sets APP_PORT, which the quickstart's app is fixed to. Remove APP_PORT.")


@pytest.mark.parametrize(("key", "rule"), [("env", "an object of texts"), ("resources", "an object with requests")])
def test_what_must_be_an_object_of_an_app_is_one(key: str, rule: str) -> None:
    assert f"is not {rule}" in problem(shop={**SHOP, key: []})


def test_the_resources_of_an_app_are_replaced_as_a_whole() -> None:
    assert apps(pythonapp={"resources": {}})["pythonapp"].resources == {}
    assert apps(pythonapp={})["pythonapp"].resources == RESOURCES


def test_everything_that_is_wrong_with_all_apps_is_told_at_once() -> None:
    error = refused(
        apps={
            "Shop": {**SHOP, "replicas": 0, "env": {"A": 1}},
            "audit": {"servicePort": 80, "zzz": 1},
            "nodeapp": {"port": 1},
            "redis": 5,
        }
    )
    assert sorted(one.key for one in error.problems) == [
        "apps.Shop",
        "apps.Shop.env.A",
        "apps.Shop.replicas",
        "apps.audit.image",
        "apps.audit.servicePort",
        "apps.audit.zzz",
        "apps.nodeapp.port",
        "apps.redis",
    ]


labels = st.from_regex(r"\A[a-z]([a-z0-9-]{0,20}[a-z0-9])?\Z").filter(
    lambda name: (
        name not in ("redis", "node", "python", "default", "daprd", "envoy", "nodeapp", "pythonapp")
        and not name.endswith("-dapr")
    )
)


free_ports = st.integers(min_value=1024, max_value=65535).filter(lambda port: port not in HELD_PORTS)


@given(st.dictionaries(labels, free_ports, max_size=4))
def test_apps_of_any_proper_name_and_port_are_accepted(given_apps: dict[str, int]) -> None:
    found = parsed(apps={name: {"image": "i", "port": port} for name, port in given_apps.items()}).apps
    assert {name: app.port for name, app in found.items()} == {"nodeapp": 3000, "pythonapp": None, **given_apps}


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=5,
)


@given(st.sampled_from(APP_KEYS), junk)
def test_no_value_of_an_app_makes_the_check_itself_fail(key: str, value: Any) -> None:
    try:
        parsed(apps={"shop": {**SHOP, key: value}})
    except ValueError as error:
        assert "dapr-osm:apps.shop" in str(error)


# --- namespaces -------------------------------------------------------------------------------------------------


def test_every_namespace_is_a_setting() -> None:
    given = parsed(daprNamespace="d", osmNamespace="o", appsNamespace="a", apps={"shop": SHOP})
    assert given.namespaces == Namespaces(dapr="d", osm="o", apps="a")
    assert {app.namespace for app in given.apps.values()} == {"a"}


@pytest.mark.parametrize("key", ["daprNamespace", "osmNamespace", "appsNamespace"])
@pytest.mark.parametrize("name", ["", "Dapr", "a.b", "a" * 64, "-a"])
def test_a_namespace_that_kubernetes_would_not_take_is_one_problem(key: str, name: str) -> None:
    line = only_problem(**{key: name, "apps": {"shop": SHOP}})
    assert line.startswith(f"dapr-osm:{key}: ")
    assert "is not a name of at most 63 lower-case letters" in line


@pytest.mark.parametrize("key", ["daprNamespace", "osmNamespace", "appsNamespace"])
@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "kube-anything"])
def test_the_clusters_own_namespaces_are_refused(key: str, name: str) -> None:
    line = only_problem(**{key: name, "apps": {"shop": SHOP}})
    assert line.startswith(f'dapr-osm:{key}: "{name}" is a namespace of the cluster\'s own.')


def test_a_namespace_that_is_used_twice_is_refused_under_both_its_settings() -> None:
    error = refused(daprNamespace="same", appsNamespace="same", apps={"shop": SHOP})
    assert [problem.key for problem in error.problems] == ["daprNamespace", "appsNamespace"]
    assert {problem.rule for problem in error.problems} == {"is used for something else too"}


@pytest.mark.parametrize("namespace", ["dapr-system", "osm-system", "default", "kube-system"])
def test_apps_do_not_live_in_a_control_planes_namespace_or_the_clusters_own(namespace: str) -> None:
    line = only_problem(daprVersion="1.12.0", apps={"shop": {**SHOP, "namespace": namespace}})
    assert line.startswith(f'dapr-osm:apps.shop.namespace: "{namespace}" is not a namespace for apps.')


def test_control_planes_namespaces_are_those_of_this_stack() -> None:
    given = parsed(daprNamespace="d", apps={"shop": {**SHOP, "namespace": "dapr-system"}})
    assert given.apps["shop"].namespace == "dapr-system"
    assert "is not a namespace for apps" in only_problem(daprNamespace="d", apps={"shop": {**SHOP, "namespace": "d"}})


@pytest.mark.parametrize("namespace", ["", "Back", "a" * 64])
def test_an_apps_namespace_is_a_proper_name(namespace: str) -> None:
    line = problem(shop={**SHOP, "namespace": namespace})
    assert line.startswith("dapr-osm:apps.shop.namespace: ")
    assert "is not a name of at most 63" in line


# --- Dapr's mTLS and egress -------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.16.0", "1.17.5"])
def test_daprs_own_mtls_may_be_on_where_the_mesh_carries_connections(version: str) -> None:
    assert parsed(daprVersion=version, daprMtls="true").dapr_mtls is True
    assert parsed(daprVersion=version).dapr_mtls is False


@pytest.mark.parametrize("version", ["1.12.0", "1.18.2"])
def test_daprs_own_mtls_stays_off_where_envoy_has_to_read_calls(version: str) -> None:
    line = only_problem(daprVersion=version, daprMtls="true")
    assert line.startswith(f"dapr-osm:daprMtls: true may not be true with Dapr {version}: Envoy has to read")
    assert parsed(daprVersion=version, daprMtls="false").dapr_mtls is False


@pytest.mark.parametrize(("given_flag", "wanted"), [("true", True), ("false", False)])
def test_egress_is_a_flag(given_flag: str, wanted: bool) -> None:
    assert parsed(enableEgress=given_flag).enable_egress is wanted

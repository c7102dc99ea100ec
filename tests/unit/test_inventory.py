"""Every object of a stack by name, before any of them is made."""

from __future__ import annotations

import pytest

from model import names
from model.apps import App, walkthrough
from model.inventory import Named, namespaces, own_objects
from model.names import Namespaces
from model.policies import walkthrough as pages_policies
from model.route import Route
from model.stage import Stage

WHERE = Namespaces()
APPS = walkthrough(WHERE.apps, node_image="n", python_image="p")
AUDIT = App(name="audit", namespace="back", image="i", label="audit", container="audit", port=8080)
SEVERAL = {**APPS, "audit": AUDIT}


def objects(
    stage: Stage = Stage.SMI,
    *,
    apps: dict[str, App] = APPS,
    route: Route = Route.DNS_NAME,
    existing: tuple[str, ...] = (),
    credentials: bool = False,
) -> list[Named]:
    return list(
        own_objects(
            stage,
            where=WHERE,
            apps=apps,
            policies=pages_policies().values(),
            route=route,
            existing=existing,
            registry_credentials=credentials,
        )
    )


def named(found: list[Named], kind: str) -> list[tuple[str | None, str]]:
    return [(item.namespace, item.name) for item in found if item.kind == kind]


@pytest.mark.parametrize(
    ("stage", "made"),
    [
        (Stage.DAPR, ["dapr-system", "dapr-test"]),
        (Stage.PERMISSIVE, ["dapr-system", "osm-system", "dapr-test"]),
        (Stage.SMI, ["dapr-system", "osm-system", "dapr-test"]),
    ],
)
def test_a_stage_without_a_mesh_has_no_namespace_for_it(stage: Stage, made: list[str]) -> None:
    assert namespaces(stage, WHERE, APPS, ()) == made
    assert named(objects(stage), "Namespace") == [(None, name) for name in made]


def test_each_apps_namespace_is_there_once() -> None:
    assert namespaces(Stage.DAPR, WHERE, SEVERAL, ()) == ["dapr-system", "dapr-test", "back"]
    assert named(objects(Stage.DAPR, apps=SEVERAL), "Namespace") == [
        (None, "dapr-system"),
        (None, "dapr-test"),
        (None, "back"),
    ]


def test_the_state_stores_namespace_is_there_though_no_app_is_in_it() -> None:
    found = objects(Stage.DAPR, apps={"audit": AUDIT}, credentials=True)
    assert named(found, "Namespace") == [(None, "dapr-system"), (None, "dapr-test"), (None, "back")]
    assert ("dapr-test", names.REGISTRY_CREDENTIALS) in named(found, "Secret")


def test_a_namespace_that_a_team_brings_is_not_the_stacks_and_what_is_in_it_is() -> None:
    assert namespaces(Stage.DAPR, WHERE, SEVERAL, ("back",)) == ["dapr-system", "dapr-test"]
    found = objects(Stage.DAPR, apps=SEVERAL, existing=("back",), credentials=True)
    assert (None, "back") not in named(found, "Namespace")
    assert ("back", "audit") in named(found, "Deployment")
    assert ("back", names.REGISTRY_CREDENTIALS) in named(found, "Secret")


def test_credentials_of_a_registry_are_in_every_namespace_or_in_none() -> None:
    assert named(objects(), "Secret") == []
    assert named(objects(apps=SEVERAL, credentials=True), "Secret") == [
        (namespace, names.REGISTRY_CREDENTIALS) for namespace in ("dapr-system", "osm-system", "dapr-test", "back")
    ]


@pytest.mark.parametrize("stage", Stage)
def test_the_state_store_is_at_every_stage_where_apps_are(stage: Stage) -> None:
    found = objects(stage)
    assert (WHERE.apps, names.REDIS) in named(found, "Deployment")
    assert named(found, "Component") == [(WHERE.apps, names.STATE_STORE)]
    assert named(found, "Role") == [(WHERE.apps, names.SECRET_READER_ROLE)]
    assert named(found, "RoleBinding") == [(WHERE.apps, names.SECRET_READER_BINDING)]
    assert (WHERE.apps, names.REDIS) in named(found, "Service")


def test_an_app_is_a_deployment_and_a_service_where_it_has_one() -> None:
    found = objects(apps=SEVERAL)
    assert named(found, "Deployment") == [
        ("dapr-test", "redis"),
        ("dapr-test", "nodeapp"),
        ("dapr-test", "pythonapp"),
        ("back", "audit"),
    ]
    assert named(found, "Service") == [("dapr-test", "redis"), ("dapr-test", "nodeapp")]


@pytest.mark.parametrize("stage", Stage)
def test_apps_have_accounts_of_their_own_once_permissive_mode_is_off(stage: Stage) -> None:
    own = [("dapr-test", "nodeapp"), ("dapr-test", "pythonapp"), ("back", "audit")]
    expected = own if stage in (Stage.LOCKED, Stage.SMI) else []
    assert named(objects(stage, apps=SEVERAL), "ServiceAccount") == expected


@pytest.mark.parametrize("route", Route)
def test_names_that_the_mesh_routes_need_a_configuration_in_each_namespace_of_apps(route: Route) -> None:
    expected = [(home, "mesh-names") for home in ("dapr-test", "back")] if route is Route.NAME_FORMAT else []
    assert named(objects(apps=SEVERAL, route=route), "Configuration") == expected


@pytest.mark.parametrize("stage", Stage)
def test_policies_are_at_the_last_stage_only(stage: Stage) -> None:
    found = named(objects(stage), "TrafficTarget") + named(objects(stage), "HTTPRouteGroup")
    assert found == ([("dapr-test", names.TRAFFIC_TARGET), ("dapr-test", names.ROUTES)] if stage is Stage.SMI else [])


def test_each_kind_is_named_in_the_version_that_serves_it() -> None:
    found = objects(apps=SEVERAL, route=Route.NAME_FORMAT, credentials=True)
    assert {(item.kind, item.api_version) for item in found} == {
        ("Namespace", "v1"),
        ("Secret", "v1"),
        ("Service", "v1"),
        ("ServiceAccount", "v1"),
        ("Deployment", "apps/v1"),
        ("Component", "dapr.io/v1alpha1"),
        ("Configuration", "dapr.io/v1alpha1"),
        ("Role", "rbac.authorization.k8s.io/v1"),
        ("RoleBinding", "rbac.authorization.k8s.io/v1"),
        ("TrafficTarget", "access.smi-spec.io/v1alpha3"),
        ("HTTPRouteGroup", "specs.smi-spec.io/v1alpha4"),
    }


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("route", Route)
def test_nothing_is_named_twice(stage: Stage, route: Route) -> None:
    found = objects(stage, apps=SEVERAL, route=route, credentials=True)
    assert len(set(found)) == len(found)


def test_only_namespaces_are_outside_of_all_namespaces() -> None:
    assert {item.kind for item in objects(apps=SEVERAL, credentials=True) if item.namespace is None} == {"Namespace"}

"""How Dapr's sidecars are made to call each other in ways that OSM routes."""

from __future__ import annotations

import re

import pytest

from model.apps import NODE_APP
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.route import CONFIGURATION, Route, dapr_service_ports
from model.versions import DAPR_RELEASES
from verification.envoy import outbound_cluster

NAMESPACE = "dapr-test"

# way, HTTP to Envoy, Services are this stack's, across namespaces, Dapr's mTLS may be on
WAYS = [
    (Route.DNS_NAME, True, False, True, False),
    (Route.NAME_FORMAT, True, False, False, False),
    (Route.ADDRESS, False, True, True, True),
]


def test_there_are_three_ways_and_each_is_some_releases() -> None:
    assert [(route.name, route.value) for route in Route] == [
        ("DNS_NAME", "dns-name"),
        ("NAME_FORMAT", "name-format"),
        ("ADDRESS", "address"),
    ]
    assert {release.route for release in DAPR_RELEASES.values()} == set(Route)


def test_the_ways_are_the_tables_rows() -> None:
    assert [row[0] for row in WAYS] == list(Route)


@pytest.mark.parametrize(("route", "by_http", "own_services", "across", "mtls"), WAYS)
def test_a_way_is_what_the_table_says(
    route: Route, by_http: bool, own_services: bool, across: bool, mtls: bool
) -> None:
    assert route.by_http is by_http
    assert route.own_services is own_services
    assert route.across_namespaces is across
    assert route.carries_dapr_mtls is mtls


def test_only_where_the_services_are_this_stacks_the_operators_reconciler_is_off() -> None:
    assert Route.ADDRESS.helm_values == {"dapr_operator": {"serviceReconciler": {"enabled": False}}}
    assert Route.DNS_NAME.helm_values == Route.NAME_FORMAT.helm_values == {}


@pytest.mark.parametrize("route", [Route.DNS_NAME, Route.ADDRESS])
def test_sidecars_that_find_each_other_by_themselves_need_no_configuration(route: Route) -> None:
    assert route.configuration(NAMESPACE) is None


def test_others_are_told_to_by_daprs_resolver_of_formats() -> None:
    assert Route.NAME_FORMAT.configuration(NAMESPACE) == {
        "nameResolution": {
            "component": "nameformat",
            "version": "v1",
            "configuration": {"format": "{appid}-dapr.dapr-test.svc.cluster.local:50002"},
        }
    }


def address(app: str, namespace: str = NAMESPACE) -> str:
    """What daprd makes of the format: the app's id is all that it puts in."""
    spec = Route.NAME_FORMAT.configuration(namespace)
    assert spec is not None
    text: str = spec["nameResolution"]["configuration"]["format"]
    return text.replace("{appid}", app)


def test_only_the_apps_id_is_left_open() -> None:
    assert re.findall(r"\{.*?\}", address("{appid}")) == ["{appid}"], "daprd would leave all else as it stands"
    assert "{" not in address("nodeapp")


@pytest.mark.parametrize("home", [NAMESPACE, "shop"])
def test_the_name_is_the_one_that_the_mesh_has_a_route_for(home: str) -> None:
    host, port = address(NODE_APP, home).split(":")
    service, namespace, *rest = host.split(".")
    assert outbound_cluster(home, NODE_APP) == f"{namespace}/{service}|{port}"
    assert rest == ["svc", "cluster", "local"]
    assert int(port) == DAPR_INTERNAL_GRPC_PORT


def test_a_configuration_of_one_caller_is_not_changed_by_another() -> None:
    spec = Route.NAME_FORMAT.configuration(NAMESPACE)
    assert spec is not None
    spec["nameResolution"].clear()
    assert address("nodeapp") == "nodeapp-dapr.dapr-test.svc.cluster.local:50002"


@pytest.mark.parametrize("name", [CONFIGURATION])
def test_the_configurations_name_is_a_name_for_kubernetes(name: str) -> None:
    assert name == "mesh-names"
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)


# --- the Services that are this stack's -------------------------------------------------------------------------


def test_a_daprs_service_is_as_daprs_operator_writes_it() -> None:
    assert [(port["name"], port["port"], port["targetPort"]) for port in dapr_service_ports()] == [
        ("dapr-http", 80, 3500),
        ("dapr-grpc", 50001, 50001),
        ("dapr-internal", 50002, 50002),
        ("dapr-metrics", 9090, 9090),
    ]
    assert {port["protocol"] for port in dapr_service_ports()} == {"TCP"}


def test_the_mesh_takes_only_calls_between_sidecars_for_connections() -> None:
    tcp = [port["port"] for port in dapr_service_ports() if port.get("appProtocol") == "tcp"]
    assert tcp == [DAPR_INTERNAL_GRPC_PORT]


def test_the_ports_of_one_caller_are_not_changed_by_another() -> None:
    dapr_service_ports()[2].clear()
    assert dapr_service_ports()[2]["port"] == DAPR_INTERNAL_GRPC_PORT

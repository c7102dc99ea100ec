"""How Dapr's sidecars are made to call each other by names that OSM routes."""

from __future__ import annotations

import re

import pytest

from model import names
from model.apps import NODE_APP
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.route import CONFIGURATION, Route
from model.versions import DAPR_RELEASES
from operations.envoy import outbound_cluster


def test_there_are_two_ways_and_each_is_some_releases() -> None:
    assert [(route.name, route.value) for route in Route] == [("DNS_NAME", "dns-name"), ("NAME_FORMAT", "name-format")]
    assert {release.route for release in DAPR_RELEASES.values()} == set(Route)


def test_sidecars_that_use_dns_names_by_themselves_need_no_configuration() -> None:
    assert Route.DNS_NAME.configuration is None


def test_others_are_told_to_by_daprs_resolver_of_formats() -> None:
    assert Route.NAME_FORMAT.configuration == {
        "nameResolution": {
            "component": "nameformat",
            "version": "v1",
            "configuration": {"format": "{appid}-dapr.dapr-test.svc.cluster.local:50002"},
        }
    }


def address(app: str) -> str:
    """What daprd makes of the format: the app's id is all that it puts in."""
    spec = Route.NAME_FORMAT.configuration
    assert spec is not None
    text: str = spec["nameResolution"]["configuration"]["format"]
    return text.replace("{appid}", app)


def test_only_the_apps_id_is_left_open() -> None:
    assert re.findall(r"\{.*?\}", address("{appid}")) == ["{appid}"], "daprd would leave all else as it stands"
    assert "{" not in address("nodeapp")


def test_the_name_is_the_one_that_the_mesh_has_a_route_for() -> None:
    host, port = address(NODE_APP.name).split(":")
    service, namespace, *rest = host.split(".")
    assert outbound_cluster(names.APPS_NAMESPACE, NODE_APP.name) == f"{namespace}/{service}|{port}"
    assert rest == ["svc", "cluster", "local"]
    assert int(port) == DAPR_INTERNAL_GRPC_PORT


def test_a_configuration_of_one_caller_is_not_changed_by_another() -> None:
    spec = Route.NAME_FORMAT.configuration
    assert spec is not None
    spec["nameResolution"].clear()
    assert address("nodeapp") == "nodeapp-dapr.dapr-test.svc.cluster.local:50002"


@pytest.mark.parametrize("name", [CONFIGURATION])
def test_the_configurations_name_is_a_name_for_kubernetes(name: str) -> None:
    assert name == "mesh-names"
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name)

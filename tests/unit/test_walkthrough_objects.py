"""The walkthrough's own names: a reader of the page must find them on the cluster."""

from __future__ import annotations

import itertools
import re

import pytest

from model import names, versions
from model.apps import NODE_APP, PYTHON_APP, App, walkthrough
from model.names import Namespaces
from model.route import Route


def test_the_names_are_the_pages() -> None:
    assert Namespaces() == Namespaces(dapr="dapr-system", osm="osm-system", apps="dapr-test")
    assert names.MESH_NAME == "osm"
    assert names.MESH_CONFIG == "osm-mesh-config"
    assert names.STATE_STORE == "statestore"
    assert (names.SECRET_READER_ROLE, names.SECRET_READER_BINDING) == ("secret-reader", "dapr-secret-reader")
    assert names.TRAFFIC_TARGET == "pythodapp-traffic-target", "the page spells it like this"
    assert names.ROUTES == "nodeapp-service-routes"
    assert names.ROUTE_MATCH == "new-order"


def quickstart() -> dict[str, App]:
    return walkthrough("dapr-test", node_image="node:1", python_image="python:1")


def test_the_apps_are_the_quickstarts() -> None:
    assert list(quickstart()) == [NODE_APP, PYTHON_APP] == ["nodeapp", "pythonapp"]
    node, python = quickstart().values()
    assert (node.name, node.label, node.container, node.image) == ("nodeapp", "node", "node", "node:1")
    assert (node.port, node.service_port) == (3000, 80)
    assert node.environment == {"APP_PORT": "3000"}
    assert (python.name, python.label, python.container, python.image) == ("pythonapp", "python", "python", "python:1")
    assert (python.port, python.service_port) == (None, None), "it only calls"
    assert {app.namespace for app in (node, python)} == {"dapr-test"}
    assert {app.replicas for app in (node, python)} == {1}
    least = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}}
    assert node.resources == python.resources == least


def test_an_apps_sidecar_is_called_by_a_service_of_daprs_naming() -> None:
    assert quickstart()[NODE_APP].dapr_service == "nodeapp-dapr"


def test_the_apps_of_one_caller_are_not_changed_by_another() -> None:
    quickstart().clear()
    assert len(quickstart()) == 2


@pytest.mark.parametrize("crds", [*[r.crds for r in versions.DAPR_RELEASES.values()], versions.OSM_RELEASE.crds])
def test_crds_are_named_once_and_in_full(crds: tuple[str, ...]) -> None:
    assert len(crds) == len(set(crds))
    assert all(re.fullmatch(r"[a-z]+(\.[a-z-]+)+", name) for name in crds)


def test_osms_ten_crds_include_the_one_that_its_own_uninstaller_forgets() -> None:
    assert len(versions.OSM_RELEASE.crds) == 10
    assert "meshrootcertificates.config.openservicemesh.io" in versions.OSM_RELEASE.crds


# version, way, schedulers, what OSM adds for daprd, reads ed25519
RELEASES = [
    ("1.12.0", Route.DNS_NAME, 0, (), False),
    ("1.16.0", Route.ADDRESS, 2, ("osm-healthcheck",), False),
    ("1.17.5", Route.ADDRESS, 2, ("osm-healthcheck",), False),
    ("1.18.2", Route.NAME_FORMAT, 2, ("osm-healthcheck",), True),
]
SCHEDULER = ("dapr-scheduler-server", "dapr-scheduler-server-a")


def test_the_releases_are_the_tables_rows_and_the_newest_is_the_default() -> None:
    assert list(versions.DAPR_RELEASES) == [row[0] for row in RELEASES]
    assert list(versions.DAPR_RELEASES)[-1] == versions.DEFAULT_DAPR_VERSION == "1.18.2"


@pytest.mark.parametrize(("version", "route", "schedulers", "answers", "ed25519"), RELEASES)
def test_a_release_is_what_the_table_says(
    version: str, route: Route, schedulers: int, answers: tuple[str, ...], ed25519: bool
) -> None:
    release = versions.DAPR_RELEASES[version]
    assert release.version == version
    assert release.route is route
    assert release.scheduler == SCHEDULER[:schedulers]
    assert (release.containers, release.mesh_containers) == (("daprd",), answers)
    assert release.reads_ed25519 is ed25519


@pytest.mark.parametrize("release", versions.DAPR_RELEASES.values(), ids=lambda release: release.version)
def test_every_daprd_talks_to_placement_the_api_sentry_and_the_schedulers_if_any(
    release: versions.DaprRelease,
) -> None:
    assert release.services == ("dapr-placement-server", "dapr-api", "dapr-sentry", *release.scheduler)


def test_a_later_release_brings_the_earlier_ones_crds_and_some_more() -> None:
    crds = {version: set(release.crds) for version, release in versions.DAPR_RELEASES.items()}
    assert len(crds["1.12.0"]) == 5
    assert crds["1.18.2"] - crds["1.17.5"] == {"mcpservers.dapr.io", "workflowaccesspolicies.dapr.io"}
    rising = list(crds.values())
    assert all(one <= next_ for one, next_ in itertools.pairwise(rising)), "a definition never goes"

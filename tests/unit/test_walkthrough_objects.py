"""The walkthrough's own names: a reader of the page must find them on the cluster."""

from __future__ import annotations

import re

import pytest

from model import names, policies, versions
from model.apps import APPS, NODE_APP, PYTHON_APP
from model.route import Route
from operations.mesh import POLICY_PATHS


def test_the_names_are_the_pages() -> None:
    assert names.DAPR_NAMESPACE == "dapr-system"
    assert names.OSM_NAMESPACE == "osm-system"
    assert names.APPS_NAMESPACE == "dapr-test"
    assert names.MESH_NAME == "osm"
    assert names.MESH_CONFIG == "osm-mesh-config"
    assert names.STATE_STORE == "statestore"
    assert (names.SECRET_READER_ROLE, names.SECRET_READER_BINDING) == ("secret-reader", "dapr-secret-reader")
    assert names.TRAFFIC_TARGET == "pythodapp-traffic-target", "the page spells it like this"
    assert names.ROUTE_GROUP == "nodeapp-service-routes"
    assert names.ROUTE_MATCH == "new-order"


def test_the_apps_are_the_quickstarts() -> None:
    assert APPS == (NODE_APP, PYTHON_APP)
    assert (NODE_APP.name, NODE_APP.label, NODE_APP.container) == ("nodeapp", "node", "node")
    assert (NODE_APP.port, NODE_APP.service_port) == (3000, 80)
    assert (PYTHON_APP.name, PYTHON_APP.label, PYTHON_APP.container) == ("pythonapp", "python", "python")
    assert (PYTHON_APP.port, PYTHON_APP.service_port) == (None, None), "it only calls"


def test_routes_come_before_the_traffic_target_that_names_them() -> None:
    assert [policy.kind for policy in policies.walkthrough()] == ["HTTPRouteGroup", "TrafficTarget"]


def test_the_route_group_is_the_pages() -> None:
    routes = policies.walkthrough()[0]
    assert (routes.api_version, routes.name) == ("specs.smi-spec.io/v1alpha4", "nodeapp-service-routes")
    assert routes.spec == {"matches": [{"name": "new-order"}]}


def test_the_traffic_target_is_the_pages() -> None:
    target = policies.walkthrough()[1]
    assert (target.api_version, target.name) == ("access.smi-spec.io/v1alpha3", "pythodapp-traffic-target")
    assert target.spec == {
        "destination": {"kind": "ServiceAccount", "name": "nodeapp", "namespace": "dapr-test"},
        "rules": [{"kind": "HTTPRouteGroup", "name": "nodeapp-service-routes", "matches": ["new-order"]}],
        "sources": [{"kind": "ServiceAccount", "name": "pythonapp", "namespace": "dapr-test"}],
    }


def test_every_policy_can_be_withdrawn_again() -> None:
    for policy in policies.walkthrough():
        assert POLICY_PATHS[policy.kind][0] == policy.api_version


def test_traffic_targets_are_withdrawn_before_the_routes_that_they_name() -> None:
    assert next(iter(POLICY_PATHS)) == "TrafficTarget"


def test_a_policy_of_one_caller_is_not_changed_by_another() -> None:
    policies.walkthrough()[0].spec["matches"].clear()
    assert policies.walkthrough()[0].spec == {"matches": [{"name": "new-order"}]}


@pytest.mark.parametrize("crds", [*[r.crds for r in versions.DAPR_RELEASES.values()], versions.OSM_RELEASE.crds])
def test_crds_are_named_once_and_in_full(crds: tuple[str, ...]) -> None:
    assert len(crds) == len(set(crds))
    assert all(re.fullmatch(r"[a-z]+(\.[a-z-]+)+", name) for name in crds)


def test_osms_ten_crds_include_the_one_that_its_own_uninstaller_forgets() -> None:
    assert len(versions.OSM_RELEASE.crds) == 10
    assert "meshrootcertificates.config.openservicemesh.io" in versions.OSM_RELEASE.crds


def test_the_default_dapr_release_is_the_walkthroughs() -> None:
    assert versions.DEFAULT_DAPR_VERSION == "1.12.0"
    assert versions.DAPR_RELEASES["1.12.0"].containers == ("daprd",)
    assert len(versions.DAPR_RELEASES["1.12.0"].crds) == 5
    assert versions.DAPR_RELEASES["1.12.0"].route is Route.DNS_NAME
    assert versions.DAPR_RELEASES["1.12.0"].scheduler is False
    assert versions.DAPR_RELEASES["1.12.0"].mesh_containers == ()


def test_the_releases_are_the_walkthroughs_and_a_current_one() -> None:
    assert list(versions.DAPR_RELEASES) == ["1.12.0", "1.18.1"]
    assert next(iter(versions.DAPR_RELEASES)) == versions.DEFAULT_DAPR_VERSION


def test_dapr_1_18_needs_names_a_scheduler_and_an_answer_to_its_probe() -> None:
    release = versions.DAPR_RELEASES["1.18.1"]
    assert release.route is Route.NAME_FORMAT
    assert release.scheduler is True
    assert (release.containers, release.mesh_containers) == (("daprd",), ("osm-healthcheck",))


def test_dapr_1_18_brings_the_earlier_crds_and_two_more() -> None:
    one, other = (set(versions.DAPR_RELEASES[version].crds) for version in ("1.12.0", "1.18.1"))
    assert other - one == {"mcpservers.dapr.io", "workflowaccesspolicies.dapr.io"}
    assert one - other == set()


def test_the_schedulers_services_are_daprs() -> None:
    assert names.SCHEDULER_SERVICES == (
        "dapr-system/dapr-scheduler-server",
        "dapr-system/dapr-scheduler-server-a",
    )


@pytest.mark.parametrize(("version", "release"), versions.DAPR_RELEASES.items())
def test_a_release_is_found_by_its_own_version(version: str, release: versions.DaprRelease) -> None:
    assert release.version == version

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.errors import OperationError
from steps.services import look_up

from .fake_cluster import FakeCluster

API_SERVER = "default/kubernetes"
PLACEMENT = "dapr-system/dapr-placement-server"
DAPR_API = "dapr-system/dapr-api"


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster with an ordinary, a headless and an unnamed port's Service, as API servers show them."""
    fake = FakeCluster()
    add(fake, API_SERVER, clusterIP="10.96.0.1", ports=[port(443, name="https", targetPort=6443)])
    add(fake, PLACEMENT, clusterIP="None", ports=[port(50005, name="api"), port(8201, name="raft-node")])
    add(fake, DAPR_API, clusterIP="10.96.0.80", ports=[port(80, targetPort=6500)])
    return fake


def add(fake: FakeCluster, service: str, **spec: Any) -> None:
    namespace, name = service.split("/")
    fake.add(f"/api/v1/namespaces/{namespace}/services/{name}", spec={"type": "ClusterIP", **spec})


def port(number: int, **more: Any) -> dict[str, Any]:
    return {"port": number, "protocol": "TCP", "targetPort": number, **more}


def found(fake: FakeCluster, *wanted: str) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(look_up(fake, wanted))
    return result


def test_a_service_is_its_address_and_its_named_ports(cluster: FakeCluster) -> None:
    assert found(cluster, API_SERVER) == {
        API_SERVER: {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443}]}
    }, "the Service's own port, which a pod dials, and not the one behind it"


def test_a_port_without_a_name_has_an_empty_one(cluster: FakeCluster) -> None:
    assert found(cluster, DAPR_API)[DAPR_API]["ports"] == [{"name": "", "port": 80}]


def test_a_headless_service_says_so_in_kubernetes_own_word(cluster: FakeCluster) -> None:
    assert found(cluster, PLACEMENT)[PLACEMENT] == {
        "clusterIP": "None",
        "ports": [{"name": "api", "port": 50005}, {"name": "raft-node", "port": 8201}],
    }


def test_a_service_without_address_or_ports_is_found_too(cluster: FakeCluster) -> None:
    add(cluster, "shop/elsewhere", type="ExternalName", externalName="shop.example")
    assert found(cluster, "shop/elsewhere") == {"shop/elsewhere": {"clusterIP": None, "ports": []}}


def test_every_wanted_service_is_found_and_no_other(cluster: FakeCluster) -> None:
    add(cluster, "dapr-system/dapr-sentry", clusterIP="10.96.0.44", ports=[])
    assert set(found(cluster, API_SERVER, PLACEMENT, DAPR_API)) == {API_SERVER, PLACEMENT, DAPR_API}
    assert found(cluster) == {}


def test_a_service_of_that_name_in_another_namespace_is_another_one(cluster: FakeCluster) -> None:
    add(cluster, "shop/dapr-sentry", clusterIP="10.96.0.9", ports=[])
    with pytest.raises(OperationError, match="^Service dapr-system/dapr-sentry does not exist"):
        look_up(cluster, ["dapr-system/dapr-sentry"])


def test_a_missing_service_is_an_error_that_names_it(cluster: FakeCluster) -> None:
    with pytest.raises(OperationError, match="^Service dapr-system/dapr-sentry does not exist") as caught:
        look_up(cluster, [API_SERVER, "dapr-system/dapr-sentry", PLACEMENT])
    for there in (API_SERVER, PLACEMENT):
        assert there not in str(caught.value)


def test_the_same_services_print_the_same_in_whatever_order_they_are_wanted(cluster: FakeCluster) -> None:
    assert look_up(cluster, [API_SERVER, PLACEMENT]) == look_up(cluster, [PLACEMENT, API_SERVER])


def test_looking_up_changes_nothing(cluster: FakeCluster) -> None:
    look_up(cluster, [API_SERVER, PLACEMENT])
    assert {method for method, _ in cluster.requests} == {"GET"}
    assert cluster.deleted == []

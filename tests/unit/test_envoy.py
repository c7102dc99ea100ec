"""What Envoys are asked, and how their answers are read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from cluster.client import Answer
from cluster.errors import OperationError
from verification.envoy import REFUSED, admits, identity, inbound_cluster, outbound_cluster, refused, sent_to, total

from .fake_cluster import FakeCluster


class Sidecar(FakeCluster):
    """A cluster whose one Envoy says the same to everything."""

    def __init__(self, body: str, status: int = 200) -> None:
        super().__init__()
        self.answer = Answer(status=status, body=body)
        self.asked: list[tuple[str, str, int, str]] = []

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        self.asked.append((namespace, pod, port, path))
        return self.answer


def stats(*values: int) -> str:
    return json.dumps({"stats": [*({"name": "some", "value": value} for value in values), {"histograms": {}}]})


def test_envoys_names_for_both_sides_of_a_call_are_osms() -> None:
    assert outbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002"
    assert inbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002|local"


def test_a_pods_identity_is_osms() -> None:
    assert identity("dapr-test", "pythonapp") == "pythonapp.dapr-test.cluster.local"


def test_counters_are_added_up_and_histograms_left_out() -> None:
    sidecar = Sidecar(stats(2, 40))
    assert total(sidecar, "dapr-test", "nodeapp-1", "a|b") == 42
    assert sidecar.asked == [("dapr-test", "nodeapp-1", 15000, "/stats?format=json&filter=a%7Cb")]


def test_an_envoy_that_does_not_know_is_an_error_that_names_its_pod() -> None:
    with pytest.raises(OperationError, match="the Envoy of pod dapr-test/nodeapp-1 answers 503: shutting down"):
        total(Sidecar("shutting down", 503), "dapr-test", "nodeapp-1", "a")
    with pytest.raises(OperationError, match="the Envoy of pod dapr-test/nodeapp-1 answers 404: none"):
        admits(Sidecar("none", 404), "dapr-test", "nodeapp-1", "a")


@pytest.mark.parametrize(("by_http", "counter"), [(True, "upstream_rq_total"), (False, "upstream_cx_tx_bytes_total")])
def test_where_envoys_see_connections_only_bytes_are_counted(by_http: bool, counter: str) -> None:
    sidecar = Sidecar(stats(7))
    assert sent_to(sidecar, "dapr-test", "p", "dapr-test/a-dapr|50002", by_http=by_http) == 7
    ((_, _, _, path),) = sidecar.asked
    assert path.endswith(counter + "%24")
    assert "50002%5C." in path or "50002%5C%5C" in path, "the outbound cluster's name is a part of the inbound one's"


@pytest.mark.parametrize(
    "counter",
    ["http.rds-outbound.50002.no_route", "listener.0.0.0.0_15003.no_filter_chain_match", "network-rbac.denied"],
)
def test_a_call_that_was_not_let_through_is_counted(counter: str) -> None:
    assert re.search(REFUSED, counter)


@pytest.mark.parametrize(
    "counter",
    [
        "http.rds-outbound.80.no_route",
        "http.rds-outbound.50002.no_route_total",
        "listener.0.0.0.0_15001.no_filter_chain_match",
        "network-rbac.allowed",
        "network-rbac.shadow_denied",
        "cluster.dapr-test/nodeapp-dapr|50002.upstream_rq_total",
    ],
)
def test_other_counters_are_no_refusals(counter: str) -> None:
    assert not re.search(REFUSED, counter)


def test_refusals_are_asked_for_by_their_names() -> None:
    assert refused(Sidecar(stats(3, 1)), "dapr-test", "p") == 4


# --- whom an Envoy admits ---------------------------------------------------------------------------------------


def listeners(*callers: str, key: str = "rules") -> str:
    """What OSM's Envoy says of its listeners: an RBAC filter in a filter chain, that names callers."""
    principals = [{"authenticated": {"principal_name": {"exact": caller}}} for caller in callers]
    rbac = {"stat_prefix": "network-", key: {"policies": {"shop": {"principals": [{"or_ids": {"ids": principals}}]}}}}
    chain = {"name": "inbound-mesh", "filters": [{"name": "l4_rbac", "typed_config": rbac}]}
    other = {
        "name": "rules",
        "rules": "text",
        "metadata": {"rules": {"callers": ["mentioned.dapr-test.cluster.local"]}},
    }
    return json.dumps({"configs": [{"active_state": {"listener": {"filter_chains": [chain, other]}}}]})


def admitted(body: str, caller: str) -> bool:
    sidecar = Sidecar(body)
    found = admits(sidecar, "dapr-test", "nodeapp-1", caller)
    assert sidecar.asked == [("dapr-test", "nodeapp-1", 15000, "/config_dump?resource=dynamic_listeners")]
    return found


PYTHON = identity("dapr-test", "pythonapp")


def test_a_caller_that_an_envoys_rules_name_is_admitted() -> None:
    assert admitted(listeners(PYTHON), PYTHON)
    assert admitted(listeners("a.b.cluster.local", PYTHON), PYTHON)


@pytest.mark.parametrize("body", [listeners(), listeners("other.dapr-test.cluster.local"), "{}", '{"configs": []}'])
def test_a_caller_that_they_do_not_name_is_not(body: str) -> None:
    assert not admitted(body, PYTHON)


def test_a_name_outside_the_rules_admits_nobody() -> None:
    assert not admitted(listeners(), "mentioned.dapr-test.cluster.local")
    assert not admitted(listeners(PYTHON, key="shadow_rules"), PYTHON), "shadow rules are only counted"


@pytest.mark.parametrize(
    "other",
    [
        "my-pythonapp.dapr-test.cluster.local",
        "pythonapp.dapr-test.cluster.local.example",
        "xpythonapp.dapr-test.cluster.local",
    ],
)
def test_a_caller_whose_name_holds_anothers_is_not_taken_for_it(other: str) -> None:
    assert not admitted(listeners(other), PYTHON), "else the wait for its refusal would never end"


@pytest.mark.parametrize("prefix", ["spiffe://cluster.local/", "spiffe://", ""])
def test_a_callers_name_may_be_an_uri(prefix: str) -> None:
    assert admitted(listeners(prefix + PYTHON), PYTHON)


def test_rules_are_found_however_deep() -> None:
    nested: Any = json.loads(listeners(PYTHON))
    for _ in range(20):
        nested = {"inner": [nested]}
    assert admitted(json.dumps(nested), PYTHON)

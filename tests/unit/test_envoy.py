"""What Envoys are asked, and how their answers are read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cluster.client import Answer
from cluster.errors import OperationError
from verification import envoy
from verification.envoy import Rules, admits, counted, identity, inbound_cluster, outbound_cluster, parsed, passed_on

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


def stats(**values: int) -> str:
    return json.dumps({"stats": [*({"name": n, "value": v} for n, v in values.items()), {"histograms": {}}]})


def test_envoys_names_for_both_sides_of_a_call_are_osms() -> None:
    assert outbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002"
    assert inbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002|local"


def test_a_pods_identity_is_osms() -> None:
    assert identity("dapr-test", "pythonapp") == "pythonapp.dapr-test.cluster.local"


def test_counters_are_asked_for_at_once_and_histograms_left_out() -> None:
    sidecar = Sidecar(stats(one=2, once=40, two=5))
    assert counted(sidecar, "dapr-test", "nodeapp-1", {"ones": "^on", "twos": "^two$", "none": "x"}) == {
        "ones": 42,
        "twos": 5,
        "none": 0,
    }
    path = "/stats?format=json&filter=%28%5Eon%29%7C%28%5Etwo%24%29%7C%28x%29"
    assert sidecar.asked == [("dapr-test", "nodeapp-1", 15000, path)]


def test_an_envoy_that_does_not_know_is_an_error_that_names_its_pod() -> None:
    with pytest.raises(OperationError, match="the Envoy of pod dapr-test/nodeapp-1 answers 503: shutting down"):
        counted(Sidecar("shutting down", 503), "dapr-test", "nodeapp-1", {"a": "a"})
    with pytest.raises(OperationError, match="the Envoy of pod dapr-test/nodeapp-1 answers 404: none"):
        admits(Sidecar("none", 404), "dapr-test", "nodeapp-1", "a")
    with pytest.raises(OperationError, match="the Envoy of pod dapr-test/nodeapp-1 answers with a part of it"):
        counted(Sidecar('{"stats": [', 200), "dapr-test", "nodeapp-1", {"a": "a"})
    for other in ("[]", "null"):
        with pytest.raises(OperationError, match="what answers for the Envoy of pod dapr-test/nodeapp-1 is none"):
            counted(Sidecar(other), "dapr-test", "nodeapp-1", {"a": "a"})


# As Envoy 1.36 names them.
SENT = "cluster.dapr-test/nodeapp-dapr|50002.upstream_rq_total"
COUNTERS = {
    "sent": SENT,
    "tried": "cluster.dapr-test/nodeapp-dapr|50002.upstream_cx_total",
    "bytes": "cluster.dapr-test/nodeapp-dapr|50002.upstream_cx_tx_bytes_total",
    "received": "cluster.dapr-test/nodeapp-dapr|50002|local.upstream_rq_total",
    "no route": "http.mesh-http-conn-manager.rds-outbound.50002.no_route",
    "no way": "listener.0.0.0.0_15001.no_filter_chain_match",
    "not of the mesh": "listener.0.0.0.0_15003.no_filter_chain_match",
    "denied a connection": "network-.rbac.denied",
    "denied a call": "http.mesh-http-conn-manager.rds-inbound.50002.rbac.denied",
    "denied for want of a route": "http.mesh-http-conn-manager.rds-inbound.50002.no_route",
}
OTHERS = (
    "http.mesh-http-conn-manager.rds-outbound.80.no_route",
    "http.mesh-http-conn-manager.rds-outbound.50002.no_route_total",
    "network-.rbac.allowed",
    "network-.rbac.shadow_denied",
    "cluster.dapr-test/nodeapp-dapr|50002.external.upstream_rq_total",
)


@pytest.mark.parametrize(
    ("pattern", "means"),
    [
        (envoy.sent_counter(outbound_cluster("dapr-test", "nodeapp"), by_http=True), {"sent"}),
        (envoy.sent_counter(outbound_cluster("dapr-test", "nodeapp"), by_http=False), {"bytes"}),
        (envoy.tried_counter(outbound_cluster("dapr-test", "nodeapp"), by_http=True), {"sent"}),
        (envoy.tried_counter(outbound_cluster("dapr-test", "nodeapp"), by_http=False), {"tried"}),
        (envoy.sent_counter(inbound_cluster("dapr-test", "nodeapp"), by_http=True), {"received"}),
        (envoy.NO_ROUTE, {"no route"}),
        (envoy.NO_WAY_OUT, {"no way"}),
        (envoy.NOT_OF_THE_MESH, {"not of the mesh"}),
        (envoy.DENIED, {"denied a connection", "denied a call", "denied for want of a route"}),
    ],
)
def test_a_counter_is_known_by_its_name_and_no_other(pattern: str, means: set[str]) -> None:
    assert {what for what, name in COUNTERS.items() if re.search(pattern, name)} == means
    assert [name for name in OTHERS if re.search(pattern, name)] == []


def host(address: str, port: int = 50002, **values: int) -> Any:
    # A value of 0 is left out, as Envoy does.
    return {
        "address": {"socket_address": {"address": address, "port_value": port}},
        "stats": [{"name": name, **({"value": str(value)} if value else {})} for name, value in values.items()],
    }


def test_connections_that_were_passed_on_to_a_pods_daprd_are_counted_but_for_those_that_failed() -> None:
    hosts = [
        host("10.0.0.1", cx_total=5, cx_connect_fail=2),
        host("10.0.0.2", cx_total=1, cx_connect_fail=0),
        host("10.0.0.2", 443, cx_total=9),
        host("10.0.0.3", cx_total=9),
    ]
    body = json.dumps(
        {
            "cluster_statuses": [
                {"name": "passthrough-outbound", "host_statuses": hosts},
                {"name": "dapr-test/nodeapp-dapr|50002", "host_statuses": [host("10.0.0.1", cx_total=9)]},
                {"name": "empty"},
            ]
        }
    )
    assert passed_on(Sidecar(body), "dapr-test", "p", {"10.0.0.1", "10.0.0.2"}) == 3 + 1
    assert passed_on(Sidecar(body), "dapr-test", "p", {"10.0.0.9"}) == 0
    assert passed_on(Sidecar("{}"), "dapr-test", "p", {"10.0.0.1"}) == 0


# --- rules ------------------------------------------------------------------------------------------------------


REAL = Path(__file__).parent / "envoys"


@pytest.mark.parametrize(
    ("stage", "app", "ways", "admitted"),
    [
        ("locked", "nodeapp", set(), set()),
        ("locked", "pythonapp", set(), set()),
        ("smi", "nodeapp", set(), {"pythonapp.dapr-test.cluster.local"}),
        ("smi", "pythonapp", {"dapr-test/nodeapp-dapr|50002"}, set()),
        ("permissive", "nodeapp", {"dapr-test/nodeapp-dapr|50002", "dapr-test/pythonapp-dapr|50002"}, None),
        ("permissive", "pythonapp", {"dapr-test/nodeapp-dapr|50002", "dapr-test/pythonapp-dapr|50002"}, None),
    ],
)
@pytest.mark.parametrize("by_http", [True, False])
def test_a_real_envoys_rules_are_read(
    stage: str, app: str, ways: set[str], admitted: set[str] | None, by_http: bool
) -> None:
    found = json.loads((REAL / f"{stage}-{app}.json").read_text())
    rules = parsed(found["listeners"], found["routes"] if by_http else [], by_http=by_http)
    let_in = None if admitted is None else frozenset(admitted)
    assert rules == Rules(ways=frozenset(ways), admitted=let_in, listens=True)


def test_an_envoy_without_a_listener_lets_nothing_out_and_nobody_in() -> None:
    nothing = Rules(ways=frozenset(), admitted=frozenset(), listens=False)
    assert parsed([], [], by_http=True) == nothing


def test_without_its_route_a_caller_is_let_in_nowhere() -> None:
    found = json.loads((REAL / "smi-nodeapp.json").read_text())
    for table in found["routes"]:
        for virtual_host in table["route_config"]["virtual_hosts"]:
            virtual_host.pop("routes", None)
    assert parsed(found["listeners"], found["routes"], by_http=True).admitted == frozenset()
    assert parsed(found["listeners"], [], by_http=False).admitted == frozenset({PYTHON})


def test_without_its_route_a_caller_has_no_way() -> None:
    found = json.loads((REAL / "smi-pythonapp.json").read_text())
    assert parsed(found["listeners"], [], by_http=True).ways == set()


def test_a_configuration_that_is_on_its_way_in_or_out_is_not_in_force() -> None:
    found = json.loads((REAL / "smi-nodeapp.json").read_text())
    for state in ("warming_state", "draining_state"):
        moved = [{state: one["active_state"]} for one in found["listeners"]]
        assert parsed(moved, found["routes"], by_http=True).admitted == frozenset()


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
    assert admitted(json.dumps({"configs": [nested]}), PYTHON)

"""What an Envoy sidecar counted, read from its own admin interface on the pod's loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from cluster.client import Cluster
from cluster.errors import OperationError
from model.exclusions import DAPR_INTERNAL_GRPC_PORT

# Source: OSM 1.2.4, pkg/constants: EnvoyAdminPort, EnvoyInboundListenerPort.
ADMIN_PORT: Final = 15000
INBOUND_PORT: Final = 15003
OUTBOUND_LISTENER: Final = "outbound-listener"

# How an Envoy of OSM's counts calls between sidecars that it does not let through:
# - a caller's, on a connection that it knows: there is no route to that host (any more);
# - a called app's: nobody may connect like this (no mTLS, no policy), or this identity may not.
REFUSED: Final = (
    rf"(rds-outbound\.{DAPR_INTERNAL_GRPC_PORT}\.no_route"
    rf"|_{INBOUND_PORT}\.no_filter_chain_match"
    r"|rbac\.denied)$"
)


def outbound_cluster(namespace: str, app: str) -> str:
    """Envoy's name for the way to an app's daprd, in the caller's sidecar."""
    return f"{namespace}/{app}-dapr|{DAPR_INTERNAL_GRPC_PORT}"


def inbound_cluster(namespace: str, app: str) -> str:
    """Envoy's name for the way to the daprd beside it, in the called app's sidecar."""
    return f"{outbound_cluster(namespace, app)}|local"


def total(cluster: Cluster, namespace: str, pod: str, pattern: str) -> int:
    """The sum of an Envoy's counters whose names match a regular expression.

    Raises:
        OperationError: The pod's Envoy does not answer.
    """
    answer = cluster.http_from_pod(namespace, pod, ADMIN_PORT, f"/stats?format=json&filter={quote(pattern)}")
    if answer.status != 200:
        raise OperationError(f"the Envoy of pod {namespace}/{pod} answers {answer.status}: {answer.body[:100]}")
    return sum(int(entry["value"]) for entry in json.loads(answer.body)["stats"] if "value" in entry)


def sent_to(cluster: Cluster, namespace: str, pod: str, envoy_cluster: str, *, by_http: bool) -> int:
    """How much an Envoy has sent to one of its clusters: requests, or bytes where it sees connections only."""
    counter = "upstream_rq_total" if by_http else "upstream_cx_tx_bytes_total"
    return total(cluster, namespace, pod, rf"^cluster\.{re.escape(envoy_cluster)}\.{counter}$")


def refused(cluster: Cluster, namespace: str, pod: str) -> int:
    """How many calls or connections between sidecars an Envoy has not let through."""
    return total(cluster, namespace, pod, REFUSED)


def lets_nothing_out(cluster: Cluster, namespace: str, pod: str) -> bool:
    """Whether an Envoy does not even listen for what its pod sends.

    So it is where egress is off and no policy lets the pod call anybody. Its calls are refused at once, and uncounted.
    """
    answer = cluster.http_from_pod(namespace, pod, ADMIN_PORT, "/listeners?format=json")
    if answer.status != 200:
        raise OperationError(f"the Envoy of pod {namespace}/{pod} answers {answer.status}: {answer.body[:100]}")
    return OUTBOUND_LISTENER not in (listener["name"] for listener in json.loads(answer.body)["listener_statuses"])


def identity(namespace: str, account: str) -> str:
    """The name that OSM puts into a pod's certificate (OSM 1.2.4, pkg/identity)."""
    return f"{account}.{namespace}.cluster.local"


def admits(cluster: Cluster, namespace: str, pod: str, caller: str) -> bool:
    """Whether an Envoy's rules for what comes in name a caller.

    Args:
        cluster: The cluster.
        namespace: The namespace of the called pod.
        pod: Its name.
        caller: The caller's identity.
    """
    answer = cluster.http_from_pod(namespace, pod, ADMIN_PORT, "/config_dump?resource=dynamic_listeners")
    if answer.status != 200:
        raise OperationError(f"the Envoy of pod {namespace}/{pod} answers {answer.status}: {answer.body[:100]}")
    # Whole names only: one app's may end like another's. In front of it there may be a scheme (spiffe://).
    named = re.compile(rf"(^|/){re.escape(caller)}$")
    return any(named.search(text) for rules in _rules(json.loads(answer.body)) for text in _texts(rules))


def _rules(value: Any) -> Iterator[Any]:
    """Every ``rules`` of an RBAC filter, however deep in a configuration; what is on its way out says nothing."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "draining_state":
                continue
            if key == "rules" and isinstance(inner, dict) and "policies" in inner:
                yield inner
            else:
                yield from _rules(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _rules(inner)


def _texts(value: Any) -> Iterator[str]:
    """Every text of a configuration."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)

"""What an Envoy sidecar counted, read from its own admin interface on the pod's loopback."""

from __future__ import annotations

import json
import re
from typing import Final
from urllib.parse import quote

from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from operations.cluster import Cluster

# Source: OSM 1.2.4, pkg/constants: EnvoyAdminPort, EnvoyInboundListenerPort.
ADMIN_PORT: Final = 15000
INBOUND_PORT: Final = 15003

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
    return sum(int(entry["value"]) for entry in json.loads(answer)["stats"] if "value" in entry)


def requests_to(cluster: Cluster, namespace: str, pod: str, envoy_cluster: str) -> int:
    """How many requests an Envoy has sent to one of its clusters."""
    return total(cluster, namespace, pod, rf"^cluster\.{re.escape(envoy_cluster)}\.upstream_rq_total$")


def refused(cluster: Cluster, namespace: str, pod: str) -> int:
    """How many calls between sidecars an Envoy has not let through."""
    return total(cluster, namespace, pod, REFUSED)

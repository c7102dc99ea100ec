"""What an Envoy sidecar is configured to do and has counted, read from its admin interface on the pod's loopback.

The names are OSM's (1.2.4): of listeners and filter chains in pkg/envoy/lds, of routes in pkg/envoy/rds, of clusters in
pkg/service.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from cluster.client import Cluster
from cluster.errors import OperationError
from model.exclusions import DAPR_INTERNAL_GRPC_PORT

# Source: OSM 1.2.4, pkg/constants: EnvoyAdminPort, EnvoyOutboundListenerPort, EnvoyInboundListenerPort.
ADMIN_PORT: Final = 15000
OUTBOUND_PORT: Final = 15001
INBOUND_PORT: Final = 15003
OUTBOUND_LISTENER: Final = "outbound-listener"
INBOUND_LISTENER: Final = "inbound-listener"
OUTBOUND_ROUTES: Final = f"rds-outbound.{DAPR_INTERNAL_GRPC_PORT}"
INBOUND_ROUTES: Final = f"rds-inbound.{DAPR_INTERNAL_GRPC_PORT}"
# The filter chain of a way to a Service, by namespace/name and port.
OUTBOUND_CHAIN: Final = re.compile(rf"^outbound_(?P<service>.+)_{DAPR_INTERNAL_GRPC_PORT}_[a-z-]+$")
# What an Envoy sends on as it is, to wherever its pod wanted it: only where egress is on.
PASSTHROUGH: Final = "passthrough-outbound"

# What a caller's Envoy refuses by itself: on a connection that it knows there is no route to a host (any more), or it
# has no way for a connection at all.
NO_ROUTE: Final = rf"{re.escape(OUTBOUND_ROUTES)}\.no_route$"
NO_WAY_OUT: Final = rf"_{OUTBOUND_PORT}\.no_filter_chain_match$"
# What a called app's Envoy refuses: connections that are not the mesh's own, and callers that no policy names.
NOT_OF_THE_MESH: Final = rf"_{INBOUND_PORT}\.no_filter_chain_match$"
DENIED: Final = rf"rbac\.denied$|{re.escape(INBOUND_ROUTES)}\.no_route$"


def outbound_cluster(namespace: str, app: str) -> str:
    """Envoy's name for the way to an app's daprd, in the caller's sidecar."""
    return f"{namespace}/{app}-dapr|{DAPR_INTERNAL_GRPC_PORT}"


def inbound_cluster(namespace: str, app: str) -> str:
    """Envoy's name for the way to the daprd beside it, in the called app's sidecar."""
    return f"{outbound_cluster(namespace, app)}|local"


def identity(namespace: str, account: str) -> str:
    """The name that OSM puts into a pod's certificate (OSM 1.2.4, pkg/identity)."""
    return f"{account}.{namespace}.cluster.local"


def sent_counter(envoy_cluster: str, *, by_http: bool) -> str:
    """The counter of what was sent to a cluster: calls, or bytes where an Envoy sees connections only."""
    return rf"^cluster\.{re.escape(envoy_cluster)}\.{'upstream_rq_total' if by_http else 'upstream_cx_tx_bytes_total'}$"


def tried_counter(envoy_cluster: str, *, by_http: bool) -> str:
    """The counter of what was tried on the way to a cluster: calls, or connections."""
    return rf"^cluster\.{re.escape(envoy_cluster)}\.{'upstream_rq_total' if by_http else 'upstream_cx_total'}$"


def counted(cluster: Cluster, namespace: str, pod: str, patterns: Mapping[str, str]) -> dict[str, int]:
    """An Envoy's counters, in one question.

    Args:
        cluster: The cluster.
        namespace: The pod's namespace.
        pod: Its name.
        patterns: Regular expressions for the counters' names, by what they are called here.

    Returns:
        By what they are called here, the sum of the counters.

    Raises:
        OperationError: The pod's Envoy does not answer.
    """
    asked = "|".join(f"({pattern})" for pattern in patterns.values())
    stats = _json(cluster, namespace, pod, f"/stats?format=json&filter={quote(asked)}").get("stats", [])
    values = [(str(entry["name"]), int(entry["value"])) for entry in stats if "value" in entry]
    return {
        what: sum(value for name, value in values if re.search(pattern, name)) for what, pattern in patterns.items()
    }


def passed_on(cluster: Cluster, namespace: str, pod: str, addresses: Collection[str]) -> int:
    """How many connections an Envoy has lately sent on, as they were, to the daprd of pods at these addresses.

    Envoy forgets an address some seconds after the last connection to it.
    """
    statuses = _json(cluster, namespace, pod, "/clusters?format=json").get("cluster_statuses", [])
    return sum(
        _connections(host)
        for status in statuses
        if status.get("name") == PASSTHROUGH
        for host in status.get("host_statuses", [])
        if _is_daprd(host, addresses)
    )


def _is_daprd(host: Mapping[str, Any], addresses: Collection[str]) -> bool:
    address = host.get("address", {}).get("socket_address", {})
    return address.get("address") in addresses and address.get("port_value") == DAPR_INTERNAL_GRPC_PORT


def _connections(host: Mapping[str, Any]) -> int:
    """Those that came about: one that failed has reached nobody's Envoy."""
    stats = {entry.get("name"): int(entry.get("value", 0)) for entry in host.get("stats", [])}
    return stats.get("cx_total", 0) - stats.get("cx_connect_fail", 0)


# --- who may call whom -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What an Envoy does with calls between sidecars.

    Attributes:
        ways: The clusters of daprds that it knows a way to.
        listens: Whether it listens for what its pod sends. It does not where egress is off and no policy lets the pod
            call anybody; its calls are refused at once then, and uncounted.
        admitted: The identities that it lets in to its daprd; None for everybody.
    """

    ways: frozenset[str]
    listens: bool
    admitted: frozenset[str] | None

    def admits(self, caller: str) -> bool:
        """Whether it lets in who has this identity."""
        return self.admitted is None or caller in self.admitted


def rules(cluster: Cluster, namespace: str, pod: str, *, by_http: bool) -> Rules:
    """An Envoy's rules, from its configuration: all callers and all called apps at once.

    Args:
        cluster: The cluster.
        namespace: The pod's namespace.
        pod: Its name.
        by_http: Whether it sees calls; else it sees connections, for which there are no routes.

    Raises:
        OperationError: The pod's Envoy does not answer.
    """
    listeners = _dump(cluster, namespace, pod, "dynamic_listeners")
    routes = _dump(cluster, namespace, pod, "dynamic_route_configs") if by_http else []
    return parsed(listeners, routes, by_http=by_http)


def parsed(listeners: Collection[Any], routes: Collection[Any], *, by_http: bool) -> Rules:
    """The rules that listeners and routes of a configuration make together."""
    active = {one["name"]: one for one in (item.get("active_state", {}).get("listener") for item in listeners) if one}
    tables = {one["name"]: one for one in (item.get("route_config") for item in routes) if one}
    ways = frozenset(_ways(active.get(OUTBOUND_LISTENER, {})))
    admitted = _admitted(active.get(INBOUND_LISTENER, {}))
    if by_http:
        ways &= _clusters(tables.get(OUTBOUND_ROUTES, {}))
        admitted = _both(admitted, _admitted_by_routes(tables.get(INBOUND_ROUTES, {})))
    return Rules(ways=ways, listens=OUTBOUND_LISTENER in active, admitted=admitted)


def _ways(listener: Mapping[str, Any]) -> Iterator[str]:
    for chain in listener.get("filter_chains", []):
        if found := OUTBOUND_CHAIN.match(chain.get("name", "")):
            yield f"{found['service']}|{DAPR_INTERNAL_GRPC_PORT}"


def _clusters(table: Mapping[str, Any]) -> frozenset[str]:
    """The clusters that a table of routes leads to."""
    found = set()
    for host in table.get("virtual_hosts", []):
        for route in host.get("routes", []):
            action = route.get("route", {})
            weighted = action.get("weighted_clusters", {}).get("clusters", [])
            found |= {action.get("cluster"), *(one.get("name") for one in weighted)} - {None}
    return frozenset(found)


def _admitted(listener: Mapping[str, Any]) -> frozenset[str] | None:
    """Whom the filter chains for the daprd let in; without a filter that asks, everybody."""
    chains = [
        chain
        for chain in listener.get("filter_chains", [])
        if chain.get("filter_chain_match", {}).get("destination_port") == DAPR_INTERNAL_GRPC_PORT
    ]
    found: frozenset[str] | None = frozenset()
    for chain in chains:
        asking = [config for one in chain.get("filters", []) if _is_rbac(config := one.get("typed_config", {}))]
        allowed: frozenset[str] | None = None
        for config in asking:
            allowed = _both(allowed, _principals(config.get("rules", {})))
        found = None if found is None or allowed is None else found | allowed
    return found


def _is_rbac(config: Mapping[str, Any]) -> bool:
    return str(config.get("@type", "")).endswith(".network.rbac.v3.RBAC")


def _admitted_by_routes(table: Mapping[str, Any]) -> frozenset[str] | None:
    """Whom at least one route lets in; where there is no route, nobody."""
    found: frozenset[str] | None = frozenset()
    for host in table.get("virtual_hosts", []):
        for route in host.get("routes", []):
            for config in route.get("typed_per_filter_config", {}).values():
                if "rbac" in config:
                    allowed = _principals(config["rbac"].get("rules", {}))
                    found = None if found is None or allowed is None else found | allowed
    return found


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _principals(found: Mapping[str, Any]) -> frozenset[str] | None:
    """The identities that RBAC rules name; None where they name everybody."""
    principals = [one for policy in found.get("policies", {}).values() for one in policy.get("principals", [])]
    if any(one.get("any") for one in principals):
        return None
    # In front of a name there may be a scheme (spiffe://).
    return frozenset(text.rpartition("/")[2] for text in _texts(principals))


def admits(cluster: Cluster, namespace: str, pod: str, caller: str) -> bool:
    """Whether an Envoy's rules for what comes in name a caller.

    Args:
        cluster: The cluster.
        namespace: The namespace of the called pod.
        pod: Its name.
        caller: The caller's identity.
    """
    listeners = _dump(cluster, namespace, pod, "dynamic_listeners")
    # Whole names only: one app's may end like another's.
    return any(caller == text.rpartition("/")[2] for found in _rules(listeners) for text in _texts(found))


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


def _dump(cluster: Cluster, namespace: str, pod: str, resource: str) -> list[Any]:
    configs: list[Any] = _json(cluster, namespace, pod, f"/config_dump?resource={resource}").get("configs", [])
    return configs


def _json(cluster: Cluster, namespace: str, pod: str, path: str) -> Mapping[str, Any]:
    answer = cluster.http_from_pod(namespace, pod, ADMIN_PORT, path)
    if answer.status != 200:
        raise OperationError(f"the Envoy of pod {namespace}/{pod} answers {answer.status}: {answer.body[:100]}")
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise OperationError(f"the Envoy of pod {namespace}/{pod} answers with a part of it: {error}") from error
    if not isinstance(found, dict):
        raise OperationError(f"what answers for the Envoy of pod {namespace}/{pod} is none: {answer.body[:100]}")
    return found

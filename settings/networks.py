"""Ports and address ranges."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import AfterValidator, WithJsonSchema

from model import exclusions, redis
from settings.declaration import All, Kind, Refusal, Rule, holds
from settings.numbers import Port
from settings.problem import Words

# What sidecars listen on in every pod of the mesh.
# Sources: Dapr, pkg/injector/patcher/sidecar.go; OSM 1.2.4, pkg/constants and pkg/injector/envoy_container.go.
HELD_PORTS: Final[Mapping[int, str]] = {
    3500: "daprd's HTTP API",
    3501: "daprd's public HTTP API",
    50001: "daprd's gRPC API",
    exclusions.DAPR_INTERNAL_GRPC_PORT: "daprd's calls to other sidecars",
    9090: "daprd's metrics",
    15000: "Envoy's administration",
    15001: "Envoy, for what leaves the pod",
    15003: "Envoy, for what reaches the pod",
    15010: "Envoy's metrics",
    15901: "Envoy's copy of the liveness probe",
    15902: "Envoy's copy of the readiness probe",
    15903: "Envoy's copy of the startup probe",
    15904: "OSM's answer to TCP probes",
}
# Below it only root may listen, where the kernel isn't told otherwise; apps run as an ordinary user.
FIRST_PORT_OF_USERS: Final = 1024
UNPRIVILEGED_SYSCTL: Final = "net.ipv4.ip_unprivileged_port_start"


def app_port(port: int) -> Iterator[Refusal]:
    """What keeps an app from listening on a port."""
    if port in HELD_PORTS:
        yield Refusal(
            rule=f"is taken in every pod: {HELD_PORTS[port]}", mend="Let the app listen elsewhere, on 8080 say."
        )


AppPort = Annotated[Port, Rule("app-port", app_port)]


def excluded_ports(ports: Sequence[Any]) -> Iterator[Refusal]:
    """What keeps a list from being ports that bypass Envoy."""
    for port in ports:
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            yield holds("not a TCP port (1-65535)", port, _mend_of_port(port))
        elif port == exclusions.DAPR_INTERNAL_GRPC_PORT:
            yield Refusal(
                rule=f"holds {port}, the port of calls between Dapr's sidecars",
                mend="Excluded, they would bypass the mesh and its policies. Remove it.",
                show=False,
            )


def _mend_of_port(given: Any) -> str:
    if isinstance(given, str):
        return "Write it without quotes." if given.isdecimal() else "OSM knows no ranges: list single ports."
    return "Write whole numbers."


def union_limit(ports: Sequence[Any]) -> Iterator[Refusal]:
    """Too many ports, whatever Dapr's turn out to be: Redis's own is one as well."""
    count = len({*(port for port in ports if isinstance(port, int)), redis.PORT})
    if count > exclusions.MAX_PORTS:
        yield Refusal(
            rule=f"makes it {count} excluded ports with Redis's own, before Dapr's are counted, and OSM writes a pod's "
            f"into one iptables rule, which takes {exclusions.MAX_PORTS}",
            mend="Shorten it, or exclude addresses instead: extraIpRangeExclusions has no such limit.",
            show=False,
        )


def excluded_ranges(ranges: Sequence[Any]) -> Iterator[Refusal]:
    """What keeps a list from being address ranges that bypass Envoy; OSM knows IPv4 only."""
    refusals = [refusal for given in ranges for refusal in _range(given)]
    yield from refusals
    if not refusals and any(not one.prefixlen for one in ipaddress.collapse_addresses(map(_network, ranges))):
        yield Refusal(rule="holds every address, all together", mend="Nothing would be left in the mesh.", show=False)


def _network(given: str) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(given)


def _range(given: Any) -> Iterator[Refusal]:
    try:
        network = ipaddress.IPv4Network(given if isinstance(given, str) else "")
    except ValueError as error:
        yield holds("not an IPv4 CIDR", given, _mend_of_range(given, error))
        return
    if "/" not in given:
        yield holds("not an IPv4 CIDR", given, Words('Did you mean "{given}/32"?', given=given))
    elif "." in given.partition("/")[2]:
        # OSM's CRD knows prefixes only.
        yield holds("not an IPv4 CIDR", given, Words('Did you mean "{network}"?', network=network))
    elif network.prefixlen == 0:
        yield holds("every address", given, "Nothing would be left in the mesh.")


def _mend_of_range(given: Any, error: ValueError) -> str:
    if isinstance(given, str) and "/" in given:
        try:
            network = ipaddress.IPv4Network(given.strip(), strict=False)
        except ValueError:
            pass
        else:
            return Words('{error}. Did you mean "{network}"?', error=error, network=network)
    return "Write it like 10.0.0.0/8; OSM knows IPv4 only."


Ports = Annotated[
    list[Any],
    Kind("a list of TCP ports", "Set it in the stack file, as YAML."),
    All(Rule("excluded-ports", excluded_ports), Rule("union-limit", union_limit)),
    AfterValidator(exclusions.unique),
    WithJsonSchema({"type": "array", "items": {"type": "integer"}}),
]
IpRanges = Annotated[
    list[Any],
    Kind("a list of IPv4 CIDRs", "Set it in the stack file, as YAML."),
    Rule("excluded-ranges", excluded_ranges),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]

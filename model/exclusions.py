"""What must bypass Envoy, and why: steps 4, 5 and 6 of the walkthrough.

Ports are looked up by name in the Services that the cluster really has, since Dapr moves them between
releases (dapr-sentry from 80 to 443 in 1.12, dapr-api in 1.13).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from model import names, redis

# One iptables rule holds all of a pod's excluded ports, and iptables' multiport match takes 15.
# Source: OSM 1.2.4, pkg/injector/iptables.go; iptables-extensions(8).
MAX_PORTS: Final = 15

# What daprd uses for calls between sidecars. Excluding it would take the apps' calls out of the mesh.
DAPR_INTERNAL_GRPC_PORT: Final = 50002

# On the MeshConfig: what the stack declares, with its reasons, beside what is in force.
DECLARED_ANNOTATION: Final = "dapr-osm/exclusions"

# The names a port may have for it to be excluded, by Service. "" stands for a Service's only, unnamed port,
# which is how Dapr up to 1.12 declares dapr-api, and up to 1.10 dapr-sentry. A release's own sidecars use the first.
PLACEMENT_PORT_NAMES: Final = ("api", "raft-node")
API_PORT_NAMES: Final = ("", "grpc", "legacy")
SENTRY_PORT_NAMES: Final = ("", "grpc", "legacy")
SCHEDULER_PORT_NAMES: Final = ("api",)


class PortScope(StrEnum):
    """Where placement's and Redis's ports are excluded (step 5 and its note)."""

    MESH = "mesh"
    """For every pod of the mesh, in the MeshConfig: the page's default."""

    POD = "pod"
    """Only for the apps' own pods, by annotation: for meshes where only some pods run Dapr."""


class ExclusionSet(StrEnum):
    """How much bypasses Envoy. What each missing exclusion does was measured: docs/compatibility.md."""

    PAGE = "page"
    """All that the walkthrough names (steps 4 to 6), and the scheduler's ports likewise: the default."""

    MINIMAL = "minimal"
    """What pods and orders need, and no more."""


class UnknownPortError(ValueError):
    """A Service has no port of the names that were looked for."""


class TooManyPortsError(ValueError):
    """More ports are excluded than one iptables rule can hold."""


@dataclass(frozen=True, kw_only=True)
class ExcludedPort:
    """A TCP port that Envoy leaves alone, with the reason for it.

    Attributes:
        port: The Service's port, not the container's: it is what the pod dials.
        service: The Service it belongs to, or the setting that names it.
        reason: One line for an operator.
    """

    port: int
    service: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Exclusions:
    """Everything that bypasses Envoy.

    Attributes:
        ip_ranges: CIDRs for the MeshConfig's ``outboundIPRangeExclusionList``, with a reason each.
        mesh_ports: Ports for the MeshConfig's ``outboundPortExclusionList``, in the page's order.
        pod_ports: Ports for the apps' ``openservicemesh.io/outbound-port-exclusion-list``.
    """

    ip_ranges: Mapping[str, str]
    mesh_ports: tuple[ExcludedPort, ...]
    pod_ports: tuple[ExcludedPort, ...]

    @property
    def mesh_port_numbers(self) -> list[int]:
        """The MeshConfig's list: each port once."""
        return unique(entry.port for entry in self.mesh_ports)

    @property
    def pod_port_numbers(self) -> list[int]:
        """The annotation's list: each port once, ascending."""
        return sorted(unique(entry.port for entry in self.pod_ports))

    @property
    def pod_annotation(self) -> str:
        """The annotation's value; see :func:`any_per_pod`."""
        return ",".join(str(port) for port in self.pod_port_numbers)

    def explained(self) -> dict[str, Any]:
        """What is in force and why, as a stack output: plain lists and dictionaries."""

        def rows(entries: Iterable[ExcludedPort]) -> list[dict[str, Any]]:
            return [{"port": e.port, "service": e.service, "reason": e.reason} for e in entries]

        return {
            "ipRanges": [{"cidr": cidr, "reason": reason} for cidr, reason in self.ip_ranges.items()],
            "meshPorts": rows(self.mesh_ports),
            "podPorts": rows(self.pod_ports),
        }


def declared_on(mesh_config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the stack noted on a MeshConfig that it declares, as :meth:`Exclusions.explained` gives it.

    None where it noted nothing, or where somebody has edited it into something else.
    """
    text = (mesh_config["metadata"].get("annotations") or {}).get(DECLARED_ANNOTATION)
    try:
        declared = json.loads(text) if text else None
        for row in _rows(declared, "meshPorts", "podPorts"):
            int(row["port"])
        for row in _rows(declared, "ipRanges"):
            str(row["cidr"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return declared if isinstance(declared, dict) else None


def _rows(declared: Any, *keys: str) -> list[Any]:
    return [row for key in keys for row in (declared.get(key) if declared else None) or ()]


def taken_out(mesh_config: Mapping[str, Any]) -> list[str]:
    """What the stack has declared to bypass Envoy, and somebody has taken out of a MeshConfig."""
    declared = declared_on(mesh_config) or {}
    traffic = mesh_config.get("spec", {}).get("traffic") or {}
    ports = {int(port) for port in traffic.get("outboundPortExclusionList") or ()}
    ranges = set(traffic.get("outboundIPRangeExclusionList") or ())
    return [
        *(
            f"port {row['port']} ({row.get('service', '?')})"
            for row in declared.get("meshPorts") or ()
            if row["port"] not in ports
        ),
        *(str(row["cidr"]) for row in declared.get("ipRanges") or () if row["cidr"] not in ranges),
    ]


NO_EXCLUSIONS: Final = Exclusions(ip_ranges={}, mesh_ports=(), pod_ports=())


def unique(numbers: Iterable[int]) -> list[int]:
    """Each number once, in the order of first appearance."""
    return list(dict.fromkeys(numbers))


def ports_by_name(
    service: str, ports: Sequence[Mapping[str, Any]], names: Sequence[str], reason: str
) -> tuple[ExcludedPort, ...]:
    """The ports of a Service that bear one of the wanted names, in the order of those names.

    Args:
        service: The Service's name, for the explanation and the error.
        ports: Its ``spec.ports``: mappings with ``port`` and perhaps ``name``.
        names: Acceptable port names; "" matches a port without one.
        reason: Why they are excluded.

    Raises:
        UnknownPortError: None of the names is there, so nothing could be excluded.
    """
    by_name = {str(port.get("name") or ""): int(port["port"]) for port in ports}
    found = tuple(ExcludedPort(port=by_name[name], service=service, reason=reason) for name in names if name in by_name)
    if not found:
        wanted = ", ".join(repr(name) for name in names)
        there = ", ".join(repr(name) for name in by_name) or "no ports at all"
        raise UnknownPortError(
            f"Service {service} has none of the ports named {wanted}; it has {there}. "
            "This Dapr release names its ports differently, so its traffic can't be excluded from the mesh."
        )
    return found


def host_range(cluster_ip: str) -> str:
    """The CIDR of one address, as OSM wants it.

    Raises:
        ValueError: The address is not IPv4; OSM's exclusion lists know no other.
    """
    try:
        return f"{ipaddress.IPv4Address(cluster_ip)}/32"
    except ipaddress.AddressValueError as error:
        raise ValueError(
            f"the kubernetes Service's ClusterIP is {cluster_ip!r}; OSM can exclude IPv4 addresses only, "
            "so this cluster needs an IPv4 Service network"
        ) from error


@dataclass(frozen=True, kw_only=True)
class ServicePorts:
    """The Services that exclusions are read from, each as its ``spec.ports``.

    Attributes:
        placement: ``dapr-placement-server``.
        api: ``dapr-api``.
        sentry: ``dapr-sentry``.
        redis: The state store.
        scheduler: ``dapr-scheduler-server``, or None where the release has no scheduler.
        scheduler_hosts: ``dapr-scheduler-server-a``, or None where the release has none.
    """

    placement: Sequence[Mapping[str, Any]]
    api: Sequence[Mapping[str, Any]]
    sentry: Sequence[Mapping[str, Any]]
    redis: Sequence[Mapping[str, Any]]
    scheduler: Sequence[Mapping[str, Any]] | None = None
    scheduler_hosts: Sequence[Mapping[str, Any]] | None = None


def service_ports(services: Mapping[str, Mapping[str, Any]], namespace: str) -> ServicePorts:
    """The Services that exclusions are read from.

    Args:
        services: By ``namespace/name``, a Service's ``ports``.
        namespace: Dapr's.
    """

    def ports(name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = services[f"{namespace}/{name}"]["ports"]
        return found

    def optional(name: str) -> list[dict[str, Any]] | None:
        return ports(name) if f"{namespace}/{name}" in services else None

    return ServicePorts(
        placement=ports(names.PLACEMENT_SERVICE),
        api=ports(names.DAPR_API_SERVICE),
        sentry=ports(names.SENTRY_SERVICE),
        redis=redis.service_ports(),
        scheduler=optional(names.SCHEDULER_SERVICE),
        scheduler_hosts=optional(names.SCHEDULER_HOSTS_SERVICE),
    )


def _dapr_too(which: ExclusionSet, *, egress: bool) -> bool:
    # OSM knows Redis, whose Service is in a namespace of the mesh, and nothing of Dapr's control plane: with egress on,
    # Envoy sends on what is for that.
    return which is ExclusionSet.PAGE or not egress


def any_per_pod(which: ExclusionSet, *, egress: bool, scope: PortScope) -> bool:
    """Whether :func:`compute` finds ports for the pods' annotation."""
    return scope is PortScope.POD or _dapr_too(which, egress=egress)


def compute(
    *,
    api_server_ip: str | None,
    services: ServicePorts,
    redis_port_name: str,
    scope: PortScope,
    which: ExclusionSet = ExclusionSet.PAGE,
    egress: bool = True,
    extra_ports: Sequence[int] = (),
    extra_ip_ranges: Sequence[str] = (),
) -> Exclusions:
    """All exclusions of a stack.

    Args:
        api_server_ip: ClusterIP of ``default/kubernetes``, or None to leave the API server in the mesh, as the
            minimal set does.
        services: The ports of the Services that Dapr's sidecars talk to.
        redis_port_name: Name of Redis's port in its Service.
        scope: Where placement's and Redis's ports are excluded.
        which: All that the page names, or only what is needed.
        egress: Whether Envoy sends on what it knows nothing of; it matters to the minimal set.
        extra_ports: Further ports for the MeshConfig, from the settings.
        extra_ip_ranges: Further CIDRs for the MeshConfig, from the settings.

    Raises:
        UnknownPortError: A Service lacks the ports that were looked for.
        TooManyPortsError: A pod would have more excluded ports than OSM can write down.
    """
    page = which is ExclusionSet.PAGE
    shared = ports_by_name(
        "redis", services.redis, (redis_port_name,), "daprd reads and writes state in Redis (step 5)"
    )
    control_plane: tuple[ExcludedPort, ...] = ()
    if _dapr_too(which, egress=egress):
        shared = (*_placement(services, raft=page), *shared, *_schedulers(services))
        control_plane = _control_plane(services, legacy=page)
    extra = tuple(
        ExcludedPort(port=port, service="extraPortExclusions", reason="asked for in the stack's config")
        for port in extra_ports
    )
    ip_ranges = (
        {}
        if api_server_ip is None or not page
        else {host_range(api_server_ip): "the API server: daprd reads secrets and Components through it (step 4)"}
    )
    ip_ranges |= dict.fromkeys(extra_ip_ranges, "asked for in the stack's config")

    in_mesh = scope is PortScope.MESH
    exclusions = Exclusions(
        ip_ranges=ip_ranges,
        mesh_ports=(*(shared if in_mesh else ()), *extra),
        pod_ports=(*(() if in_mesh else shared), *control_plane),
    )
    together = unique(exclusions.mesh_port_numbers + exclusions.pod_port_numbers)
    if len(together) > MAX_PORTS:
        raise TooManyPortsError(
            f"{len(together)} ports are excluded ({', '.join(map(str, together))}), but OSM writes a pod's ports into "
            f"one iptables rule, which takes {MAX_PORTS}. Shorten dapr-osm:extraPortExclusions."
        )
    return exclusions


def _placement(services: ServicePorts, *, raft: bool) -> tuple[ExcludedPort, ...]:
    reason = "Dapr's placement service, to which daprd keeps a connection" + (", and its raft peers" if raft else "")
    wanted = PLACEMENT_PORT_NAMES if raft else PLACEMENT_PORT_NAMES[:1]
    return ports_by_name(names.PLACEMENT_SERVICE, services.placement, wanted, f"{reason} (step 5)")


def _schedulers(services: ServicePorts) -> tuple[ExcludedPort, ...]:
    if services.scheduler is None:
        return ()
    reason = "daprd keeps a connection to each of Dapr's schedulers (as in step 5)"
    return ports_by_name(names.SCHEDULER_SERVICE, services.scheduler, SCHEDULER_PORT_NAMES, reason)


def _control_plane(services: ServicePorts, *, legacy: bool) -> tuple[ExcludedPort, ...]:
    api = ports_by_name(
        names.DAPR_API_SERVICE, services.api, API_PORT_NAMES, "daprd loads Components from Dapr's API (step 6)"
    )
    sentry = ports_by_name(
        names.SENTRY_SERVICE, services.sentry, SENTRY_PORT_NAMES, "daprd gets its certificate from sentry (step 6)"
    )
    if not legacy:
        # For sidecars of older releases.
        api, sentry = api[:1], sentry[:1]
    if services.scheduler_hosts is None:
        return (*api, *sentry)
    reason = "daprd asks there which schedulers there are (as in step 6)"
    hosts = ports_by_name(names.SCHEDULER_HOSTS_SERVICE, services.scheduler_hosts, SCHEDULER_PORT_NAMES, reason)
    return (*api, *sentry, *hosts)

"""The mesh as it is: what the MeshConfig says, which pods have their sidecars, and what bypasses them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cluster.client import Object
from cluster.diagnosis import statuses
from model import names
from model.exclusions import declared_on, unique
from model.owner import mark_of
from model.versions import OSM_RELEASE
from status.shape import Mesh, Pod, Policy
from verification.pods import is_living

OUTBOUND_PORTS: Final = "openservicemesh.io/outbound-port-exclusion-list"
OUTBOUND_RANGES: Final = "openservicemesh.io/outbound-ip-range-exclusion-list"
SIDECARS: Final = ("daprd", "envoy")
TRUE: Final = ("enabled", "yes", "true")
# What OSM's init container tells iptables. Source: OSM 1.2.4, pkg/injector/iptables.go.
PORT_RULE: Final = re.compile(r"OSM_PROXY_OUTBOUND -p tcp --match multiport --dports ([0-9,]+) -j RETURN")
RANGE_RULE: Final = re.compile(r"OSM_PROXY_OUTBOUND -d ([0-9./]+) -j RETURN")
# It lets a pod reach itself, whatever is excluded.
ITSELF: Final = "127.0.0.1/32"


def mesh(config: Object | None) -> Mesh | None:
    """What a MeshConfig says."""
    if config is None:
        return None
    traffic = config.get("spec", {}).get("traffic") or {}
    declared = declared_on(config)
    return Mesh(
        permissive=bool(traffic.get("enablePermissiveTrafficPolicyMode")),
        egress=bool(traffic.get("enableEgress")),
        ports=_numbers(traffic.get("outboundPortExclusionList") or ()),
        ip_ranges=tuple(sorted(traffic.get("outboundIPRangeExclusionList") or ())),
        declared_ports=None if declared is None else _ports(declared.get("meshPorts")),
        declared_ip_ranges=None
        if declared is None
        else tuple(sorted(str(row["cidr"]) for row in declared.get("ipRanges") or ())),
        declared_pod_ports=None if declared is None else _ports(declared.get("podPorts")),
        declared_by=_writers(config),
    )


def _ports(rows: Any) -> tuple[int, ...]:
    return _numbers(row["port"] for row in rows or ())


def _numbers(values: Iterable[Any]) -> tuple[int, ...]:
    return tuple(sorted(unique(int(value) for value in values)))


def _writers(config: Object) -> tuple[str, ...]:
    """Who has the lists now."""
    writers = set()
    for entry in config["metadata"].get("managedFields") or ():
        traffic = entry.get("fieldsV1", {}).get("f:spec", {}).get("f:traffic") or {}
        if {"f:outboundPortExclusionList", "f:outboundIPRangeExclusionList"} & set(traffic):
            writers.add(str(entry.get("manager", "")))
    return tuple(sorted(writers))


def pods(listed: Sequence[Object], spaces: Mapping[str, Object], config: Mesh | None, mark: str) -> list[Pod]:
    """The living pods of apps, and of whoever else is in the mesh.

    Args:
        listed: All pods of the namespaces that matter.
        spaces: Those namespaces, by name, as far as they could be read.
        config: What the MeshConfig says.
        mark: The stack's mark.
    """
    return [
        _pod(pod, spaces.get(pod["metadata"]["namespace"]), config, mark)
        for pod in sorted(listed, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"]))
        if is_living(pod)
    ]


def _pod(pod: Object, space: Object | None, config: Mesh | None, mark: str) -> Pod:
    metadata, spec = pod["metadata"], pod["spec"]
    annotations = metadata.get("annotations") or {}
    containers = {one["name"] for one in [*spec["containers"], *spec.get("initContainers", ())]}
    # A team's own Envoy may have the same name; the mesh's has what leads the pod's traffic to it.
    meshed = not containers.isdisjoint(OSM_RELEASE.init_containers)
    has = tuple(name for name in SIDECARS if name in containers and (meshed or name != "envoy"))
    wants = {"daprd"} if annotations.get("dapr.io/enabled", "").lower() in ("true", "y", "yes", "on", "1") else set()
    wants |= {"envoy"} if _is_to_be_meshed(annotations, space) else set()
    ports, ranges = intercepted(pod)
    # An init container that goes on is a sidecar like any other; one that has ended says nothing of the pod now.
    going_on = {one["name"] for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"}
    going_on |= {one["name"] for one in spec["containers"]}
    states = [one for one in statuses(pod) if one["name"] in going_on]
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        app=annotations.get("dapr.io/app-id"),
        of_stack=mark_of(metadata) == mark,
        ready=len(states) == len(going_on) and all(one.get("ready") for one in states),
        restarts=sum(int(one.get("restartCount", 0)) for one in states),
        sidecars=has,
        missing=tuple(sorted(wants - set(has))),
        excluded_ports=ports,
        excluded_ip_ranges=ranges,
        stale="envoy" in has and config is not None and (ports, ranges) != _as_new(annotations, config),
    )


def _is_to_be_meshed(annotations: Mapping[str, str], space: Object | None) -> bool:
    """Whether OSM's injector would give a new pod like this one its Envoy.

    Source: OSM 1.2.4, pkg/injector/webhook.go.
    """
    if space is None:
        return False
    metadata = space["metadata"]
    if (metadata.get("labels") or {}).get(names.MONITORED) != names.MESH_NAME:
        return False
    own = annotations.get(names.INJECTION)
    inherited = (metadata.get("annotations") or {}).get(names.INJECTION)
    return (own if own is not None else inherited or "").lower() in TRUE


def _as_new(annotations: Mapping[str, str], config: Mesh) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """What would bypass the Envoy of a new pod with these annotations."""
    # OSM makes no pod by a port that is no number: such a one was written later, and says nothing of this pod.
    ports = [part for part in annotations.get(OUTBOUND_PORTS, "").split(",") if part.strip().isdecimal()]
    ranges = {part.strip() for part in annotations.get(OUTBOUND_RANGES, "").split(",") if part.strip()}
    return _numbers([*config.ports, *ports]), tuple(sorted({*config.ip_ranges, *ranges}))


def intercepted(pod: Object) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The outbound ports and addresses that bypass a pod's Envoy, as its init container was told when it was made."""
    script = " ".join(
        argument
        for container in pod["spec"].get("initContainers", ())
        if container["name"] in OSM_RELEASE.init_containers
        for argument in container.get("args") or ()
    )
    ports = [port for rule in PORT_RULE.findall(script) for port in rule.split(",")]
    return _numbers(ports), tuple(sorted({found for found in RANGE_RULE.findall(script) if found != ITSELF}))


def policy(kind: str, item: Object, mark: str) -> Policy:
    """An SMI object."""
    metadata, spec = item["metadata"], item.get("spec") or {}
    allows: list[str] = []
    if kind == "TrafficTarget":
        to = spec.get("destination") or {}
        allows = [
            f"{source.get('namespace')}/{source.get('name')} -> {to.get('namespace')}/{to.get('name')}"
            for source in spec.get("sources") or ()
        ]
    return Policy(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        of_stack=mark_of(metadata) == mark,
        allows=tuple(allows),
    )

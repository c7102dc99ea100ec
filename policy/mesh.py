"""What bypasses the mesh, and whom its policies and Kubernetes' own let do what."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from model.exclusions import DAPR_INTERNAL_GRPC_PORT, MAX_PORTS
from policy.found import Asked, Found, NotKnown, found, not_known
from policy.images import mesh_settings
from policy.objects import UNKNOWN, Object, Path, Unknown, listed, of_kind, pod_path, pod_spec

PORT_LISTS: Final = ("outboundPortExclusionList", "inboundPortExclusionList")
RANGE_LISTS: Final = ("outboundIPRangeExclusionList",)
ANNOTATION: Final = "openservicemesh.io/"
# OSM's annotations of a pod for the same. Source: OSM 1.2.4, pkg/constants/constants.go.
PORT_ANNOTATIONS: Final = ("outbound-port-exclusion-list", "inbound-port-exclusion-list")
RANGE_ANNOTATIONS: Final = ("outbound-ip-range-exclusion-list",)
# Whatever is not in one of these, or goes by one of those, bypasses Envoy as well: no list says all of it.
OTHER_LISTS: Final[Mapping[str, str]] = {
    "outboundIPRangeInclusionList": "every address that is not in it bypasses Envoy",
    "networkInterfaceExclusionList": "whatever goes by these interfaces bypasses Envoy",
}
OTHER_ANNOTATIONS: Final[Mapping[str, str]] = {
    "outbound-ip-range-inclusion-list": OTHER_LISTS["outboundIPRangeInclusionList"],
}


def exclusions(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item, prefix = asked.item, int(asked.parameters["prefix"])
    for _, traffic in mesh_settings(item, "traffic"):
        for key in (*PORT_LISTS, *RANGE_LISTS):
            value = traffic.get(key)
            if value is UNKNOWN or any(entry is UNKNOWN for entry in listed(value)):
                yield not_known(item, "spec", "traffic", key)
            yield from _entries(item, key, listed(value), prefix, ports=key in PORT_LISTS)
        yield from _others(item, OTHER_LISTS, traffic, ("spec", "traffic"))
    annotated = _annotations(item)
    if annotated is UNKNOWN:
        yield not_known(item, *(pod_path(item) or ()), "metadata", "annotations")
        return
    for key in (*PORT_ANNOTATIONS, *RANGE_ANNOTATIONS):
        value = annotated.get(f"{ANNOTATION}{key}")
        if value is UNKNOWN:
            yield not_known(item, *(pod_path(item) or ()), "metadata", "annotations", f"{ANNOTATION}{key}")
        elif value:
            yield from _entries(item, key, _split(value), prefix, ports=key in PORT_ANNOTATIONS)
    given = {key: annotated.get(f"{ANNOTATION}{key}") for key in OTHER_ANNOTATIONS}
    yield from _others(item, OTHER_ANNOTATIONS, given, (*(pod_path(item) or ()), "metadata", "annotations"))
    yield from _together(item, asked.before)


def _others(item: Object, lists: Mapping[str, str], given: Mapping[str, Any], path: Path) -> Iterator[Found | NotKnown]:
    """Lists by which more bypasses Envoy than they name."""
    for key, why in lists.items():
        value = given.get(key)
        if value is UNKNOWN:
            yield not_known(item, *path, key)
        elif value:
            yield found(item, f"{key} is set: {why}. Leave it empty, and exclude single addresses and ports")


def _entries(item: Object, key: str, entries: Iterable[Any], prefix: int, *, ports: bool) -> Iterator[Found]:
    for entry in entries:
        if entry is UNKNOWN:
            continue
        if ports and _number(entry) is None:
            yield found(item, f"{key} has {entry}, which is no single port. List each one")
        elif not ports and _bits(entry) is None:
            yield found(item, f"{key} has {entry}, which is no range of IPv4 addresses. Write it as 192.0.2.1/32")
        elif ports and _number(entry) == DAPR_INTERNAL_GRPC_PORT:
            yield found(
                item,
                f"{key} has {DAPR_INTERNAL_GRPC_PORT}, by which Dapr's sidecars call each other: no policy would hold "
                "for any call. Take it out",
            )
        elif not ports and (bits := _bits(entry)) is not None and bits < prefix:
            yield found(
                item,
                f"{key} has {entry}, a range of {2 ** (32 - bits)} addresses. Exclude single ones (/{prefix} and "
                "narrower may be)",
            )


def _together(item: Object, before: Iterable[Object]) -> Iterator[Found]:
    """Whether a pod's ports and the mesh's fit together: OSM writes both into one iptables rule."""
    for mesh, pod in zip(PORT_LISTS, PORT_ANNOTATIONS, strict=True):
        own, is_mesh = _ports(item, mesh, pod), item.kind == "MeshConfig"
        others = [_ports(other, mesh, pod) for other in before if (other.kind == "MeshConfig") is not is_mesh]
        # The mesh's meet those of each pod, a pod's meet the mesh's.
        unions = [own, *(own | other for other in others)] if is_mesh else [own.union(*others)]
        count = max(len(union) for union in unions)
        if own and count > MAX_PORTS:
            yield found(
                item,
                f"{count} ports bypass Envoy by {mesh} and {pod} together; OSM writes them into one iptables rule, "
                f"which takes {MAX_PORTS}. Exclude fewer",
            )


def _ports(item: Object, mesh: str, pod: str) -> set[int]:
    entries: list[Any] = []
    if item.kind == "MeshConfig":
        for _, traffic in mesh_settings(item, "traffic"):
            entries += listed(traffic.get(mesh))
    annotated = _annotations(item)
    if isinstance(annotated, Mapping):
        entries += _split(annotated.get(f"{ANNOTATION}{pod}"))
    return {number for number in map(_number, entries) if number is not None}


def _annotations(item: Object) -> Any:
    path = pod_path(item)
    if path is None:
        return {}
    value = item.at(*path, "metadata", "annotations")
    return value if value is UNKNOWN or isinstance(value, Mapping) else {}


def _split(value: Any) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else []


def _number(entry: Any) -> int | None:
    try:
        return int(entry)
    except (TypeError, ValueError):
        return None


def _bits(entry: Any) -> int | None:
    try:
        return ipaddress.IPv4Network(str(entry), strict=False).prefixlen
    except ValueError:
        return None


def permissive(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    for path, traffic in mesh_settings(asked.item, "traffic"):
        value = traffic.get("enablePermissiveTrafficPolicyMode")
        if value is UNKNOWN:
            yield not_known(asked.item, *path, "enablePermissiveTrafficPolicyMode")
        elif value is True:
            yield found(
                asked.item,
                "permissive mode is on: every app of the mesh may call every other, whatever policies say. Set the "
                "stage to locked or smi",
            )


def one_mtls(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item, both = asked.item, [*asked.before, asked.item]
    # Whichever of the two comes second tells.
    if item.kind not in ("Configuration", "MeshConfig") or not any(of_kind(both, "MeshConfig")):
        return
    for settings in of_kind(both if item.kind == "MeshConfig" else [item], "Configuration"):
        if settings.at("spec", "mtls", "enabled") is True:
            yield found(
                settings,
                "Dapr's own mTLS is on while the apps are in the mesh: calls are encrypted twice, and Envoy can't read "
                "them. Set daprMtls to false",
            )


# --- Whom policies name -----------------------------------------------------------------------------------------

BINDINGS: Final = ("RoleBinding", "ClusterRoleBinding")


def accounts(objects: Iterable[Object]) -> Iterator[Found | NotKnown]:
    """The rule, of the whole stack."""
    everything = list(objects)
    there = {_key(item.namespace, item.name) for item in of_kind(everything, "ServiceAccount")}
    for item in everything:
        spec = pod_spec(item)
        if isinstance(spec, Mapping):
            there.add(_key(item.namespace, spec.get("serviceAccountName") or "default"))
    for item in everything:
        for whose, subject in _subjects(item):
            if subject is UNKNOWN:
                yield not_known(item, "spec" if item.kind == "TrafficTarget" else "subjects")
            elif isinstance(subject, Mapping) and subject.get("kind") == "ServiceAccount":
                namespace, name = subject.get("namespace") or item.namespace, subject.get("name")
                # Every namespace has this one, and its name says so.
                if name == "default" or _is_there(_key(namespace, name), there):
                    continue
                shown = "/".join("?" if isinstance(part, Unknown) else str(part) for part in (namespace, name))
                yield found(
                    item,
                    f"its {whose} is ServiceAccount {shown}, which no pod of the stack runs as and the stack does not "
                    "make: whoever makes one of that name has the permission. Name one that is there",
                )


def _subjects(item: Object) -> Iterator[tuple[str, Any]]:
    if item.kind == "TrafficTarget":
        yield "destination", item.at("spec", "destination")
        sources = item.at("spec", "sources")
        for source in [UNKNOWN] if sources is UNKNOWN else listed(sources):
            yield "source", source
    elif item.kind in BINDINGS:
        subjects = item.at("subjects")
        for subject in [UNKNOWN] if subjects is UNKNOWN else listed(subjects):
            yield "subject", subject


def _key(namespace: Any, name: Any) -> tuple[Any, Any]:
    return (namespace, name)


def _is_there(wanted: tuple[Any, Any], there: Iterable[tuple[Any, Any]]) -> bool:
    """Whether it may be one of these: what is not known yet may be any."""
    return any(all(a is UNKNOWN or b is UNKNOWN or a == b for a, b in zip(wanted, one, strict=True)) for one in there)


WILDCARD: Final = "*"
# Paths that have nothing in common: what matches all of them is an expression of every path. Envoy leaves queries out.
PATHS: Final = (
    "/a",
    "/dapr.proto.internals.v1.ServiceInvocation/CallLocal",
    "/Z9_~%20-",
    "/v1.0/invoke/x/method/y",
)
# The role that may do everything. Source: kubernetes.io, RBAC's default roles.
EVERYTHING: Final = "cluster-admin"
RULE_LISTS: Final = ("verbs", "resources", "apiGroups", "nonResourceURLs")


def wildcards(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item = asked.item
    if item.kind in ("Role", "ClusterRole"):
        for rule in listed(item.at("rules")):
            for key in RULE_LISTS:
                values = listed(rule.get(key)) if isinstance(rule, Mapping) else ()
                if any(isinstance(value, str) and WILDCARD in value for value in values):
                    yield found(item, f"a rule of it has {WILDCARD} in its {key}. List what is needed")
        # A selector without conditions selects every ClusterRole, also those of later.
        for selector in listed(item.at("aggregationRule", "clusterRoleSelectors")):
            if isinstance(selector, Mapping) and not any(selector.values()):
                yield found(item, "its aggregationRule adds the rules of every ClusterRole. Say which by a label")
    if item.kind in BINDINGS:
        for subject in listed(item.at("subjects")):
            name = subject.get("name") if isinstance(subject, Mapping) else None
            if isinstance(name, str) and (name in EVERYBODY or name.startswith("system:serviceaccounts")):
                yield found(item, f"its subject is {name}, which is everybody of a kind. Name each one")
            elif _is_wild(name):
                yield found(item, f"its subject is {name}. Name each one")
        if item.at("roleRef", "name") == EVERYTHING:
            yield found(item, f"its role is {EVERYTHING}, which may do everything. Bind one that lists what is needed")
    for whose, subject in _subjects(item) if item.kind == "TrafficTarget" else ():
        if isinstance(subject, Mapping) and (_is_wild(subject.get("name")) or _is_wild(subject.get("namespace"))):
            yield found(item, f"its {whose} has {WILDCARD}. Name each ServiceAccount")
    if item.kind == "HTTPRouteGroup":
        for match in listed(item.at("spec", "matches")):
            yield from _match(item, match)


# Kubernetes' groups of whoever is signed in, or not. Source: kubernetes.io, RBAC's default groups.
EVERYBODY: Final = frozenset({"system:authenticated", "system:unauthenticated", "system:anonymous"})


def _is_wild(value: Any) -> bool:
    return isinstance(value, str) and WILDCARD in value


def _is_every_path(expression: Any) -> bool:
    if not isinstance(expression, str) or not expression:
        return False
    try:
        pattern = re.compile(expression)
    except (re.error, OverflowError):
        # The shell's word for it, say; Envoy takes it for nothing.
        return expression == WILDCARD
    return all(pattern.fullmatch(path) for path in PATHS)


def _match(item: Object, match: Any) -> Iterator[Found]:
    if not isinstance(match, Mapping):
        return
    if _is_every_path(match.get("pathRegex")):
        yield found(item, f"match {match.get('name')} has the pathRegex of every path. Say which, or leave it out")
    if WILDCARD in listed(match.get("methods")):
        yield found(item, f"match {match.get('name')} has {WILDCARD} in its methods. List them, or leave them out")

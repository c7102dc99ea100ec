"""Who may call whom, and what bypasses the mesh: read from a stack's objects and outputs, before and after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from model import names
from model.arguments import ArgumentsError
from model.expectation import Expectation
from model.policies import Call
from review.changes import World
from review.secrets import SECRET, UNKNOWN

APP_ID: Final = "dapr.io/app-id"
# Whose traffic a list is of.
WHOSE: Final = ("every pod of the mesh", "the apps' pods")


class Mode(StrEnum):
    """What the mesh does with a call that no policy speaks of."""

    NONE = "there is no mesh"
    PERMISSIVE = "permissive mode: every call passes"
    POLICIES = "only what a policy allows passes"
    UNKNOWN = "not known yet"


@dataclass(frozen=True, kw_only=True)
class Bypass:
    """One thing that bypasses Envoy.

    Attributes:
        what: ``port 6379`` or an address range.
        whose: Whose traffic: every pod of the mesh, or the apps' pods.
    """

    what: str
    whose: str


@dataclass(frozen=True, kw_only=True)
class Mesh:
    """The mesh at one time.

    Attributes:
        mode: What it does with calls.
        apps: Namespaces of the apps, by app id.
        permitted: Calls that a policy allows.
        possible: Calls that could be made.
        bypasses: What bypasses Envoy, with the reason where one is known.
        bypasses_known: Whether those are known.
        egress: Whether traffic to unknown places passes, or None.
        routes: What policies say of calls beside who makes them, by object.
        unclear: TrafficTargets of which not everything can be read.
        outside: Apps that are told to stay out of the mesh.
    """

    mode: Mode
    apps: Mapping[str, str]
    permitted: frozenset[Call]
    possible: frozenset[Call]
    bypasses: Mapping[Bypass, str] = field(default_factory=dict)
    bypasses_known: bool = True
    egress: bool | None = None
    routes: Mapping[str, Any] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()
    outside: frozenset[str] = frozenset()

    def allows(self, call: Call) -> bool:
        """Whether a call passes."""
        return self.mode is not Mode.POLICIES or call in self.permitted

    @property
    def allowed(self) -> frozenset[Call]:
        """Every call that passes."""
        if self.mode is Mode.POLICIES:
            return self.permitted
        return self.possible


def mesh(world: World) -> Mesh:
    """What a stack's objects and outputs say."""
    expected = _expectation(world.outputs)
    accounts = {
        f"{app['namespace']}/{app['service_account']}": app["name"]
        for app in expected.get("apps", [])
        if app.get("service_account") != "default"
    }
    apps = {app["name"]: app["namespace"] for app in expected.get("apps", [])} or _apps(world.objects)
    configs = [item for item in world.objects if item["kind"] == "MeshConfig"]
    targets = [item for item in world.objects if item["kind"] == "TrafficTarget"]
    permitted: set[Call] = set()
    unclear: list[str] = []
    for target in targets:
        try:
            permitted |= set(_calls(target, accounts))
        except (KeyError, TypeError, AttributeError):
            unclear.append(str(_metadata(target).get("name")))
    possible = _possible(world.outputs, expected)
    bypasses, known = _bypasses(world, configs)
    traffic = _traffic(configs)
    return Mesh(
        mode=_mode(traffic, bool(configs)),
        apps=apps,
        permitted=frozenset(permitted),
        possible=frozenset(possible | permitted),
        bypasses=bypasses,
        bypasses_known=known,
        egress=egress if isinstance(egress := traffic.get("enableEgress"), bool) else None,
        routes={
            f"{item['kind']} {_metadata(item).get('name')}": _routed(item)
            for item in world.objects
            if item["kind"] in ("HTTPRouteGroup", "TCPRoute", "TrafficTarget")
        },
        unclear=tuple(unclear),
        outside=frozenset(_outside(world.objects)) if configs else frozenset(),
    )


def _routed(item: Mapping[str, Any]) -> Any:
    """What an object says of calls, beside who makes them."""
    spec = item.get("spec")
    return spec.get("rules") if item["kind"] == "TrafficTarget" and isinstance(spec, Mapping) else spec


# OSM's own words. Source: OSM 1.2.4, pkg/injector/webhook.go and pkg/constants/constants.go.
OFF: Final = frozenset({"disabled", "no", "false"})


def _outside(objects: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Apps whose pods, or whose namespace, are told to stay out."""
    everything = list(objects)
    left = {
        _metadata(item).get("name")
        for item in everything
        if item["kind"] == "Namespace"
        and (names.MONITORED not in _of(item, "labels") or _of(item, "annotations").get(names.INJECTION) in OFF)
    }
    for app, item, notes in _app_pods(everything):
        if notes.get(names.INJECTION) in OFF or _metadata(item).get("namespace") in left:
            yield app


def _app_pods(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Each app that is seen by its Deployment: its id, the Deployment, and its pods' annotations."""
    for item in objects:
        if item["kind"] == "Deployment":
            spec = item.get("spec")
            template = spec.get("template") if isinstance(spec, Mapping) else None
            annotations = _of(template, "annotations") if isinstance(template, Mapping) else {}
            if APP_ID in annotations:
                yield str(annotations[APP_ID]), item, annotations


def _metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    found = item.get("metadata")
    return found if isinstance(found, Mapping) else {}


def _of(item: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = _metadata(item).get(key)
    return found if isinstance(found, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Moves:
    """What becomes of calls and of what bypasses the mesh.

    Attributes:
        denied: Calls that passed, and no longer do.
        allowed: Calls that did not pass, and do now.
        new: Calls of apps that come.
        gone: Calls of apps that go.
        bypass: What bypasses the mesh from now on.
        back: What goes through the mesh again.
        routes: HTTPRouteGroups and TCPRoutes that stay and change.
    """

    denied: tuple[Call, ...]
    allowed: tuple[Call, ...]
    new: tuple[Call, ...]
    gone: tuple[Call, ...]
    bypass: tuple[Bypass, ...]
    back: tuple[Bypass, ...]
    routes: tuple[str, ...]

    @property
    def is_any(self) -> bool:
        """Whether a call passes that did not, or the other way round."""
        return bool(self.denied or self.allowed or self.new or self.gone)


def moves(before: Mesh, after: Mesh) -> Moves:
    """What is different."""
    # Where the outputs say nothing (a failed preview), the calls of the other side could be made, too.
    possible = before.possible | after.possible
    stay = [c for c in possible if _has(before, c) and _has(after, c)]
    return Moves(
        denied=_sorted(c for c in stay if before.allows(c) and not after.allows(c)),
        allowed=_sorted(c for c in stay if not before.allows(c) and after.allows(c)),
        new=_sorted(c for c in after.possible if _has(after, c) and not _has(before, c) and after.allows(c)),
        gone=_sorted(c for c in before.possible if _has(before, c) and not _has(after, c) and before.allows(c)),
        bypass=tuple(b for b in after.bypasses if b not in before.bypasses)
        if before.bypasses_known and after.bypasses_known and before.mode is not Mode.NONE
        else (),
        back=tuple(b for b in before.bypasses if b not in after.bypasses)
        if before.bypasses_known and after.bypasses_known and after.mode is not Mode.NONE
        else (),
        routes=tuple(
            name for name, spec in before.routes.items() if name in after.routes and after.routes[name] != spec
        ),
    )


def _has(world: Mesh, call: Call) -> bool:
    """Whether the called app is there, and the caller: one that is no app of the stack's always is."""
    return all(app in world.apps or "/" in app for app in (call.source, call.destination))


def _sorted(calls: Iterable[Call]) -> tuple[Call, ...]:
    return tuple(sorted(calls))


def _expectation(outputs: Mapping[str, Any]) -> Mapping[str, Any]:
    text = outputs.get("expectation")
    if not isinstance(text, str) or text is UNKNOWN or text is SECRET:
        return {}
    try:
        loaded = json.loads(text)
    except ValueError:
        return {}
    return loaded if isinstance(loaded, dict) else {}


def _possible(outputs: Mapping[str, Any], expected: Mapping[str, Any]) -> set[Call]:
    """The calls that could be made; an earlier version of the program listed all of them."""
    if "calls" in expected:
        return {Call(source=c["source"], destination=c["destination"]) for c in expected["calls"]}
    try:
        return set(Expectation.from_json(str(outputs.get("expectation"))).calls)
    except ArgumentsError:
        return set()


def _apps(objects: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The apps by their Deployments, where the outputs don't tell."""
    return {app: str(_metadata(item).get("namespace")) for app, item, _ in _app_pods(objects)}


def _calls(target: Mapping[str, Any], accounts: Mapping[str, str]) -> Iterator[Call]:
    spec = target["spec"]
    destination = _account(spec["destination"], accounts)
    for source in spec["sources"]:
        yield Call(source=_account(source, accounts), destination=destination)


def _account(given: Mapping[str, Any], accounts: Mapping[str, str]) -> str:
    namespace, name = given["namespace"], given["name"]
    if namespace is UNKNOWN:
        # A namespace that is made now is known later; apps have names of their own.
        named = [app for account, app in accounts.items() if account.endswith(f"/{name}")]
        return named[0] if len(named) == 1 else str(name)
    return accounts.get(f"{namespace}/{name}", f"{namespace}/{name}")


def _traffic(configs: list[Mapping[str, Any]]) -> Mapping[str, Any]:
    for config in configs:
        spec = config.get("spec")
        traffic = spec.get("traffic") if isinstance(spec, Mapping) else None
        if isinstance(traffic, Mapping):
            return traffic
    return {}


def _mode(traffic: Mapping[str, Any], there: bool) -> Mode:
    if not there:
        return Mode.NONE
    permissive = traffic.get("enablePermissiveTrafficPolicyMode")
    if not isinstance(permissive, bool):
        return Mode.UNKNOWN
    return Mode.PERMISSIVE if permissive else Mode.POLICIES


def _bypasses(world: World, configs: list[Mapping[str, Any]]) -> tuple[dict[Bypass, str], bool]:
    """From the output, which knows the reasons; else from the MeshConfig."""
    if not configs:
        return {}, True
    traffic = _traffic(configs)
    ranges, ports = traffic.get("outboundIPRangeExclusionList"), traffic.get("outboundPortExclusionList")
    if not isinstance(ranges, list) or not isinstance(ports, list) or any(x is UNKNOWN for x in [*ranges, *ports]):
        return {}, False
    every, pods = WHOSE
    output = world.outputs.get("exclusions")
    reasons: dict[Bypass, str] = {}
    explained = output if isinstance(output, Mapping) else {}
    for row in _rows(explained, "ipRanges"):
        reasons[Bypass(what=str(row.get("cidr")), whose=every)] = str(row.get("reason"))
    for key, whose in (("meshPorts", every), ("podPorts", pods)):
        for row in _rows(explained, key):
            bypass = Bypass(what=f"port {row.get('port')}", whose=whose)
            said = f"{row.get('service')}: {row.get('reason')}"
            reasons[bypass] = "; ".join(dict.fromkeys([*filter(None, [reasons.get(bypass)]), said]))
    found = [Bypass(what=str(r), whose=every) for r in ranges] + [
        Bypass(what=f"port {_number(p)}", whose=every) for p in ports
    ]
    for key, what in OTHER_LISTS.items():
        entries = traffic.get(key) or []
        if not isinstance(entries, list) or any(entry is UNKNOWN for entry in entries):
            return {}, False
        found += [Bypass(what=what.format(_number(entry)), whose=every) for entry in entries]
    told = [bypass for bypass in reasons if bypass.whose == pods]
    found += told
    for app, _, notes in _app_pods(world.objects):
        # Those of all apps are in the output, with their reasons.
        for what in _annotated(notes):
            if Bypass(what=what, whose=pods) not in told:
                found.append(Bypass(what=what, whose=f"the pods of {app}"))
    return {bypass: reasons.get(bypass, "") for bypass in found}, True


# Of the MeshConfig and of pods, by OSM's own names. Source: OSM 1.2.4, pkg/apis/config and pkg/injector/exclusions.go.
OTHER_LISTS: Final = {
    "inboundPortExclusionList": "inbound port {}",
    "networkInterfaceExclusionList": "interface {}",
    "outboundIPRangeInclusionList": "all but {}",
}
ANNOTATIONS: Final = {
    "openservicemesh.io/outbound-port-exclusion-list": "port {}",
    "openservicemesh.io/inbound-port-exclusion-list": "inbound port {}",
    "openservicemesh.io/outbound-ip-range-exclusion-list": "{}",
    "openservicemesh.io/outbound-ip-range-inclusion-list": "all but {}",
}


def _annotated(annotations: Mapping[str, Any]) -> Iterator[str]:
    for key, what in ANNOTATIONS.items():
        value = annotations.get(key)
        if isinstance(value, str) and value is not UNKNOWN and value is not SECRET:
            yield from (what.format(entry.strip()) for entry in value.split(",") if entry.strip())


def _number(port: Any) -> Any:
    return int(port) if isinstance(port, float) and port.is_integer() else port


def _rows(explained: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    rows = explained.get(key)
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []

"""What the kubelet asks of an app's containers, and whether anybody answers it.

In the mesh whatever reaches a pod meets Envoy, which takes mTLS only. So OSM's injector leads probes elsewhere: those
by HTTP to a listener of Envoy's, of which a pod has one for each kind of probe, and it asks what the last container's
probe of that kind asks; those by TCP to a container of OSM's, where the last one of some kind is by TCP. daprd comes
after a team's own containers. Calls by gRPC, those of init containers and those of ``lifecycle`` are led nowhere.

Source: OSM 1.2.4, pkg/injector/{health_probes,patch}.go and pkg/envoy/bootstrap; Dapr, pkg/injector/patcher.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model.apps import App
from model.versions import DaprRelease
from settings.declaration import Refusal, as_json
from settings.kubernetes_schema import called
from settings.problem import Path, Words, masked

PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
# What `lifecycle` may hold.
HOOKS: Final = ("postStart", "preStop")
EXEC: Final = 'Let it be a command in the container ("exec").'
BY_TCP: Final = "tcpSocket"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One call of the kubelet's.

    Attributes:
        kind: ``readinessProbe``, or ``preStop`` and the like.
        form: ``HTTP``, ``HTTPS``, ``tcpSocket``, ``grpc``.
        port: The port that it names.
        names: The names of its container's ports.
        inside: Where it is in an overlay.
        own: Whether it is of a container beside which sidecars come.
    """

    kind: str
    form: str
    port: Any
    names: frozenset[str]
    inside: Path
    own: bool = True


def probes_of_daprd(release: DaprRelease) -> dict[str, str]:
    """How the kubelet asks daprd, by kind of probe."""
    return {"readinessProbe": "HTTP", "livenessProbe": BY_TCP if release.mesh_containers else "HTTP"}


def ports(app: App) -> Iterator[Refusal]:
    """Ports that the kubelet would not find."""
    for one in _all(app):
        port, where = one.port, (*one.inside, "port")
        if isinstance(port, str) and port not in one.names:
            mend = "Write it without quotes." if port.isdecimal() else "Write its number."
            yield _told("names {port}, which is no port of its container's", port, mend, where)
        elif not isinstance(port, str) and not _is_port(port):
            yield _told("is {port}, which is not a TCP port (1-65535)", port, "Set for example 8080.", where)


def _told(rule: str, port: Any, mend: str, where: Path) -> Refusal:
    return Refusal(rule=Words(rule, port=as_json(port)), mend=mend, inside=where)


def _is_port(port: Any) -> bool:
    return isinstance(port, int) and not isinstance(port, bool) and 1 <= port <= 65535


def unanswered(app: App, release: DaprRelease) -> Iterator[Refusal]:
    """What is asked of a pod of the mesh and can't be answered there."""
    asked = list(_all(app))
    last = _last(asked, release)
    for one in asked:
        if one.kind not in PROBES or not one.own or one.form == "grpc":
            how = "asks by gRPC" if one.form == "grpc" else "asks by the network"
            rule = f"{how}, and in the mesh the kubelet's call ends at Envoy, which takes mTLS only"
            yield Refusal(rule=rule, mend=EXEC, inside=one.inside, show=False)
        elif one.form == BY_TCP and BY_TCP not in last.values():
            rule = f"asks by TCP, and in the mesh nobody answers that with Dapr {release.version}"
            yield Refusal(rule=rule, mend=EXEC, inside=one.inside, show=False)
        elif one.form != BY_TCP and last[one.kind] != one.form:
            whose = "the last container's" if one.kind == "startupProbe" else "daprd's"
            rule = Words(
                f"asks by {{form}}, and in the mesh a pod has one answer for each kind of probe: {whose}, by {{other}}",
                form=one.form,
                other=last[one.kind],
            )
            mend = f"Ask by TCP (tcpSocket), or l{EXEC[1:]}" if BY_TCP in last.values() else EXEC
            yield Refusal(rule=rule, mend=mend, inside=one.inside, show=False)


def answered_by_daprd(app: App, release: DaprRelease) -> Iterator[str]:
    """The probes that daprd answers in the mesh in place of the app, which may be down meanwhile: their keys."""
    daprds = probes_of_daprd(release)
    for one in _all(app):
        if one.own and one.form == daprds.get(one.kind) == "HTTP":
            shown = (masked(part) if app.secret_pod_overlay else part for part in one.inside)
            yield ".".join(["apps", app.name, "pod", *shown])


def _last(asked: Sequence[Asked], release: DaprRelease) -> dict[str, str]:
    """How the last container of a pod is asked, by kind of probe."""
    forms = {one.kind: one.form for one in asked if one.kind in PROBES and one.own and one.form != "grpc"}
    return {**forms, **probes_of_daprd(release)}


def _all(app: App) -> Iterator[Asked]:
    spec = _object(app.pod_overlay, "spec")
    containers = _named(spec, "containers")
    # The app's own is there first, whatever an overlay's order.
    for place, container in sorted(containers, key=lambda one: one[1].get("name") != app.container):
        yield from _of(container, ("spec", "containers", place), own=True)
    for place, container in _named(spec, "initContainers"):
        yield from _of(container, ("spec", "initContainers", place), own=False)


def _of(container: Mapping[str, Any], inside: Path, *, own: bool) -> Iterator[Asked]:
    ports = container.get("ports")
    names = frozenset(
        str(port["name"])
        for port in (ports if isinstance(ports, list) else ())
        if isinstance(port, Mapping) and port.get("name")
    )
    hooks = _object(container, "lifecycle")
    for kind, where, holder in (
        *((kind, (*inside, kind), _object(container, kind)) for kind in PROBES),
        *((kind, (*inside, "lifecycle", kind), _object(hooks, kind)) for kind in HOOKS),
    ):
        for handler in ("httpGet", BY_TCP, "grpc"):
            if isinstance(call := holder.get(handler), Mapping):
                form = str(call.get("scheme") or "HTTP") if handler == "httpGet" else handler
                path = (*where, handler)
                yield Asked(kind=kind, form=form, port=call.get("port"), names=names, inside=path, own=own)


def _named(spec: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    given = spec.get(kind)
    listed = given if isinstance(given, list) else []
    return [(called(one, index), one) for index, one in enumerate(listed) if isinstance(one, Mapping)]


def _object(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    return value if isinstance(value, Mapping) else {}

"""What of a status is not as it should be, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from model.names import FIELD_MANAGER
from status.shape import Status


def problems(status: Status) -> Status:
    """The same status, with its problems."""
    return replace(
        status,
        problems=(
            *_workloads(status),
            *_pods(status),
            *_mesh(status),
            *_orders(status),
            *_certificates(status),
            *_lost(status),
            *_drift(status),
        ),
    )


def _workloads(status: Status) -> Iterator[str]:
    for one in status.workloads:
        if one.ready < one.wanted:
            why = f": {one.causes[0]}" if one.causes else ""
            yield f"{one.kind} {one.namespace}/{one.name} has {one.ready} of {one.wanted} pods ready{why}"


def _pods(status: Status) -> Iterator[str]:
    for pod in status.pods:
        if pod.missing:
            yield f"pod {pod.namespace}/{pod.name} lacks {' and '.join(pod.missing)}"
        if pod.stale:
            past = _listed((*pod.excluded_ports, *pod.excluded_ip_ranges))
            yield (
                f"pod {pod.namespace}/{pod.name} still has the exclusions of before, {past}: OSM reads them when it "
                "injects a pod, so a new one is needed"
            )


def _mesh(status: Status) -> Iterator[str]:
    mesh = status.mesh
    if mesh is None:
        return
    for what, there, declared in (
        ("ports", mesh.ports, mesh.declared_ports),
        ("addresses", mesh.ip_ranges, mesh.declared_ip_ranges),
    ):
        if declared is not None and there != declared:
            yield (
                f"the MeshConfig excludes the {what} {_listed(there)}, and the stack declared {_listed(declared)}; "
                "`pulumi up --refresh` mends it"
            )
    strangers = [writer for writer in mesh.declared_by if writer != FIELD_MANAGER]
    if strangers:
        yield f"the MeshConfig's exclusions were written by {', '.join(strangers)}, not by the stack"


def _listed(values: tuple[object, ...]) -> str:
    return ", ".join(map(str, values)) or "none"


def _orders(status: Status) -> Iterator[str]:
    if status.orders is None or status.stage is None:
        return
    if status.stage == "locked":
        if status.orders.received:
            yield f"stage locked lets no order through, and nodeapp got {status.orders.received} in the last minute"
    elif not status.orders.persisted:
        yield f"no order was persisted in the last {status.orders.seconds} s (nodeapp got {status.orders.received})"


def _certificates(status: Status) -> Iterator[str]:
    for one in status.certificates:
        if one.warn:
            when = f"ends in {one.days_left:.0f} days" if one.days_left >= 0 else "has ended"
            yield f"the certificate {one.name} ({one.where}) {when}: {one.not_after}"


def _lost(status: Status) -> Iterator[str]:
    for name in status.lost:
        yield (
            f"Secret {name} is gone, and with it the key of an authority; what restarts now trusts nobody that runs. "
            "docs/certificates.md has the way back"
        )


def _drift(status: Status) -> Iterator[str]:
    for one in status.drift:
        yield f"{one.object} was changed by {one.manager} ({', '.join(one.fields)}); `pulumi up --refresh` mends it"

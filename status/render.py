"""A status for people, in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from status.shape import Status

GOOD, BAD, DIM = "green", "bold red", "dim"


def render(status: Status) -> RenderableType:
    """The whole status."""
    parts: list[RenderableType] = [_head(status), _workloads(status)]
    parts += [_pods(status)] if status.pods else []
    parts += [_facts(status)]
    parts += [_certificates(status)] if status.certificates else []
    parts += [_lines("Changed by others", (f"{d.object}: {d.manager}, {', '.join(d.fields)}" for d in status.drift))]
    parts += [_lines("Not seen", (f"{one.what}: {one.why}" for one in status.unseen))]
    parts += [_lines("Problems", status.problems, BAD)]
    if not status.problems:
        all_of_it = "" if not status.unseen else ", as far as this user may see"
        parts.append(Text(f"All is well{all_of_it}.", style=GOOD))
    return Group(*(part for part in parts if not isinstance(part, Text) or part.plain))


def _head(status: Status) -> RenderableType:
    versions = status.versions
    told = [f"Dapr {versions.dapr or '?'}"]
    told += [f"OSM {versions.osm}"] if versions.osm else []
    told += [f"Kubernetes {versions.kubernetes.removeprefix('v')}", f"program {versions.program}"]
    text = Text()
    text.append(f"{status.stack}", style="bold")
    text.append(f" on {status.context or 'the cluster of this pod'} ({status.server}), {status.at}\n")
    text.append(f"stage {status.stage or 'unknown'}", style="bold")
    text.append(f": {status.stage_why}\n{', '.join(told)}")
    return text


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _workloads(status: Status) -> RenderableType:
    table = _table("part", "workload", "ready", "why not")
    for one in status.workloads:
        table.add_row(
            one.part,
            f"{one.namespace}/{one.name}",
            Text(f"{one.ready}/{one.wanted}", style=GOOD if one.ready >= one.wanted else BAD),
            Text("\n".join(one.causes)),
        )
    return table


def _pods(status: Status) -> RenderableType:
    table = _table("pod", "sidecars", "restarts", "bypasses Envoy")
    for pod in status.pods:
        sidecars = Text(", ".join(pod.sidecars) or "none", style="" if pod.sidecars else DIM)
        if pod.missing:
            sidecars.append(f" lacks {', '.join(pod.missing)}", style=BAD)
        past = [*map(str, pod.excluded_ports), *pod.excluded_ip_ranges] if "envoy" in pod.sidecars else []
        name = Text(f"{pod.namespace}/{pod.name}", style="" if pod.of_stack else DIM)
        table.add_row(
            name,
            sidecars,
            Text(str(pod.restarts), style=BAD if pod.restarts else DIM),
            Text(" ".join(past), style=BAD if pod.stale else ""),
        )
    return table


def _facts(status: Status) -> RenderableType:
    lines: list[str] = []
    mesh = status.mesh
    if mesh is not None:
        switches = f"permissive mode {_on(mesh.permissive)}, egress {_on(mesh.egress)}"
        lines.append(f"Mesh: {switches}")
        lines.append(f"Exclusions in force: {_list([*mesh.ports, *mesh.ip_ranges])}")
        if mesh.declared_ports is None or mesh.declared_ip_ranges is None:
            lines.append("Exclusions declared: not noted on the MeshConfig")
        else:
            pods = f"; for its pods also {_list(mesh.declared_pod_ports)}" if mesh.declared_pod_ports else ""
            lines.append(f"Exclusions declared: {_list([*mesh.declared_ports, *mesh.declared_ip_ranges])}{pods}")
    for policy in status.policies:
        who = "" if policy.of_stack else " (not of this stack)"
        allows = f": {', '.join(policy.allows)}" if policy.allows else ""
        lines.append(f"{policy.kind} {policy.namespace}/{policy.name}{who}{allows}")
    if status.orders is not None:
        orders = status.orders
        last = f"the last one, {orders.last}, at {orders.last_at}" if orders.last is not None else "none"
        lines.append(f"Orders: {orders.per_minute:g} a minute; {last}")
    return Text("\n".join(lines)) if lines else Text("")


def _certificates(status: Status) -> RenderableType:
    table = _table("certificate", "where", "until", "days left")
    for one in status.certificates:
        style = BAD if one.warn else ""
        renewed = " (renewed by itself)" if one.renewed else ""
        table.add_row(one.name, one.where, one.not_after, Text(f"{one.days_left:.1f}{renewed}", style=style))
    return table


def _lines(head: str, lines: Iterable[str], style: str = "") -> RenderableType:
    listed = list(lines)
    if not listed:
        return Text("")
    text = Text(f"{head}:", style="bold")
    for line in listed:
        text.append(f"\n  {line}", style=style or "not bold")
    return text


def _on(value: bool) -> str:
    return "on" if value else "off"


def _list(values: Sequence[object]) -> str:
    return ", ".join(map(str, values)) or "none"

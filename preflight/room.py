"""Whether there is room for a stack's pods: on the nodes, and in quotas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from cluster.client import Object
from model.quantity import quantity
from preflight.finding import Finding, breaks, unseen, warns
from preflight.others import has_ended
from preflight.pods import Amounts, Group, amounts
from preflight.subject import MOST_PODS, Subject

COUNTED: Final = ("cpu", "memory")
PODS: Final = "pods"
# What a quota may be about, and what of a pod counts for it.
QUOTAS: Final = {
    "pods": (PODS, ""),
    "count/pods": (PODS, ""),
    "cpu": ("cpu", "requests"),
    "memory": ("memory", "requests"),
    "requests.cpu": ("cpu", "requests"),
    "requests.memory": ("memory", "requests"),
    "limits.cpu": ("cpu", "limits"),
    "limits.memory": ("memory", "limits"),
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """What is free on a node.

    Attributes:
        name: Its name.
        free: What no pod there has asked for; of it is taken away.
    """

    name: str
    free: Amounts

    def fits(self, wanted: Amounts) -> bool:
        """Whether a pod that wants this has room."""
        return all(self.free.get(name, Decimal(0)) >= amount for name, amount in wanted.items())

    def take(self, wanted: Amounts) -> None:
        """Give a pod its room."""
        for name, amount in wanted.items():
            self.free[name] = self.free.get(name, Decimal(0)) - amount


def on_nodes(subject: Subject) -> Iterator[Finding]:
    """Pods that no node has room for as they ask. A cluster that grows by itself may still get one."""
    if not subject.nodes:
        # Some clusters have nodes only when there are pods.
        return
    usable = [node for node in subject.nodes if takes_pods(node)]
    if not usable:
        yield warns(
            f"none of the {len(subject.nodes)} nodes takes pods: they are not ready, cordoned or tainted",
            "Every pod of the stack would wait",
            "Look at `kubectl get nodes`.",
        )
        return
    if subject.pods is None:
        yield unseen(f"the cluster has more than {MOST_PODS} pods, so the room on its nodes was not added up")
        return
    nodes = [_node(node, subject.pods, subject.groups) for node in usable]
    homeless = _placed(nodes, subject.groups)
    if homeless:
        first = homeless[0]
        largest = max(nodes, key=lambda node: node.free.get("cpu", Decimal(0)))
        yield warns(
            f"the nodes have no room for {len(homeless)} of the stack's {_count(subject.groups, len(nodes))} pods: "
            f"{first.label} asks for {_said(first.requests)}, and {largest.name} has {_said(largest.free)} left",
            "They would wait until the time is up, unless the cluster adds nodes by itself",
            "Add a node, or ask for less: apps.<app>.resources, dapr-osm:daprValues, or dapr-osm:osmValues "
            "(osm.osmController.resource and so on).",
        )


def takes_pods(node: Object) -> bool:
    """Whether an ordinary pod may come to a node."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in status.get("conditions") or ())
    tainted = any(taint.get("effect") in ("NoSchedule", "NoExecute") for taint in spec.get("taints") or ())
    return ready and not tainted and not spec.get("unschedulable")


def _node(node: Object, pods: list[Object], groups: list[Group]) -> Node:
    """What is free, the stack's own pods not counted: they are among those that are placed."""
    name = node["metadata"]["name"]
    allocatable = (node.get("status") or {}).get("allocatable") or {}
    free = {one: quantity(allocatable.get(one)) or Decimal(0) for one in (*COUNTED, PODS)}
    found = Node(name=name, free=free)
    for pod in pods:
        if (pod.get("spec") or {}).get("nodeName") == name and not any(group.owns(pod) for group in groups):
            found.take(_wanted(amounts(pod["spec"], "requests")))
    return found


def _wanted(requests: Amounts) -> Amounts:
    return {PODS: Decimal(1), **{name: requests.get(name, Decimal(0)) for name in COUNTED}}


def _placed(nodes: list[Node], groups: list[Group]) -> list[Group]:
    """Put every pod onto a node, the largest first; those that find none."""
    for group in groups:
        if not group.count:
            for node in nodes:
                node.take(_wanted(group.requests))
    single = [group for group in groups for _ in range(group.count)]
    homeless = []
    for group in sorted(single, key=lambda one: -one.requests.get("cpu", Decimal(0))):
        wanted = _wanted(group.requests)
        places = [node for node in nodes if node.fits(wanted)]
        if places:
            max(places, key=lambda node: node.free["cpu"]).take(wanted)
        else:
            homeless.append(group)
    return homeless


def _count(groups: list[Group], nodes: int) -> int:
    return sum(group.count or nodes for group in groups)


def _said(given: Amounts) -> str:
    cpu, memory = given.get("cpu"), given.get("memory")
    parts = [f"{cpu.normalize():f} CPU"] if cpu is not None else []
    parts += [f"{memory / 2**20:.0f} Mi of memory"] if memory is not None else []
    return " and ".join(parts) or "nothing"


def in_quotas(subject: Subject) -> Iterator[Finding]:
    """Quotas of namespaces that are there which the pods that are still to come would exceed."""
    for namespace in subject.there:
        quotas = subject.cluster.items(f"/api/v1/namespaces/{namespace}/resourcequotas")
        groups = [group for group in subject.groups if group.namespace == namespace]
        if not quotas or not groups:
            continue
        there = subject.cluster.pods(namespace)
        defaults = _defaults(subject.cluster.items(f"/api/v1/namespaces/{namespace}/limitranges"))
        groups = [_sized(group, defaults) for group in groups]
        for quota in quotas:
            yield from _exceeded(namespace, quota, groups, there)


def _defaults(ranges: list[Object]) -> Mapping[str, Mapping[str, Any]]:
    """What a container has that says nothing: as ``requests`` and as ``limits``. The API server fills them in."""
    found: dict[str, dict[str, Any]] = {"requests": {}, "limits": {}}
    for item in ranges:
        for one in item.get("spec", {}).get("limits") or ():
            if one.get("type") == "Container":
                found["requests"] |= one.get("defaultRequest") or {}
                found["limits"] |= one.get("default") or {}
    return found


def _sized(group: Group, defaults: Mapping[str, Mapping[str, Any]]) -> Group:
    """A workload's pods as they would be let in."""

    def sized(container: Mapping[str, Any]) -> Mapping[str, Any]:
        said = container.get("resources") or {}
        limits = said.get("limits") or {}
        # A limit without a request is one too, before any default.
        requests = {**defaults["requests"], **limits, **(said.get("requests") or {})}
        return {**container, "resources": {"requests": requests, "limits": {**defaults["limits"], **limits}}}

    spec = dict(group.template["spec"])
    spec |= {part: [sized(one) for one in spec[part]] for part in ("containers", "initContainers") if spec.get(part)}
    return replace(group, template={**group.template, "spec": spec})


def _exceeded(namespace: str, quota: Object, groups: list[Group], there: list[Object]) -> Iterator[Finding]:
    spec, status = quota.get("spec") or {}, quota.get("status") or {}
    if spec.get("scopes") or spec.get("scopeSelector"):
        return
    for name, hard in (status.get("hard") or spec.get("hard") or {}).items():
        if name not in QUOTAS:
            continue
        limit, used = quantity(hard) or Decimal(0), quantity((status.get("used") or {}).get(name)) or Decimal(0)
        wanted = sum((_missing(group, there) * _counting(group, name) for group in groups), Decimal(0))
        if wanted and used + wanted > limit:
            yield breaks(
                f"quota {namespace}/{quota['metadata']['name']} leaves {_plain(limit - used)} of {name}, and the "
                f"stack's pods there want {_plain(wanted)}",
                "Those beyond it would be refused",
                f"Raise it to {_plain(used + wanted)} at least, or ask for less.",
            )


def _missing(group: Group, there: list[Object]) -> Decimal:
    """How many pods are still to come."""
    return Decimal(max(0, group.count - sum(group.owns(pod) and not has_ended(pod) for pod in there)))


def _counting(group: Group, name: str) -> Decimal:
    """How much of a quota one pod takes."""
    what, kind = QUOTAS[name]
    return Decimal(1) if what == PODS else amounts(group.template["spec"], kind).get(what, Decimal(0))


def _plain(amount: Decimal) -> str:
    if amount and amount % 2**20 == 0:
        return f"{amount / 2**20:f}Mi"
    return f"{amount.normalize():f}"

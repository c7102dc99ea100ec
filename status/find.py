"""Which stack it is, and where it lives: by the mark that all of its objects carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.client import Object
from cluster.errors import OperationError
from model import names
from model.owner import STACK_LABEL, Owner, mark_of
from status.sight import Sight

WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet")
# Whoever has one of these is a control plane.
DAPR: Final = ("dapr-sentry", "dapr-operator")
OSM: Final = names.OSM_DEPLOYMENTS


@dataclass(frozen=True, kw_only=True)
class Found:
    """A stack on a cluster.

    Attributes:
        mark: Its mark.
        workloads: Its Deployments, StatefulSets and DaemonSets, by kind.
        dapr: The namespace of Dapr's control plane, or None.
        osm: The namespace of OSM's, or None.
        apps: Its other namespaces.
        whole: Whether its control planes would have been seen, wherever they are.
    """

    mark: str
    workloads: Sequence[tuple[str, Object]]
    dapr: str | None
    osm: str | None
    apps: tuple[str, ...]
    whole: bool = True

    @property
    def namespaces(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(filter(None, (self.dapr, self.osm, *self.apps)))

    def part_of(self, workload: Object) -> str:
        """Which part of the stack a workload is."""
        metadata = workload["metadata"]
        if metadata["namespace"] == self.dapr:
            return "dapr"
        if metadata["namespace"] == self.osm:
            return "osm"
        return "state store" if metadata["name"] == names.REDIS else "app"


def find(sight: Sight, stack: str | None) -> Found:
    """The stack of that name, or the only one that there is.

    Args:
        sight: The cluster, as this user sees it.
        stack: The stack's name or its mark; None for the only one.

    Raises:
        OperationError: There is none, or none of that name, or which one is meant can't be told.
    """
    workloads = [(kind, item) for kind in WORKLOADS for item in sight.all("apps/v1", kind, STACK_LABEL)]
    spaces = sight.all("v1", "Namespace", STACK_LABEL)
    marked = (mark_of(item["metadata"]) for item in (*(item for _, item in workloads), *spaces))
    mark = _chosen(sight, sorted({mark for mark in marked if mark}), stack)
    return _found(mark, workloads, spaces, whole=not any(one.what.startswith(WORKLOADS) for one in sight.unseen))


def _chosen(sight: Sight, marks: Sequence[str], stack: str | None) -> str:
    where = f"on {sight.cluster.server}"
    looked = ", ".join(sight.namespaces)
    blind = (
        f" This user may not see everything ({sight.unseen[0].why}): looked was in {looked}; name the stack's own "
        "namespaces with --namespace."
        if sight.unseen
        else ""
    )
    if not marks:
        raise OperationError(
            f"no stack is to be seen {where}: nothing carries the label {STACK_LABEL}."
            + (blind or " Is it the right cluster (--context), and has `pulumi up` run?")
        )
    if stack is None:
        if len(marks) > 1:
            raise OperationError(f"there are several stacks {where}: {', '.join(marks)}. Choose one: --stack NAME.")
        return marks[0]
    wanted = Owner(stack=stack).mark
    if wanted not in marks:
        raise OperationError(f"there is no stack {stack} {where}; there is {', '.join(marks)}.{blind}")
    return wanted


def _found(mark: str, workloads: Sequence[tuple[str, Object]], spaces: Sequence[Object], *, whole: bool) -> Found:
    own = [(kind, item) for kind, item in workloads if mark_of(item["metadata"]) == mark]
    home = {item["metadata"]["name"]: item["metadata"]["namespace"] for _, item in own}
    dapr, osm = _first(home, DAPR), _first(home, OSM)
    used = [item["metadata"]["namespace"] for _, item in own]
    used += [item["metadata"]["name"] for item in spaces if mark_of(item["metadata"]) == mark]
    return Found(
        mark=mark,
        workloads=own,
        dapr=dapr,
        osm=osm,
        apps=tuple(sorted({name for name in used if name not in (dapr, osm)})),
        whole=whole,
    )


def _first(home: Mapping[str, str], wanted: Sequence[str]) -> str | None:
    return next((home[name] for name in wanted if name in home), None)

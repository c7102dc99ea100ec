"""What others have written into the stack's objects, over every kind that this user may list."""

from __future__ import annotations

from functools import partial
from typing import Final

from cluster.client import Object
from cluster.discovery import Resource
from cluster.kinds import preferred
from model.drift import SHOWN_FIELDS, Drift, of_object
from model.owner import STACK_LABEL
from status.find import Found
from status.sight import Sight

# Kinds that their owners keep, or that say what happens.
FOLLOWERS: Final = ("ReplicaSet", "Pod", "EndpointSlice", "Endpoints", "ControllerRevision", "Event", "Lease")


def drift(sight: Sight, found: Found) -> list[Drift]:
    """All of it, over every kind that this user may list."""
    kinds = [
        resource
        for resource in preferred(sight.sees("kinds that the cluster serves", sight.cluster.resources, []))
        if "list" in resource.verbs and resource.kind not in FOLLOWERS
    ]
    # One sight for each kind: what of it may not be seen is told in one line for all of them.
    sights = [Sight(sight.cluster, sight.namespaces) for _ in kinds]
    lists = sight.side_by_side(
        partial(_marked, one, found.mark, resource) for one, resource in zip(sights, kinds, strict=True)
    )
    blind = {resource.plural: one.unseen[0].why for one, resource in zip(sights, kinds, strict=True) if one.unseen}
    if blind:
        some = sorted(blind)[:SHOWN_FIELDS]
        rest = f" and {len(blind) - len(some)} more kinds" if len(blind) > len(some) else ""
        sight.note(f"drift of {', '.join(some)}{rest}", next(iter(blind.values())))
    return [
        entry
        for resource, items in zip(kinds, lists, strict=True)
        for item in items
        for entry in of_object(resource.kind, item["metadata"])
    ]


def _marked(sight: Sight, mark: str, resource: Resource) -> list[Object]:
    query = {"labelSelector": f"{STACK_LABEL}={mark}"}
    return sight.everywhere(
        resource.plural,
        resource.path(),
        resource.path if resource.namespaced else None,
        lambda path: sight.cluster.metadata(path, query),
    )

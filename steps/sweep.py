"""The end of a destroy: whatever still carries the stack's mark goes too.

A run that was killed may have made an object that the state never heard of. It has the stack's mark from its first
call, so it is found here, after all that the state knows has gone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cluster.client import Cluster
from cluster.errors import ApiError, OperationError
from cluster.kinds import preferred
from cluster.progress import say
from model.chart import BUILT_IN, CRD, WORKLOADS
from model.names import FIELD_MANAGER
from model.owner import Owner, was_there_before
from steps.definitions import check_unused

SECONDS: Final = 180
POLL_SECONDS: Final = 0.5
WEBHOOKS: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
# They go with a Service of their name, and say nothing of an owner.
FOLLOWERS: Final = ("Endpoints",)


@dataclass(frozen=True, kw_only=True)
class Left:
    """An object with the stack's mark.

    Attributes:
        kind: Its kind.
        group: Its API group.
        path: Its path.
        name: Its name.
        namespace: Its namespace, or None.
    """

    kind: str
    group: str
    path: str
    name: str
    namespace: str | None

    @property
    def turn(self) -> int:
        """When it goes: those who refuse things first, what others are made of last."""
        if self.kind in WEBHOOKS:
            return 0
        if self.kind == CRD:
            return 4
        if self.kind == "Namespace":
            return 5
        if not _is_built_in(self.group):
            return 1
        return 2 if self.kind in WORKLOADS else 3

    def __str__(self) -> str:
        """As kubectl and people write it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def _is_built_in(group: str) -> bool:
    return group in BUILT_IN or group.endswith(".k8s.io")


def sweep(cluster: Cluster, owner: Owner) -> None:
    """Delete whatever still carries the stack's mark, and leave namespaces of others as they were.

    Raises:
        OperationError: Something does not go, or others need it.
    """
    for namespace in cluster.items("/api/v1/namespaces"):
        managers = [entry.get("manager") for entry in namespace["metadata"].get("managedFields") or []]
        if FIELD_MANAGER in managers and not owner.owns(namespace["metadata"]):
            name = namespace["metadata"]["name"]
            # An apply of nothing gives up all that this field manager wrote.
            body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            cluster.patch(f"/api/v1/namespaces/{name}", body, "apply", field_manager=FIELD_MANAGER, force=True)
            say(f"left namespace {name} as it was")
    found = sorted(left(cluster, owner), key=lambda item: (item.turn, item.path))
    definitions = [item.name for item in found if item.kind == CRD]
    check_unused(cluster, definitions, own_namespace="", owner=owner)
    for item in found:
        if cluster.delete(item.path):
            say(f"deleted {item}, which an interrupted run had left")
    deadline = time.monotonic() + SECONDS
    while there := [item for item in found if cluster.get(item.path) is not None]:
        if time.monotonic() > deadline:
            raise OperationError(
                f"still there {SECONDS} s after they were deleted: {', '.join(str(item) for item in there)}. "
                "Something holds them by a finalizer: find it with kubectl, mend it, destroy again."
            )
        time.sleep(POLL_SECONDS)


def left(cluster: Cluster, owner: Owner) -> Iterator[Left]:
    """Every object with the stack's mark, but what was there before it and what its owner removes."""
    for resource in preferred(cluster.resources()):
        if resource.kind in FOLLOWERS or not {"list", "delete"} <= set(resource.verbs):
            continue
        try:
            items = cluster.items(resource.path(), owner.query)
        except ApiError as error:
            if error.status in (403, 404, 405):
                continue
            if error.status < 500 or _is_built_in(resource.group):
                raise
            # Whoever serves or converts them is away. What of the stack's is among them goes with its definition.
            say(f"whether an interrupted run has left any {resource.plural}.{resource.group} can't be told: {error}")
            continue
        for item in items:
            metadata = item["metadata"]
            if metadata.get("deletionTimestamp") or metadata.get("ownerReferences") or was_there_before(metadata):
                continue
            if not owner.made(metadata):
                continue
            namespace = metadata.get("namespace")
            yield Left(
                kind=resource.kind,
                group=resource.group,
                path=resource.path(namespace, metadata["name"]),
                name=metadata["name"],
                namespace=namespace,
            )

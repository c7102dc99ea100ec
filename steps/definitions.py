"""CustomResourceDefinitions: deleting one deletes all of its objects, so nobody else's may be left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kinds import CRDS, PATHS, listing_of
from cluster.progress import say
from model.owner import Owner

# A definition goes once its objects are gone, which takes the API server a moment.
SECONDS: Final = 60
POLL_SECONDS: Final = 0.5


# What OSM makes in its namespace by itself.
MADE_BY_ITSELF: Final = ("MeshConfig", "MeshRootCertificate")


def objects_of_others(
    cluster: Cluster, definition: str, *, own_namespace: str, owner: Owner, shared: bool = False
) -> list[str]:
    """Objects of a definition that are neither this stack's nor in the control plane's own namespace.

    Args:
        cluster: The cluster.
        definition: The definition's name.
        own_namespace: The control plane's namespace.
        owner: The stack.
        shared: Whether that is a team's, which may have put its own there.
    """
    found = cluster.get(f"{PATHS[CRDS]}/{definition}")
    if found is None:
        return []
    path = listing_of(found)
    kind = found["spec"]["names"]["kind"]
    own = own_namespace if not shared or kind in MADE_BY_ITSELF else None
    if path is None:
        return [f"all {kind} objects, which no served version lists"]
    return [
        "/".join(filter(None, (kind, meta.get("namespace"), meta["name"])))
        for meta in (item["metadata"] for item in cluster.items(path))
        if (own is None or meta.get("namespace") != own) and not owner.made(meta)
    ]


def check_unused(cluster: Cluster, definitions: Iterable[str], *, own_namespace: str, owner: Owner) -> None:
    """Refuse to go on where deleting these definitions would delete somebody else's objects.

    Raises:
        OperationError: It would; names them all.
    """
    used = [
        item
        for definition in definitions
        for item in objects_of_others(cluster, definition, own_namespace=own_namespace, owner=owner)
    ]
    if used:
        raise OperationError(
            "these objects are not of this stack, and deleting their CustomResourceDefinitions would delete them: "
            f"{', '.join(used)}. Move or delete them and run `pulumi destroy` again, or keep what they need: "
            "`pulumi config set dapr-osm:keepShared true`, `pulumi up`, then `pulumi destroy`."
        )


def remove(cluster: Cluster, definitions: Sequence[str], *, own_namespace: str, owner: Owner) -> None:
    """Delete definitions, and wait until they are gone.

    Raises:
        OperationError: Others use one of them; then none is deleted.
    """
    check_unused(cluster, definitions, own_namespace=own_namespace, owner=owner)
    for name in definitions:
        if cluster.delete(f"{PATHS[CRDS]}/{name}"):
            say(f"deleted {CRDS}/{name}")
    deadline = time.monotonic() + SECONDS
    left = list(definitions)
    while left := [name for name in left if cluster.get(f"{PATHS[CRDS]}/{name}") is not None]:
        if time.monotonic() > deadline:
            raise OperationError(
                f"still there {SECONDS} s after they were deleted: {', '.join(left)}. "
                "An object of theirs has a finalizer that nobody removes: find it with kubectl, mend it, destroy again."
            )
        time.sleep(POLL_SECONDS)

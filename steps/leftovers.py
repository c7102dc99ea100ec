"""What an interrupted run leaves beside what the next one makes: Secrets, whose names are Pulumi's and new each time.

Everything else has one name, under which the next run finds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from cluster.client import Cluster
from cluster.progress import say
from model.owner import Owner

# The provider's annotation of what it has named itself.
AUTONAMED: Final = "pulumi.com/autonamed"


def remove_unused_secrets(cluster: Cluster, owner: Owner, namespaces: Iterable[str]) -> None:
    """Delete Secrets of this stack's that Pulumi has named and that no pod and no Deployment names any more.

    A new password makes a new Secret as well: by then the one before is nobody's, and Pulumi finds it gone.

    Args:
        cluster: The cluster.
        owner: The stack.
        namespaces: Where all Deployments are as they are declared, with their latest pods ready.
    """
    for namespace in dict.fromkeys(namespaces):
        core = f"/api/v1/namespaces/{namespace}"
        named = [
            secret["metadata"]["name"]
            for secret in cluster.items(f"{core}/secrets", owner.query)
            if owner.made(secret["metadata"]) and (secret["metadata"].get("annotations") or {}).get(AUTONAMED) == "true"
        ]
        if not named:
            continue
        users = [
            *cluster.items(f"/apis/apps/v1/namespaces/{namespace}/deployments"),
            *(pod for pod in cluster.pods(namespace) if not pod["metadata"].get("deletionTimestamp")),
        ]
        used = {text for user in users for text in _texts(user["spec"])}
        for name in named:
            if name not in used and cluster.delete(f"{core}/secrets/{name}"):
                say(f"deleted Secret {namespace}/{name}, which no pod names any more")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)

"""Which cluster a stack is on: the UID of its namespace ``kube-system``, which no other cluster has."""

from __future__ import annotations

import json

from cluster.client import Cluster
from cluster.errors import OperationError


def note(cluster: Cluster, previous: str | None) -> str:
    """Note the cluster at the first ``up``; refuse another one ever after.

    Args:
        cluster: The cluster.
        previous: What this printed last, if it ran before.

    Returns:
        JSON with the cluster's identity.
    """
    if previous:
        check(cluster, str(json.loads(previous)["cluster"]))
    return json.dumps({"cluster": cluster.uid()})


def check(cluster: Cluster, expected: str) -> None:
    """Refuse any cluster but the one that the stack is on.

    Raises:
        OperationError: It is another one.
    """
    found = cluster.uid()
    if found != expected:
        raise OperationError(other_cluster(expected, found, cluster.server))


def other_cluster(expected: str, found: str, where: str) -> str:
    """What to say where the cluster is another one than the stack's."""
    return (
        f"this stack is on another cluster: its kube-system namespace has the UID {expected}, that of {where} has "
        f"{found}. Nothing was touched. Choose the stack's cluster (KUBECONFIG, `kubectl config use-context NAME`, or "
        "`pulumi config set dapr-osm:kubeContext NAME`), or another stack for this one. If the old cluster is gone for "
        "good: `pulumi stack rm --force`."
    )

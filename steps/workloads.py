"""Waiting for pods, in place of Pulumi's own wait: that one sits its time out, whatever the cluster says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial

from cluster.client import Cluster
from cluster.diagnosis import LONG_SECONDS, Finding
from cluster.errors import ApiError
from cluster.progress import moment
from cluster.retrying import try_again
from cluster.waiting import Workload, await_ready
from model import names
from model.exclusions import taken_out
from model.owner import Owner


def await_workloads(
    cluster: Cluster, owner: Owner, workloads: Sequence[Sequence[str]], served_by: Sequence[str], seconds: int
) -> str:
    """Wait until workloads have all of their latest pods ready.

    Args:
        cluster: The cluster.
        owner: The stack.
        workloads: The workloads, each as kind, namespace and name.
        served_by: Namespaces of the control planes that their pods need.
        seconds: How long to wait for all of them.

    Returns:
        JSON: the workloads, and when they were ready.

    Raises:
        OperationError: One is not, after so long or for certain; says which, and why.
    """
    wanted = [Workload(kind=kind, namespace=namespace, name=name) for kind, namespace, name in workloads]
    wanted += [workload for namespace in served_by for workload in control_plane(cluster, owner, namespace)]
    try_again(cluster, wanted)
    await_ready(cluster, wanted, seconds, also=partial(exclusions_taken_out, cluster, served_by))
    return json.dumps({"ready": [str(workload) for workload in wanted], "at": moment()})


def control_plane(cluster: Cluster, owner: Owner, namespace: str) -> list[Workload]:
    """The workloads of the stack's in a namespace."""
    query = owner.query
    return [
        Workload(kind=kind, namespace=namespace, name=item["metadata"]["name"], serves=True)
        for kind in ("Deployment", "StatefulSet")
        for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/{kind.lower()}s", query)
    ]


def exclusions_taken_out(cluster: Cluster, namespaces: Sequence[str]) -> list[Finding]:
    """What somebody has taken out of the exclusions: a sidecar that can't reach its control plane never gets ready."""
    found = []
    for namespace in namespaces:
        try:
            config = cluster.get(names.MESH_CONFIG_PATH.format(namespace, names.MESH_CONFIG))
        except ApiError as error:
            if error.status != 403:
                raise
            continue
        if config and (gone := taken_out(config)):
            message = (
                f"it no longer has {', '.join(gone)}, which the stack has declared to bypass Envoy; "
                "`pulumi up --refresh` brings that back"
            )
            name = f"MeshConfig {namespace}/{names.MESH_CONFIG}"
            found.append(Finding(object=name, reason="ChangedByHand", message=message, lasting=LONG_SECONDS))
    return found

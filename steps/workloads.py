"""Waiting for pods, in place of Pulumi's own wait: that one sits its time out, whatever the cluster says."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cluster.client import Cluster
from cluster.progress import moment
from cluster.waiting import Workload, await_ready


def await_workloads(cluster: Cluster, workloads: Sequence[Sequence[str]], seconds: int) -> str:
    """Wait until workloads have all of their latest pods ready.

    Args:
        cluster: The cluster.
        workloads: The workloads, each as kind, namespace and name.
        seconds: How long to wait for all of them.

    Returns:
        JSON: the workloads, and when they were ready.

    Raises:
        OperationError: One is not, after so long or for certain; says which, and why.
    """
    wanted = [Workload(kind=kind, namespace=namespace, name=name) for kind, namespace, name in workloads]
    await_ready(cluster, wanted, seconds)
    return json.dumps({"ready": [str(workload) for workload in wanted], "at": moment()})

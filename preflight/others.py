"""What of other people's depends on Dapr."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cluster.client import Cluster
from model.owner import Owner

# Every kind whose pods Dapr may serve, with the path to its pod template.
WORKLOADS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "Deployment": ("/apis/apps/v1/deployments", ("spec", "template", "metadata")),
    "StatefulSet": ("/apis/apps/v1/statefulsets", ("spec", "template", "metadata")),
    "DaemonSet": ("/apis/apps/v1/daemonsets", ("spec", "template", "metadata")),
    "ReplicaSet": ("/apis/apps/v1/replicasets", ("spec", "template", "metadata")),
    "Job": ("/apis/batch/v1/jobs", ("spec", "template", "metadata")),
    "CronJob": ("/apis/batch/v1/cronjobs", ("spec", "jobTemplate", "spec", "template", "metadata")),
    "Pod": ("/api/v1/pods", ("metadata",)),
}
TRUE: Final = ("true", "y", "yes", "on", "1")


def dapr_workloads(cluster: Cluster, owner: Owner) -> Iterator[str]:
    """Workloads of other people's that Dapr serves, by annotation: ``Kind namespace/name``."""
    for kind, (path, where) in WORKLOADS.items():
        for item in cluster.items(path):
            meta = item["metadata"]
            if owner.owns(meta) or any(made_by["kind"] in WORKLOADS for made_by in meta.get("ownerReferences") or []):
                # What a workload has made counts once, as that workload. One of another kind is not listed itself.
                continue
            template: Any = item
            for part in where:
                template = template.get(part) or {}
            enabled = (template.get("annotations") or {}).get("dapr.io/enabled", "")
            if str(enabled).lower() in TRUE:
                yield f"{kind} {meta['namespace']}/{meta['name']}"

"""What of other people's depends on Dapr, or is in a stack's namespaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cluster.client import Cluster, Object
from cluster.errors import ApiError
from cluster.kinds import preferred
from cluster.progress import say
from model import names
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


def has_ended(item: Object) -> bool:
    """Whether a Job or a pod has done what it was for, so that it needs nobody any more."""
    status = item.get("status") or {}
    return status.get("phase") in ("Succeeded", "Failed") or any(
        one.get("type") in ("Complete", "Failed") and one.get("status") == "True"
        for one in status.get("conditions") or ()
    )


def dapr_workloads(cluster: Cluster, owner: Owner) -> Iterator[str]:
    """Workloads of other people's that Dapr serves, by annotation: ``Kind namespace/name``."""
    for kind, (path, where) in WORKLOADS.items():
        for item in cluster.items(path):
            meta = item["metadata"]
            if owner.made(meta) or any(made_by["kind"] in WORKLOADS for made_by in meta.get("ownerReferences") or []):
                # What a workload has made counts once, as that workload. One of another kind is not listed itself.
                continue
            template: Any = item
            for part in where:
                template = template.get(part) or {}
            enabled = (template.get("annotations") or {}).get("dapr.io/enabled", "")
            if str(enabled).lower() in TRUE and not (kind in ("Job", "Pod") and has_ended(item)):
                yield f"{kind} {meta['namespace']}/{meta['name']}"


# What a namespace holds that nobody put there: kinds that Kubernetes and the control planes make by themselves.
BY_ITSELF: Final = frozenset({"Event", "EndpointSlice", "Endpoints", "Lease", "PodMetrics"})


def in_namespace(cluster: Cluster, namespace: str, owner: Owner) -> Iterator[str]:
    """Objects of other people's in a namespace: ``Kind name``."""
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    if found is None or not owner.owns(found["metadata"]):
        return
    for kind, item in _namespaced(cluster, namespace):
        meta = item["metadata"]
        if kind in BY_ITSELF or owner.made(meta) or meta.get("ownerReferences") or _is_made_by_itself(kind, item):
            continue
        yield f"{kind} {meta['name']}"


def _is_made_by_itself(kind: str, item: Object) -> bool:
    name = item["metadata"]["name"]
    if kind == "ServiceAccount" and name == "default":
        return True
    if kind == "ConfigMap" and name in ("kube-root-ca.crt", "openshift-service-ca.crt"):
        return True
    if kind == "Secret":
        # An Envoy's first configuration, the mesh's authority, and tokens of ServiceAccounts.
        return (
            name.startswith("envoy-bootstrap-config-")
            or name == names.OSM_CA_BUNDLE
            or item.get("type")
            in (
                "kubernetes.io/service-account-token",
                "helm.sh/release.v1",
            )
        )
    if kind == "PersistentVolumeClaim":
        return bool(name.startswith(names.SCHEDULER_CLAIM))
    return kind in ("MeshConfig", "MeshRootCertificate")


def _namespaced(cluster: Cluster, namespace: str) -> Iterator[tuple[str, Object]]:
    """Every object in a namespace, with its kind."""
    for resource in preferred(cluster.resources()):
        if not resource.namespaced or "list" not in resource.verbs:
            continue
        try:
            items = cluster.items(resource.path(namespace))
        except ApiError as error:
            if error.status not in (403, 405):
                raise
            say(f"whether {namespace} holds {resource.plural} of others can't be told: {error}")
            continue
        for item in items:
            yield resource.kind, item

"""What a cluster must have or be like before a stack touches it. Everything that is wrong is said at once."""

from __future__ import annotations

import base64
import re
from collections.abc import Collection, Mapping
from typing import Final

from model.apps import App
from model.helm_values import SchedulerStorage
from model.names import Namespaces
from model.versions import DaprRelease
from operations.cluster import Cluster, Object
from operations.errors import OperationError, lines

STORAGE_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
# Kubernetes still honours what it was called first.
DEFAULT_CLASS_BEFORE: Final = "storageclass.beta.kubernetes.io/is-default-class"
# Names of Dapr's chart.
SCHEDULER_CLAIM: Final = "dapr-scheduler-data-dir-"
TRUST_BUNDLE: Final = "dapr-trust-bundle"
# How a certificate says that its key is of kind ed25519 (RFC 8410), in DER.
ED25519: Final = bytes.fromhex("06032b6570")


def check(
    cluster: Cluster,
    *,
    release: DaprRelease,
    namespaces: Namespaces,
    apps: Mapping[str, App],
    scheduler_storage: SchedulerStorage,
) -> None:
    """Refuse a cluster on which this stack could not do what it promises, or would harm others.

    Args:
        cluster: The cluster.
        release: The Dapr release that is to run there.
        namespaces: Where everything lives.
        apps: All apps, by app id.
        scheduler_storage: Where Dapr's scheduler is to keep its jobs.

    Raises:
        OperationError: Something is wrong; says all of it, each with its mend.
    """
    problems = []
    if release.scheduler and not scheduler_storage.in_memory:
        problems += storage_problems(cluster, release, namespaces.dapr, scheduler_storage.storage_class)
    if release.route.own_services:
        problems += others_problems(cluster, release, apps)
    if not release.reads_ed25519:
        problems += root_key_problems(cluster, release, namespaces.dapr)
    if problems:
        raise OperationError(lines("this stack can't be brought to this cluster as it is:", problems))


def storage_problems(cluster: Cluster, release: DaprRelease, namespace: str, storage_class: str) -> list[str]:
    """What keeps the claims of Dapr's scheduler from getting volumes; it would wait for them until its time is up."""
    claims = [
        claim
        for claim in cluster.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
        if claim["metadata"]["name"].startswith(SCHEDULER_CLAIM)
    ]
    bound = [claim for claim in claims if claim.get("status", {}).get("phase") == "Bound"]
    if len(claims) == len(bound) >= release.schedulers:
        return []
    classes = {item["metadata"]["name"]: item for item in cluster.items(STORAGE_CLASSES)}
    there = f"There are {', '.join(sorted(classes))}." if classes else "There is none."
    memory = "To keep jobs and reminders in memory instead, set dapr_scheduler.cluster.inMemoryStorage: true there."
    if storage_class:
        if storage_class in classes:
            return []
        return [
            f"Dapr's scheduler wants volumes of the StorageClass {storage_class}, which does not exist. {there} Mend "
            f"dapr_scheduler.cluster.storageClassName in dapr-osm:daprValues. {memory}"
        ]
    if any(_is_default(item) for item in classes.values()):
        return []
    return [
        f"Dapr's scheduler wants volumes, and the cluster has no default StorageClass. {there} Make one the default, "
        f"or name one as dapr_scheduler.cluster.storageClassName in dapr-osm:daprValues. {memory}"
    ]


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(DEFAULT_CLASS_BEFORE))


def others_problems(cluster: Cluster, release: DaprRelease, apps: Mapping[str, App]) -> list[str]:
    """The apps of other people's whose ``<app>-dapr`` Services nobody would look after any more."""
    ours = {(app.namespace, name) for name, app in apps.items()}
    others = [
        f"{kind} {item['metadata']['namespace']}/{item['metadata']['name']}"
        for kind, plural in (("Deployment", "deployments"), ("StatefulSet", "statefulsets"))
        for item in cluster.items(f"/apis/apps/v1/{plural}")
        if _served_by_dapr(item) and not _is_ours(item, ours)
    ]
    if not others:
        return []
    return [
        f"with Dapr {release.version} the reconciler of Dapr's operator must be off, and it would no longer look after "
        f"the Services of {', '.join(others)}, which are not of this stack. Choose another dapr-osm:daprVersion, or a "
        "cluster of its own for this stack."
    ]


def _served_by_dapr(workload: Object) -> bool:
    annotations = workload["spec"]["template"]["metadata"].get("annotations") or {}
    return str(annotations.get("dapr.io/enabled", "")).lower() in ("true", "y", "yes", "on", "1")


def _is_ours(workload: Object, ours: Collection[tuple[str, str]]) -> bool:
    metadata = workload["metadata"]
    annotations = workload["spec"]["template"]["metadata"].get("annotations") or {}
    # Also an app that this stack has dropped from its config, with its namespace: it is there until the update ends.
    return "dapr-osm/dapr" in annotations or (metadata["namespace"], metadata["name"]) in ours


def root_key_problems(cluster: Cluster, release: DaprRelease, namespace: str) -> list[str]:
    """Whether Dapr's root key is of a kind that the release's sentry can't read; it would crash."""
    bundle = cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{TRUST_BUNDLE}")
    certificate = ((bundle or {}).get("data") or {}).get("ca.crt") or ""
    if not _is_ed25519(certificate):
        return []
    return [
        f"Dapr's root key in {namespace} is of kind ed25519, as Dapr 1.18 makes it, and the sentry of "
        f"{release.version} can't read it. A stack that began with 1.18 can't go back: keep dapr-osm:daprVersion, or "
        "run `pulumi destroy` and begin anew."
    ]


def _is_ed25519(certificate: str) -> bool:
    body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", certificate, re.DOTALL)
    try:
        return body is not None and ED25519 in base64.b64decode("".join(body[1].split()))
    except ValueError:
        # No base64; nothing that Dapr wrote.
        return False

"""What a cluster must have or be like before a stack touches it. Everything that is wrong is said at once."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Final

from cluster.client import Cluster, Object
from cluster.errors import ApiError, OperationError, lines
from model.helm_values import SchedulerStorage
from model.names import SCHEDULER_CLAIM, Namespaces
from model.owner import Owner
from model.versions import DaprRelease
from preflight.others import dapr_workloads

STORAGE_CLASSES: Final = "/apis/storage.k8s.io/v1/storageclasses"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
# Kubernetes still honours what it was called first.
DEFAULT_CLASS_BEFORE: Final = "storageclass.beta.kubernetes.io/is-default-class"
# Names of Dapr's chart.
TRUST_BUNDLE: Final = "dapr-trust-bundle"
# How a certificate says that its key is of kind ed25519 (RFC 8410), in DER.
ED25519: Final = bytes.fromhex("06032b6570")


def check(
    cluster: Cluster,
    *,
    release: DaprRelease,
    namespaces: Namespaces,
    scheduler_storage: SchedulerStorage,
    owner: Owner,
) -> None:
    """Refuse a cluster on which this stack could not do what it promises, or would harm others.

    Args:
        cluster: The cluster.
        release: The Dapr release that is to run there.
        namespaces: Where everything lives.
        scheduler_storage: Where Dapr's scheduler is to keep its jobs.
        owner: The stack.

    Raises:
        OperationError: Something is wrong; says all of it, each with its mend.
    """
    looks: list[Callable[[], list[str]]] = []
    if release.scheduler and not scheduler_storage.in_memory:
        looks.append(lambda: storage_problems(cluster, release, namespaces.dapr, scheduler_storage.storage_class))
    if release.route.own_services:
        looks.append(lambda: others_problems(cluster, release, owner))
    if not release.reads_ed25519:
        looks.append(lambda: root_key_problems(cluster, release, namespaces.dapr))
    problems = [problem for look in looks for problem in _seen(look)]
    if problems:
        raise OperationError(lines("this stack can't be brought to this cluster as it is:", problems))


def _seen(look: Callable[[], list[str]]) -> list[str]:
    try:
        return look()
    except ApiError as error:
        if error.status == 403:
            # Whoever may not look is told so by the check of rights.
            return []
        raise


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


def others_problems(cluster: Cluster, release: DaprRelease, owner: Owner) -> list[str]:
    """The apps of other people's whose ``<app>-dapr`` Services nobody would look after any more."""
    others = sorted(dapr_workloads(cluster, owner))
    if not others:
        return []
    return [
        f"with Dapr {release.version} the reconciler of Dapr's operator must be off, and it would no longer look after "
        f"the Services of {', '.join(others)}, which are not of this stack. Choose another dapr-osm:daprVersion, or a "
        "cluster of its own for this stack."
    ]


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

"""What a cluster must have or be like before a stack touches it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Final

from cluster.client import Object
from cluster.errors import ApiError
from model.names import SCHEDULER_CLAIM
from preflight.finding import Finding, breaks
from preflight.others import dapr_workloads
from preflight.subject import Subject

STORAGE: Final = "/apis/storage.k8s.io/v1"
STORAGE_CLASSES: Final = f"{STORAGE}/storageclasses"
VOLUMES: Final = "/api/v1/persistentvolumes"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
# Kubernetes still honours what it was called first.
DEFAULT_CLASS_BEFORE: Final = "storageclass.beta.kubernetes.io/is-default-class"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
# Volumes of such a class are made by hand.
NOBODY: Final = "kubernetes.io/no-provisioner"
# Who provisions for what Kubernetes did itself once; without that driver nobody does.
# Source: k8s.io/csi-translation-lib, plugins.
MIGRATED: Final[Mapping[str, str]] = {
    "kubernetes.io/aws-ebs": "ebs.csi.aws.com",
    "kubernetes.io/azure-disk": "disk.csi.azure.com",
    "kubernetes.io/azure-file": "file.csi.azure.com",
    "kubernetes.io/cinder": "cinder.csi.openstack.org",
    "kubernetes.io/gce-pd": "pd.csi.storage.gke.io",
    "kubernetes.io/portworx-volume": "pxd.portworx.com",
    "kubernetes.io/vsphere-volume": "csi.vsphere.vmware.com",
}
# Names of Dapr's chart.
TRUST_BUNDLE: Final = "dapr-trust-bundle"
# How a certificate says that its key is of kind ed25519 (RFC 8410), in DER.
ED25519: Final = bytes.fromhex("06032b6570")

WANTS_VOLUMES: Final = "Dapr's scheduler would wait for its volumes until its time is up."


def claims_of(subject: Subject) -> list[Object]:
    """The claims of Dapr's scheduler that are there."""
    path = f"/api/v1/namespaces/{subject.settings.namespaces.dapr}/persistentvolumeclaims"
    return [claim for claim in subject.cluster.items(path) if claim["metadata"]["name"].startswith(SCHEDULER_CLAIM)]


def is_bound(item: Object) -> bool:
    """Whether a claim has its volume."""
    return bool(item.get("status", {}).get("phase") == "Bound")


def storage(subject: Subject) -> Iterator[Finding]:
    """What keeps the claims of Dapr's scheduler from getting volumes."""
    release = subject.settings.dapr
    if not subject.needs_volumes:
        return
    claims = claims_of(subject)
    if all(map(is_bound, claims)) and len(claims) >= release.schedulers:
        return
    classes = {item["metadata"]["name"]: item for item in subject.cluster.items(STORAGE_CLASSES)}
    there = f"There are {', '.join(sorted(classes))}" if classes else "There is none"
    memory = (
        " To keep jobs and reminders in memory instead, set dapr_scheduler.cluster.inMemoryStorage: true there."
        if release.scheduler_in_memory
        else ""
    )
    named = subject.storage.storage_class
    if named and named not in classes:
        shown = subject.of_dapr_values(named)
        yield breaks(
            f"Dapr's scheduler wants volumes of the StorageClass {shown}, which does not exist. {there}",
            mend=f"Mend dapr_scheduler.cluster.storageClassName in dapr-osm:daprValues.{memory}",
        )
        return
    # Of several, Kubernetes takes the newest.
    defaults = sorted(filter(_is_default, classes.values()), key=_made_at)
    chosen = classes.get(named) or (defaults[-1] if defaults else None)
    if chosen is None:
        yield breaks(
            f"Dapr's scheduler wants volumes, and the cluster has no default StorageClass. {there}",
            mend="Make one the default, or name one as dapr_scheduler.cluster.storageClassName in "
            f"dapr-osm:daprValues.{memory}",
        )
        return
    missing = release.schedulers - sum(map(is_bound, claims))
    yield from _provisioned(subject, chosen, missing, memory)


def _is_default(storage_class: Object) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return "true" in (annotations.get(DEFAULT_CLASS), annotations.get(DEFAULT_CLASS_BEFORE))


def _made_at(storage_class: Object) -> str:
    return str(storage_class["metadata"].get("creationTimestamp") or "")


def _provisioned(subject: Subject, chosen: Object, missing: int, memory: str) -> Iterator[Finding]:
    """Whether somebody makes volumes of a class.

    Whoever provisions without being a CSI driver registers nowhere, so nothing can be said of those.
    """
    name, provisioner = chosen["metadata"]["name"], str(chosen.get("provisioner") or "")
    another = f"Name another class as dapr_scheduler.cluster.storageClassName in dapr-osm:daprValues.{memory}"
    if provisioner == NOBODY:
        free = [
            one
            for one in subject.cluster.items(VOLUMES)
            if one.get("spec", {}).get("storageClassName") == name and one.get("status", {}).get("phase") == "Available"
        ]
        if len(free) < missing:
            yield breaks(
                f"volumes of StorageClass {name} are made by hand, and {len(free)} of the {missing} that Dapr's "
                "scheduler wants are there",
                WANTS_VOLUMES,
                f"Make {missing - len(free)} more. {another}",
            )
        return
    driver = MIGRATED.get(provisioner, provisioner)
    if provisioner not in MIGRATED and ".csi." not in f".{driver}.":
        return
    if not _has_driver(subject, {driver, provisioner}):
        yield breaks(
            f"StorageClass {name} has its volumes from the driver {driver}, which this cluster does not have",
            WANTS_VOLUMES,
            f"Install the driver. {another}",
        )


def _has_driver(subject: Subject, names: set[str]) -> bool:
    """Whether a driver is there: by its own object, on a node, or by a volume that it has made."""
    cluster, refused = subject.cluster, 0
    for path, says in (
        (f"{STORAGE}/csidrivers", lambda item: {item["metadata"]["name"]}),
        (f"{STORAGE}/csinodes", lambda item: {one["name"] for one in (item.get("spec") or {}).get("drivers") or ()}),
        (VOLUMES, lambda item: {(item["metadata"].get("annotations") or {}).get(PROVISIONED_BY)}),
    ):
        try:
            if any(names & says(item) for item in cluster.items(path)):
                return True
        except ApiError as error:
            if error.status != 403:
                raise
            refused += 1
    # What can't be seen may be there.
    return refused > 0


def other_apps(subject: Subject) -> Iterator[Finding]:
    """The apps of other people's whose ``<app>-dapr`` Services nobody would look after any more."""
    release = subject.settings.dapr
    if not release.route.own_services:
        return
    if others := sorted(dapr_workloads(subject.cluster, subject.owner)):
        yield breaks(
            f"with Dapr {release.version} the reconciler of Dapr's operator must be off, and it would no longer look "
            f"after the Services of {', '.join(others)}, which are not of this stack",
            mend="Choose another dapr-osm:daprVersion, or a cluster of its own for this stack.",
        )


def root_key(subject: Subject) -> Iterator[Finding]:
    """Whether Dapr's root key is of a kind that the release's sentry can't read; it would crash."""
    release, namespace = subject.settings.dapr, subject.settings.namespaces.dapr
    if release.reads_ed25519:
        return
    bundle = subject.cluster.get(f"/api/v1/namespaces/{namespace}/configmaps/{TRUST_BUNDLE}")
    if _is_ed25519(((bundle or {}).get("data") or {}).get("ca.crt") or ""):
        yield breaks(
            f"Dapr's root key in {namespace} is of kind ed25519, as Dapr 1.18 makes it, and the sentry of "
            f"{release.version} can't read it",
            "A stack that began with 1.18 can't go back",
            "Keep dapr-osm:daprVersion, or run `pulumi destroy` and begin anew.",
        )


def _is_ed25519(certificate: str) -> bool:
    body = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", certificate, re.DOTALL)
    try:
        return body is not None and ED25519 in base64.b64decode("".join(body[1].split()))
    except ValueError:
        # No base64; nothing that Dapr wrote.
        return False

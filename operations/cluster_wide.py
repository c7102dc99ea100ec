"""What a control plane leaves on the cluster outside of its Helm release, and taking it away again.

``record-cluster-wide`` runs before a release is installed and notes which of those objects were there already.
``remove-cluster-wide`` runs after it is gone and deletes the others: what this stack brought, and only that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from operations.cluster import Cluster
from operations.errors import OperationError
from operations.progress import say

# Where each kind lives.
PATHS: Final = {
    "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
CRDS: Final = "customresourcedefinitions"
# A CRD goes once its objects are gone, which takes the API server a moment.
CRD_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True)
class ClusterWide:
    """The objects that one control plane brings.

    Attributes:
        namespace: Its own namespace; custom resources in there are its own too.
        objects: Names by kind (a key of ``PATHS``).
    """

    namespace: str
    objects: Mapping[str, list[str]]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ClusterWide:
        """Read ``OPERATION_NAMESPACE``, ``OPERATION_CRDS`` and, if there, ``OPERATION_OTHERS``."""
        others = json.loads(environ.get("OPERATION_OTHERS", "{}"))
        return cls(
            namespace=environ["OPERATION_NAMESPACE"],
            objects={**others, CRDS: json.loads(environ["OPERATION_CRDS"])},
        )


def record(cluster: Cluster, wanted: ClusterWide, previous: str | None) -> str:
    """Which of the objects are someone else's: those that are there before the release is.

    Args:
        cluster: The cluster.
        wanted: The objects to look for.
        previous: What this printed before, when it runs again. It stands for the objects it was about: those that
            have come since are ours. Only what was not looked for then, since it is another release's, is now.

    Returns:
        JSON: by kind, for each name whether it was there.
    """
    known: dict[str, dict[str, bool]] = json.loads(previous) if previous else {}
    recorded = {
        kind: {
            name: known[kind][name] if name in known.get(kind, {}) else cluster.get(f"{PATHS[kind]}/{name}") is not None
            for name in names
        }
        for kind, names in wanted.objects.items()
    }
    for kind, names in recorded.items():
        if foreign := [name for name, there in names.items() if there]:
            say(f"{kind} {', '.join(foreign)}: there before this stack, so they stay when it goes")
    # What an earlier release brought and this one lacks is still ours to remove.
    kinds = [*known, *(kind for kind in recorded if kind not in known)]
    return json.dumps({kind: {**known.get(kind, {}), **recorded.get(kind, {})} for kind in kinds})


def remove(cluster: Cluster, wanted: ClusterWide, recorded: str) -> None:
    """Delete the objects that this stack brought.

    Args:
        cluster: The cluster.
        wanted: The objects that may be there.
        recorded: What :func:`record` printed.

    Raises:
        OperationError: Someone else's custom resources still use one of the CRDs. Deleting a CRD deletes all of
            its objects, so no CRD is deleted then.
    """
    known: dict[str, dict[str, bool]] = json.loads(recorded)
    ours = {kind: [name for name, foreign in names.items() if not foreign] for kind, names in known.items()}
    # Webhooks first: without the control plane nobody answers them, and they would block what follows.
    for kind, names in ours.items():
        if kind == CRDS:
            continue
        for name in names:
            if cluster.delete(f"{PATHS[kind]}/{name}"):
                say(f"deleted {kind}/{name}")
    crds = ours.get(CRDS, [])
    in_use = [used for name in crds for used in _used_by_others(cluster, name, wanted.namespace)]
    if in_use:
        raise OperationError(
            "these objects are not of this stack, and deleting their CustomResourceDefinitions would delete them: "
            f"{', '.join(in_use)}. Move or delete them, then run `pulumi destroy` again."
        )
    for name in crds:
        if cluster.delete(f"{PATHS[CRDS]}/{name}"):
            say(f"deleted {CRDS}/{name}")
    _await_gone(cluster, crds)


def _used_by_others(cluster: Cluster, crd_name: str, own_namespace: str) -> list[str]:
    crd = cluster.get(f"{PATHS[CRDS]}/{crd_name}")
    if crd is None:
        return []
    spec = crd["spec"]
    # Any version that is served shows all objects. Where none is, none can be listed, and none be ruled out.
    version = next((version["name"] for version in spec["versions"] if version["served"]), None)
    if version is None:
        return [f"all {spec['names']['kind']} objects, which no served version lists"]
    objects = cluster.items(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}")
    return [
        "/".join(filter(None, (spec["names"]["kind"], meta.get("namespace"), meta["name"])))
        for meta in (item["metadata"] for item in objects)
        if meta.get("namespace") != own_namespace
    ]


def _await_gone(cluster: Cluster, crds: list[str]) -> None:
    deadline = time.monotonic() + CRD_SECONDS
    left = crds
    while left := [name for name in left if cluster.get(f"{PATHS[CRDS]}/{name}") is not None]:
        if time.monotonic() > deadline:
            raise OperationError(
                f"still there {CRD_SECONDS} s after they were deleted: {', '.join(left)}. "
                "An object of theirs has a finalizer that nobody removes: find it with kubectl, mend it, destroy again."
            )
        time.sleep(0.5)

"""The look before a stack goes: whose things would go with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cluster.client import ApiError, Cluster, Object
from cluster.errors import OperationError, lines
from cluster.kinds import preferred
from cluster.progress import say
from model import names
from model.owner import Owner
from preflight.others import dapr_workloads
from steps.definitions import objects_of_others

MONITORED: Final = "openservicemesh.io/monitored-by"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What of a stack matters to others.

    Attributes:
        owner: The stack.
        dapr_namespace: Dapr's namespace.
        osm_namespace: OSM's namespace, or None where there is no mesh.
        definitions: The CustomResourceDefinitions that go with the stack, by the namespace of their control plane.
        namespaces: The namespaces that go with it.
    """

    owner: Owner
    dapr_namespace: str
    osm_namespace: str | None
    definitions: Mapping[str, Sequence[str]]
    namespaces: Sequence[str]

    def to_json(self) -> str:
        """As a step's argument."""
        return json.dumps(
            {
                "dapr": self.dapr_namespace,
                "osm": self.osm_namespace,
                "definitions": {key: list(value) for key, value in self.definitions.items()},
                "namespaces": list(self.namespaces),
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, owner: Owner, text: str) -> Stack:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        return cls(
            owner=owner,
            dapr_namespace=fields["dapr"],
            osm_namespace=fields["osm"],
            definitions=fields["definitions"],
            namespaces=fields["namespaces"],
        )


def check(cluster: Cluster, stack: Stack) -> None:
    """Refuse to let a stack go where somebody else would be harmed.

    Raises:
        OperationError: Somebody would; names everything of theirs.
    """
    problems = harmed(cluster, stack)
    if problems:
        raise OperationError(
            lines(
                "nothing was deleted: others need what this stack would take away. Move or delete theirs and run "
                "`pulumi destroy` again, or keep what they need: `pulumi config set dapr-osm:keepShared true`, "
                "`pulumi up`, then `pulumi destroy`.",
                problems,
            )
        )


def harmed(cluster: Cluster, stack: Stack) -> list[str]:
    """What of other people's would break or be lost, a line each."""
    problems = []
    if workloads := sorted(dapr_workloads(cluster, stack.owner)):
        problems.append(f"Dapr serves {', '.join(workloads)}, which are not of this stack")
    if stack.osm_namespace is not None:
        joined = sorted(
            item["metadata"]["name"]
            for item in cluster.items("/api/v1/namespaces", {"labelSelector": f"{MONITORED}={names.MESH_NAME}"})
            if item["metadata"]["name"] not in stack.namespaces and not stack.owner.owns(item["metadata"])
        )
        if joined:
            problems.append(f"the mesh has the namespaces {', '.join(joined)}, which others have joined to it")
    for namespace, definitions in stack.definitions.items():
        used = [
            item
            for definition in definitions
            for item in objects_of_others(cluster, definition, own_namespace=namespace, owner=stack.owner)
        ]
        if used:
            problems.append(f"deleting their CustomResourceDefinitions would delete {', '.join(sorted(used))}")
    for namespace in stack.namespaces:
        if strangers := sorted(in_namespace(cluster, namespace, stack.owner)):
            problems.append(f"namespace {namespace} also holds {', '.join(strangers)}")
    return problems


# What a namespace holds that nobody put there: kinds that Kubernetes and the control planes make by themselves.
BY_ITSELF: Final = frozenset({"Event", "EndpointSlice", "Endpoints", "Lease", "PodMetrics"})


def in_namespace(cluster: Cluster, namespace: str, owner: Owner) -> Iterator[str]:
    """Objects of other people's in a namespace: ``Kind name``."""
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    if found is None or not owner.owns(found["metadata"]):
        return
    for kind, item in _namespaced(cluster, namespace):
        meta = item["metadata"]
        if kind in BY_ITSELF or owner.owns(meta) or meta.get("ownerReferences") or _is_made_by_itself(kind, item):
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

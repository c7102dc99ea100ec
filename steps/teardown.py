"""The look before a stack goes: whose things would go with it."""

from __future__ import annotations

from cluster.client import Cluster
from cluster.errors import OperationError, lines
from model import names
from model.arguments import Teardown
from model.owner import Owner
from preflight.others import dapr_workloads, has_ended, in_namespace
from steps.definitions import objects_of_others


def check(cluster: Cluster, stack: Teardown, owner: Owner) -> None:
    """Refuse to let a stack go where somebody else would be harmed, or where it would stay half-way.

    Raises:
        OperationError: Somebody would; names everything of theirs. Or Kubernetes would delete no namespace.
    """
    if stack.namespaces and (silent := cluster.discover().broken):
        raise OperationError(
            "nothing was deleted: Kubernetes deletes no namespace while it can't tell what is in it, and a part of "
            f"its API does not answer: {', '.join(silent)} (`kubectl get apiservices` says why). Mend whoever should "
            "answer, or delete that APIService if nobody needs it; then run `pulumi destroy` again."
        )
    keeping = (
        ", or keep what they need: `pulumi config set dapr-osm:keepShared true`, `pulumi up`, then `pulumi destroy`"
    )
    if problems := lost(cluster, stack, owner) if stack.keep else harmed(cluster, stack, owner):
        raise OperationError(
            lines(
                "nothing was deleted: others need what this stack would take away. Move or delete theirs and run "
                f"`pulumi destroy` again{'' if stack.keep else keeping}.",
                problems,
            )
        )


def harmed(cluster: Cluster, stack: Teardown, owner: Owner) -> list[str]:
    """What of other people's would break or be lost, a line each."""
    problems = []
    if workloads := sorted(dapr_workloads(cluster, owner)):
        problems.append(f"Dapr serves {', '.join(workloads)}, which are not of this stack")
    if stack.osm_namespace is not None:
        if meshed := [
            name for namespace in stack.existing for name in _meshed_pods_of_others(cluster, namespace, owner)
        ]:
            problems.append(f"the mesh has the pods {', '.join(sorted(meshed))}, which are not of this stack")
        joined = sorted(
            item["metadata"]["name"]
            for item in cluster.items("/api/v1/namespaces", {"labelSelector": f"{names.MONITORED}={names.MESH_NAME}"})
            if item["metadata"]["name"] not in (*stack.namespaces, *stack.existing) and not owner.owns(item["metadata"])
        )
        if joined:
            problems.append(f"the mesh has the namespaces {', '.join(joined)}, which others have joined to it")
    for namespace, definitions in stack.definitions.items():
        used = [
            item
            for definition in definitions
            for item in objects_of_others(
                cluster, definition, own_namespace=namespace, owner=owner, shared=namespace in stack.existing
            )
        ]
        if used:
            problems.append(f"deleting their CustomResourceDefinitions would delete {', '.join(sorted(used))}")
    return problems + lost(cluster, stack, owner)


def lost(cluster: Cluster, stack: Teardown, owner: Owner) -> list[str]:
    """What of other people's is in namespaces that go, a line each; those of control planes may be kept."""
    kept = (stack.dapr_namespace, stack.osm_namespace) if stack.keep else ()
    return [
        f"namespace {namespace} also holds {', '.join(strangers)}"
        for namespace in stack.namespaces
        if namespace not in kept and (strangers := sorted(in_namespace(cluster, namespace, owner)))
    ]


def _meshed_pods_of_others(cluster: Cluster, namespace: str, owner: Owner) -> list[str]:
    """Pods with an Envoy that nobody would answer any more; they got it since the stack has joined their namespace."""
    pods = cluster.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": names.PROXY_LABEL})
    return [
        f"{namespace}/{pod['metadata']['name']}"
        for pod in pods
        if not owner.owns(pod["metadata"]) and not has_ended(pod)
    ]

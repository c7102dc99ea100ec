"""The mesh's own objects: waiting for them, and taking policies back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence

from cluster.client import Cluster
from cluster.diagnosis import explain
from cluster.errors import OperationError
from cluster.kinds import CRDS, PATHS
from cluster.progress import moment, say
from cluster.waiting import Causes, Workload
from model import names
from model.arguments import RuntimeObjects
from model.owner import Owner
from steps.runtime import mark
from verification.policies import POLICY_PATHS, policies


def await_mesh(
    cluster: Cluster,
    *,
    namespace: str,
    mesh_config: str,
    crds: Sequence[str],
    webhooks: Mapping[str, Sequence[str]],
    owner: Owner,
    record: str,
    seconds: int,
) -> str:
    """Wait until OSM has made everything that it makes by itself, and mark it as the stack's.

    Args:
        cluster: The cluster.
        namespace: OSM's namespace.
        mesh_config: Name of its MeshConfig.
        crds: The CRDs that osm-bootstrap creates.
        webhooks: The webhook configurations that OSM creates, by kind.
        owner: The stack.
        record: What ``record-runtime`` printed; what was there before gets no mark.
        seconds: How long to wait.

    Returns:
        JSON with the MeshConfig's name, and when.

    Raises:
        OperationError: It takes too long; says what is missing, and what is wrong with OSM's pods.
    """
    deadline = time.monotonic() + seconds
    causes_of = Causes(
        cluster=cluster,
        workloads=[
            Workload(kind="Deployment", namespace=namespace, name=name, serves=True) for name in names.OSM_DEPLOYMENTS
        ],
    )
    while missing := _missing(cluster, namespace, mesh_config, crds, webhooks):
        causes_of.end(f"the mesh is not ready: {', '.join(missing)} missing")
        if time.monotonic() > deadline:
            causes = explain(cluster, namespace, cluster.pods(namespace)) or ["all of OSM's pods look healthy"]
            raise OperationError(
                f"the mesh is not ready after {seconds} s: {', '.join(missing)} missing.\n  " + "\n  ".join(causes)
            )
        time.sleep(0.5)
    made = RuntimeObjects(
        namespace=namespace,
        definitions=tuple(crds),
        cluster_wide={kind: tuple(listed) for kind, listed in webhooks.items()},
        namespaced={"secrets": (names.OSM_CA_BUNDLE,), "meshconfigs.config.openservicemesh.io": (mesh_config,)},
    )
    mark(cluster, made, owner, record)
    return json.dumps({"meshConfig": mesh_config, "at": moment()})


def _missing(
    cluster: Cluster, namespace: str, mesh_config: str, crds: Sequence[str], webhooks: Mapping[str, Sequence[str]]
) -> list[str]:
    missing = []
    for crd in crds:
        found = cluster.get(f"{PATHS[CRDS]}/{crd}")
        conditions = found.get("status", {}).get("conditions", []) if found else []
        if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
            missing.append(f"CustomResourceDefinition {crd}")
    for kind, configurations in webhooks.items():
        for name in configurations:
            found = cluster.get(f"{PATHS[kind]}/{name}")
            if not found or not all(hook["clientConfig"].get("caBundle") for hook in found.get("webhooks", [])):
                missing.append(f"{kind} {name} with its CA")
    path = names.MESH_CONFIG_PATH.format(namespace, mesh_config)
    if cluster.get(path) is None:
        missing.append(f"MeshConfig {mesh_config}")
    return missing


def withdraw_policies(cluster: Cluster, *, namespaces: Sequence[str], declared: Sequence[str], owner: Owner) -> str:
    """Delete this project's SMI objects that are no longer declared, TrafficTargets first.

    Args:
        cluster: The cluster.
        namespaces: Where they are.
        declared: Those that stay, as ``Kind/namespace/name``.
        owner: The stack.

    Returns:
        JSON: the declared ones, and when.
    """
    for policy in (policy for namespace in namespaces for policy in policies(cluster, namespace, owner)):
        if policy in declared:
            continue
        kind, namespace, name = policy.split("/")
        version, plural = POLICY_PATHS[kind]
        if cluster.delete(f"/apis/{version}/namespaces/{namespace}/{plural}/{name}"):
            say(f"withdrew {policy}")
    return json.dumps({"declared": list(declared), "at": moment()})

"""The mesh's own objects: waiting for them, and taking policies back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Final

from model import names
from operations.cluster import Cluster
from operations.cluster_wide import CRDS, PATHS
from operations.diagnosis import explain
from operations.errors import OperationError
from operations.progress import moment, say

# Helm has waited for the pods already, so what is left takes seconds.
SECONDS: Final = 120

# The kinds of SMI objects that this project makes, with where they live.
POLICY_PATHS: Final = {
    "TrafficTarget": ("access.smi-spec.io/v1alpha3", "traffictargets"),
    "HTTPRouteGroup": ("specs.smi-spec.io/v1alpha4", "httproutegroups"),
    "TCPRoute": ("specs.smi-spec.io/v1alpha4", "tcproutes"),
}


def await_mesh(
    cluster: Cluster,
    *,
    namespace: str,
    mesh_config: str,
    crds: Sequence[str],
    webhooks: Mapping[str, Sequence[str]],
    seconds: int = SECONDS,
) -> str:
    """Wait until OSM has made everything that it makes by itself.

    Args:
        cluster: The cluster.
        namespace: OSM's namespace.
        mesh_config: Name of its MeshConfig.
        crds: The CRDs that osm-bootstrap creates.
        webhooks: The webhook configurations that OSM creates, by kind.
        seconds: How long to wait.

    Returns:
        JSON with the MeshConfig's name.

    Raises:
        OperationError: It takes too long; says what is missing, and what is wrong with OSM's pods.
    """
    deadline = time.monotonic() + seconds
    while missing := _missing(cluster, namespace, mesh_config, crds, webhooks):
        if time.monotonic() > deadline:
            causes = explain(cluster, namespace, cluster.pods(namespace)) or ["all of OSM's pods look healthy"]
            raise OperationError(
                f"the mesh is not ready after {seconds} s: {', '.join(missing)} missing.\n  " + "\n  ".join(causes)
            )
        time.sleep(0.5)
    return json.dumps({"meshConfig": mesh_config})


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
    path = f"/apis/config.openservicemesh.io/v1alpha2/namespaces/{namespace}/meshconfigs/{mesh_config}"
    if cluster.get(path) is None:
        missing.append(f"MeshConfig {mesh_config}")
    return missing


def policies(cluster: Cluster, namespace: str) -> list[str]:
    """The SMI objects of this project in a namespace, as ``Kind/namespace/name``; a person's own are left out."""
    label = {"labelSelector": f"{names.OWNER_LABEL}={names.OWNER}"}
    return [
        f"{kind}/{namespace}/{item['metadata']['name']}"
        for kind, (version, plural) in POLICY_PATHS.items()
        for item in cluster.items(f"/apis/{version}/namespaces/{namespace}/{plural}", label)
    ]


def withdraw_policies(cluster: Cluster, *, namespaces: Sequence[str], declared: Sequence[str]) -> str:
    """Delete this project's SMI objects that are no longer declared, TrafficTargets first.

    Args:
        cluster: The cluster.
        namespaces: Where they are.
        declared: Those that stay, as ``Kind/namespace/name``.

    Returns:
        JSON: the declared ones, and when.
    """
    for policy in (policy for namespace in namespaces for policy in policies(cluster, namespace)):
        if policy in declared:
            continue
        kind, namespace, name = policy.split("/")
        version, plural = POLICY_PATHS[kind]
        if cluster.delete(f"/apis/{version}/namespaces/{namespace}/{plural}/{name}"):
            say(f"withdrew {policy}")
    return json.dumps({"declared": list(declared), "at": moment()})

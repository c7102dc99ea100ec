"""The SMI objects of this project on a cluster."""

from __future__ import annotations

from typing import Final

from cluster.client import Cluster
from model.owner import STACK_LABEL, Owner

# The kinds of SMI objects that this project makes, with where they live.
POLICY_PATHS: Final = {
    "TrafficTarget": ("access.smi-spec.io/v1alpha3", "traffictargets"),
    "HTTPRouteGroup": ("specs.smi-spec.io/v1alpha4", "httproutegroups"),
    "TCPRoute": ("specs.smi-spec.io/v1alpha4", "tcproutes"),
}


def policies(cluster: Cluster, namespace: str, owner: Owner) -> list[str]:
    """The SMI objects of a stack in a namespace, as ``Kind/namespace/name``; others are left out."""
    label = {"labelSelector": f"{STACK_LABEL}={owner.mark}"}
    return [
        f"{kind}/{namespace}/{item['metadata']['name']}"
        for kind, (version, plural) in POLICY_PATHS.items()
        for item in cluster.items(f"/apis/{version}/namespaces/{namespace}/{plural}", label)
    ]

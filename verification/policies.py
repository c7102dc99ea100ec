"""The SMI objects of this project on a cluster."""

from __future__ import annotations

from typing import Final

from cluster.client import Cluster
from model.drift import of_object
from model.owner import Owner

# The kinds of SMI objects that this project makes, with where they live.
POLICY_PATHS: Final = {
    "TrafficTarget": ("access.smi-spec.io/v1alpha3", "traffictargets"),
    "HTTPRouteGroup": ("specs.smi-spec.io/v1alpha4", "httproutegroups"),
    "TCPRoute": ("specs.smi-spec.io/v1alpha4", "tcproutes"),
}


def policies(cluster: Cluster, namespace: str, owner: Owner) -> dict[str, list[str]]:
    """The SMI objects of a stack in a namespace; others are left out.

    Returns:
        By ``Kind/namespace/name``, what others have written into what it says, as ``manager (fields)``.
    """
    label = owner.query
    return {
        f"{kind}/{namespace}/{item['metadata']['name']}": [
            f"{edit.manager} ({', '.join(fields)})"
            for edit in of_object(kind, item["metadata"])
            if (fields := [field for field in edit.fields if not field.startswith("metadata")])
        ]
        for kind, (version, plural) in POLICY_PATHS.items()
        for item in cluster.items(f"/apis/{version}/namespaces/{namespace}/{plural}", label)
    }

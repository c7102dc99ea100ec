"""Looking up where Services answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

from cluster.client import Cluster
from cluster.errors import OperationError


def look_up(cluster: Cluster, wanted: Sequence[str]) -> str:
    """Read the addresses and ports of Services.

    Args:
        cluster: The cluster.
        wanted: The Services, as ``namespace/name``.

    Returns:
        JSON: by ``namespace/name``, the ``clusterIP`` and the ``ports`` with ``name`` ("" for none) and ``port``.

    Raises:
        OperationError: A Service does not exist.
    """
    found = {}
    for service in wanted:
        namespace, name = service.split("/")
        item = cluster.get(f"/api/v1/namespaces/{namespace}/services/{name}")
        if item is None:
            raise OperationError(
                f"Service {service} does not exist, although its control plane is installed. "
                "This release names its Services differently, so its traffic can't be excluded from the mesh."
            )
        spec = item["spec"]
        found[service] = {
            "clusterIP": spec.get("clusterIP"),
            "ports": [{"name": port.get("name", ""), "port": port["port"]} for port in spec.get("ports", [])],
        }
    return json.dumps(found, sort_keys=True)

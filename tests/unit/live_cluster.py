"""A cluster in memory where both apps run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from model import names
from model.expectation import Expectation, ExpectedApp
from operations.cluster import Object

from .fake_cluster import FakeCluster

# One of the apps, in the mesh.
APP: Final = ExpectedApp(
    name="nodeapp",
    container="node",
    containers=("daprd", "envoy", "node"),
    init_containers=("osm-init",),
    service_account="nodeapp",
)


def pod(
    containers: tuple[str, ...] = APP.containers,
    init: tuple[str, ...] = APP.init_containers,
    account: str = APP.service_account,
    not_ready: tuple[str, ...] = (),
) -> dict[str, Any]:
    return {
        "metadata": {"name": "nodeapp-1"},
        "spec": {
            "containers": [{"name": name} for name in containers],
            "initContainers": [{"name": name} for name in init],
            "serviceAccountName": account,
        },
        "status": {
            "containerStatuses": [
                {"name": name, "ready": name not in not_ready, "restartCount": 0, "state": {"running": {}}}
                for name in containers
            ]
        },
    }


class LiveCluster(FakeCluster):
    """A cluster where both apps run, and time goes on a little with every look at nodeapp's log.

    Attributes:
        flowing: Whether an order arrives between two looks.
        through: How many of an order's calls each Envoy counts.
        refusing: How many calls the caller's Envoy refuses between two looks.
    """

    def __init__(self, expected: Expectation) -> None:
        super().__init__()
        self.flowing, self.through, self.refusing = True, 1, 0
        self._orders: list[str] = []
        self._sent = self._refused = 0
        for app in expected.apps:
            self.add(
                f"/apis/apps/v1/namespaces/{expected.namespace}/deployments/{app.name}",
                metadata={"generation": 2},
                spec={"replicas": 1, "selector": {"matchLabels": {"app": app.container}}},
                status={"observedGeneration": 2, "updatedReplicas": 1},
            )
            content = pod(app.containers, app.init_containers, app.service_account)
            content["metadata"] = {"labels": {"app": app.container}}
            self.add(self.pod_path(app.name), **content)

    @staticmethod
    def pod_path(app: str) -> str:
        return f"/api/v1/namespaces/dapr-test/pods/{app}-1"

    def deployment(self, app: str) -> Object:
        """An app's Deployment, to be changed by a test."""
        return self.objects[f"/apis/apps/v1/namespaces/dapr-test/deployments/{app}"]

    def allow(self) -> None:
        own = {"labels": {names.OWNER_LABEL: names.OWNER}}
        self.add(
            "/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/pythodapp-traffic-target",
            metadata=own,
        )
        self.add(
            "/apis/specs.smi-spec.io/v1alpha4/namespaces/dapr-test/httproutegroups/nodeapp-service-routes",
            metadata=own,
        )

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        if container != "node":
            return ["2024-05-01T12:00:00Z HTTP 500: ERR_DIRECT_INVOKE"]
        self._refused += self.refusing
        if self.flowing:
            self._sent += self.through
            stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
            number = len(self._orders) // 2 + 1
            self._orders += [
                f"{stamp} Got a new order! Order ID: {number}",
                f"{stamp} Successfully persisted state for Order ID: {number}",
            ]
        return list(self._orders)

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> str:
        pattern = unquote(path)
        counted = self._sent if "upstream_rq_total" in pattern else self._refused if pod == "pythonapp-1" else 0
        return json.dumps({"stats": [{"name": "matching", "value": counted}, {"histograms": {}}]})

"""What the program looks at before it begins, and a cluster where the apps of an expectation run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from cluster.client import Answer
from model.expectation import Expectation
from tests.unit.fake_cluster import FakeCluster
from verification.policies import POLICY_PATHS

from .recording import STACK

# More than any order is, where Envoys count bytes.
BYTES = 1000


MINE: Final = {"dapr-osm/stack": STACK}


def assert_only_looked(cluster: FakeCluster) -> None:
    """Fail where something was changed on the cluster; asking what an application would do changes nothing."""
    assert not (cluster.created or cluster.deleted or cluster.patched), "a check changes nothing"
    assert {query.get("dryRun") for _, query in cluster.applied} <= {"All"}, "a check changes nothing"


class LiveApps(FakeCluster):
    """Every app's pods are as expected, orders flow, every call arrives, and Envoys count all of it.

    Attributes:
        count: What every Envoy has counted so far; more with every look at a log and every call.
    """

    def __init__(self, expected: Expectation, policies: Iterable[str] = ()) -> None:
        """Run these apps, beside SMI objects that are named ``Kind/namespace/name``."""
        super().__init__()
        self.count = 0
        self._orders: list[str] = []
        for app in expected.apps:
            labels = {"app": app.name}
            home = f"/namespaces/{app.namespace}"
            self.add(
                f"/apis/apps/v1{home}/deployments/{app.name}",
                metadata={"generation": 1},
                spec={"replicas": 1, "selector": {"matchLabels": labels}},
                status={"observedGeneration": 1, "updatedReplicas": 1},
            )
            self.add(
                f"/api/v1{home}/pods/{app.name}-1",
                metadata={"labels": labels},
                spec={
                    "containers": [{"name": name} for name in app.containers],
                    "initContainers": [{"name": name} for name in app.init_containers],
                    "serviceAccountName": app.service_account,
                },
                status={
                    "containerStatuses": [
                        {"name": name, "ready": True, "restartCount": 0, "state": {"running": {}}}
                        for name in app.containers
                    ]
                },
            )
        for policy in policies:
            kind, namespace, name = policy.split("/")
            version, plural = POLICY_PATHS[kind]
            self.add(
                f"/apis/{version}/namespaces/{namespace}/{plural}/{name}",
                metadata={"labels": MINE},
            )

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        """One more order with every look."""
        self.count += BYTES
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        number = len(self._orders) // 2 + 1
        self._orders += [
            f"{stamp} Got a new order! Order ID: {number}",
            f"{stamp} Successfully persisted state for Order ID: {number}",
        ]
        return list(self._orders)

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        """An Envoy's counters, or an app that does not know the method."""
        if path.startswith("/stats"):
            counted = 0 if "rbac" in path else self.count
            return Answer(status=200, body=json.dumps({"stats": [{"name": "matching", "value": counted}]}))
        self.count += BYTES
        return Answer(status=404, body="Cannot GET that")

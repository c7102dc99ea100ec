"""A cluster in memory where the apps of a stack run, and call each other through their Envoys."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import pytest

from cluster.client import Answer, Object
from cluster.errors import OperationError
from model import names
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.expectation import Expectation, ExpectedApp
from model.owner import Owner
from verification import calls, envoy, order_stream, pods, verify
from verification.policies import POLICY_PATHS

from .fake_cluster import FakeCluster

# One of the apps, in the mesh.
APP: Final = ExpectedApp(
    name="nodeapp",
    namespace="dapr-test",
    container="node",
    containers=("daprd", "envoy", "node"),
    init_containers=("osm-init",),
    service_account="nodeapp",
)
# What an order and a tried call are, where Envoys count bytes.
CALL_BYTES: Final = 200
ARRIVED: Final = Answer(status=404, body="Cannot GET /dapr-osm-verification")
REFUSED: Final = Answer(status=500, body='{"errorCode":"ERR_DIRECT_INVOKE","message":"no route"}')
NO_ROUTE: Final = f"http.rds-outbound.{DAPR_INTERNAL_GRPC_PORT}.no_route"


def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have looks come one after the other, and quiet established at once."""
    for module in (pods, calls, order_stream, verify):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setattr(order_stream, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(calls, "CALL_SECONDS", 0)


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
    """A cluster where the apps run, and time goes on a little with every look at nodeapp's log.

    Out of the box it does what the expectation says; a test changes one thing of it.

    Attributes:
        expected: The expectation.
        flowing: Whether an order arrives between two looks.
        through: How many of an order's or a tried call's messages each Envoy counts.
        refusing: How many of pythonapp's calls its Envoy refuses between two looks.
        arriving: By caller and called app, whether a tried call arrives.
        probes_refused: How many calls an Envoy counts as refused when a tried call does not arrive.
        refusing_side: Which app's Envoy counts them: the "source" or the "destination" of the call.
        tried: The tried calls, as pod and path.
        listening: Whether Envoys listen for what their pods send: not where egress is off and nobody may be called.
        skew: By how much the nodes' clocks are ahead of ours.
        gone: Pods that don't answer the next time that they are asked.
        counters: What every pod's Envoy has counted, by ``namespace/pod`` and Envoy's name of the counter.
    """

    def __init__(self, expected: Expectation, replicas: int = 1) -> None:
        super().__init__()
        self.expected = expected
        orders = expected.call("pythonapp", "nodeapp")
        self.flowing = orders is not None and orders.allowed
        self.through, self.refusing = 1, 0 if self.flowing else 1
        self.arriving = {(call.source, call.destination): call.allowed for call in expected.calls}
        self.probes_refused, self.refusing_side = 1, "source"
        self.tried: list[tuple[str, str]] = []
        self.listening = True
        self.skew = timedelta(0)
        self.gone: set[str] = set()
        self.counters: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._orders: list[str] = []
        for app in expected.apps:
            self.add(
                self.deployment_path(app.name),
                metadata={"generation": 2},
                spec={"replicas": replicas, "selector": {"matchLabels": {"app": app.container}}},
                status={"observedGeneration": 2, "updatedReplicas": replicas},
            )
            for number in range(1, replicas + 1):
                content = pod(app.containers, app.init_containers, app.service_account)
                content["metadata"] = {"labels": {"app": app.container}}
                self.add(self.pod_path(app.name, number), **content)

    def namespace(self, app: str) -> str:
        return self.expected.app(app).namespace

    def pod_path(self, app: str, number: int = 1) -> str:
        return f"/api/v1/namespaces/{self.namespace(app)}/pods/{app}-{number}"

    def deployment_path(self, app: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace(app)}/deployments/{app}"

    def deployment(self, app: str) -> Object:
        """An app's Deployment, to be changed by a test."""
        return self.objects[self.deployment_path(app)]

    def allow(self, *references: str) -> None:
        """Put SMI objects there: these, or else the expected ones, or else the walkthrough's."""
        walkthrough = (
            f"TrafficTarget/dapr-test/{names.TRAFFIC_TARGET}",
            f"HTTPRouteGroup/dapr-test/{names.ROUTES}",
        )
        for reference in references or self.expected.policies or walkthrough:
            kind, namespace, name = reference.split("/")
            version, plural = POLICY_PATHS[kind]
            self.add(
                f"/apis/{version}/namespaces/{namespace}/{plural}/{name}",
                metadata={"labels": Owner(stack=self.expected.stack).labels},
            )

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        if container != "node":
            return ["2024-05-01T12:00:00Z HTTP 500: ERR_DIRECT_INVOKE"]
        if "pythonapp" in [app.name for app in self.expected.apps]:
            self.counters[f"{self.namespace('pythonapp')}/pythonapp-1"][NO_ROUTE] += self.refusing
        if self.flowing:
            self._cross("pythonapp", "pythonapp-1", "nodeapp")
            stamp = (datetime.now(UTC) + self.skew).isoformat().replace("+00:00", "Z")
            number = len(self._orders) // 2 + 1
            self._orders += [
                f"{stamp} Got a new order! Order ID: {number}",
                f"{stamp} Successfully persisted state for Order ID: {number}",
            ]
        return list(self._orders) if pod == "nodeapp-1" else []

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        if pod in self.gone:
            self.gone.remove(pod)
            raise OperationError(f"pod {pod} does not answer")
        if port == calls.DAPR_HTTP_PORT:
            return self._tried(pod, path)
        assert port == envoy.ADMIN_PORT
        if path == "/listeners?format=json":
            names = ["readiness_listener", "inbound-listener", *(["outbound-listener"] if self.listening else [])]
            return Answer(status=200, body=json.dumps({"listener_statuses": [{"name": name} for name in names]}))
        pattern = unquote(path.partition("filter=")[2])
        counted = self.counters[f"{namespace}/{pod}"].items()
        stats: list[Object] = [{"name": name, "value": value} for name, value in counted if re.search(pattern, name)]
        return Answer(status=200, body=json.dumps({"stats": [*stats, {"histograms": {}}]}))

    def _tried(self, pod: str, path: str) -> Answer:
        self.tried.append((pod, path))
        source = pod.rpartition("-")[0]
        found = re.fullmatch(r"/v1\.0/invoke/([a-z0-9-]+)(?:\.([a-z0-9-]+))?/method/dapr-osm-verification", path)
        assert found is not None, path
        destination, namespace = found.groups()
        assert (namespace or self.namespace(source)) == self.namespace(destination), "daprd would not find it there"
        if self.arriving[source, destination]:
            self._cross(source, pod, destination)
            return ARRIVED
        if self.refusing_side == "source":
            self.counters[f"{self.namespace(source)}/{pod}"][NO_ROUTE] += self.probes_refused
        else:
            self.counters[f"{self.namespace(destination)}/{destination}-1"]["network-rbac.denied"] += (
                self.probes_refused
            )
        return REFUSED

    def _cross(self, source: str, pod: str, destination: str) -> None:
        """Count a call at both Envoys, with the counters that the way has."""
        home = self.namespace(destination)
        # A connection carries any number of calls, of which an Envoy that sees connections only knows nothing.
        counter, much = ("rq", self.through) if self.expected.by_http else ("cx_tx_bytes", self.through * CALL_BYTES)
        ways = {
            f"{self.namespace(source)}/{pod}": envoy.outbound_cluster(home, destination),
            f"{home}/{destination}-1": envoy.inbound_cluster(home, destination),
        }
        for where, way in ways.items():
            self.counters[where][f"cluster.{way}.upstream_{counter}_total"] += much

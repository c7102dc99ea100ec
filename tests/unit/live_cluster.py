"""A cluster where the apps run: what a stage promises happens, until a test changes one thing of it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import unquote

import pytest

from cluster.client import Answer, Object
from cluster.errors import OperationError
from model import names
from model.exclusions import DAPR_INTERNAL_GRPC_PORT as PORT
from model.expectation import Expectation, ExpectedApp
from model.owner import Owner
from model.policies import Call
from verification import alive, calls, daprd, envoy, order_stream, pods, verify, who
from verification.policies import POLICY_PATHS

from .fake_cluster import FakeCluster

# One of the apps, in the mesh.
APP: Final = ExpectedApp(
    name="nodeapp",
    namespace="dapr-test",
    port=3000,
    container="node",
    containers=("daprd", "envoy", "node"),
    init_containers=("osm-init",),
    service_account="nodeapp",
)
# What an order and a tried call are, where Envoys count bytes.
CALL_BYTES: Final = 200
ARRIVED: Final = Answer(status=404, body="Cannot GET /dapr-osm-verification")
NO_ROUTE: Final = f"http.mesh-http-conn-manager.rds-outbound.{PORT}.no_route"
NO_WAY: Final = "listener.0.0.0.0_15001.no_filter_chain_match"
NOT_OF_THE_MESH: Final = "listener.0.0.0.0_15003.no_filter_chain_match"
DENIED: Final = "network-rbac.denied"


def failed(error: str) -> Answer:
    """What the caller's daprd makes of a call that has failed."""
    message = f"failed to invoke, id: some, err: {error}"
    return Answer(status=500, body=json.dumps({"errorCode": "ERR_DIRECT_INVOKE", "message": message}))


UNREACHED: Final = failed('rpc error: code = Unavailable desc = error reading server preface: EOF"')
APP_DEAD: Final = failed(
    "rpc error: code = Internal desc = error invoking app channel: dial tcp 127.0.0.1:3000: connection refused"
)
ACL: Final = Answer(
    status=403,
    body=failed("rpc error: code = PermissionDenied desc = access control policy has denied access to id: x").body,
)


class Clock(threading.local):
    """Time that goes on by sleeping alone, and for each thread by its own: a busy machine takes nothing of it."""

    now = 0.0

    def monotonic(self) -> float:
        """Seconds since the thread began; a look takes a little."""
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time go on."""
        self.now += seconds
        time.sleep(0)


CLOCK: Final = Clock()


def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have looks come one after the other by :data:`CLOCK`, and quiet established at once."""
    # As for the threads of this test, which are new.
    CLOCK.now = 0.0
    for module in (pods, calls, order_stream, verify, who, alive):
        monkeypatch.setattr(module, "time", CLOCK)
        monkeypatch.setattr(module, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(order_stream, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(verify, "LIVE_SECONDS", 0.05)


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
        refusing: How many of pythonapp's orders the mesh refuses between two looks.
        led: The calls that the caller's Envoys know a way for.
        let_in: The calls that the called app's Envoys let in.
        egress: Whether Envoys send on what they know no way for.
        counting: Whether a refusal is counted.
        answering: What the caller's daprd says to a call, instead of what follows from the rest.
        dead: Apps that do not answer their daprd.
        listening: Whether Envoys listen for what their pods send: not where egress is off and nobody may be called.
        store: How daprd answers a question for the state store's content.
        tried: The tried calls, as pod and path; not those by which an app's own daprd asks it.
        asked: How often pods were asked.
        skew: By how much the nodes' clocks are ahead of ours.
        gone: Pods that don't answer the next time that they are asked.
        logging: The pod that gets the orders.
        counters: What every pod's Envoy has counted, by ``namespace/pod`` and Envoy's name of the counter.
        passed: The connections that it sent on as they were, by ``namespace/pod`` and address.
    """

    def __init__(self, expected: Expectation, replicas: int = 1) -> None:
        super().__init__()
        self.expected = expected
        allowed = {call for call, passes in expected.calls.items() if passes}
        self.flowing = Call(source="pythonapp", destination="nodeapp") in allowed
        self.through, self.refusing = 1, 0 if self.flowing else 1
        self.led, self.let_in = set(allowed), set(allowed)
        self.egress, self.counting, self.listening = True, True, True
        self.answering: dict[tuple[str, str], Answer] = {}
        self.dead: set[str] = set()
        self.store = Answer(status=204, body="")
        self.tried: list[tuple[str, str]] = []
        self.asked = 0
        self.skew = timedelta(0)
        self.gone: set[str] = set()
        self.logging = "nodeapp-1"
        self.counters: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.passed: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._orders: list[str] = []
        self.replicas = replicas
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
                content["status"]["podIP"] = self.address(app.name, number)
                self.add(self.pod_path(app.name, number), **content)

    def namespace(self, app: str) -> str:
        return self.expected.app(app).namespace

    def address(self, app: str, number: int = 1) -> str:
        """A pod's IP address."""
        return f"10.0.{[one.name for one in self.expected.apps].index(app)}.{number}"

    def pod_path(self, app: str, number: int = 1) -> str:
        return f"/api/v1/namespaces/{self.namespace(app)}/pods/{app}-{number}"

    def deployment_path(self, app: str) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace(app)}/deployments/{app}"

    def deployment(self, app: str) -> Object:
        """An app's Deployment, to be changed by a test."""
        return self.objects[self.deployment_path(app)]

    def permit(self, source: str, destination: str, *, really: bool = True) -> None:
        """Have both sides' Envoys let a call pass, or not."""
        call = Call(source=source, destination=destination)
        for calls_of_a_side in (self.led, self.let_in):
            calls_of_a_side.add(call) if really else calls_of_a_side.discard(call)

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
        has_caller = "pythonapp" in [app.name for app in self.expected.apps]
        for number in range(1, self.replicas + 1) if has_caller and self.refusing else ():
            self._refuse(f"pythonapp-{number}", Call(source="pythonapp", destination="nodeapp"))
        if self.flowing:
            self._cross("pythonapp", "pythonapp-1", "nodeapp")
            stamp = (datetime.now(UTC) + self.skew).isoformat().replace("+00:00", "Z")
            number = len(self._orders) // 2 + 1
            self._orders += [
                f"{stamp} Got a new order! Order ID: {number}",
                f"{stamp} Successfully persisted state for Order ID: {number}",
            ]
        return list(self._orders) if pod == self.logging else []

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        self.asked += 1
        if pod in self.gone:
            self.gone.remove(pod)
            raise OperationError(f"pod {pod} does not answer")
        if port == daprd.HTTP_PORT:
            return self.store if path.startswith("/v1.0/state/") else self._invoke(pod, path)
        assert port == envoy.ADMIN_PORT
        return Answer(status=200, body=json.dumps(self._admin(namespace, pod, path)))

    # --- the Envoys ---------------------------------------------------------------------------------------------

    def _admin(self, namespace: str, pod: str, path: str) -> Any:
        app = pod.rpartition("-")[0]
        if path == "/config_dump?resource=dynamic_listeners":
            return listeners(
                ways=self._led_from(app),
                callers=self._let_into(app),
                http=self.expected.by_http,
                egress=self.egress,
                listening=self.listening,
            )
        if path == "/config_dump?resource=dynamic_route_configs":
            return routes(self._led_from(app), self._let_into(app), envoy.inbound_cluster(namespace, app))
        if path == "/clusters?format=json":
            return clusters(self.passed[f"{namespace}/{pod}"])
        assert path.startswith("/stats?format=json&filter="), path
        pattern = unquote(path.partition("filter=")[2])
        counted = list(self.counters[f"{namespace}/{pod}"].items())
        found: list[Object] = [{"name": name, "value": value} for name, value in counted if re.search(pattern, name)]
        return {"stats": [*found, {"histograms": {}}]}

    def _led_from(self, app: str) -> list[str]:
        return [
            f"{self.namespace(call.destination)}/{call.destination}" for call in sorted(self.led) if call.source == app
        ]

    def _let_into(self, app: str) -> list[str] | None:
        if not self.expected.enforces:
            return None
        return [
            envoy.identity(self.namespace(call.source), self.expected.app(call.source).service_account)
            for call in sorted(self.let_in)
            if call.destination == app
        ]

    # --- the daprds ---------------------------------------------------------------------------------------------

    def _invoke(self, pod: str, path: str) -> Answer:
        source = pod.rpartition("-")[0]
        found = re.fullmatch(r"/v1\.0/invoke/([a-z0-9-]+)(?:\.([a-z0-9-]+))?/method/dapr-osm-verification", path)
        assert found is not None, path
        destination, namespace = found.groups()
        assert (namespace or self.namespace(source)) == self.namespace(destination), "daprd would not find it there"
        if source == destination:
            return failed("dial tcp 127.0.0.1:3000: connection refused") if source in self.dead else ARRIVED
        self.tried.append((pod, path))
        call = Call(source=source, destination=destination)
        if answer := self.answering.get((source, destination)):
            return answer
        if self.expected.through_envoys and not self._passes(pod, call):
            return UNREACHED
        self._cross(source, pod, destination)
        return APP_DEAD if destination in self.dead else ARRIVED

    def _passes(self, pod: str, call: Call) -> bool:
        if self.listening and call in self.led and (call in self.let_in or not self.expected.enforces):
            return True
        self._refuse(pod, call)
        return False

    def _refuse(self, pod: str, call: Call) -> None:
        """Count a refusal where an Envoy would."""
        if not (self.counting and self.listening):
            return
        caller = f"{self.namespace(call.source)}/{pod}"
        called = f"{self.namespace(call.destination)}/{call.destination}-1"
        if call in self.led:
            way = envoy.outbound_cluster(self.namespace(call.destination), call.destination)
            self.counters[caller][f"cluster.{way}.upstream_{'rq' if self.expected.by_http else 'cx'}_total"] += 1
            self.counters[called][DENIED] += 1
        elif self.egress:
            self.passed[caller][self.address(call.destination)] += 1
            self.counters[called][NOT_OF_THE_MESH] += 1
        else:
            self.counters[caller][NO_WAY] += 1

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


# --- an Envoy's configuration, as OSM writes it --------------------------------------------------------------------


def listeners(
    *,
    ways: Iterable[str] = (),
    callers: Iterable[str] | None = (),
    http: bool = True,
    egress: bool = True,
    listening: bool = True,
) -> Any:
    """``/config_dump?resource=dynamic_listeners``.

    Args:
        ways: The apps that the caller's side knows a way to, as ``namespace/app``.
        callers: The identities that the called side lets in; None for everybody, without a filter that asks.
        http: Whether the port is HTTP's.
        egress: Whether what matches nothing is sent on.
        listening: Whether there is a listener for what the pod sends.
    """
    protocol = "http" if http else "tcp"
    out = {
        "name": "outbound-listener",
        "filter_chains": [
            {
                "name": f"outbound_{way}-dapr_{port}_{protocol if port == PORT else 'http'}",
                "filter_chain_match": {"destination_port": port},
                "filters": [],
            }
            for way in ways
            for port in (PORT, 80)
        ],
        **({"default_filter_chain": {"name": "outbound-egress-filter-chain"}} if egress else {}),
    }
    filters = [] if callers is None else [network_rbac(callers)]
    inbound = {
        "name": "inbound-listener",
        "filter_chains": [
            {
                "name": f"inbound_some-dapr_{port}_{protocol}",
                "filter_chain_match": {"destination_port": port},
                "filters": filters,
            }
            for port in (PORT, 80)
        ],
    }
    return {"configs": [{"active_state": {"listener": one}} for one in ([out] if listening else []) + [inbound]]}


def network_rbac(callers: Iterable[str]) -> Any:
    """The filter that asks who connects; without a policy it lets in nobody."""
    rules = {"policies": {"some-target": policy(callers)}} if list(callers) else {}
    kind = "type.googleapis.com/envoy.extensions.filters.network.rbac.v3.RBAC"
    return {"name": "l4_rbac", "typed_config": {"@type": kind, "stat_prefix": "network-", "rules": rules}}


def policy(callers: Iterable[str] | None) -> Any:
    """A policy of RBAC rules."""
    named = [{"authenticated": {"principal_name": {"exact": caller}}} for caller in callers or ()]
    return {"principals": [{"any": True}] if callers is None else named, "permissions": [{"any": True}]}


def routes(ways: Iterable[str], callers: Iterable[str] | None, local: str) -> Any:
    """``/config_dump?resource=dynamic_route_configs``."""
    out = [
        {"routes": [{"route": {"weighted_clusters": {"clusters": [{"name": f"{way}-dapr|{PORT}"}]}}}]} for way in ways
    ]
    per_route = {"http_rbac": {"rbac": {"rules": {"policies": {"rbac-for-route": policy(callers)}}}}}
    route = {"route": {"cluster": local}, "typed_per_filter_config": per_route}
    inbound = [{"routes": [route] if callers is None or list(callers) else []}]
    tables = {f"rds-outbound.{PORT}": out, f"rds-inbound.{PORT}": inbound, "rds-outbound.80": []}
    return {"configs": [{"route_config": {"name": name, "virtual_hosts": hosts}} for name, hosts in tables.items()]}


def clusters(passed: dict[str, int]) -> Any:
    """``/clusters?format=json``."""
    hosts = [
        {
            "address": {"socket_address": {"address": address, "port_value": PORT}},
            "stats": [{"name": "cx_total", "value": str(count)}, {"name": "cx_connect_fail"}],
        }
        for address, count in list(passed.items())
    ]
    return {"cluster_statuses": [{"name": "passthrough-outbound", "host_statuses": hosts}, {"name": "other"}]}

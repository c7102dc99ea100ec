"""The walkthrough's own proof: new orders are persisted (steps 1, 9 and 10), or stop where the mesh denies them."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cluster.client import Cluster, Object
from cluster.diagnosis import container_trouble, explain
from cluster.errors import OperationError, VerificationError, lines
from cluster.waiting import Causes, Workload
from model import names
from model.apps import NODE_APP, PYTHON_APP
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.expectation import Expectation
from model.owner import Owner
from verification import alive, refusals
from verification.envoy import Rules
from verification.orders import Orders, orders_since, timestamp
from verification.pods import is_living, restarts
from verification.refusals import Way

# So many new orders must be persisted: pythonapp posts one a second.
WANTED_ORDERS: Final = 3
# For so long no order may arrive. Longer than the five seconds that a call may hang before it fails.
QUIET_SECONDS: Final = 8
POLL_SECONDS: Final = 0.5
# A log that was silent for so long has nothing in it that could be taken for a new order.
LOOK_BACK_SECONDS: Final = 10
BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
# What an order is at the least where Envoys count bytes: its JSON, and Dapr's message around it.
ORDER_BYTES: Final = 64


@dataclass(frozen=True, kw_only=True)
class OrderStream:
    """The orders that pythonapp posts and nodeapp persists.

    Attributes:
        cluster: The cluster.
        expected: What must be seen.
        way: The pods on both sides.
        rules: The rules of the caller's Envoys, by pod; none where Envoys are not asked.
        deadline: Until when to wait, on the monotonic clock.
    """

    cluster: Cluster
    expected: Expectation
    way: Way
    rules: Mapping[str, Rules]
    deadline: float

    def check(self, *, allowed: bool) -> dict[str, Any]:
        """Wait until orders flow, or have stopped; what was seen, as plain lists and dictionaries.

        Raises:
            VerificationError: They do not; says why.
        """
        return self._flow() if allowed else self._stop()

    def _flow(self) -> dict[str, Any]:
        """Wait for new orders to be persisted, and see that their calls crossed both Envoys."""
        before = refusals.look(self.cluster, self.way) if self.rules else None
        start, began = self._now(), time.monotonic()
        causes = Causes(cluster=self.cluster, workloads=self._workloads(), error=VerificationError)
        while len((orders := self._orders(start, began)).persisted) < WANTED_ORDERS:
            causes.end(f"stage {self.expected.stage}: orders must flow, and don't")
            if time.monotonic() > self.deadline:
                seconds = round(time.monotonic() - began)
                raise self._error(
                    f"orders must flow, but in {seconds} s {NODE_APP} got {orders.received} and "
                    f"persisted {len(orders.persisted)} of the {WANTED_ORDERS} that were waited for:",
                    self._why(),
                )
            time.sleep(POLL_SECONDS)
        count = len(orders.persisted)
        findings: dict[str, Any] = {"persisted": count, "verdict": f"{count} new orders were persisted"}
        if before is not None:
            counts = list(refusals.by_caller(before, refusals.look(self.cluster, self.way)).values())
            crossed = {
                f"{PYTHON_APP}'s Envoy": sum(one.sent for one in counts),
                # Each caller's look holds all that the called app's Envoys have counted.
                f"{NODE_APP}'s Envoy": max(one.received for one in counts),
            }
            by_http = self.expected.by_http
            # The first of them may have been on its way already when the counters were read.
            enough = (count - 1) * (1 if by_http else ORDER_BYTES)
            if bypassed := [side for side, sent in crossed.items() if sent < enough]:
                what = "calls" if by_http else "bytes"
                raise self._error(
                    f"{count} orders were persisted, but their calls bypassed the mesh: "
                    + "; ".join(f"{side} sent on {crossed[side]} {what} meanwhile" for side in bypassed)
                    + f". Is port {DAPR_INTERNAL_GRPC_PORT} excluded from interception somewhere?"
                )
            findings["callsThroughEnvoys" if by_http else "bytesThroughEnvoys"] = crossed
            findings["verdict"] += ", through both Envoys"
        return findings

    def _stop(self) -> dict[str, Any]:
        """Wait until no order arrives any more, while the mesh refuses them and everything else is well."""
        heard = False
        while not (heard and time.monotonic() > self.deadline):
            before = self._restarts()
            silence, how = self._listen()
            if how:
                self._check_all_is_well(before)
                verdict = f"no order arrived for {round(silence)} s, and {how}"
                return {"persisted": 0, "refusedByMesh": how, "verdict": verdict}
            if silence:
                raise self._error(
                    f"no order arrives, as it should be, but for {round(silence)} s no Envoy has refused one, "
                    "so it is not the mesh that stops them:",
                    self._why(),
                )
            heard = True
        raise self._error(
            f"orders must stop, but after {self.expected.seconds} s {NODE_APP} still gets them. "
            "Something allows the call: permissive mode, or an SMI policy of someone else's."
        )

    def _listen(self) -> tuple[float, str]:
        """Listen until an order arrives, or until a long silence in which the mesh refused orders, or time is up.

        Returns:
            The seconds of silence, and how the mesh refused orders in it: "" where it did not, or where an order
            arrived, after no silence. A silence that has begun is listened to until it is long enough, whatever the
            time.
        """
        start, began = self._now(), time.monotonic()
        before = refusals.look(self.cluster, self.way)
        while not self._orders(start, began).received:
            silence = time.monotonic() - began
            if silence >= QUIET_SECONDS:
                counts = refusals.by_caller(before, refusals.look(self.cluster, self.way))
                hows = [refusals.refused_by(self.way, self.rules[pod], one) for pod, one in counts.items()]
                # Each of the caller's pods sends orders.
                refused = [how for how in hows if how]
                if len(refused) == len(hows) or time.monotonic() > self.deadline:
                    return silence, "; ".join(dict.fromkeys(refused)) if len(refused) == len(hows) else ""
            time.sleep(POLL_SECONDS)
        return 0.0, ""

    def _now(self) -> Mapping[str, datetime]:
        """The moment, by the clock of each pod's node, which ours may differ from: just after its log's latest line."""
        moments = {}
        for pod in (pod.name for pod in self.way.destination_pods):
            stamps = (timestamp(line.partition(" ")[0]) for line in self._log(pod, LOOK_BACK_SECONDS))
            latest = max((stamp for stamp in stamps if stamp is not None), default=BEGINNING)
            moments[pod] = latest + timedelta(microseconds=1)
        return moments

    def _orders(self, start: Mapping[str, datetime], began: float) -> Orders:
        """Those that have come since the moment ``start``, which was ``began`` on the monotonic clock."""
        seconds = int(time.monotonic() - began) + 2
        # From each replica: the calls go to all of them in turn.
        found = [orders_since(self._log(pod.name, seconds), start[pod.name]) for pod in self.way.destination_pods]
        return Orders(
            received=sum(orders.received for orders in found),
            persisted=tuple(order for orders in found for order in orders.persisted),
        )

    def _log(self, pod: str, seconds: int) -> list[str]:
        container = self.expected.app(NODE_APP).container
        return self.cluster.logs(self.way.destination_namespace, pod, container, since_seconds=seconds)

    def _workloads(self) -> list[Workload]:
        """What an order passes: both apps and Redis, which is where the first of them is."""
        home = self.way.destination_namespace
        where = [(self.way.source_namespace, PYTHON_APP), (home, NODE_APP), (home, names.REDIS)]
        return [Workload(kind="Deployment", namespace=namespace, name=name) for namespace, name in where]

    def _concerned(self) -> list[tuple[Object, frozenset[str]]]:
        """The pods that an order passes, pythonapp's, nodeapp's and Redis's, each with its containers that matter."""
        matters = {
            **{pod.name: self._containers(PYTHON_APP) for pod in self.way.source_pods},
            **{pod.name: self._containers(NODE_APP) for pod in self.way.destination_pods},
        }
        redis = {"app": names.REDIS, **Owner(stack=self.expected.stack).labels}
        found = []
        for namespace in dict.fromkeys([self.way.source_namespace, self.way.destination_namespace]):
            for pod in filter(is_living, self.cluster.pods(namespace)):
                name = pod["metadata"]["name"]
                if name in matters:
                    found.append((pod, matters[name]))
                elif redis.items() <= (pod["metadata"].get("labels") or {}).items():
                    found.append((pod, frozenset({names.REDIS})))
        return found

    def _containers(self, app: str) -> frozenset[str]:
        return frozenset({*self.expected.app(app).containers, *self.expected.app(app).init_containers})

    def _restarts(self) -> dict[str, int]:
        """How often each container that matters has restarted, by pod and container."""
        return {
            f"{pod['metadata']['name']}/{container}": count
            for pod, matters in self._concerned()
            for container, count in restarts(pod, matters).items()
        }

    def _check_all_is_well(self, before: Mapping[str, int]) -> None:
        """Orders also stop when something falls over, which is not what this stage is about."""
        after = self._restarts()
        problems = [f"{name} restarted meanwhile" for name, count in after.items() if count != before.get(name, count)]
        problems += [f"{name} is gone" for name in before if name not in after]
        for pod, matters in self._concerned():
            name = pod["metadata"]["name"]
            problems += [f"pod {name}: {trouble}" for trouble in container_trouble(_only(pod, matters))]
        for called in self.way.destination_pods:
            trouble = alive.state_store_trouble(self.cluster, self.way.destination_namespace, called.name)
            problems += [trouble] if trouble else []
        if problems:
            raise self._error("orders stopped, but not because of the mesh:", problems)

    def _why(self) -> list[str]:
        """What a person would look at next: broken containers, the mesh's refusals, and what the caller was told."""
        namespace = self.way.source_namespace
        causes = explain(self.cluster, namespace, self.cluster.pods(namespace))
        container = self.expected.app(PYTHON_APP).container
        for pod in self.way.source_pods:
            log = self.cluster.logs(namespace, pod.name, container, since_seconds=30)
            if log:
                causes.append(f"pod {pod.name}, container {container}, says: {log[-1].partition(' ')[2]}")
        return causes + (self._refused_so_far() if self.rules else [])

    def _refused_so_far(self) -> list[str]:
        try:
            looks = refusals.look(self.cluster, self.way)
        except OperationError as error:
            return [str(error)]
        return [
            f"since its start, the Envoy of pod {pod} has refused {one.no_route + one.no_way} calls, those of "
            f"{NODE_APP} {one.not_of_the_mesh + one.denied}"
            for pod, one in looks.items()
        ]

    def _error(self, message: str, details: list[str] | None = None) -> VerificationError:
        return VerificationError(lines(f"stage {self.expected.stage}: {message}", details or []))


def _only(pod: Object, containers: Collection[str]) -> Object:
    """A pod without the containers that don't matter here: a team's own."""
    status = {
        key: [one for one in value if one["name"] in containers] if key.endswith("ontainerStatuses") else value
        for key, value in pod["status"].items()
    }
    return {**pod, "status": status}

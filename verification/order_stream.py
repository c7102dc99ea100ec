"""The walkthrough's own proof: new orders are persisted (steps 1, 9 and 10), or stop where the mesh denies them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cluster.client import Cluster, Object
from cluster.diagnosis import container_trouble, explain
from cluster.errors import VerificationError, lines
from model import names
from model.apps import NODE_APP, PYTHON_APP
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.expectation import Expectation
from verification.calls import Link, refused_so_far
from verification.orders import Orders, orders_since, timestamp
from verification.pods import is_living

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
        link: The pods on both sides.
        deadline: Until when to wait, on the monotonic clock.
    """

    cluster: Cluster
    expected: Expectation
    link: Link
    deadline: float

    def check(self, *, allowed: bool) -> dict[str, Any]:
        """Wait until orders flow, or have stopped; what was seen, as plain lists and dictionaries.

        Raises:
            VerificationError: They do not; says why.
        """
        return self._flow() if allowed else self._stop()

    def _flow(self) -> dict[str, Any]:
        """Wait for new orders to be persisted, and see that their calls crossed both Envoys."""
        before = self.link.crossed(self.cluster) if self.expected.through_envoys else None
        start, began = self._now(), time.monotonic()
        while len((orders := self._orders(start, began)).persisted) < WANTED_ORDERS:
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
            after = self.link.crossed(self.cluster)
            crossed = {side: after[side] - before[side] for side in after}
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
        """Wait until no order arrives any more, while the mesh refuses calls and everything else is well."""
        heard = False
        while not (heard and time.monotonic() > self.deadline):
            restarts = _restarts(self._concerned())
            silence, refused = self._listen()
            if refused or (silence and self.link.shut(self.cluster)):
                self._check_nothing_crashed(restarts)
                how = f"the mesh refused {refused} calls" if refused else f"{PYTHON_APP}'s Envoy lets nothing out"
                verdict = f"no order arrived for {round(silence)} s, and {how}"
                return {"persisted": 0, "refusedByMesh": refused, "verdict": verdict}
            if silence:
                raise self._error(
                    f"no order arrives, as it should be, but for {round(silence)} s neither Envoy has refused a call, "
                    "so it is not the mesh that stops them:",
                    self._why(),
                )
            heard = True
        raise self._error(
            f"orders must stop, but after {self.expected.seconds} s {NODE_APP} still gets them. "
            "Something allows the call: permissive mode, or an SMI policy of someone else's."
        )

    def _listen(self) -> tuple[float, int]:
        """Listen until an order arrives, or until a long silence in which the mesh refused calls, or time is up.

        Returns:
            The seconds of silence, and the calls that the mesh refused in it; zeros where an order arrived. A silence
            that has begun is listened to until it is long enough, whatever the time.
        """
        start, began = self._now(), time.monotonic()
        before = self.link.refused(self.cluster)
        while not self._orders(start, began).received:
            silence = time.monotonic() - began
            if silence >= QUIET_SECONDS:
                refused = self.link.refused(self.cluster) - before
                if refused > 0 or time.monotonic() > self.deadline or self.link.shut(self.cluster):
                    return silence, refused
            time.sleep(POLL_SECONDS)
        return 0.0, 0

    def _now(self) -> Mapping[str, datetime]:
        """The moment, by the clock of each pod's node, which ours may differ from: just after its log's latest line."""
        moments = {}
        for pod in self.link.destination_pods:
            stamps = (timestamp(line.partition(" ")[0]) for line in self._log(pod, LOOK_BACK_SECONDS))
            latest = max((stamp for stamp in stamps if stamp is not None), default=BEGINNING)
            moments[pod] = latest + timedelta(microseconds=1)
        return moments

    def _orders(self, start: Mapping[str, datetime], began: float) -> Orders:
        """Those that have come since the moment ``start``, which was ``began`` on the monotonic clock."""
        seconds = int(time.monotonic() - began) + 2
        found = [orders_since(self._log(pod, seconds), start[pod]) for pod in self.link.destination_pods]
        return Orders(
            received=sum(orders.received for orders in found),
            persisted=tuple(order for orders in found for order in orders.persisted),
        )

    def _log(self, pod: str, seconds: int) -> list[str]:
        container = self.expected.app(NODE_APP).container
        return self.cluster.logs(self.link.destination_namespace, pod, container, since_seconds=seconds)

    def _concerned(self) -> list[Object]:
        """The pods that an order passes: pythonapp's, nodeapp's and Redis's."""
        apps = {*self.link.source_pods, *self.link.destination_pods}
        return [
            pod
            for namespace in dict.fromkeys([self.link.source_namespace, self.link.destination_namespace])
            for pod in self.cluster.pods(namespace)
            if is_living(pod)
            and (pod["metadata"]["name"] in apps or (pod["metadata"].get("labels") or {}).get("app") == names.REDIS)
        ]

    def _check_nothing_crashed(self, before: dict[str, int]) -> None:
        """Orders also stop when something falls over, which is not what this stage is about."""
        pods = self._concerned()
        after = _restarts(pods)
        problems = [f"{name} restarted meanwhile" for name, count in after.items() if count != before.get(name, count)]
        problems += [f"{name} is gone" for name in before if name not in after]
        for pod in pods:
            problems += [f"pod {pod['metadata']['name']}: {trouble}" for trouble in container_trouble(pod)]
        if problems:
            raise self._error("orders stopped, but not because of the mesh:", problems)

    def _why(self) -> list[str]:
        """What a person would look at next: broken containers, the mesh's refusals, and what the caller was told."""
        namespace = self.link.source_namespace
        causes = explain(self.cluster, namespace, self.cluster.pods(namespace))
        container = self.expected.app(PYTHON_APP).container
        for pod in self.link.source_pods:
            log = self.cluster.logs(namespace, pod, container, since_seconds=30)
            if log:
                causes.append(f"pod {pod}, container {container}, says: {log[-1].partition(' ')[2]}")
        if self.expected.through_envoys:
            causes.append(refused_so_far(self.cluster, self.link))
        return causes

    def _error(self, message: str, details: list[str] | None = None) -> VerificationError:
        return VerificationError(lines(f"stage {self.expected.stage}: {message}", details or []))


def _restarts(pods: Iterable[Object]) -> dict[str, int]:
    """How often each container of these pods has restarted."""
    return {
        f"{pod['metadata']['name']}/{container['name']}": int(container["restartCount"])
        for pod in pods
        for container in pod["status"].get("containerStatuses", [])
    }

"""Calls between apps: how many crossed the mesh, how many it refused, and trying one.

A call is tried as the caller's app would make it: by asking the daprd in the caller's pod, on its loopback, to invoke a
method that the called app does not know. An answer of the app's own, mostly a 404, shows that the call arrived.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from cluster.client import Cluster
from cluster.errors import OperationError, VerificationError, lines
from cluster.progress import say
from model.expectation import Expectation, ExpectedCall
from verification import envoy
from verification.pods import Pods

# Source: Dapr's HTTP API, by which an app talks to its own daprd.
DAPR_HTTP_PORT: Final = 3500
# What daprd says where a call did not reach the other daprd, or that one not its app.
NOT_ARRIVED: Final = "ERR_DIRECT_INVOKE"
# A method that no app has; nothing happens where it arrives.
PROBE_METHOD: Final = "dapr-osm-verification"
POLL_SECONDS: Final = 1.0
# Every call is tried for so long at the least, however long those before it took.
CALL_SECONDS: Final = 20


@dataclass(frozen=True, kw_only=True)
class Link:
    """The pods on both sides of a call.

    Attributes:
        source: The caller's app id.
        source_namespace: Where its pods are.
        source_pods: Their names.
        destination: The called app's id.
        destination_namespace: Where its pods are.
        destination_pods: Their names.
        by_http: Whether Envoys see calls; else they see connections.
    """

    source: str
    source_namespace: str
    source_pods: tuple[str, ...]
    destination: str
    destination_namespace: str
    destination_pods: tuple[str, ...]
    by_http: bool

    @classmethod
    def of(cls, expected: Expectation, call: ExpectedCall, pods: Pods) -> Link:
        """The pods of a call."""
        return cls(
            source=call.source,
            source_namespace=expected.app(call.source).namespace,
            source_pods=pods[call.source],
            destination=call.destination,
            destination_namespace=expected.app(call.destination).namespace,
            destination_pods=pods[call.destination],
            by_http=expected.by_http,
        )

    def __str__(self) -> str:
        """As an arrow."""
        return f"{self.source} -> {self.destination}"

    def crossed(self, cluster: Cluster) -> dict[str, int]:
        """How much each side's Envoys have sent on so far: calls, or bytes where they see connections only."""
        namespace = self.destination_namespace
        sides = {
            f"{self.source}'s Envoy": (
                self.source_namespace,
                self.source_pods,
                envoy.outbound_cluster(namespace, self.destination),
            ),
            f"{self.destination}'s Envoy": (
                namespace,
                self.destination_pods,
                envoy.inbound_cluster(namespace, self.destination),
            ),
        }
        return {
            side: sum(envoy.sent_to(cluster, home, pod, way, by_http=self.by_http) for pod in group)
            for side, (home, group, way) in sides.items()
        }

    def refused(self, cluster: Cluster) -> int:
        """How many calls or connections the Envoys of both sides have refused so far, whoever made them."""
        return sum(envoy.refused(cluster, self.source_namespace, pod) for pod in self.source_pods) + sum(
            envoy.refused(cluster, self.destination_namespace, pod) for pod in self.destination_pods
        )

    def shut(self, cluster: Cluster) -> bool:
        """Whether the caller's Envoys let nothing out at all: refusals that nobody counts."""
        return all(envoy.lets_nothing_out(cluster, self.source_namespace, pod) for pod in self.source_pods)

    def arrives(self, cluster: Cluster, pod: str) -> tuple[bool, str]:
        """Try the call from one of the caller's pods; whether it arrived, and what daprd said."""
        path = f"/v1.0/invoke/{self._address}/method/{PROBE_METHOD}"
        answer = cluster.http_from_pod(self.source_namespace, pod, DAPR_HTTP_PORT, path)
        return NOT_ARRIVED not in answer.body, f"{answer.status} {answer.body.strip()}"[:300]

    @property
    def _address(self) -> str:
        # Dapr's own way of naming an app of another namespace.
        other = self.destination_namespace != self.source_namespace
        return f"{self.destination}.{self.destination_namespace}" if other else self.destination


def check_calls(cluster: Cluster, expected: Expectation, pods: Pods, deadline: float) -> dict[str, str]:
    """Try every call that could be made between the apps, from every pod of the caller's.

    Args:
        cluster: The cluster.
        expected: Says which calls must arrive, and which the mesh must refuse.
        pods: The apps' pods.
        deadline: Until when to try again at the least, on the monotonic clock.

    Returns:
        By call, as an arrow, what was seen.

    Raises:
        VerificationError: A call arrives that must not, or does not although it must, or is stopped by something else
            than the mesh.
    """
    seen = {}
    for call in expected.calls:
        link = Link.of(expected, call, pods)
        for pod in link.source_pods:
            until = max(deadline, time.monotonic() + CALL_SECONDS)
            while problem := _problem(cluster, expected, link, pod, allowed=call.allowed):
                if time.monotonic() > until:
                    raise VerificationError(lines(f"stage {expected.stage}: {link}, tried from pod {pod}:", [problem]))
                time.sleep(POLL_SECONDS)
        seen[str(link)] = _verdict(expected, call)
    if seen:
        say(f"stage {expected.stage}: {'; '.join(f'{link} {verdict}' for link, verdict in seen.items())}")
    return seen


def _verdict(expected: Expectation, call: ExpectedCall) -> str:
    if not call.allowed:
        return "is refused by the mesh"
    return "arrives through both Envoys" if expected.through_envoys else "arrives"


def _problem(cluster: Cluster, expected: Expectation, link: Link, pod: str, *, allowed: bool) -> str | None:
    """Try a call once; what is wrong with what happened."""
    before = _counts(cluster, expected, link)
    arrived, said = link.arrives(cluster, pod)
    after = _counts(cluster, expected, link)
    more = {name: after[name] - count for name, count in before.items()}
    refused = more.pop("refused", 0)
    if not allowed:
        if arrived:
            return f"the call must be refused, but it arrived: {said}"
        return (
            None if refused or link.shut(cluster) else f"the call does not arrive, but no Envoy has refused it: {said}"
        )
    if not arrived:
        return f"the call must arrive, but daprd says: {said} (the Envoys refused {refused} calls meanwhile)"
    bypassed = [side for side, count in more.items() if count < 1]
    return f"the call arrived, but not through {' nor '.join(bypassed)}" if bypassed else None


def _counts(cluster: Cluster, expected: Expectation, link: Link) -> dict[str, int]:
    if not expected.through_envoys:
        return {}
    return {**link.crossed(cluster), "refused": link.refused(cluster)}


def refused_so_far(cluster: Cluster, link: Link) -> str:
    """A line for a person who looks for a cause."""
    try:
        return f"the Envoys of {link.source} and {link.destination} have refused {link.refused(cluster)} calls so far"
    except OperationError as error:
        return str(error)

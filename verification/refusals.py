"""Who refused a call: both sides' Envoys are looked at just before and just after it.

A counter of the whole mesh says nothing of one pair of apps: another caller's refusals count too. So a refusal counts
where the caller's own Envoy shows that this very way is closed: by the rules that it has, and by what it counted for
this called app.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cluster.client import Cluster
from verification import envoy
from verification.envoy import Rules
from verification.pods import Pod


@dataclass(frozen=True, kw_only=True)
class Way:
    """The way from some pods of one app to another app.

    Attributes:
        source: The caller's app id.
        source_namespace: Where its pods are.
        source_pods: Those that are looked at.
        destination: The called app's id.
        destination_namespace: Where its pods are.
        destination_pods: All of them.
        by_http: Whether Envoys see calls; else they see connections.
    """

    source: str
    source_namespace: str
    source_pods: tuple[Pod, ...]
    destination: str
    destination_namespace: str
    destination_pods: tuple[Pod, ...]
    by_http: bool

    def __str__(self) -> str:
        """As an arrow."""
        return f"{self.source} -> {self.destination}"

    @property
    def cluster(self) -> str:
        """Its name in the caller's Envoys."""
        return envoy.outbound_cluster(self.destination_namespace, self.destination)

    @property
    def address(self) -> str:
        """The called app, as Dapr names it for the caller."""
        other = self.destination_namespace != self.source_namespace
        return f"{self.destination}.{self.destination_namespace}" if other else self.destination


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What Envoys have counted.

    Attributes:
        sent: What a caller's has sent to the called app: calls, or bytes where it sees connections only.
        tried: The calls, or connections, that it made for that.
        no_route: What it refused because there is no route to the host.
        no_way: What it refused because there is no way at all.
        passed: The connections that it sent on, as they were, to the called app's pods.
        received: What the called app's have sent to their daprd.
        not_of_the_mesh: Connections that those refused because they were not the mesh's own.
        denied: What those refused because no policy lets the caller in.
    """

    sent: int = 0
    tried: int = 0
    no_route: int = 0
    no_way: int = 0
    passed: int = 0
    received: int = 0
    not_of_the_mesh: int = 0
    denied: int = 0

    def since(self, before: Counts) -> Counts:
        """What was counted since. One that has become less has begun anew."""
        now = {one.name: getattr(self, one.name) for one in fields(self)}
        return Counts(
            **{name: value if value < (was := getattr(before, name)) else value - was for name, value in now.items()}
        )


def look(cluster: Cluster, way: Way) -> dict[str, Counts]:
    """What the Envoys of both sides have counted so far, by the caller's pods.

    Raises:
        OperationError: An Envoy does not answer.
    """
    called = [_called(cluster, way, pod) for pod in way.destination_pods]
    together = {name: sum(found[name] for found in called) for name in ("received", "not_of_the_mesh", "denied")}
    return {pod.name: Counts(**_caller(cluster, way, pod), **together) for pod in way.source_pods}


def _caller(cluster: Cluster, way: Way, pod: Pod) -> dict[str, int]:
    found = envoy.counted(
        cluster,
        way.source_namespace,
        pod.name,
        {
            "sent": envoy.sent_counter(way.cluster, by_http=way.by_http),
            "tried": envoy.tried_counter(way.cluster, by_http=way.by_http),
            "no_route": envoy.NO_ROUTE,
            "no_way": envoy.NO_WAY_OUT,
        },
    )
    addresses = frozenset(pod.address for pod in way.destination_pods)
    return {**found, "passed": envoy.passed_on(cluster, way.source_namespace, pod.name, addresses)}


def _called(cluster: Cluster, way: Way, pod: Pod) -> dict[str, int]:
    inbound = envoy.inbound_cluster(way.destination_namespace, way.destination)
    return envoy.counted(
        cluster,
        way.destination_namespace,
        pod.name,
        {
            "received": envoy.sent_counter(inbound, by_http=way.by_http),
            "not_of_the_mesh": envoy.NOT_OF_THE_MESH,
            "denied": envoy.DENIED,
        },
    )


def refused_by(way: Way, caller: Rules, counts: Counts) -> str | None:
    """How the mesh refused this way's calls.

    Args:
        way: The way.
        caller: The rules of the caller's Envoy.
        counts: What was counted meanwhile.

    Returns:
        Whose Envoy refused them and why; None where none did.
    """
    if not caller.listens:
        return f"{way.source}'s Envoy lets nothing out"
    if way.cluster in caller.ways:
        # It is sent on its way; the other side asks who it is.
        return f"{way.destination}'s Envoy lets {way.source} not in" if counts.tried and counts.denied else None
    if counts.no_route:
        return f"{way.source}'s Envoy has no route to {way.destination}"
    if counts.no_way:
        return f"{way.source}'s Envoy has no way to {way.destination}"
    if counts.passed and counts.not_of_the_mesh:
        return f"{way.destination}'s Envoy turns away what is not the mesh's own, and {way.source}'s has no other way"
    return None


def bypassed(way: Way, counts: Counts, least: int = 1) -> list[str]:
    """The sides whose Envoys have seen less than this of what arrived."""
    seen = {f"{way.source}'s Envoy": counts.sent, f"{way.destination}'s Envoy": counts.received}
    return [side for side, count in seen.items() if count < least]


def by_caller(before: Mapping[str, Counts], after: Mapping[str, Counts]) -> dict[str, Counts]:
    """What was counted between two looks, by the caller's pods."""
    return {pod: counts.since(before[pod]) for pod, counts in after.items()}

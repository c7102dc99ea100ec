"""Live calls between apps: the few that are tried, side by side, and what both sides' Envoys made of each.

A call is tried as the caller's app would make it: by asking the daprd in the caller's pod, on its loopback, to invoke a
method that the called app does not know.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from cluster.client import Cluster, parallel
from cluster.errors import VerificationError, lines
from cluster.progress import say
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.expectation import Expectation
from model.policies import Call
from verification import daprd, refusals
from verification.alive import Answers
from verification.daprd import Said, Whose
from verification.pods import Pod, Pods
from verification.refusals import Counts, Way
from verification.sample import sample
from verification.who import Configured

POLL_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Tried:
    """A call that was tried.

    Attributes:
        call: The call.
        verdict: What was seen, or None where it was not as promised.
        problem: What was wrong with it, or None.
    """

    call: Call
    verdict: str | None = None
    problem: str | None = None

    def __str__(self) -> str:
        """As an arrow."""
        return f"{self.call.source} -> {self.call.destination}"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """What is needed to try calls.

    Attributes:
        cluster: The cluster.
        expected: What must be seen.
        pods: The apps' pods.
        configured: The rules of their Envoys; none where there is no mesh.
        answers: How the apps answer their own daprd.
        deadline: Until when to try again, on the monotonic clock.
    """

    cluster: Cluster
    expected: Expectation
    pods: Pods
    configured: Configured
    answers: Answers
    deadline: float

    def check(self) -> dict[str, str]:
        """Try each call of the sample, from one of the caller's pods.

        Returns:
            By call, as an arrow, what was seen.

        Raises:
            VerificationError: A call arrives that must not, or does not although it must, or is stopped by something
                else than the mesh. All that are so are told.
        """
        tried = parallel(
            partial(self._try, call, allowed, number)
            for number, (call, allowed) in enumerate(sample(self.expected).items())
        )
        if problems := [f"{one}: {one.problem}" for one in tried if one.problem]:
            raise VerificationError(lines(f"stage {self.expected.stage}: calls do not end as they should:", problems))
        if tried:
            say(f"stage {self.expected.stage}: tried {len(tried)} calls, each ended as it should")
        return {str(one): one.verdict or "" for one in tried}

    def _try(self, call: Call, allowed: bool, number: int) -> Tried:
        # Every caller's pods take turns.
        group = self.pods[call.source]
        pod = group[number % len(group)]
        way = way_of(self.expected, call, self.pods, (pod,))
        problem = "it was not tried: dapr-osm:verifySeconds was over. Raise it"
        while time.monotonic() <= self.deadline:
            tried = self._once(call, way, pod, allowed=allowed)
            if tried.problem is None:
                return tried
            problem = f"tried from pod {pod.name}, {tried.problem}"
            time.sleep(POLL_SECONDS)
        return Tried(call=call, problem=problem)

    def _once(self, call: Call, way: Way, pod: Pod, *, allowed: bool) -> Tried:
        meshed = self.expected.through_envoys
        before = refusals.look(self.cluster, way) if meshed else {}
        said = daprd.call(self.cluster, way.source_namespace, pod.name, way.address)
        after = refusals.look(self.cluster, way) if meshed else {}
        counts = after[pod.name].since(before[pod.name]) if meshed else None
        arrived = said.whose is Whose.APP and said.status in self.answers.get(call.destination, frozenset())
        if allowed:
            problem = _not_arrived(way, said, counts, arrived=arrived)
            verdict = "arrives through both Envoys" if meshed else "arrives"
            return Tried(call=call, verdict=verdict) if problem is None else Tried(call=call, problem=problem)
        if said.whose in (Whose.APP, Whose.DAPR, Whose.NO_APP):
            return Tried(
                call=call, problem=f"it must be refused by the mesh, but it came to {said.whose.value}: {said}"
            )
        how = refusals.refused_by(way, self.configured[call.source][pod.name], counts or Counts())
        if how is None:
            problem = f"it does not arrive, but no Envoy has refused it: {said}"
            return Tried(call=call, problem=problem)
        return Tried(call=call, verdict=f"is refused by the mesh: {how}")


def _not_arrived(way: Way, said: Said, counts: Counts | None, *, arrived: bool) -> str | None:
    """Why a call that must arrive has not; None where it has."""
    if said.whose is Whose.APP and not arrived:
        return f"it must arrive, but {said.status} is not how {way.destination} answers its own daprd: {said}"
    if said.whose is not Whose.APP:
        refused = counts is not None and (counts.denied or counts.no_route or counts.no_way or counts.not_of_the_mesh)
        hint = " (an Envoy refused something meanwhile)" if refused and said.whose is Whose.NOBODY else ""
        return f"it must arrive, but the answer is that of {said.whose.value}: {said}{hint}"
    if counts is not None and (sides := refusals.bypassed(way, counts)):
        return (
            f"it arrived, but not through {' nor '.join(sides)}: "
            f"is port {DAPR_INTERNAL_GRPC_PORT} excluded from interception somewhere?"
        )
    return None


def way_of(expected: Expectation, call: Call, pods: Pods, source_pods: tuple[Pod, ...] | None = None) -> Way:
    """The way that a call goes, from all of the caller's pods or from some."""
    return Way(
        source=call.source,
        source_namespace=expected.app(call.source).namespace,
        source_pods=pods[call.source] if source_pods is None else source_pods,
        destination=call.destination,
        destination_namespace=expected.app(call.destination).namespace,
        destination_pods=pods[call.destination],
        by_http=expected.by_http,
    )

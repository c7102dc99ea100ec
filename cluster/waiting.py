"""Waiting for workloads: bounded, and ended early where the cluster says that waiting can't help."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cluster.client import Cluster, Object
from cluster.diagnosis import LONG_SECONDS, Finding, explain_namespace
from cluster.errors import OperationError, lines
from cluster.progress import say

# A look at a whole namespace is eight requests.
LOOK_SECONDS: Final = 2.0
# A cause has to be there at every look for so long: what is replaced just then may show its predecessor's.
CONFIRM_SECONDS: Final = 5.0
# A container that ended, has no readiness probe and runs again has to run for so long until its pod counts as ready: it
# looks well for a moment at each of its tries.
STEADY_SECONDS: Final = 15.0

NEXT_STEP: Final = "Mend that and run `pulumi up` again; what is there stays, and is gone on with."


@dataclass(frozen=True, kw_only=True, order=True)
class Workload:
    """What makes pods.

    Attributes:
        kind: ``Deployment``, ``StatefulSet`` or ``DaemonSet``.
        namespace: Its namespace.
        name: Its name.
        serves: Whether it has to have a pod, whatever somebody has scaled it to.
        needed: Why it has to.
    """

    kind: str
    namespace: str
    name: str
    serves: bool = False
    needed: str = "the apps' sidecars need it"

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{self.name}"

    def __str__(self) -> str:
        """As kubectl and people write it."""
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(kw_only=True)
class Causes:
    """What keeps workloads from being ready, looked at again and again.

    Attributes:
        cluster: The cluster.
        workloads: Those that are waited for; what else is wrong in their namespaces is none of their causes.
        also: Looks at what is none of the workloads', and keeps their pods from being ready all the same.
        error: What a wait that can't help ends with.
        clock: Seconds that only go forward.
        unproven: Whether a container without a readiness probe has ended so far.
    """

    cluster: Cluster
    workloads: Sequence[Workload]
    also: Callable[[], Iterable[Finding]] = tuple
    error: type[OperationError] = OperationError
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict)
    _looked: float | None = None
    _before: frozenset[tuple[str, str]] = frozenset()
    _said: set[tuple[str, str]] = field(default_factory=set)
    unproven: bool = False

    def look(self) -> list[Finding]:
        """All causes that there are, certain ones first; one that lasts is said to whoever waits."""
        found = [finding for workload in self.workloads if (finding := _scaled_to_nothing(self.cluster, workload))]
        found += self.also()
        found += [
            finding
            for namespace in sorted({workload.namespace for workload in self.workloads})
            for finding in explain_namespace(self.cluster, namespace, self._in(namespace))
        ]
        self._looked = self.clock()
        # By object: a pull that fails and one that is put off take turns, and are one cause.
        lasting = {finding.object for finding in found if finding.certain or finding.lasting}
        self._since = {name: self._since.get(name, self._looked) for name in lasting}
        self.unproven = self.unproven or any(finding.unproven for finding in found)
        for finding in found:
            # By object and reason, since messages have numbers. A container that has just started is not ready either.
            what = (finding.object, finding.reason)
            if what in self._before and what not in self._said:
                self._said.add(what)
                say(f"waiting: {finding}")
        self._before = frozenset((finding.object, finding.reason) for finding in found)
        return found

    def end(self, what: str) -> None:
        """End the wait where a cause is certain; looks at the cluster every two seconds only, however often asked.

        Args:
            what: What is waited for and not there, as the beginning of the message.

        Raises:
            error: A cause is certain; says which.
        """
        if self._looked is not None and self.clock() - self._looked < LOOK_SECONDS:
            return
        certain = [finding for finding in self.look() if self._is_certain(finding)]
        if certain:
            raise self.error(lines(f"{what}, and waiting longer can't help:", [*map(str, certain), NEXT_STEP]))

    def _is_certain(self, finding: Finding) -> bool:
        if not (finding.certain or finding.lasting):
            return False
        lasted = self.clock() - self._since[finding.object]
        return lasted >= (CONFIRM_SECONDS if finding.certain else finding.lasting)

    def _in(self, namespace: str) -> list[tuple[str, str]]:
        return [(workload.kind, workload.name) for workload in self.workloads if workload.namespace == namespace]


def await_ready(
    cluster: Cluster,
    workloads: Sequence[Workload],
    seconds: int,
    *,
    also: Callable[[], Iterable[Finding]] = tuple,
    poll: float = 0.5,
) -> None:
    """Wait until workloads have all of their latest pods ready.

    Args:
        cluster: The cluster.
        workloads: The workloads.
        seconds: How long to wait for all of them.
        also: Looks for further causes.
        poll: Seconds between two looks.

    Raises:
        OperationError: One is not, after so long or for certain; says which, and why.
    """
    causes = Causes(cluster=cluster, workloads=workloads, also=also, clock=time.monotonic)
    deadline = time.monotonic() + seconds
    steady = time.monotonic()
    while True:
        problems = {workload: problem for workload in workloads if (problem := _problem(cluster, workload))}
        if not problems and (not causes.unproven or time.monotonic() - steady >= STEADY_SECONDS):
            return
        if not problems:
            time.sleep(poll)
            continue
        steady = time.monotonic()
        causes.workloads = list(problems)
        causes.end(_told(problems.values()))
        if time.monotonic() > deadline:
            found = [str(finding) for finding in causes.look()] or ["the cluster names no cause"]
            raise OperationError(lines(f"after {seconds} s {_told(problems.values())}:", found))
        time.sleep(poll)


def _told(problems: Iterable[str]) -> str:
    return "; ".join(problems)


def _problem(cluster: Cluster, workload: Workload) -> str | None:
    found = cluster.get(workload.path)
    if found is None:
        return f"{workload} does not exist"
    ready, wanted = readiness(workload.kind, found)
    if workload.serves and not wanted:
        return f"{workload} is scaled to nothing"
    return None if ready >= wanted and is_observed(found) else f"{workload} has {ready} of {wanted} pods ready"


def _scaled_to_nothing(cluster: Cluster, workload: Workload) -> Finding | None:
    if not workload.serves or readiness(workload.kind, cluster.get(workload.path) or {})[1]:
        return None
    message = f"{workload.needed}; `pulumi up --refresh` brings back what the stack has declared"
    return Finding(object=str(workload), reason="ScaledToNothing", message=message, lasting=LONG_SECONDS)


def is_observed(workload: Object) -> bool:
    """Whether its controller has seen what is wanted of it now."""
    return bool(workload.get("status", {}).get("observedGeneration", 0) >= workload["metadata"].get("generation", 0))


def readiness(kind: str, workload: Object) -> tuple[int, int]:
    """How many of a workload's latest pods are ready, and how many there have to be."""
    spec, status = workload.get("spec", {}), workload.get("status", {})
    if kind == "DaemonSet":
        # One on each node that it is for.
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
        return min(updated, ready), int(status.get("desiredNumberScheduled", 0))
    wanted = spec.get("replicas")
    wanted = 1 if wanted is None else int(wanted)
    if kind == "StatefulSet" and (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return int(status.get("readyReplicas", 0)), wanted
    updated, ready = int(status.get("updatedReplicas", 0)), int(status.get("readyReplicas", 0))
    # A Deployment counts pods of before among its ready ones, and is not done while any of them is left.
    before = max(0, int(status.get("replicas", 0)) - updated) if kind == "Deployment" else 0
    latest = max(0, min(updated, ready - before))
    return min(latest, wanted - 1) if before else latest, wanted

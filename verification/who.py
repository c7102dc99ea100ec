"""Who may call whom, as the Envoys are configured: all pairs of apps at once, one question to each Envoy."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from cluster.client import Cluster, parallel
from cluster.errors import VerificationError, lines
from cluster.progress import say
from model.expectation import Expectation
from model.policies import Call
from verification import envoy
from verification.envoy import Rules
from verification.pods import Pods

POLL_SECONDS: Final = 1.0
# Beyond so many pairs a list of them helps nobody.
MOST_PAIRS: Final = 10

Configured = Mapping[str, Mapping[str, Rules]]
"""The rules of every app's Envoys, by app id and pod."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A call that Envoys would not treat as promised.

    Attributes:
        call: The call.
        reason: What is wrong.
    """

    call: Call
    reason: str

    def __str__(self) -> str:
        """As a line."""
        return f"{self.call.source} -> {self.call.destination}: {self.reason}"


def await_rules(cluster: Cluster, expected: Expectation, pods: Pods, deadline: float) -> Configured:
    """Wait until the Envoys' configurations promise what the stage does; OSM tells them of a policy within seconds.

    Args:
        cluster: The cluster.
        expected: Which calls must pass.
        pods: The apps' pods.
        deadline: Until when to wait, on the monotonic clock.

    Raises:
        VerificationError: They do not; says which calls, and which side is wrong.
    """
    configured: dict[str, Mapping[str, Rules]] = {}
    asked = [app.name for app in expected.apps]
    while True:
        configured |= dict(zip(asked, _ask(cluster, expected, pods, asked), strict=True))
        found = wrong(expected, configured)
        if not found:
            allowed = sum(expected.calls.values())
            say(f"the Envoys' rules let {allowed} of {len(expected.calls)} possible calls pass, as they should")
            return configured
        if time.monotonic() > deadline:
            raise VerificationError(
                lines(f"stage {expected.stage}: the Envoys' rules are not as they should be:", _told(found))
            )
        time.sleep(POLL_SECONDS)
        # Only those whose answer was not the last one.
        asked = list(dict.fromkeys(app for one in found for app in (one.call.source, one.call.destination)))


def _ask(cluster: Cluster, expected: Expectation, pods: Pods, apps: Sequence[str]) -> list[Mapping[str, Rules]]:
    asked = [(app, expected.app(app).namespace, pod.name) for app in apps for pod in pods[app]]
    found = parallel(
        partial(envoy.rules, cluster, namespace, pod, by_http=expected.by_http) for _, namespace, pod in asked
    )
    told: dict[str, dict[str, Rules]] = {app: {} for app in apps}
    for (app, _, pod), rules in zip(asked, found, strict=True):
        told[app][pod] = rules
    return list(told.values())


def wrong(expected: Expectation, configured: Configured) -> list[Wrong]:
    """The calls that the Envoys' rules would not treat as promised."""
    found = []
    for call, allowed in expected.calls.items():
        reason = _closed(expected, configured, call) if allowed else _open(expected, configured, call)
        if reason:
            found.append(Wrong(call=call, reason=reason))
    return found


def _closed(expected: Expectation, configured: Configured, call: Call) -> str | None:
    """Why an allowed call would not pass from every pod to every pod."""
    way, identity = _names(expected, call)
    for pod, rules in configured[call.source].items():
        if way not in rules.ways:
            return f"it must be let through, but the Envoy of pod {pod} knows no way to {call.destination}"
    for pod, rules in configured[call.destination].items():
        if not rules.admits(identity):
            return f"it must be let through, but the Envoy of pod {pod} does not let {call.source} in"
    return None


def _open(expected: Expectation, configured: Configured, call: Call) -> str | None:
    """Why a denied call could pass from some pod to some pod."""
    way, identity = _names(expected, call)
    leading = [pod for pod, rules in configured[call.source].items() if way in rules.ways]
    admitting = [pod for pod, rules in configured[call.destination].items() if rules.admits(identity)]
    if leading and admitting:
        return (
            f"it must be refused, but the Envoy of pod {leading[0]} knows the way, and that of pod {admitting[0]} lets "
            f"{call.source} in. Permissive mode, or an SMI policy of someone else's?"
        )
    return None


def _names(expected: Expectation, call: Call) -> tuple[str, str]:
    source, destination = expected.app(call.source), expected.app(call.destination)
    return (
        envoy.outbound_cluster(destination.namespace, destination.name),
        envoy.identity(source.namespace, source.service_account),
    )


def _told(found: Sequence[Wrong]) -> list[str]:
    rest = len(found) - MOST_PAIRS
    return [*map(str, found[:MOST_PAIRS]), *([f"and {rest} more"] if rest > 0 else [])]

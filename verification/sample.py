"""Which calls are really made: few, and each policy and each app's denial among them."""

from __future__ import annotations

from collections.abc import Mapping

from model.expectation import Expectation
from model.policies import Call


def sample(expected: Expectation) -> dict[Call, bool]:
    """The calls to try, and whether each must arrive: no more than a few for each app and one for each policy.

    Every policy is tried once, as it is in force or not. Beside that every app calls once whom it may call and once
    whom it may not, and is called so, where there is such a call.
    """
    calls = expected.calls
    policies: dict[str, Call] = {}
    for named in expected.named:
        if named.call in calls:
            policies.setdefault(named.policy, named.call)
    chosen = dict.fromkeys(policies.values())
    for verdict in (True, False):
        chosen |= dict.fromkeys(_covering({call for call in chosen if calls[call] is verdict}, calls, verdict))
    return {call: calls[call] for call in chosen}


def _covering(begun: set[Call], calls: Mapping[Call, bool], verdict: bool) -> list[Call]:
    """Calls of one verdict in which every app that has such calls calls once, and is called once."""
    callers, called = {call.source for call in begun}, {call.destination for call in begun}
    found = []
    # First those that are new on both sides: a ring of calls rather than a star around one app.
    for both in (True, False):
        for call, allowed in calls.items():
            new = (call.source not in callers, call.destination not in called)
            if allowed is verdict and (all(new) if both else any(new)):
                callers.add(call.source)
                called.add(call.destination)
                found.append(call)
    return found

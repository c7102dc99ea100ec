"""Does the cluster do what the stage promises? Steps 1, 9 and 10 of the walkthrough, seen for oneself.

Nothing here changes anything on the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cluster.client import Cluster, parallel
from cluster.errors import ForbiddenError, OperationError, VerificationError, lines
from cluster.progress import say
from model.apps import NODE_APP, PYTHON_APP
from model.expectation import Expectation
from model.owner import Owner
from model.policies import Call
from model.verify_level import VerifyLevel
from verification.alive import await_answers
from verification.calls import Caller, way_of
from verification.diagram import diagram
from verification.order_stream import OrderStream
from verification.pods import Pods, await_pods, still_there
from verification.policies import policies
from verification.who import Configured, await_rules

POLL_SECONDS: Final = 1.0
# What is tried live gets so much at the least, all of it together, however long the pods took.
LIVE_SECONDS: Final = 30
ORDERS: Final = Call(source=PYTHON_APP, destination=NODE_APP)


def verify(cluster: Cluster, expected: Expectation) -> dict[str, Any]:
    """Check a stage: pods, SMI objects, who may call whom, the walkthrough's orders, and live calls.

    Pods and rules may take ``expected.seconds`` together. What is tried live then, side by side, has what is left of
    them, and :data:`LIVE_SECONDS` at the least. Where pods were replaced meanwhile, all is looked at again within that.

    Args:
        cluster: The cluster.
        expected: What has to be seen.

    Returns:
        The findings, as plain lists and dictionaries.

    Raises:
        VerificationError: Something is not as promised; says what, which pod, which container, and why.
    """
    if expected.level is VerifyLevel.OFF:
        return {"stage": expected.stage, "verified": "no: dapr-osm:verify is off"}
    deadline = time.monotonic() + expected.seconds
    # One that was replaced at the very end is looked at once more, when it is ready.
    at_last = deadline + 2 * LIVE_SECONDS
    pods_until = deadline
    while True:
        pods = await_pods(cluster, expected, pods_until)
        try:
            return _look(cluster, expected, pods, deadline)
        except ForbiddenError:
            raise
        except OperationError as error:
            # A pod that was replaced, or does not answer yet, says nothing of the stage.
            is_verdict = isinstance(error, VerificationError) and still_there(cluster, expected, pods)
            if is_verdict or time.monotonic() > at_last:
                raise
            pods_until = at_last
            say(f"looking again: {error}")
            time.sleep(POLL_SECONDS)


def _look(cluster: Cluster, expected: Expectation, pods: Pods, deadline: float) -> dict[str, Any]:
    _check_policies(cluster, expected)
    in_full = expected.level is VerifyLevel.CALLS
    findings: dict[str, Any] = {
        "stage": expected.stage,
        "verified": datetime.now(UTC).isoformat(timespec="seconds"),
        "containers": {app.name: list(app.containers) for app in expected.apps},
        "policies": list(expected.policies or ()),
    }
    if not in_full:
        # Whoever may not ask Envoys can still see orders come; that they stop because of the mesh takes an Envoy.
        orders = None if expected.enforces else _orders(cluster, expected, pods, {}, _live(deadline))
        return findings | {"calls": "not tried: dapr-osm:verify is pods"} | ({"orders": orders} if orders else {})
    configured = await_rules(cluster, expected, pods, deadline) if expected.through_envoys else {}
    until = _live(deadline)
    calls, orders = _side_by_side(
        lambda: _calls(cluster, expected, pods, configured, until),
        lambda: _orders(cluster, expected, pods, configured, until),
    )
    return (
        findings
        | {
            "mayCall": _may_call(expected),
            "calls": calls,
            "diagram": diagram(expected, calls),
        }
        | ({"orders": orders} if orders else {})
    )


def _may_call(expected: Expectation) -> dict[str, list[str]] | str:
    """Whom each app may call; where nothing is refused a list would have all pairs of apps."""
    if not expected.enforces:
        return "everybody"
    found: dict[str, list[str]] = {app.name: [] for app in expected.apps}
    for call, allowed in expected.calls.items():
        if allowed:
            found[call.source].append(call.destination)
    return found


def _side_by_side(*looks: Callable[[], Any]) -> list[Any]:
    """What is found by these looks, or all that is wrong, in one error."""

    def found_or_wrong(look: Callable[[], Any]) -> Any:
        try:
            return look()
        except VerificationError as error:
            return error

    found = parallel(partial(found_or_wrong, look) for look in looks)
    if wrong := [one for one in found if isinstance(one, VerificationError)]:
        raise VerificationError("\n".join(map(str, wrong))) from wrong[0]
    return found


def _live(deadline: float) -> float:
    """Until when something may be tried."""
    return max(deadline, time.monotonic() + LIVE_SECONDS)


def _calls(
    cluster: Cluster, expected: Expectation, pods: Pods, configured: Configured, deadline: float
) -> dict[str, str]:
    answers = await_answers(cluster, expected, pods, deadline)
    caller = Caller(
        cluster=cluster, expected=expected, pods=pods, configured=configured, answers=answers, deadline=deadline
    )
    return caller.check()


def _orders(
    cluster: Cluster, expected: Expectation, pods: Pods, configured: Configured, deadline: float
) -> dict[str, Any] | None:
    """The walkthrough's orders; None where a stack has not both of the walkthrough's apps."""
    allowed = expected.calls.get(ORDERS)
    if allowed is None:
        return None
    way = way_of(expected, ORDERS, pods)
    rules = configured.get(PYTHON_APP, {})
    stream = OrderStream(cluster=cluster, expected=expected, way=way, rules=rules, deadline=deadline)
    orders = stream.check(allowed=allowed)
    say(f"stage {expected.stage}: {orders['verdict']}")
    return orders


def _check_policies(cluster: Cluster, expected: Expectation) -> None:
    if expected.policies is None:
        return
    there = {
        name: edits
        for namespace in expected.namespaces
        for name, edits in policies(cluster, namespace, Owner(stack=expected.stack)).items()
    }
    missing, surplus = sorted(set(expected.policies) - set(there)), sorted(set(there) - set(expected.policies))
    problems = [f"{name} does not exist; `pulumi up --refresh` makes it again" for name in missing]
    problems += [f"{name} exists, although it is not declared" for name in surplus]
    problems += [
        f"{name} was changed by {' and '.join(edits)}; `pulumi up --refresh` mends it"
        for name, edits in there.items()
        if edits
    ]
    if problems:
        raise VerificationError(lines(f"stage {expected.stage}: the SMI objects are not as they should be:", problems))

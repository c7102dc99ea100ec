"""Does the cluster do what the stage promises? Steps 1, 9 and 10 of the walkthrough, seen for oneself.

Nothing here changes anything on the cluster.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from cluster.client import Cluster
from cluster.errors import ForbiddenError, OperationError, VerificationError, lines
from cluster.progress import say
from model.apps import NODE_APP, PYTHON_APP
from model.expectation import Expectation
from model.owner import Owner
from model.verify_level import VerifyLevel
from verification.calls import Link, check_calls
from verification.order_stream import OrderStream
from verification.pods import Pods, await_pods
from verification.policies import policies

POLL_SECONDS: Final = 1.0


def verify(cluster: Cluster, expected: Expectation) -> dict[str, Any]:
    """Check a stage: pods, SMI objects, the walkthrough's orders, and every call between apps.

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
    while True:
        try:
            return _look(cluster, expected, deadline)
        except (VerificationError, ForbiddenError):
            raise
        except OperationError as error:
            # A pod has just been replaced, or does not answer yet.
            if time.monotonic() > deadline:
                raise
            say(f"looking again: {error}")
            time.sleep(POLL_SECONDS)


def _look(cluster: Cluster, expected: Expectation, deadline: float) -> dict[str, Any]:
    pods = await_pods(cluster, expected, deadline)
    _check_policies(cluster, expected)
    in_full = expected.level is VerifyLevel.CALLS
    # Whoever may not ask Envoys can still see orders come; that they stop because of the mesh takes an Envoy to tell.
    asked = expected if in_full else replace(expected, through_envoys=False)
    orders = _check_orders(cluster, asked, pods, deadline) if in_full or not expected.enforces else None
    calls = check_calls(cluster, expected, pods, deadline) if in_full else "not tried: dapr-osm:verify is pods"
    return {
        "stage": expected.stage,
        "verified": datetime.now(UTC).isoformat(timespec="seconds"),
        "containers": {app.name: list(app.containers) for app in expected.apps},
        "policies": list(expected.policies or ()),
        "calls": calls,
    } | ({"orders": orders} if orders else {})


def _check_orders(cluster: Cluster, expected: Expectation, pods: Pods, deadline: float) -> dict[str, Any] | None:
    """The walkthrough's orders; None where a stack has not both of the walkthrough's apps."""
    call = expected.call(PYTHON_APP, NODE_APP)
    if call is None:
        return None
    link = Link.of(expected, call, pods)
    stream = OrderStream(cluster=cluster, expected=expected, link=link, deadline=deadline)
    orders = stream.check(allowed=call.allowed)
    say(f"stage {expected.stage}: {orders['verdict']}")
    return orders


def _check_policies(cluster: Cluster, expected: Expectation) -> None:
    if expected.policies is None:
        return
    there = [
        name for namespace in expected.namespaces for name in policies(cluster, namespace, Owner(stack=expected.stack))
    ]
    missing, surplus = sorted(set(expected.policies) - set(there)), sorted(set(there) - set(expected.policies))
    problems = [f"{name} does not exist; `pulumi up --refresh` makes it again" for name in missing]
    problems += [f"{name} exists, although it is not declared" for name in surplus]
    if problems:
        raise VerificationError(lines(f"stage {expected.stage}: the SMI objects are not as they should be:", problems))

"""Whether apps answer at all, asked past the mesh: each through the daprd beside it.

A call that the mesh refuses never reaches the called app, so nothing but this tells a dead app from a refused one. What
an app answers here is also how its own answer to another app's call is known.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Final

from cluster.client import Cluster, parallel
from cluster.errors import ForbiddenError, OperationError, VerificationError, lines
from model import names
from model.expectation import Expectation
from verification import daprd
from verification.daprd import Said, Whose
from verification.pods import Pods

POLL_SECONDS: Final = 1.0
# A key that nobody has written.
STATE_KEY: Final = "dapr-osm-verification"

NOT_ASKED: Final = Said(
    status=0, text="it was not asked: dapr-osm:verifySeconds was over. Raise it", whose=Whose.NOBODY
)

Answers = Mapping[str, frozenset[int]]
"""The statuses with which an app answers a method that it does not know, by app id."""


def await_answers(cluster: Cluster, expected: Expectation, pods: Pods, deadline: float) -> Answers:
    """Wait until every app that can be called answers, in each of its pods.

    Args:
        cluster: The cluster.
        expected: The apps.
        pods: Their pods.
        deadline: Until when to wait, on the monotonic clock.

    Raises:
        VerificationError: One does not; says which pod, and what its daprd said.
    """
    waiting = [
        (app.name, app.namespace, pod.name) for app in expected.apps if app.port is not None for pod in pods[app.name]
    ]
    answers: dict[str, set[int]] = {app: set() for app, _, _ in waiting}
    # What each of those that do not answer said last.
    silent: dict[tuple[str, str, str], Said] = dict.fromkeys(waiting, NOT_ASKED)
    while True:
        said = parallel(partial(_ask, cluster, *asked, deadline) for asked in silent)
        for asked, answer in zip(list(silent), said, strict=True):
            if answer is None:
                continue
            silent[asked] = answer
            if answer.whose is Whose.APP:
                answers[asked[0]].add(answer.status)
                del silent[asked]
        if not silent:
            return {app: frozenset(statuses) for app, statuses in answers.items()}
        if time.monotonic() > deadline:
            raise VerificationError(
                lines(
                    f"stage {expected.stage}: an app does not answer, even when its own daprd asks it:",
                    [f"pod {pod} of {app}: {answer}" for (app, _, pod), answer in silent.items()],
                )
            )
        time.sleep(POLL_SECONDS)


def _ask(cluster: Cluster, app: str, namespace: str, pod: str, deadline: float) -> Said | None:
    return daprd.call(cluster, namespace, pod, app) if time.monotonic() <= deadline else None


def state_store_trouble(cluster: Cluster, namespace: str, pod: str) -> str | None:
    """Why a pod's daprd can't read the walkthrough's state store; None where it can."""
    try:
        answer = cluster.http_from_pod(namespace, pod, daprd.HTTP_PORT, f"/v1.0/state/{names.STATE_STORE}/{STATE_KEY}")
    except ForbiddenError:
        raise
    except OperationError as error:
        return f"the daprd of pod {pod} can't read {names.STATE_STORE}: {error}"
    # 204: it has asked, and there is no such key.
    if answer.status in (200, 204):
        return None
    return (
        f"the daprd of pod {pod} can't read {names.STATE_STORE}: {answer.status} {' '.join(answer.body.split())[:300]}"
    )

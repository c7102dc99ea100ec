"""Runs that are ended in the middle, and what every row of the matrix is made of."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Any, Final

from lab import api
from model.owner import STACK_LABEL
from tests.faults.killing import interrupted
from tests.support import inventory, lab
from tests.support.others import THEIRS, Object, theirs
from tests.support.stack import Stack

Row = dict[str, Any]
Part = Callable[[Stack], Row]
NAME: Final = "faults"

# Operations of an `up` in the order in which they come: the engine and all it has started are killed in each.
UP: Final = (
    "cluster-noted",
    "dapr-namespace",
    "dapr-runtime",
    "dapr-chart/customresourcedefinition/components.dapr.io",
    "dapr-chart/clusterrole/dapr-injector",
    "dapr-chart/deployment/dapr-sentry",
    "dapr-chart/statefulset/dapr-scheduler-server",
    "dapr-injector-ready",
    "osm-chart/deployment/osm-bootstrap",
    "osm-chart/deployment/osm-injector",
    "osm-mesh-ready",
    "exclusions-patch",
    "hello-namespace",
    "hello-redis-password",
    "hello-redis-server",
    "hello-injection",
    "hello-nodeapp-pods",
    "smi-traffic-target",
    "verification-run",
)
DESTROY: Final = (
    "teardown-check",
    "smi-traffic-target",
    "hello-pythonapp-pods",
    "hello-redis-server",
    "hello-namespace",
    "osm-mesh-ready",
    "osm-chart/deployment/osm-bootstrap",
    "osm-runtime",
    "dapr-chart/deployment/dapr-sentry",
    "dapr-runtime",
    "cluster-noted",
)
# A run that is asked to end, as by Ctrl-C or by a CI runner, may finish what it has begun.
ASKED: Final = ("dapr-chart/deployment/dapr-sentry", "hello-nodeapp-pods")
KEYBOARD: Final = ASKED[:1]
# Where memory is short the engine may go alone: its providers, and the step that one of them runs, go on.
ALONE: Final = ("osm-mesh-ready", "hello-redis-server")
KILL: Final = signal.SIGKILL
# Straight to a destroy, without another `up`.
GIVEN_UP: Final = (
    "dapr-chart/customresourcedefinition/components.dapr.io",
    "dapr-chart/deployment/dapr-sentry",
    "osm-chart/deployment/osm-bootstrap",
    "hello-redis-server",
    "hello-nodeapp-pods",
)

# From `permissive` to the last stage, and from one Dapr release to another.
STAGE: Final = ("exclusions-patch", "hello-nodeapp-pods", "smi-traffic-target", "smi-revoke")
RELEASE: Final = ("dapr-release-change", "dapr-chart/deployment/dapr-sentry", "hello-nodeapp-pods")
OLDER: Final = "1.12.0"
# Seconds that the cluster gets for what it does by itself.
SETTLING: Final = 60
# Pods of the others' Deployment and StatefulSet.
MADE_OF_THEIRS: Final = 2


@dataclass(frozen=True)
class Group:
    """Rows that follow each other on one stack, so that not each needs an `up` and a `destroy` of its own.

    Attributes:
        rows: By name, each row's fault. It is given the stack as the one before has left it.
        around: What makes the stack, and looks at the end whether the cluster is what it was.
    """

    rows: Mapping[str, Part]
    around: Callable[[], AbstractContextManager[Stack]]


@contextmanager
def clean(*extra: Object, up: bool = False, **config: Any) -> Iterator[Stack]:
    """A stack beside other people's objects, and after it a cluster as it was before any of the stack's was there.

    Args:
        extra: More of other people's objects.
        up: Whether the stack is deployed first.
        config: Settings that differ from the last stage's.
    """
    stack = lab.stack(NAME, api.paths().data / "test-stacks", stage="smi", **config)
    _remove(stack)
    with theirs(lab.kubectl(), extra):
        before = settled()
        try:
            if up:
                stack.up()
            yield stack
            if stack.resources():
                stack.destroy()
        except BaseException:
            # The next row, and whoever uses the lab next, begin with a cluster of their own.
            with contextlib.suppress(AssertionError):
                _remove(stack)
            raise
        left = inventory.difference(before, settled())
    assert not left, "\n".join(left)
    assert not stack.resources(), "the state still holds resources"


def settled() -> dict[inventory.Key, str]:
    """An inventory when Kubernetes has done what it does by itself: others' pods are made, volumes that went are gone.

    After an outage of the API server its controllers come back after a while.
    """
    kubectl = lab.kubectl()
    deadline = time.monotonic() + SETTLING
    while True:
        pods = kubectl.items("pods", "-n", THEIRS)
        volumes = [item for item in kubectl.items("persistentvolumes") if item["status"].get("phase") != "Bound"]
        if (len(pods) == MADE_OF_THEIRS and not volumes) or time.monotonic() > deadline:
            return inventory.take(kubectl)
        time.sleep(1)


def _remove(stack: Stack) -> None:
    """Destroy what a row that broke off has left, protected or not."""
    if stack.resources():
        recover(stack)
        stack.cli("state", "unprotect", "--all", "--yes", "--stack", stack.name)
        stack.destroy()


def recover(stack: Stack) -> None:
    """What README says to do after an interruption, but for the run that follows."""
    stack.cli("cancel", "--yes", "--stack", stack.name, ok=None)


def destroyed(stack: Stack) -> Row:
    """The stack's destroy, and how long it took."""
    began = time.monotonic()
    stack.destroy()
    return {"destroyed": round(time.monotonic() - began)}


def converges(stack: Stack) -> Row:
    """The recovery: cancel, refresh, and up; then nothing is left to do, and nothing is there twice."""
    recover(stack)
    began = time.monotonic()
    stack.run("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
    stack.up()
    seconds = round(time.monotonic() - began)
    assert not stack.state()["deployment"].get("pending_operations"), "the state still tells of the run that was ended"
    rest = stack.preview()
    assert not rest, f"a preview after the recovery would still change {rest}"
    strangers = unknown_to_state(stack)
    assert not strangers, f"on the cluster with the stack's mark, but unknown to its state: {strangers}"
    return {"recovered": seconds, "verdict": stack.outputs()["verification"]["orders"]["verdict"]}


def unknown_to_state(stack: Stack) -> set[str]:
    """Objects that carry the stack's mark, were made by nobody else's controller, and are not in its state."""
    known = {
        item["outputs"]["metadata"]["uid"]
        for item in stack.resources()
        if isinstance(item.get("outputs", {}).get("metadata"), dict) and "uid" in item["outputs"]["metadata"]
    }
    found = set()
    for (kind, _, name), text in inventory.take(lab.kubectl()).items():
        metadata = json.loads(text)["metadata"]
        mirrored = kind == "Endpoints" or metadata.get("ownerReferences")
        if STACK_LABEL in (metadata.get("labels") or {}) and not mirrored:
            found.add((metadata["uid"], f"{kind} {name}"))
    # What OSM makes by itself is marked by the stack, and no resource of it.
    return {name for uid, name in found if uid not in known and not name.endswith(RUNTIME)}


RUNTIME: Final = ("osm-webhook-osm", "osm-validator-mesh-osm", "osm-ca-bundle", "osm-mesh-config", ".io")


def killed_up(name: str, number: signal.Signals, stack: Stack, *, alone: bool = False) -> Row:
    """An `up` from nothing is ended at an operation; the recovery converges."""
    ended = interrupted(stack, "up", name, number, alone=alone)
    assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
    return converges(stack)


def given_up(name: str, stack: Stack) -> Row:
    """An `up` from nothing is killed at an operation, and the stack destroyed without another one."""
    ended = interrupted(stack, "up", name)
    assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
    recover(stack)
    return destroyed(stack)


def killed_destroy(name: str, stack: Stack) -> Row:
    """A `destroy` is killed at an operation; the recovery and another destroy leave nothing."""
    if not stack.resources():
        stack.up()
    ended = interrupted(stack, "destroy", name)
    assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
    recover(stack)
    return destroyed(stack)


def killed_move(name: str, earlier: Mapping[str, str], stack: Stack) -> Row:
    """An `up` that changes a running stack is ended at an operation; the recovery converges on what was wanted."""
    stack.configure(**earlier)
    stack.up()
    stack.configure(**dict.fromkeys(earlier))
    ended = interrupted(stack, "up", name)
    assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
    return converges(stack)


def killed_release(name: str, stack: Stack) -> Row:
    """The same on the way from an older Dapr release, whose images the lab makes first."""
    api.start((OLDER,))
    return killed_move(name, {"daprVersion": OLDER}, stack)


def _rows(names: Sequence[str], said: str, part: Callable[[str], Part]) -> Iterator[dict[str, Part]]:
    for name in names:
        yield {said.format(name): part(name)}


NOTHING: Final[dict[str, Part]] = {}
ROWS: Final[Sequence[Group]] = (
    # What was brought up after a kill is destroyed with a kill.
    *(
        Group(up | destroy, clean)
        for up, destroy in zip_longest(
            _rows(UP, "up killed at {}", lambda name: partial(killed_up, name, KILL)),
            _rows(DESTROY, "destroy killed at {}", lambda name: partial(killed_destroy, name)),
            fillvalue=NOTHING,
        )
    ),
    *(
        Group(rows, clean)
        for rows in (
            *_rows(ASKED, "up asked to end at {}", lambda name: partial(killed_up, name, signal.SIGTERM)),
            *_rows(
                KEYBOARD, "up interrupted from the keyboard at {}", lambda name: partial(killed_up, name, signal.SIGINT)
            ),
            *_rows(
                ALONE, "engine alone killed in an up, at {}", lambda name: partial(killed_up, name, KILL, alone=True)
            ),
            *_rows(GIVEN_UP, "up killed at {}, then destroy", lambda name: partial(given_up, name)),
            *_rows(RELEASE, "release change killed at {}", lambda name: partial(killed_release, name)),
        )
    ),
    # Back to the earlier stage, and to the last one again.
    Group(
        {f"stage change killed at {name}": partial(killed_move, name, {"stage": "permissive"}) for name in STAGE},
        clean,
    ),
)

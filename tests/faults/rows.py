"""The rows of the matrix: each makes a fault, and says what held."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from lab import api
from model.owner import STACK_LABEL
from tests.faults.killing import interrupted
from tests.support import inventory, lab
from tests.support.others import Object, theirs
from tests.support.stack import Stack

Row = dict[str, Any]
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


@contextmanager
def clean(*extra: Object) -> Iterator[Stack]:
    """A stack that is not deployed, beside other people's objects, and after it a cluster as it was."""
    stack = lab.stack(NAME, api.paths().data / "test-stacks", stage="smi")
    _remove(stack)
    with theirs(lab.kubectl(), extra):
        before = inventory.take(lab.kubectl())
        try:
            yield stack
        except BaseException:
            # The next row, and whoever uses the lab next, begin with a cluster of their own.
            with contextlib.suppress(AssertionError):
                _remove(stack)
            raise
        left = inventory.difference(before, inventory.take(lab.kubectl()))
    assert not left, "\n".join(left)
    assert not stack.resources(), "the state still holds resources"


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


def killed_up(name: str, number: signal.Signals = signal.SIGKILL) -> Row:
    """An `up` from nothing is ended at an operation; the recovery converges, and a destroy leaves nothing."""
    with clean() as stack:
        ended = interrupted(stack, "up", name, number)
        assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
        row = converges(stack)
        stack.destroy()
    return row


def given_up(name: str) -> Row:
    """An `up` from nothing is killed at an operation, and the stack destroyed without another one."""
    with clean() as stack:
        ended = interrupted(stack, "up", name)
        assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
        recover(stack)
        return destroyed(stack)


def killed_destroy(name: str) -> Row:
    """A `destroy` is killed at an operation; the recovery and another destroy leave nothing."""
    with clean() as stack:
        stack.up()
        ended = interrupted(stack, "destroy", name)
        assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
        recover(stack)
        return destroyed(stack)


def killed_move(name: str, number: signal.Signals = signal.SIGKILL, **earlier: str) -> Row:
    """An `up` that changes a running stack is ended at an operation; the recovery converges on what was wanted."""
    with clean() as stack:
        stack.configure(**earlier)
        stack.up()
        stack.configure(**dict.fromkeys(earlier))
        ended = interrupted(stack, "up", name, number)
        assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
        row = converges(stack)
        stack.destroy()
    return row


def killed_release(name: str) -> Row:
    """The same on the way from an older Dapr release, whose images the lab makes first."""
    api.start((OLDER,))
    return killed_move(name, daprVersion=OLDER)


ROWS: Final[dict[str, Callable[[], Row]]] = {
    **{f"up killed at {name}": partial(killed_up, name) for name in UP},
    **{f"up asked to end at {name}": partial(killed_up, name, signal.SIGTERM) for name in ASKED},
    **{f"up interrupted from the keyboard at {name}": partial(killed_up, name, signal.SIGINT) for name in ASKED[:1]},
    **{f"up killed at {name}, then destroy": partial(given_up, name) for name in GIVEN_UP},
    **{f"destroy killed at {name}": partial(killed_destroy, name) for name in DESTROY},
    **{f"stage change killed at {name}": partial(killed_move, name, stage="permissive") for name in STAGE},
    **{f"release change killed at {name}": partial(killed_release, name) for name in RELEASE},
}

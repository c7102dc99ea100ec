"""``python -m tests.review.record``: record the engine's own events of changes to a stack that runs on the lab.

``changes`` or ``release`` records only the changes of one config, or only a change of Dapr's release. What is recorded
is what the engine wrote, compressed. Each stack is destroyed at the end.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from lab import api
from model.versions import DEFAULT_DAPR_VERSION
from tests.review.streams import EVENTS
from tests.support import lab
from tests.support.stack import Stack

NAME: Final = "lab-review"
TARGET: Final = "pythodapp-traffic-target"
METHOD: Final = "/dapr.proto.internals.v1.ServiceInvocation/CallLocal"
NARROW: Final = {TARGET: {"destination": "nodeapp", "sources": ["pythonapp"], "pathRegex": METHOD}}
"""What the policy allows at first: one method of Dapr's and no other."""

CHANGES: Final[dict[str, dict[str, Any]]] = {
    "chart-value": {"daprValues": {"dapr_operator": {"replicaCount": 2}, "global": {"logAsJson": True}}},
    "policy-widened": {"policies": {}},
    "app-removed": {"apps": {"pythonapp": None}, "policies": {TARGET: None}},
    "to-permissive": {"stage": "permissive"},
    "to-locked": {"stage": "locked"},
}


# The newest release that rides the mesh another way: whoever comes from it sees the most.
OLDER: Final = "1.17.5"


def main(wanted: Sequence[str]) -> int:
    """Record what is wanted, all of it where nothing is named."""
    recordings: dict[str, Callable[[], None]] = {"changes": changes, "release": release}
    for name in wanted or recordings:
        recordings[name]()
    return 0


@contextmanager
def deployed(**config: Any) -> Iterator[Stack]:
    """A stack that runs, and is destroyed at the end."""
    stack = lab.stack(NAME, api.paths().data / "test-stacks", **config)
    try:
        stack.up()
        yield stack
    finally:
        stack.destroy()


def release() -> None:
    """Dapr's release changes, from the older one to the default."""
    api.start(dapr=(OLDER,))
    with deployed(daprVersion=OLDER) as stack:
        stack.configure(daprVersion=DEFAULT_DAPR_VERSION)
        _write("release-change", _preview(stack))
        # A destroy renders the charts of what is deployed.
        stack.configure(daprVersion=OLDER)


def changes() -> None:
    """Each change's preview, a destroy's and a drift's."""
    with deployed(policies=NARROW) as stack:
        _changes(stack)


def _changes(stack: Stack) -> None:
    for name, config in CHANGES.items():
        stack.configure(**config)
        try:
            _write(name, _preview(stack))
        finally:
            stack.configure(**dict.fromkeys(config))
    _write("destroy", _events(stack, "destroy", "--preview-only", "--json"))
    with edited_by_hand():
        _write("drift", _preview(stack, "--refresh"))
        stack.run("up", "--yes", "--skip-preview", "--refresh")


@contextmanager
def edited_by_hand() -> Iterator[None]:
    """What somebody changes on the cluster: a list of the mesh, a policy's source, a chart's object."""
    kubectl = lab.kubectl()
    mesh = {"spec": {"traffic": {"enablePermissiveTrafficPolicyMode": True, "outboundPortExclusionList": [1]}}}
    source = [{"op": "replace", "path": "/spec/sources/0/name", "value": "somebody"}]
    edits: list[Callable[[], object]] = [
        lambda: kubectl.run(
            "patch", "meshconfig/osm-mesh-config", "-n", "osm-system", "--type=merge", "-p", json.dumps(mesh)
        ),
        lambda: kubectl.run(
            "patch", f"traffictarget/{TARGET}", "-n", "dapr-test", "--type=json", "-p", json.dumps(source)
        ),
        lambda: kubectl.run("scale", "deployment/dapr-operator", "-n", "dapr-system", "--replicas=0"),
        lambda: kubectl.run("delete", "service", "osm-validator", "-n", "osm-system"),
    ]
    for edit in edits:
        edit()
    yield


def _preview(stack: Stack, *flags: str) -> str:
    return _events(stack, "preview", "--json", *flags)


def _events(stack: Stack, command: str, *flags: str) -> str:
    streaming = replace(stack, environment={**stack.environment, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"})
    said = streaming.run(command, *flags)
    return "".join(f"{line}\n" for line in said.splitlines() if line.startswith("{"))


def _write(name: str, events: str) -> None:
    # Without a time in it, the same events are the same file.
    (EVENTS / f"{name}.jsonl.gz").write_bytes(gzip.compress(events.encode(), mtime=0))
    print(f"{name}: {events.count(chr(10))} events", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

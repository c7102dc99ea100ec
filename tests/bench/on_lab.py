"""The same on the lab: the walkthrough's two apps, then ten more, each of which a policy lets call the next one."""

from __future__ import annotations

import contextlib
import io
import time
from typing import Any, Final

from lab import api
from model.expectation import Expectation
from tests.support import inventory, lab
from tests.support.stack import Stack, committed_config
from verification import verify
from verification.sample import sample

MORE: Final = 10
TIMES: Final = 3
IMAGE: Final = committed_config("Pulumi.lab.yaml")["dapr-osm:nodeAppImage"]


def config() -> dict[str, Any]:
    """Ten apps that call each other in a ring, and the policies that let them."""
    names = [f"ring-{number}" for number in range(MORE)]
    apps = {name: {"image": IMAGE, "port": 3000, "env": {"APP_PORT": "3000"}} for name in names}
    policies = {
        f"to-{name}": {"destination": name, "sources": [names[number - 1]]} for number, name in enumerate(names)
    }
    return {"apps": apps, "policies": policies}


def measured(stack: Stack) -> tuple[int, int, int, float]:
    """Apps, possible calls, those that are tried, and the seconds of a verification, the least of three."""
    expected = Expectation.from_json(stack.expectation())
    seconds = []
    for _ in range(TIMES):
        began = time.monotonic()
        with contextlib.redirect_stderr(io.StringIO()):
            verify.verify(lab.cluster(), expected)
        seconds.append(time.monotonic() - began)
    return len(expected.apps), len(expected.calls), len(sample(expected)), min(seconds)


def table() -> str:
    """Bring both stacks up, one after the other, and measure; the cluster is empty before and after."""
    api.start()
    before = inventory.take(lab.kubectl())
    stack = lab.stack("bench", api.paths().data / "test-stacks", stage="smi")
    rows = []
    try:
        for more in ({}, config()):
            stack.configure(**more)
            stack.up()
            rows.append(measured(stack))
            print(f"{rows[-1][0]} apps on the lab: {rows[-1][-1]:.1f} s", flush=True)
    finally:
        stack.destroy()
    left = inventory.difference(before, inventory.take(lab.kubectl()))
    assert not left, left
    lines = ["| apps on the lab | possible calls | tried | seconds, as a ratio |", "|---|---|---|---|"]
    lines += [f"| {apps} | {calls} | {tried} | {seconds / rows[0][-1]:.1f} |" for apps, calls, tried, seconds in rows]
    return "\n".join(lines)

"""What is measured: a release through all stages, an upgrade of a running stack, an exclusion that is missing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from lab import api
from model.stage import Stage
from tests.compat.gap import GapMeter
from tests.support import lab
from tests.support.kubectl import OUTBOUND_PORTS, Kubectl
from tests.support.stack import Stack, StackError

STACK: Final = "compat"
STAGES: Final = tuple(stage.value for stage in Stage)
# What a release is tried with at the last stage, after it walked through all.
MINIMAL: Final[dict[str, dict[str, Any]]] = {
    "minimal, egress on": {"exclusions": "minimal"},
    "minimal, egress off": {"exclusions": "minimal", "enableEgress": False},
}
APPS: Final = {"nodeapp": "node", "pythonapp": "python"}
# How long pods and orders get to recover from a restart before a missing exclusion counts as harmful.
SETTLE_SECONDS: Final = 30
WATCH_SECONDS: Final = 8

Result = dict[str, Any]


@contextmanager
def fresh(version: str, **config: Any) -> Iterator[Stack]:
    """A stack with this release that is destroyed at the end; one that an earlier run left is destroyed first."""
    api.start(dapr=(version,))
    folder = api.paths().data / "test-stacks"
    made = lab.stack(STACK, folder, daprVersion=version, **config)
    _clear(made)
    try:
        yield made
    finally:
        _clear(made)


def _clear(stack: Stack) -> None:
    if stack.resources():
        stack.cli("cancel", "--yes", "--stack", stack.name, ok=None)
        stack.destroy()


def release(version: str) -> Result:
    """Walk a release through all stages, one ``up`` each, then through the minimal exclusions at the last."""
    steps: dict[str, dict[str, Any]] = {stage: {"stage": stage} for stage in STAGES} | MINIMAL
    row = Result()
    with fresh(version) as stack:
        for name, config in steps.items():
            stack.configure(**config)
            row[name] = _up(stack)
            if name in STAGES and "failed" in row[name]:
                break
        began = time.monotonic()
        stack.destroy()
        row["destroy"] = {"seconds": round(time.monotonic() - began), "left": len(stack.resources())}
    return row


def _up(stack: Stack) -> Result:
    """One ``up``: what it says of itself, and the orders that kubectl sees after it."""
    began = time.monotonic()
    try:
        stack.up()
    except StackError as error:
        return {"failed": _cause(str(error))}
    seconds = round(time.monotonic() - began)
    verification = stack.outputs()["verification"]
    return {
        "seconds": seconds,
        "verdict": verification["orders"]["verdict"],
        "containers": verification["containers"]["nodeapp"],
        "persistedInSeconds": [lab.kubectl().persisted(WATCH_SECONDS), WATCH_SECONDS],
    }


def upgrades(versions: tuple[str, ...]) -> Result:
    """Change the release of one running stack at the last stage, step by step; the longest gap in its orders."""
    rows = Result()
    for version in versions:
        api.start(dapr=(version,))
    with fresh(versions[0]) as stack:
        stack.up()
        for here, there in zip(versions, versions[1:], strict=False):
            stack.configure(daprVersion=there)
            try:
                changes = len(stack.preview())
                with GapMeter(lab.cluster()) as meter:
                    began = time.monotonic()
                    stack.up()
                    seconds = round(time.monotonic() - began)
            except StackError as error:
                rows[f"{here} -> {there}"] = {"failed": _cause(str(error))}
                return rows
            rows[f"{here} -> {there}"] = {
                "seconds": seconds,
                "previewed": changes,
                "gap": round(meter.longest, 1),
                "verdict": stack.outputs()["verification"]["orders"]["verdict"],
            }
    return rows


def exclusions(version: str, stage: str) -> Result:
    """Leave out one exclusion after the other, with and without egress; what becomes of pods and orders."""
    rows = Result()
    with fresh(version, stage=stage) as stack:
        for egress in (True, False):
            stack.configure(enableEgress=egress)
            stack.up()
            found = stack.outputs()["exclusions"]
            ranges = [row["cidr"] for row in found["ipRanges"]]
            mesh = list(dict.fromkeys(row["port"] for row in found["meshPorts"]))
            pods = sorted({row["port"] for row in found["podPorts"]})
            owners: dict[int, list[str]] = {}
            for row in (*found["meshPorts"], *found["podPorts"]):
                if row["service"] not in owners.setdefault(row["port"], []):
                    owners[row["port"]].append(row["service"])
            cases = {"nothing": (ranges, mesh, pods), "the API server": ([], mesh, pods)}
            cases |= {
                f"{port} ({', '.join(services)})": (
                    ranges,
                    [each for each in mesh if each != port],
                    [each for each in pods if each != port],
                )
                for port, services in owners.items()
            }
            cases["all but 6379"] = ([], [6379], [])
            cases["all"] = ([], [], [])
            for name, lists in cases.items():
                rows[f"{name}, egress {'on' if egress else 'off'}"] = _without(lab.kubectl(), *lists)
            # As it was, for the next `up` to find well.
            _without(lab.kubectl(), ranges, mesh, pods)
    return rows


def _without(kubectl: Kubectl, ranges: list[str], mesh: list[int], pods: list[int]) -> Result:
    """Give the apps new pods that are injected with these lists, and watch them."""
    traffic = {"outboundIPRangeExclusionList": ranges, "outboundPortExclusionList": mesh}
    patch = json.dumps({"spec": {"traffic": traffic}})
    kubectl.run("patch", "meshconfig", "osm-mesh-config", "-n", "osm-system", "--type=merge", "-p", patch)
    time.sleep(2)  # OSM's injector watches the MeshConfig
    annotations = {OUTBOUND_PORTS: ",".join(map(str, pods)) or None, "compat/at": str(time.time())}
    template = json.dumps({"spec": {"template": {"metadata": {"annotations": annotations}}}})
    for app in APPS:
        kubectl.run("scale", f"deployment/{app}", "-n", "dapr-test", "--replicas=0")
        kubectl.run("patch", "deployment", app, "-n", "dapr-test", "--type=merge", "-p", template)
    began = time.monotonic()
    while any(kubectl.living_pods("dapr-test", label) for label in APPS.values()) and time.monotonic() - began < 40:
        time.sleep(0.5)
    for app in APPS:
        kubectl.run("scale", f"deployment/{app}", "-n", "dapr-test", "--replicas=1")
    began, flowing = time.monotonic(), None
    while time.monotonic() - began < SETTLE_SECONDS:
        if _persisted(kubectl, 2) >= 1:
            flowing = round(time.monotonic() - began)
            break
    return {
        "secondsToOrders": flowing,
        "persistedInSeconds": [_persisted(kubectl, WATCH_SECONDS), WATCH_SECONDS],
        "pods": {app: _state(kubectl, label) for app, label in APPS.items()},
    }


def _persisted(kubectl: Kubectl, seconds: float) -> int:
    """Orders persisted meanwhile; none where nodeapp has no log yet."""
    try:
        return kubectl.persisted(seconds)
    except AssertionError:
        return 0


def _state(kubectl: Kubectl, label: str) -> Result:
    """Readiness and restarts of an app's pod, and what its daprd complains of."""
    state = Result()
    for pod in kubectl.living_pods("dapr-test", label):
        statuses = pod["status"].get("containerStatuses", [])
        state["ready"] = f"{sum(status['ready'] for status in statuses)}/{len(pod['spec']['containers'])}"
        state["restarts"] = sum(status["restartCount"] for status in statuses)
        try:
            log = kubectl.run("logs", "-n", "dapr-test", pod["metadata"]["name"], "-c", "daprd", "--tail=200")
        except AssertionError:
            continue
        complaints = re.findall(r'level=(?:error|fatal|warning)[^\n]*?msg="((?:[^"\\]|\\.)*)"', log)
        state["complaints"] = list(dict.fromkeys(line[:160] for line in complaints))[-4:]
    return state


def _cause(text: str) -> str:
    """The line of a failed run that says why."""
    lines = [line.strip() for line in text.splitlines() if "error:" in line]
    return (lines[0] if lines else text.strip().splitlines()[-1])[:300]

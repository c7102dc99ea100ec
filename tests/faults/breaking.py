"""Faults that end no run: the API server goes away, a control plane is down, pods go, the machine is restarted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from lab import api
from settings import ROOT
from tests.e2e.judge import judge
from tests.faults.killing import Ended, watched
from tests.faults.rows import Group, Row, clean, converges, destroyed, recover
from tests.support import lab
from tests.support.stack import Stack

OUTAGE: Final = 20.0
"""Seconds without an API server."""
PATIENCE: Final = 180.0
"""Seconds that the cluster gets to be itself again."""
APPS: Final = "dapr-test"

API_UP: Final = ("dapr-chart/deployment/dapr-sentry", "osm-mesh-ready", "hello-nodeapp-pods")
API_DESTROY: Final = ("hello-namespace", "osm-runtime", "dapr-chart/deployment/dapr-sentry")
DOWN: Final = {
    "osm-controller": "osm-system",
    "osm-injector": "osm-system",
    "dapr-sidecar-injector": "dapr-system",
}


def _lab(command: str) -> None:
    done = subprocess.run(  # noqa: S603 - the project's own command
        [sys.executable, "-m", "lab", command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _api_server() -> int:
    """The API server's process, as this machine numbers it: the one in the lab's own network."""
    network = os.readlink(f"/proc/{(api.paths().run / 'pid').read_text().strip()}/ns/net")
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                argv = (folder / "cmdline").read_bytes().split(b"\0")
                is_labs = os.readlink(folder / "ns" / "net") == network
            except OSError:
                continue
            if is_labs and Path(os.fsdecode(argv[0])).name == "kube-apiserver":
                return int(folder.name)
    raise AssertionError("the lab's API server does not run")


def outage() -> None:
    """Kill the API server, and start it again after a while."""
    os.kill(_api_server(), signal.SIGKILL)
    time.sleep(OUTAGE)
    _lab("start")


def _run_with_outage(stack: Stack, command: str, name: str) -> Ended:
    """Run a command of a stack, whose API server goes away when it begins with a resource."""
    gone = threading.Thread(target=outage)

    def is_time(line: str) -> bool:
        return name in line.split() and any(word in line for word in ("creating", "deleting"))

    ended = watched(stack, command, is_time, None, meanwhile=gone.start)
    assert ended.reached, f"{name} was never begun:\n{ended.output[-3000:]}"
    gone.join()
    assert "Traceback" not in ended.output, ended.output[-6000:]
    return ended


def up_without_api_server(name: str, stack: Stack) -> Row:
    """The API server goes away in an `up`: it finishes, or fails cleanly, and the next run converges."""
    ended = _run_with_outage(stack, "up", name)
    return converges(stack) | {"note": _finished(ended)}


def destroy_without_api_server(name: str, stack: Stack) -> Row:
    """The API server goes away in a `destroy`: it finishes, or fails cleanly, and the next one leaves nothing."""
    if not stack.resources():
        stack.up()
    ended = _run_with_outage(stack, "destroy", name)
    recover(stack)
    began = time.monotonic()
    if stack.resources():
        stack.destroy()
    return {"destroyed": round(time.monotonic() - began), "note": _finished(ended)}


def _finished(ended: Ended) -> str:
    return "the run itself finished" if ended.code == 0 else "the run itself failed"


def _pods() -> list[dict[str, Any]]:
    return [pod for app in ("node", "python") for pod in lab.kubectl().living_pods(APPS, app)]


def unmeshed() -> list[str]:
    """Ready pods of the apps that lack a sidecar."""
    return [
        pod["metadata"]["name"]
        for pod in _pods()
        if not {"daprd", "envoy"}
        <= {part["name"] for part in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", []))}
        and any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in pod["status"].get("conditions", [])
        )
    ]


def down_when_apps_roll(namespace: str, deployment: str, stack: Stack) -> Row:
    """A control plane is down when apps roll: no pod counts as meshed that is not, and the next `up` repairs."""
    kubectl = lab.kubectl()
    kubectl.run("scale", f"deployment/{deployment}", "-n", namespace, "--replicas=0")
    kubectl.run("wait", "pod", "-n", namespace, "-l", f"app={deployment}", "--for=delete", "--timeout=90s")
    stack.configure(timeoutSeconds=90, apps={"nodeapp": {"env": {"ROLLED": deployment}}})
    said = stack.up(ok=None)
    assert "Traceback" not in said, said[-6000:]
    finished = bool(stack.outputs()) and "error:" not in said
    if finished:
        assert not unmeshed(), f"the run ended well, with pods outside the mesh: {unmeshed()}"
    note = "the run itself finished" if finished else f"the run itself failed: {_reason(said)}"
    stack.configure(timeoutSeconds=None)
    row = converges(stack)
    assert not unmeshed()
    return row | {"note": note}


def _reason(said: str) -> str:
    """The first error that a person reads."""
    lines = [line.strip() for line in said.splitlines() if "error:" in line]
    return lines[0].partition("error:")[2].strip()[:300] if lines else "?"


def heals(fault: Callable[[], object], stack: Stack) -> Row:
    """Something goes away for a while: orders flow again by themselves, all is verified, a preview shows nothing."""
    kubectl = lab.kubectl()
    fault()
    began = time.monotonic()
    while not kubectl.persisted(5, least=1):
        assert time.monotonic() - began < PATIENCE, f"no order for {PATIENCE:.0f} s"
    seconds = round(time.monotonic() - began)
    _assert_well(stack)
    return {"recovered": seconds}


def _assert_well(stack: Stack) -> None:
    """Orders flow as the last stage promises, all is verified, and a preview shows nothing."""
    judge(lab.kubectl(), "smi")
    _verify(stack)
    rest = stack.preview("--refresh")
    assert not rest, f"a preview would change {rest}"


def _verify(stack: Stack) -> None:
    """Run the verification again, as `make verify` does."""
    done = subprocess.run(
        [sys.executable, "-m", "steps", "verify"],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        input=stack.expectation(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def authority_gone(namespace: str, secret: str, stack: Stack) -> Row:
    """The key of an authority is deleted: orders flow on, the status tells, docs/certificates.md has the way back."""
    kubectl = lab.kubectl()
    kubectl.run("delete", "secret", secret, "-n", namespace)
    assert kubectl.persisted(10, least=3) >= 3, "what runs goes on with what it holds"
    told = subprocess.run(  # noqa: S603 - the project's own command
        [sys.executable, "-m", "status", "--json", "--stack", stack.name],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert json.loads(told.stdout)["lost"] == [f"{namespace}/{secret}"], told.stdout + told.stderr
    began = time.monotonic()
    stack.run("up", "--yes", "--skip-preview", "--refresh")
    # Who issues certificates begins, and nobody is asked by somebody who trusts the authority of before.
    kubectl.run("delete", "pod", "-n", namespace, "--all", "--wait")
    kubectl.run("wait", "deployment", "-n", namespace, "--all", "--for=condition=Available", "--timeout=120s")
    kubectl.run("delete", "pod", "-n", APPS, "--all", "--wait")
    kubectl.run("wait", "deployment", "-n", APPS, "--all", "--for=condition=Available", "--timeout=120s")
    seconds = round(time.monotonic() - began)
    _assert_well(stack)
    return {"recovered": seconds}


def _evict(app: str) -> None:
    """Ask for a pod to go, as a drain of its node does."""
    (pod, *_) = lab.kubectl().living_pods(APPS, app)
    name = pod["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": APPS}}
    lab.kubectl().run(
        *("create", "--raw", f"/api/v1/namespaces/{APPS}/pods/{name}/eviction", "-f", "-"), stdin=json.dumps(body)
    )


def _restart_lab() -> None:
    _lab("stop")
    api.start()


FAULTS: Final[dict[str, Callable[[], object]]] = {
    "a pod of nodeapp evicted": lambda: _evict("node"),
    "a pod of pythonapp evicted": lambda: _evict("python"),
    "Redis restarted": lambda: lab.kubectl().run("delete", "pod", "-n", APPS, "-l", "app=redis"),
    "the cluster stopped and started": _restart_lab,
    "OSM's controller restarted": lambda: lab.kubectl().run(
        "delete", "pod", "-n", "osm-system", "-l", "app=osm-controller"
    ),
    "Dapr's control plane restarted": lambda: lab.kubectl().run("delete", "pod", "-n", "dapr-system", "--all"),
}


AUTHORITIES: Final = {
    "the Secret of OSM's authority deleted": ("osm-system", "osm-ca-bundle"),
    "the Secret of Dapr's authority deleted": ("dapr-system", "dapr-trust-bundle"),
}


def destroyed_after(fault: Callable[[], object], stack: Stack) -> Row:
    """Somebody has removed a part of the stack, or taken the nodes away: a destroy ends clean all the same, twice."""
    kubectl = lab.kubectl()
    fault()
    try:
        row = destroyed(stack)
        # A program that runs in the destroy of a stack that holds nothing leaves its components in the state, which
        # the next destroy takes out again: the engine's way, with any program. On the cluster there is nothing.
        stack.destroy()
        made = {item["type"] for item in stack.resources() if not item["type"].startswith(("pulumi:", "dapr-osm:"))}
        assert not made, f"a destroy of nothing has made {made}"
    finally:
        for node in kubectl.items("nodes"):
            kubectl.run("uncordon", node["metadata"]["name"])
    return row


def _delete(*arguments: str) -> Callable[[], object]:
    return lambda: lab.kubectl().run("delete", *arguments, "--timeout=100s")


def _cordon() -> None:
    for node in lab.kubectl().items("nodes"):
        lab.kubectl().run("cordon", node["metadata"]["name"])


def _definitions(group: str) -> Callable[[], object]:
    def remove() -> None:
        found = [item["metadata"]["name"] for item in lab.kubectl().items("crds")]
        lab.kubectl().run("delete", "crd", *(name for name in found if name.endswith(group)), "--timeout=100s")

    return remove


REMOVALS: Final[dict[str, Callable[[], object]]] = {
    "Dapr's namespace was deleted by hand": _delete("namespace", "dapr-system"),
    "OSM's namespace was deleted by hand": _delete("namespace", "osm-system"),
    "the apps' namespace was deleted by hand": _delete("namespace", APPS),
    "Dapr's CRDs were deleted by hand": _definitions("dapr.io"),
    "the SMI CRDs were deleted by hand": _definitions("smi-spec.io"),
    "OSM's webhooks were deleted by hand": _delete(
        "mutatingwebhookconfiguration/osm-webhook-osm", "validatingwebhookconfiguration/osm-validator-mesh-osm"
    ),
    "no node takes pods any more": _cordon,
}


def _api(command: str, name: str) -> str:
    return f"API server gone for {OUTAGE:.0f} s in {command}, at {name}"


up = partial(clean, up=True)
ROWS: Final[Sequence[Group]] = (
    *(
        Group(
            {
                _api("an up", first): partial(up_without_api_server, first),
                _api("a destroy", last): partial(destroy_without_api_server, last),
            },
            clean,
        )
        for first, last in zip(API_UP, API_DESTROY, strict=True)
    ),
    # Each leaves the stack as it found it.
    Group(
        {fault: partial(heals, make) for fault, make in FAULTS.items()}
        | {fault: partial(authority_gone, *where) for fault, where in AUTHORITIES.items()}
        | {
            f"{deployment} down when apps roll": partial(down_when_apps_roll, namespace, deployment)
            for deployment, namespace in DOWN.items()
        },
        up,
    ),
    *(Group({f"destroy after {fault}": partial(destroyed_after, make)}, up) for fault, make in REMOVALS.items()),
)

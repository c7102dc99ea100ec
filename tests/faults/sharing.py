"""A cluster that is shared: what others bring, what they need, what they change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from stack import TAKE_OVER
from tests.e2e.judge import judge
from tests.faults.breaking import APPS, unmeshed
from tests.faults.rows import Row, clean, converges
from tests.support import lab, others
from tests.support.stack import Stack

TAKEN_OVER: Final = "resiliencies.dapr.io"
THEIRS: Final = others.definition(TAKEN_OVER, "Resiliency")
EXISTING: Final = "orders"


def namespace_of_a_team() -> Row:
    """The apps come to a namespace that is there already: joined to the mesh, and left as it was."""
    with clean(*others.namespace(EXISTING)) as stack:
        stack.configure(appsNamespace=EXISTING, existingNamespaces=[EXISTING])
        stack.up()
        found = lab.kubectl().get("namespace", EXISTING)["metadata"]
        assert found["labels"]["openservicemesh.io/monitored-by"] == "osm"
        assert found["annotations"]["contact"] == "orders@example.com"
        row = converges(stack)
        stack.destroy()
        stack.configure(appsNamespace=None, existingNamespaces=None)
    return row


def replicas_by_an_autoscaler() -> Row:
    """An autoscaler has given an app more pods: no preview takes them away, and all of them are verified."""
    with clean() as stack:
        stack.configure(apps={"nodeapp": {"replicas": "hpa"}})
        stack.up()
        lab.kubectl().run("scale", "deployment/nodeapp", "-n", APPS, "--replicas=2")
        lab.kubectl().run("rollout", "status", "deployment/nodeapp", "-n", APPS, "--timeout=90s")
        row = converges(stack)
        assert len(lab.kubectl().living_pods(APPS, "node")) == 2, "what the autoscaler decided stands"
        stack.configure(apps=None)
        stack.destroy()
    return row


def protected() -> Row:
    """Namespaces and control planes are protected: a destroy is refused, and nothing is deleted."""
    with clean() as stack:
        stack.configure(protect=True)
        stack.up()
        everything = _names(stack)
        said = stack.run("destroy", "--yes", "--skip-preview", ok=False)
        assert "protect" in said, said[-3000:]
        assert _names(stack) == everything, "nothing was deleted"
        judge(lab.kubectl(), "smi")
        stack.configure(protect=None)
        stack.up()
        stack.destroy()
    return {"note": "the destroy was refused"}


def definition_taken_over() -> Row:
    """Somebody else's definition with another content is upgraded when that is allowed, and kept on destroy."""
    kubectl = lab.kubectl()
    kubectl.run("delete", "crd", TAKEN_OVER, "--ignore-not-found")
    with clean() as stack:
        kubectl.run("create", "-f", "-", stdin=json.dumps(THEIRS))
        try:
            assert f"{TAKEN_OVER} is there with another content" in stack.up(ok=False)
            stack.configure(takeOverCrds=True)
            stack.up()
            row = converges(stack)
            upgraded = kubectl.get("crd", TAKEN_OVER)
            assert _schema(upgraded) != _schema(THEIRS)
            stack.destroy()
            kept = kubectl.get("crd", TAKEN_OVER)
            assert kept["metadata"]["uid"] == upgraded["metadata"]["uid"], "it was kept"
            assert _schema(kept) == _schema(upgraded)
        finally:
            stack.configure(takeOverCrds=None)
            kubectl.run("delete", "crd", TAKEN_OVER, "--ignore-not-found")
    return row


def shared_parts_kept() -> Row:
    """Others need the control planes: a destroy keeps them and removes the rest; the stack takes them up again."""
    kubectl = lab.kubectl()
    with clean() as stack:
        stack.up()
        workload = others.dapr_workload()
        for item in workload:
            kubectl.run("create", "-f", "-", stdin=json.dumps(item))
        refused = stack.run("destroy", "--yes", "--skip-preview", ok=False)
        assert "nothing was deleted: others need what this stack would take away" in refused
        stack.configure(keepShared=True)
        stack.up()
        stack.destroy()
        namespaces = {item["metadata"]["name"] for item in kubectl.items("namespaces")}
        assert {"dapr-system", "osm-system"} <= namespaces
        assert APPS not in namespaces
        assert kubectl.items("deployments", "-n", "dapr-system"), "what others need still runs"
        for item in workload:
            kubectl.run("delete", item["kind"], item["metadata"]["name"], "-n", item["metadata"]["namespace"])
        stack.configure(keepShared=None)
        # What was kept is in no state any more: whoever takes it up again says so.
        row = converges(replace(stack, environment={**stack.environment, TAKE_OVER: stack.name}))
        stack.destroy()
    return row


def pods_outside_the_mesh() -> Row:
    """The namespace left the mesh by hand, and pods were made meanwhile: they are replaced."""
    kubectl = lab.kubectl()
    with clean() as stack:
        stack.up()
        kubectl.run("label", "namespace", APPS, "openservicemesh.io/monitored-by-")
        kubectl.run("delete", "pod", "-n", APPS, "-l", "app=node")
        kubectl.run("rollout", "status", "deployment/nodeapp", "-n", APPS, "--timeout=90s")
        assert unmeshed(), "a pod was made outside the mesh"
        row = converges(stack)
        assert not unmeshed()
        stack.destroy()
    return row


def _names(stack: Stack) -> set[str]:
    # Not the engine's own provider, through which the program reads its state, and which goes with every run.
    return {item["urn"] for item in stack.resources() if not item["type"].startswith("pulumi:providers:")}


def _schema(definition: dict[str, Any]) -> Any:
    return definition["spec"]["versions"][0]["schema"]


ROWS: Final[dict[str, Callable[[], Row]]] = {
    "apps in a namespace that a team brought": namespace_of_a_team,
    "an autoscaler changed an app's replicas": replicas_by_an_autoscaler,
    "a destroy of what is protected": protected,
    "a CRD of somebody else's taken over": definition_taken_over,
    "a destroy while others need the control planes": shared_parts_kept,
    "pods made while their namespace was out of the mesh": pods_outside_the_mesh,
}

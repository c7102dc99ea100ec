"""A cluster that is shared: what others bring, what they need, what they change."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from stack import TAKE_OVER
from tests.e2e.judge import judge
from tests.faults.breaking import APPS, unmeshed
from tests.faults.rows import Group, Row, clean, converges
from tests.support import lab, others
from tests.support.stack import Stack

TAKEN_OVER: Final = "resiliencies.dapr.io"
THEIRS: Final = others.definition(TAKEN_OVER, "Resiliency")
EXISTING: Final = "orders"


def namespace_of_a_team(stack: Stack) -> Row:
    """The apps come to a namespace that is there already: joined to the mesh, and left as it was."""
    stack.up()
    found = lab.kubectl().get("namespace", EXISTING)["metadata"]
    assert found["labels"]["openservicemesh.io/monitored-by"] == "osm"
    assert found["annotations"]["contact"] == "orders@example.com"
    return converges(stack)


def replicas_by_an_autoscaler(stack: Stack) -> Row:
    """An autoscaler has given an app more pods: no preview takes them away, and all of them are verified."""
    lab.kubectl().run("scale", "deployment/nodeapp", "-n", APPS, "--replicas=2")
    lab.kubectl().run("rollout", "status", "deployment/nodeapp", "-n", APPS, "--timeout=90s")
    row = converges(stack)
    assert len(lab.kubectl().living_pods(APPS, "node")) == 2, "what the autoscaler decided stands"
    return row


def protected(stack: Stack) -> Row:
    """Namespaces and control planes are protected: a destroy is refused, and nothing is deleted."""
    everything = _names(stack)
    said = stack.run("destroy", "--yes", "--skip-preview", ok=False)
    assert "protect" in said, said[-3000:]
    assert _names(stack) == everything, "nothing was deleted"
    judge(lab.kubectl(), "smi")
    stack.configure(protect=False)
    stack.up()
    return {"note": "the destroy was refused"}


def definition_taken_over(stack: Stack) -> Row:
    """Somebody else's definition with another content is upgraded when that is allowed, and kept on destroy."""
    kubectl = lab.kubectl()
    kubectl.run("delete", "crd", TAKEN_OVER, "--ignore-not-found")
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
        kubectl.run("delete", "crd", TAKEN_OVER, "--ignore-not-found")
    return row


def shared_parts_kept(stack: Stack) -> Row:
    """Others need the control planes: a destroy keeps them and removes the rest; the stack takes them up again."""
    kubectl = lab.kubectl()
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
    return converges(replace(stack, environment={**stack.environment, TAKE_OVER: stack.name}))


def pods_outside_the_mesh(stack: Stack) -> Row:
    """The namespace left the mesh by hand, and pods were made meanwhile: they are replaced."""
    kubectl = lab.kubectl()
    kubectl.run("label", "namespace", APPS, "openservicemesh.io/monitored-by-")
    kubectl.run("delete", "pod", "-n", APPS, "-l", "app=node")
    kubectl.run("rollout", "status", "deployment/nodeapp", "-n", APPS, "--timeout=90s")
    assert unmeshed(), "a pod was made outside the mesh"
    row = converges(stack)
    assert not unmeshed()
    return row


def _names(stack: Stack) -> set[str]:
    # Not the engine's own provider, through which the program reads its state, and which goes with every run.
    return {item["urn"] for item in stack.resources() if not item["type"].startswith("pulumi:providers:")}


def _schema(definition: dict[str, Any]) -> Any:
    return definition["spec"]["versions"][0]["schema"]


BROUGHT: Final = partial(clean, *others.namespace(EXISTING), appsNamespace=EXISTING, existingNamespaces=[EXISTING])
SCALED: Final = {"nodeapp": {"replicas": "hpa"}}
ROWS: Final[Sequence[Group]] = (
    Group({"apps in a namespace that a team brought": namespace_of_a_team}, BROUGHT),
    Group({"an autoscaler changed an app's replicas": replicas_by_an_autoscaler}, partial(clean, up=True, apps=SCALED)),
    Group({"a destroy of what is protected": protected}, partial(clean, up=True, protect=True)),
    Group({"a CRD of somebody else's taken over": definition_taken_over}, clean),
    Group({"a destroy while others need the control planes": shared_parts_kept}, partial(clean, up=True)),
    Group({"pods made while their namespace was out of the mesh": pods_outside_the_mesh}, partial(clean, up=True)),
)

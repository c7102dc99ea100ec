"""What each of the twelve moves between stages changes, and nothing else: the expected previews."""

from __future__ import annotations

from tests.support.stack import Step

MESH = {
    "osm",
    "osm-namespace",
    "osm-runtime",
    # The chart's objects, each a step of its own.
    "osm-chart",
    "osm-mesh-ready",
    "exclusions",
    "exclusions-patch",
}
ACCOUNTS = {"hello-nodeapp-account", "hello-pythonapp-account"}
LOCK = {"smi", "smi-withdraw", "smi-revoke"}
POLICIES = {"smi-routes", "smi-traffic-target"}

# What a stage has beside what all of them have.
OWN = {
    "dapr": set[str](),
    "permissive": MESH,
    "locked": MESH | ACCOUNTS | LOCK,
    "smi": MESH | ACCOUNTS | LOCK | POLICIES,
}

# What is changed in place, beside the verification, which is run anew by every move.
PODS = {"hello-nodeapp-pods", "hello-pythonapp-pods", "hello-ready"}
JOIN = {"hello-namespace", "hello-injection", "teardown-check"} | PODS
IDENTITY = {"hello-dapr-secret-reader"} | PODS
CHANGED = {
    frozenset({"dapr", "permissive"}): JOIN,
    frozenset({"dapr", "locked"}): JOIN | IDENTITY,
    frozenset({"dapr", "smi"}): JOIN | IDENTITY,
    frozenset({"permissive", "locked"}): {"exclusions-patch"} | IDENTITY,
    frozenset({"permissive", "smi"}): {"exclusions-patch"} | IDENTITY,
    frozenset({"locked", "smi"}): {"smi-withdraw", "smi-revoke"},
}


def expected(here: str, there: str) -> set[Step]:
    """The steps of a preview of this move."""
    return (
        {Step(op="create", name=name) for name in OWN[there] - OWN[here]}
        | {Step(op="delete", name=name) for name in OWN[here] - OWN[there]}
        | {Step(op="update", name=name) for name in CHANGED[frozenset({here, there})] | {"verification-run"}}
    )


def folded(steps: set[Step]) -> set[Step]:
    """The steps of a preview, with those of a chart's objects as one."""
    return {Step(op=step.op, name=step.name.partition("/")[0]) for step in steps}

"""Every rule, declared once: docs/policies.md, the pack and the review are made from this."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from policy import images, mesh, plan, pods
from policy.found import Asked, Found, NotKnown, Plan
from policy.objects import Object


class Asks(StrEnum):
    """What a rule is asked of."""

    OBJECT = "each object, before it is made"
    STACK = "the whole stack"
    PLAN = "the plan, by the review"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        name: Its name, in the environments' files and in messages.
        asks: What it is asked of.
        rule: What must hold, in a sentence.
        why: What happens otherwise.
        parameters: JSON schemas of its parameters, each with a default and a description.
        of_object: What it finds in an object.
        of_stack: What it finds in a stack.
        of_plan: What it finds in a plan.
    """

    name: str
    asks: Asks
    rule: str
    why: str
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    of_object: Callable[[Asked], Iterable[Found | NotKnown]] = lambda asked: ()
    of_stack: Callable[[Iterable[Object]], Iterable[Found | NotKnown]] = lambda objects: ()
    of_plan: Callable[[Plan], Iterable[Found]] = lambda plan: ()

    @property
    def defaults(self) -> dict[str, Any]:
        """Its parameters where a file sets none."""
        return {name: schema["default"] for name, schema in self.parameters.items()}


# Where the charts and the walkthrough have their images from.
PUBLIC: Final = [
    "docker.io/curlimages/curl",
    "docker.io/daprio",
    "docker.io/envoyproxy",
    "docker.io/library/redis",
    "docker.io/openservicemesh",
    "ghcr.io/dapr",
]

UNUSED: Final = "unused-exceptions"

_DECLARED: Final = (
    Rule(
        name="images",
        asks=Asks.OBJECT,
        rule="Images come from allowed registries, at a version or a digest: never `latest`, never without a tag.",
        why="Whoever can push to another registry runs code in the cluster, and `latest` is another image tomorrow.",
        parameters={
            "registries": {
                "type": "array",
                "items": {"type": "string", "pattern": r"^\S+$"},
                "default": PUBLIC,
                "description": "Registries, or paths in them, that images may come from.",
            }
        },
        of_object=images.images,
    ),
    Rule(
        name="privileged",
        asks=Asks.OBJECT,
        rule="No pod is privileged, root, or on the node's own network, ports and folders.",
        why="Such a pod is the node's root. OSM's init container has to be: OSM's injector adds it on the cluster, "
        "where no policy pack sees it, so nothing in the stack needs an exception for it.",
        of_object=pods.privileged,
    ),
    Rule(
        name="exclusions",
        asks=Asks.OBJECT,
        rule="What bypasses Envoy is single addresses and at most 15 ports, each listed, and never 50002.",
        why="No policy holds for what bypasses Envoy. 50002 is the calls themselves, a range is services that nobody "
        "listed, and OSM can't write more than 15 ports down. A list of what goes through Envoy excludes all the rest.",
        parameters={
            "prefix": {
                "type": "integer",
                "minimum": 8,
                "maximum": 32,
                "default": 32,
                "description": "The widest range that may be excluded, as the length of its prefix; 32 is one address.",
            }
        },
        of_object=mesh.exclusions,
    ),
    Rule(
        name="permissive",
        asks=Asks.OBJECT,
        rule="Permissive mode is off.",
        why="While it is on, every app of the mesh may call every other, whatever policies say.",
        of_object=mesh.permissive,
    ),
    Rule(
        name="one-mtls",
        asks=Asks.OBJECT,
        rule="In a mesh, Dapr's own mTLS is off.",
        why="Calls would be encrypted twice, and Envoy could not read what it is to decide on.",
        of_object=mesh.one_mtls,
    ),
    Rule(
        name="wildcards",
        asks=Asks.OBJECT,
        rule="No Role, binding or SMI policy has a wildcard: no `*`, no regular expression of every path, no subject "
        "that is everybody, no role that may do everything.",
        why="A wildcard grants what does not exist yet. A match without conditions is the walkthrough's own, and fine.",
        of_object=mesh.wildcards,
    ),
    Rule(
        name="secrets",
        asks=Asks.OBJECT,
        rule="Secrets stand nowhere in the clear: not in variables, arguments, Components or the texts of ConfigMaps, "
        "nor in a Secret that Pulumi does not know to be one.",
        why="Whoever may read pods, Components, the state or a preview's log would have them.",
        of_object=pods.secrets,
    ),
    Rule(
        name="accounts",
        asks=Asks.STACK,
        rule="TrafficTargets and bindings name ServiceAccounts that somebody has.",
        why="Whoever makes a ServiceAccount of that name later gets the permission.",
        of_stack=mesh.accounts,
    ),
    Rule(
        name="stage-forward",
        asks=Asks.PLAN,
        rule="The stage only moves forward: `dapr`, `permissive`, `locked`, `smi`.",
        why="Each step back lets calls pass that were denied.",
        of_plan=plan.stage_forward,
    ),
    Rule(
        name="deletes",
        asks=Asks.PLAN,
        rule="No CustomResourceDefinition and no Namespace is deleted or replaced, and the step `osm-runtime`, with "
        "which OSM's definitions go, is not undone.",
        why="With them go objects of other people's, at once and for good.",
        of_plan=plan.deletes,
    ),
    Rule(
        name=UNUSED,
        asks=Asks.STACK,
        rule="Every exception is still needed.",
        why="One that nothing needs any more is an open door for whatever comes by that name.",
    ),
)
RULES: Final[Mapping[str, Rule]] = {rule.name: rule for rule in _DECLARED}


def of_plans() -> Iterator[Rule]:
    """Rules that are asked of plans."""
    return (rule for rule in RULES.values() if rule.asks is Asks.PLAN)

"""What changes, object by object, in the cluster's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from model.chart import CLUSTER_WIDE
from review.events import Preview, State, Step
from review.secrets import SECRET, UNKNOWN

COMMAND: Final = "command:local:Command"
STACK: Final = "pulumi:pulumi:Stack"
# Parts of the stack, by the component that owns them; the innermost one that is here counts.
PARTS: Final = {
    "ClusterIdentity": "the cluster's note",
    "DaprInstall": "Dapr",
    "OsmInstall": "OSM",
    "MeshConfigExclusions": "exclusions",
    "HelloKubernetesApps": "apps",
    "DaprApp": "apps",
    "RedisStateStore": "state store",
    "SmiPolicies": "policies",
    "Verification": "verification",
    "TeardownGuard": "teardown guard",
}


class Op(StrEnum):
    """What happens to an object."""

    DELETE = "deleted"
    REPLACE = "replaced"
    DRIFT = "edited by hand"
    CREATE = "created"
    UPDATE = "changed"
    IMPORT = "taken over"
    """It is there, and from now on the stack's."""
    FORGET = "left to itself"
    """It stays on the cluster, and the stack no longer knows of it."""


OPS: Final = {
    "create": Op.CREATE,
    "import": Op.IMPORT,
    "update": Op.UPDATE,
    "replace": Op.REPLACE,
    "create-replacement": Op.REPLACE,
    "import-replacement": Op.REPLACE,
    "delete-replaced": Op.REPLACE,
    "delete": Op.DELETE,
    "remove-pending-replace": Op.FORGET,
    "refresh": Op.DRIFT,
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to one object.

    Attributes:
        op: What it is.
        urn: The resource.
        name: The resource's name.
        part: The part of the stack that it belongs to.
        kind: The object's kind; ``Step`` for what a Command does.
        namespace: The object's namespace, or empty.
        object_name: The object's name.
        before: It before, or None; without what Kubernetes and Pulumi note down for themselves.
        after: It after, or None.
        secret_paths: Paths of changed values that must not be shown.
        replaced_for: Paths of what makes it a replacement.
        protect: Whether Pulumi would refuse to delete it.
        generated_name: Whether its name ends with what Pulumi made up.
    """

    op: Op
    urn: str
    name: str
    part: str
    kind: str
    namespace: str
    object_name: str
    before: Any
    after: Any
    secret_paths: tuple[str, ...] = ()
    replaced_for: tuple[str, ...] = ()
    protect: bool = False
    generated_name: bool = False

    @property
    def is_step(self) -> bool:
        """Whether it is a Command: something that is done, no object."""
        return self.kind == "Step"

    @property
    def is_cluster_wide(self) -> bool:
        """Whether the object is in no namespace."""
        return self.kind in CLUSTER_WIDE

    @property
    def title(self) -> str:
        """Kind, namespace and name."""
        if self.is_step:
            return f"step {self.name}"
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.object_name}"

    @property
    def done(self) -> str:
        """What happens to it, in a word."""
        return "deleted by hand" if self.op is Op.DRIFT and self.after is None else self.op.value

    @property
    def is_destructive(self) -> bool:
        """Whether something goes."""
        return self.op in (Op.DELETE, Op.REPLACE) and not self.is_step

    @property
    def pods_before(self) -> Any:
        """Its pod template before, or None."""
        return pod_template(self.before)

    @property
    def pods_after(self) -> Any:
        """Its pod template after, or None."""
        return pod_template(self.after)


@dataclass(frozen=True, kw_only=True)
class World:
    """All that the stack has, at one time: the old one or the new one.

    Attributes:
        objects: Kubernetes objects.
        outputs: The stack's outputs.
    """

    objects: tuple[Mapping[str, Any], ...]
    outputs: Mapping[str, Any]


def changes(preview: Preview) -> tuple[Change, ...]:
    """What changes, each resource once: what goes, then what is replaced, edited, made, changed."""
    by_urn: dict[str, list[Step]] = {}
    for step in preview.steps:
        by_urn.setdefault(step.urn, []).append(step)
    found = [made for steps in by_urn.values() for made in _change(steps)]
    order = list(Op)
    return tuple(sorted(found, key=lambda c: (order.index(c.op), c.part, c.kind, c.namespace, c.object_name)))


def before(preview: Preview) -> World:
    """The stack as it is."""
    return _world((step.type, step.old) for step in preview.steps if step.op != "create")


def after(preview: Preview) -> World:
    """The stack as it will be."""
    gone = {step.urn for step in preview.steps if step.op == "delete"}
    return _world((step.type, step.new) for step in preview.steps if step.urn not in gone)


def protections(preview: Preview) -> dict[str, bool]:
    """Whether Pulumi will refuse to delete a resource, of each where that changes; nothing else of it may."""
    sides = {step.urn: (step.old, step.new) for step in preview.steps if step.op != "delete"}
    return {urn: new.protect for urn, (old, new) in sides.items() if old and new and old.protect is not new.protect}


def _world(states: Iterable[tuple[str, State | None]]) -> World:
    objects: dict[tuple[Any, ...], Mapping[str, Any]] = {}
    outputs: Mapping[str, Any] = {}
    for token, state in states:
        if state is None:
            continue
        if token == STACK:
            outputs = state.outputs or outputs
        elif token.startswith("kubernetes:") and "kind" in state.inputs:
            metadata = state.inputs.get("metadata")
            named = metadata if isinstance(metadata, Mapping) else {}
            key = (str(state.inputs["kind"]), str(named.get("namespace")), str(named.get("name")))
            objects[key] = state.inputs
    return World(objects=tuple(objects.values()), outputs=outputs)


def pod_template(body: Any) -> Any:
    """The pod template of a workload, or None."""
    if not isinstance(body, Mapping) or body.get("kind") not in ("Deployment", "StatefulSet", "DaemonSet"):
        return None
    spec = body.get("spec")
    return spec.get("template") if isinstance(spec, Mapping) else spec


def _change(steps: list[Step]) -> Iterator[Change]:
    ops = [OPS[step.op] for step in steps if step.op in OPS]
    if not ops:
        return
    token = steps[0].type
    is_object = token.startswith("kubernetes:")
    if not (is_object or token == COMMAND or (steps[0].custom and not token.startswith("pulumi:"))):
        return
    # An update beside a refresh: what was edited is repaired, and the edit is part of the difference.
    op = Op.REPLACE if Op.REPLACE in ops else next((o for o in ops if o is not Op.DRIFT), Op.DRIFT)
    # What is repaired is shown against what the refresh has found, not against what was there before the edit.
    own = [step for step in steps if step.op != "refresh"] if op is not Op.DRIFT else steps
    old = next((step.old for step in own if step.old is not None), None)
    new = next((step.new for step in reversed(own) if step.new is not None and step.op != "delete"), None)
    if op is Op.DELETE:
        new = None
        if old is not None and old.retain:
            op = Op.FORGET
    if op is Op.CREATE:
        old = None
    drift = op is Op.DRIFT
    earlier, later = _body(old, drift), _body(new, drift)
    if drift and earlier == later:
        return
    paths = {path for step in steps for path in step.paths}
    known = new or old
    described = (later or earlier or {}) if not drift else _described(known)
    # Somebody's own additions to the program may be of any provider; they are called as the program calls them.
    metadata = described.get("metadata") if is_object and isinstance(described.get("metadata"), Mapping) else {}
    own_kind = described.get("kind") if is_object else None
    yield Change(
        op=op,
        urn=steps[0].urn,
        name=steps[0].urn.split("::")[-1],
        part=_part(steps[0].urn),
        kind="Step" if token == COMMAND else _word(own_kind, token.rpartition(":")[2]),
        namespace=_word((metadata or {}).get("namespace"), ""),
        object_name=_word((metadata or {}).get("name"), steps[0].urn.split("::")[-1].rpartition("/")[2]),
        before=earlier,
        after=later,
        secret_paths=tuple(sorted(path for path in paths if _is_secret(path, old, new))),
        replaced_for=tuple(dict.fromkeys(key for step in steps for key in step.keys)),
        protect=bool(old and old.protect),
        generated_name=((metadata or {}).get("annotations") or {}).get("pulumi.com/autonamed") == "true"
        if isinstance((metadata or {}).get("annotations") or {}, Mapping)
        else False,
    )


def _word(value: Any, otherwise: str) -> str:
    return otherwise if value is None or value is UNKNOWN or value is SECRET else str(value)


def _described(state: State | None) -> Mapping[str, Any]:
    return (state.inputs or state.outputs) if state else {}


def _part(urn: str) -> str:
    owners = [part for part in re.findall(r"dapr-osm:components:(\w+)", urn.split("::")[2]) if part in PARTS]
    return PARTS[owners[-1]] if owners else "the stack"


def _body(state: State | None, drift: bool) -> Any:
    """An object without what nobody declared."""
    if state is None:
        return None
    # A refresh compares what is on the cluster, of which the stack declares a part.
    raw = _same_shape(state.outputs, state.inputs) if drift and state.inputs else state.inputs
    return {key: value for key, value in raw.items() if not key.startswith("__") and key != "status"}


def _same_shape(found: Any, declared: Any) -> Any:
    """Of what was found, that which is declared."""
    if isinstance(found, Mapping) and isinstance(declared, Mapping):
        return {key: _same_shape(found.get(key), value) for key, value in declared.items() if key in found}
    if isinstance(found, list) and isinstance(declared, list) and len(found) == len(declared):
        return [_same_shape(f, d) for f, d in zip(found, declared, strict=True)]
    return found


# A part of a property's path: ["with.dots"], [0], or a plain name.
PATH_PART: Final = re.compile(r'\["([^"]*)"\]|\[(\d+)\]|([^.\[\]]+)')


def _is_secret(path: str, old: State | None, new: State | None) -> bool:
    """Whether what a path leads to is masked, or something above it or in it, or all of a text that changes."""
    value = _found_at(path, new or old)
    if value is SECRET or (isinstance(value, Mapping) and any(inner is SECRET for inner in value.values())):
        return True
    return isinstance(value, str) and str(SECRET) in value and value == _found_at(path, old)


def _found_at(path: str, state: State | None) -> Any:
    value: Any = state.inputs if state else None
    for quoted, number, plain in PATH_PART.findall(path):
        if isinstance(value, list) and number and int(number) < len(value):
            value = value[int(number)]
        elif isinstance(value, Mapping) and (quoted or plain) in value:
            value = value[quoted or plain]
        else:
            # Masked as a whole, or gone: then its neighbours tell.
            break
    return value

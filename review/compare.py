"""Two previews of one stack, by two revisions of the program: what the second one declares otherwise.

Each preview says what its revision wants. So it does not matter what is deployed, or whether anything is.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from model.leaks import visible
from review.changes import OPS, Op
from review.digest import made_up
from review.events import Preview, State, Step
from review.secrets import Marker

# What makes an object another one, which no cluster has to be asked about.
IDENTITY: Final = ("apiVersion", "kind", "metadata.namespace", "metadata.name")

SECURE: Final = re.compile(r"((?:secure|encryptionsalt|encryptedkey):\s*)\S+")


def compared(base: Preview, head: Preview) -> Preview:
    """What head's revision does that base's does not, as a preview of its own.

    Args:
        base: The preview that the base's program makes.
        head: The preview of the same stack that the other one makes.
    """
    wanted, before = _wanted(head), _wanted(base)
    # Names that Pulumi makes up are others in every preview.
    names = _renamed(base, before, wanted)
    ours = set(_replaced(base))
    steps: list[Step] = []
    for urn in dict.fromkeys([*before, *wanted]):
        old, new = before.get(urn), wanted.get(urn)
        if old is not None and old.new is not None:
            old = replace(old, new=_state_with(old.new, names))
        steps.append(_step(old, new, replaced=urn in set(_replaced(head)) - ours))
    return Preview(
        stack=head.stack,
        steps=tuple(steps),
        errors=head.errors,
        warnings=tuple(text for text in head.warnings if text not in base.warnings),
        violations=tuple(one for one in head.violations if one not in base.violations),
        finished=base.finished and head.finished,
        known=base.known | head.known,
    )


def _wanted(preview: Preview) -> dict[str, Step]:
    """The step of each resource that stays or comes, by URN."""
    gone = {step.urn for step in preview.steps if OPS.get(step.op) is Op.DELETE}
    steps = [step for step in preview.steps if step.new is not None and step.op not in ("refresh", "delete-replaced")]
    return {step.urn: step for step in steps if step.urn not in gone}


def _replaced(preview: Preview) -> Iterator[str]:
    return (step.urn for step in preview.steps if OPS.get(step.op) is Op.REPLACE)


def _step(old: Step | None, new: Step | None, *, replaced: bool) -> Step:
    if old is None or new is None:
        known = new or old
        assert known is not None  # noqa: S101 - it is in one of them
        op = "create" if old is None else "delete"
        return replace(known, op=op, old=old.new if old else None, new=new.new if new else None, paths=(), keys=())
    before, after = old.new, new.new
    assert before is not None and after is not None  # noqa: S101 - or it would not be wanted
    keys = tuple(path for path in IDENTITY if _at(before.inputs, path) != _at(after.inputs, path))
    changed = "replace" if keys or replaced else "update"
    op = changed if _differs(before.inputs, after.inputs) else "same"
    return replace(new, op=op, old=before, paths=(), keys=keys or (new.keys if replaced else ()))


def _at(inputs: Mapping[str, Any], path: str) -> Any:
    found: Any = inputs
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    # What is not known yet is taken to stay.
    return None if isinstance(found, Marker) else found


def _differs(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() != other.keys() or any(_differs(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) != len(other) or any(_differs(*pair) for pair in zip(one, other, strict=True))
    return bool(one != other)


def _renamed(base: Preview, before: Mapping[str, Step], wanted: Mapping[str, Step]) -> dict[str, str]:
    """Made-up names of the base, and what the same resources are called in the other preview."""
    found = {}
    there = made_up(base)
    for urn, step in before.items():
        name, now = _name(step), _name(wanted.get(urn))
        if name in there and now is not None:
            found[name] = now
    return found


def _name(step: Step | None) -> str | None:
    name = _at(step.new.inputs, "metadata.name") if step and step.new else None
    return name if isinstance(name, str) else None


def _state_with(state: State, names: Mapping[str, str]) -> State:
    return replace(state, inputs=_with(state.inputs, names), outputs=_with(state.outputs, names))


def _with(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _with(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with(item, names) for item in value]
    if isinstance(value, str) and not isinstance(value, Marker):
        return names.get(value, value)
    return value


def stack_file_changes(before: str, after: str, name: str) -> str:
    """What changes in a stack file, as a block of a comment; nothing that is encrypted.

    It says all that a preview without a cluster can't know the effect of.
    """
    if before == after:
        return ""
    lines = [
        SECURE.sub(r"\1[secret]", line)
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), name, name, n=1, lineterm="")
    ]
    fence = "`" * max(3, *(len(run) + 1 for line in lines for run in re.findall("`+", line)), 3)
    return f"{fence}diff\n{visible(chr(10).join(lines))}\n{fence}\n"

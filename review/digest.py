"""A digest of a plan: a deploy makes it again, and stops where what it would do is not what was reviewed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from review.changes import Change, changes, protections
from review.diff import NOISE, is_checksum
from review.events import Preview
from review.secrets import SECRET, UNKNOWN

# What Pulumi puts behind a name that it makes up.
MADE_UP: Final = re.compile(r"-[0-9a-f]{7,8}$")
TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def digest(previews: Sequence[Preview]) -> str:
    """One digest of what all these stacks' plans do, whatever their order.

    It does not depend on what changes by itself: times, versions that Kubernetes counts, names that Pulumi makes up,
    checksums of what is in the plan anyway (but whether they change counts, since pods restart by them), and the order
    in which the engine works. It depends on the stack, so one stack's review opens no other stack's deploy.
    """
    plans = {preview.stack: plan(preview) for preview in previews}
    text = json.dumps(plans, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def plan(preview: Preview) -> list[Any]:
    """What a plan does, in a form that is the same again for the same plan."""
    changed = changes(preview)
    names = made_up(preview)
    done = [_done(change, names) for change in changed]
    ended = [] if preview.finished and not preview.errors else ["not finished"]
    return [
        *ended,
        *sorted(protections(preview).items()),
        *sorted(done, key=lambda item: json.dumps(item, sort_keys=True, default=str)),
    ]


def _done(change: Change, made_up: Mapping[str, str]) -> list[Any]:
    return [
        change.op.value,
        change.urn,
        _stable(change.before, made_up),
        _stable(change.after, made_up),
        list(change.secret_paths),
        _checksums(change.before, change.after),
        sorted(change.replaced_for),
    ]


def made_up(preview: Preview) -> dict[str, str]:
    """Names that Pulumi made up, and what of them is not."""
    found = {}
    for step in preview.steps:
        for state in (step.old, step.new):
            metadata = state.inputs.get("metadata") if state else None
            if not isinstance(metadata, Mapping) or not isinstance(metadata.get("name"), str):
                continue
            annotations = metadata.get("annotations")
            if isinstance(annotations, Mapping) and annotations.get("pulumi.com/autonamed") == "true":
                found[metadata["name"]] = MADE_UP.sub("-*", metadata["name"])
    return found


def _stable(value: Any, made_up: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _stable(inner, made_up)
            for key, inner in value.items()
            if key not in NOISE and not is_checksum(str(key))
        }
    if isinstance(value, list):
        return [_stable(item, made_up) for item in value]
    if value is SECRET or value is UNKNOWN:
        return {"marker": str(value)}
    if isinstance(value, str):
        return TIME.sub("*", made_up.get(value, value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _checksums(before: Any, after: Any) -> list[str]:
    """Names of the checksums that change, at any depth."""
    found: set[str] = set()
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in {*before, *after}:
            old, new = before.get(key), after.get(key)
            if old == new:
                continue
            if is_checksum(str(key)):
                found.add(str(key))
            else:
                found.update(_checksums(old, new))
    elif isinstance(before, list) and isinstance(after, list):
        for old, new in zip(before, after, strict=False):
            found.update(_checksums(old, new))
    return sorted(found)

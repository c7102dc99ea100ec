"""``python -m policy``: serve the pack to Pulumi's engine. ``policy/pack`` runs it with an interpreter that can."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pulumi_policy
from pulumi_policy import policy as library
from pulumi_policy.deserialize import SPECIAL_SECRET_SIG, SPECIAL_SIG_KEY, deserialize_properties
from pulumi_policy.proxy import (
    UNKNOWN_ARCHIVE_VALUE,
    UNKNOWN_ARRAY_VALUE,
    UNKNOWN_ASSET_VALUE,
    UNKNOWN_BOOLEAN_VALUE,
    UNKNOWN_NUMBER_VALUE,
    UNKNOWN_OBJECT_VALUE,
    UNKNOWN_STRING_VALUE,
    UnknownValueError,
)

from policy import NAME
from policy.asking import Asking
from policy.config import schema
from policy.found import NotKnown
from policy.objects import UNKNOWN, Object, Path
from policy.rules import RULES, Asks, Rule

SEEN_IN_PLANS: Final = "no policy pack sees what a plan takes away: `python -m review check --policies` asks this rule"
# How the engine writes what a preview does not know.
UNKNOWNS: Final = frozenset(
    {
        UNKNOWN_ARCHIVE_VALUE,
        UNKNOWN_ARRAY_VALUE,
        UNKNOWN_ASSET_VALUE,
        UNKNOWN_BOOLEAN_VALUE,
        UNKNOWN_NUMBER_VALUE,
        UNKNOWN_OBJECT_VALUE,
        UNKNOWN_STRING_VALUE,
    }
)
# Seconds between two looks at whether the engine is still there.
LOOK: Final = 2.0


def main() -> None:
    """Serve until the engine goes."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    # The library hands secrets on as ordinary values; the rule `secrets` asks which of them Pulumi knows to be secret.
    library.deserialize_properties = with_marks
    asking = Asking()
    pulumi_policy.PolicyPack(
        name=NAME,
        description="What a deploy of Dapr inside Open Service Mesh may not do.",
        enforcement_level=pulumi_policy.EnforcementLevel.ADVISORY,
        policies=[_policy(rule, asking) for rule in RULES.values()],
    )


def _end_with(engine: int) -> None:
    """End when the engine does, also when it was killed: nobody else would end this process."""
    while os.getppid() == engine:
        time.sleep(LOOK)
    os._exit(0)


def _policy(rule: Rule, asking: Asking) -> Any:
    config = pulumi_policy.PolicyConfigSchema(properties=schema(rule))
    about = {"name": rule.name, "description": rule.rule, "config_schema": config}
    if rule.asks is Asks.STACK:
        return pulumi_policy.StackValidationPolicy(**about, validate=_of_stack(rule, asking))
    return pulumi_policy.ResourceValidationPolicy(**about, validate=_of_object(rule, asking))


def _of_object(rule: Rule, asking: Asking) -> Callable[[Any, Any], None]:
    def validate(args: Any, report: Any) -> None:
        if rule.asks is Asks.PLAN:
            args.not_applicable(SEEN_IN_PLANS)
        item = object_of(args.resource_type, args.props, args.urn)
        if item is None:
            args.not_applicable("it is no Kubernetes object")
            return
        verdict = asking.of_object(rule, item, args.get_config())
        for wrong in verdict.wrong:
            report(wrong.message)
        _not_known(verdict.unknown)

    return validate


def _of_stack(rule: Rule, asking: Asking) -> Callable[[Any, Any], None]:
    def validate(args: Any, report: Any) -> None:
        verdict = asking.of_stack(rule, args.get_config())
        for wrong in verdict.wrong:
            report(wrong.message, wrong.urn or None)
        _not_known(verdict.unknown)

    return validate


def _not_known(unknown: Sequence[NotKnown]) -> None:
    """Say in the library's own way that a rule could not be asked to the end."""
    if unknown:
        first = unknown[0]
        raise UnknownValueError(UNKNOWN_OBJECT_VALUE, [first.object, *map(str, first.path)])


# --- From the engine --------------------------------------------------------------------------------------------


class Marked:
    """A value that Pulumi knows to be secret."""

    def __init__(self, value: Any) -> None:
        """Mark it."""
        self.value = value


def with_marks(props: Mapping[str, Any], proxy_secrets: bool = False) -> Any:
    """What the library reads properties with; secrets come marked, instead of as if they were none."""
    return deserialize_properties(dict(props), True) if proxy_secrets else {k: _marked(v) for k, v in props.items()}


def _marked(value: Any) -> Any:
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get(SPECIAL_SIG_KEY) == SPECIAL_SECRET_SIG:
        return Marked(_marked(value.get("value")))
    return {key: _marked(inner) for key, inner in value.items()}


def object_of(token: str, props: Mapping[str, Any], urn: str) -> Object | None:
    """What the engine asks about, as an object; None where it is none of Kubernetes'."""
    if not token.startswith("kubernetes:"):
        return None
    marks: set[Path] = set()
    body = _plain(props, (), marks)
    if not isinstance(body.get("kind"), str):
        return None
    return Object(body=body, marked=frozenset(marks), urn=urn)


def _plain(value: Any, path: Path, marks: set[Path]) -> Any:
    if isinstance(value, Marked):
        marks.add(path)
        return _plain(value.value, path, marks)
    if isinstance(value, Mapping):
        return {str(key): inner for key, inner in _entries(value, value, path, marks)}
    if isinstance(value, str):
        # Within a secret value the library does not look for it.
        return UNKNOWN if value in UNKNOWNS else value
    if isinstance(value, Sequence):
        return [inner for _, inner in _entries(value, range(len(value)), path, marks)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _entries(value: Any, keys: Iterable[Any], path: Path, marks: set[Path]) -> Iterator[tuple[Any, Any]]:
    for key in keys:
        try:
            inner = value[key]
        except UnknownValueError:
            yield key, UNKNOWN
        else:
            yield key, _plain(inner, (*path, key), marks)


if __name__ == "__main__":
    main()

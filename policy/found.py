"""What a rule says, and of what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from policy.objects import Object, Path

NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, kw_only=True)
class Found:
    """Something that a rule forbids.

    Attributes:
        object: The object's title, by which an exception names it.
        wrong: What is wrong, and how to mend it; nothing of it is secret.
        urn: Its resource's URN, or empty.
    """

    object: str
    wrong: str
    urn: str = ""


@dataclass(frozen=True, kw_only=True)
class NotKnown:
    """Something that a rule asks and a preview does not know yet.

    Attributes:
        object: The object's title.
        path: What is not known.
    """

    object: str
    path: Path


def found(item: Object, wrong: str) -> Found:
    """Something wrong with an object."""
    return Found(object=item.title, wrong=wrong, urn=item.urn)


def not_known(item: Object, *path: str | int) -> NotKnown:
    """Something that is not known of an object."""
    return NotKnown(object=item.title, path=path)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a rule about objects is asked.

    Attributes:
        item: The object.
        before: Those of the stack that came before it: whatever it depends on is among them.
        parameters: The rule's, from the environment's file.
    """

    item: Object
    before: Sequence[Object] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Gone:
    """Something that a plan takes away.

    Attributes:
        object: Its title.
        kind: Its kind; ``Step`` for what the delete of a Command takes away.
        replaced: Whether another one comes in its place.
    """

    object: str
    kind: str
    replaced: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What of a plan no policy pack sees.

    Attributes:
        gone: What it takes away.
        stage_before: The stage that is deployed, or None where none is.
        stage_after: The stage that will be, or None where the stack goes.
    """

    gone: tuple[Gone, ...] = ()
    stage_before: str | None = None
    stage_after: str | None = None

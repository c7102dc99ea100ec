"""Whose an object is: the mark that every object of a stack carries from its first call."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# On every object, so that an interrupted run, a second stack and a teardown know whose it is.
STACK_LABEL: Final = "dapr-osm/stack"
# On what was there before the stack and was taken over by an explicit setting: upgraded, and kept when the stack goes.
KEPT_ANNOTATION: Final = "dapr-osm/there-before"
# Field managers of this program: the provider's own have a number at their end.
OURS: Final = re.compile(r"(pulumi-kubernetes|pulumi-resource-kubernetes|dapr-osm)(-[a-z0-9-]+)?")
LONGEST_VALUE: Final = 63


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A stack, as its objects name it.

    Attributes:
        stack: The stack's name. It has to be known before anything is, so that what an interrupted run left behind is
            found again; two stacks of one name meet in the ownership check, by what each one's state knows.
    """

    stack: str

    @property
    def mark(self) -> str:
        """The label's value: the stack's name, shortened where a label can't hold it."""
        if len(self.stack) <= LONGEST_VALUE and re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?", self.stack):
            return self.stack
        digest = hashlib.sha256(self.stack.encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9.-]', '-', self.stack).strip('.-')[:48]}-{digest}".strip(".-")

    @property
    def labels(self) -> dict[str, str]:
        """The mark, as labels."""
        return {STACK_LABEL: self.mark}

    @property
    def query(self) -> dict[str, str]:
        """What a list is asked with to hold only what carries the mark."""
        return {"labelSelector": f"{STACK_LABEL}={self.mark}"}

    def owns(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an object with this metadata carries the mark."""
        return mark_of(metadata) == self.mark

    def made(self, metadata: Mapping[str, Any]) -> bool:
        """Whether an object carries the mark because this program wrote it, and not since somebody copied one."""
        writers = [str(entry.get("manager", "")) for entry in metadata.get("managedFields") or ()]
        return self.owns(metadata) and (not writers or any(map(OURS.fullmatch, writers)))


def mark_of(metadata: Mapping[str, Any]) -> str | None:
    """The mark of an object, whichever stack's, or None."""
    value = (metadata.get("labels") or {}).get(STACK_LABEL)
    return None if value is None else str(value)


def was_there_before(metadata: Mapping[str, Any]) -> bool:
    """Whether an object was there before the stack that upgrades it now."""
    return (metadata.get("annotations") or {}).get(KEPT_ANNOTATION) == "true"

"""What a look at a cluster finds: in the program's own words, with the reason and the way out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from preflight.subject import Subject

# Over what keeps a stack off a cluster.
CLUSTER_UNFIT: Final = "this stack can't be brought to this cluster as it is:"


class Level(Enum):
    """How certain it is that a finding stops a stack."""

    BREAKS = "breaks"
    """`up` would fail, or harm somebody: previews are refused too."""

    LACKS = "lacks"
    """This user can't do it, or can't see whether it may be done: `up` is refused, a preview warns."""

    ONLY_LOOKS = "looks"
    """This user may change nothing at all: the same, but whoever has it so wants to look only."""

    WARNS = "warns"
    """It may well fail, or is nothing that everybody wants."""

    UNSEEN = "unseen"
    """Something could not be looked at, and may be fine."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        level: How certain it is that it stops a stack.
        what: What is so, in the cluster's own names.
        why: Why it matters here; "" where that is plain.
        mend: What to do about it; "" where the message over all of them says so.
        details: More lines of the same.
    """

    level: Level
    what: str
    why: str = ""
    mend: str = ""
    details: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As one line."""
        parts = [part for part in (self.what, self.why, self.mend) if part]
        return parts[0] if len(parts) == 1 else " ".join(sentence(part) for part in parts)


def sentence(text: str) -> str:
    """A text that ends as a sentence does."""
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def breaks(what: str, why: str = "", mend: str = "") -> Finding:
    """Something that is certain to fail, or to harm somebody."""
    return Finding(level=Level.BREAKS, what=what, why=why, mend=mend)


def warns(what: str, why: str = "", mend: str = "") -> Finding:
    """Something that may fail."""
    return Finding(level=Level.WARNS, what=what, why=why, mend=mend)


def unseen(what: str, why: str = "", mend: str = "") -> Finding:
    """Something that could not be looked at."""
    return Finding(level=Level.UNSEEN, what=what, why=why, mend=mend)


@dataclass(frozen=True)
class Check:
    """One question about a cluster.

    Attributes:
        name: What it is called, in reports.
        looks_at: What it looks at, as the end of "not looked at: ...".
        find: Finds what is wrong. An API server's 403 is taken for something that could not be looked at.
        head: What its findings stand under where they refuse a stack; "{stack}" in it is the stack's name.
    """

    name: str
    looks_at: str
    find: Callable[[Subject], Iterable[Finding]]
    head: str = CLUSTER_UNFIT


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a check has found.

    Attributes:
        check: The check.
        finding: What it found.
    """

    check: Check
    finding: Finding

"""Words of a sentence."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str) -> str:
    """So many of something."""
    return f"{count} {noun if count == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """More than one of it: Roles, PriorityClasses, ValidatingAdmissionPolicies."""
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def listed(words: Sequence[str]) -> str:
    """One, another and a third."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""

"""What an operation fails with."""

from __future__ import annotations

from collections.abc import Sequence


class OperationError(Exception):
    """Something is not as it must be; the message says what, and what to do about it."""


class VerificationError(OperationError):
    """The cluster does not do what the stage promises."""


class ForbiddenError(OperationError):
    """Whoever runs this may not do something; trying again does not help."""


def lines(head: str, details: Sequence[str]) -> str:
    """A message with details under it."""
    return "\n  ".join([head, *details])

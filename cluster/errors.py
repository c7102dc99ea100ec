"""What an operation fails with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

# What to do about a refusal, where that is always the same.
MENDS: Final = {
    401: ". The cluster does not take the kubeconfig's credentials, or no longer: log in anew. `kubectl auth whoami` "
    "asks the same.",
    429: ". The cluster has too much to do: try again later.",
    **dict.fromkeys(
        (500, 502, 503, 504),
        ". The API server, or whoever it asks, is not well: try again later. `kubectl get --raw '/readyz?verbose'` and "
        "`kubectl get apiservices` tell more.",
    ),
}


class OperationError(Exception):
    """Something is not as it must be; the message says what, and what to do about it."""


class VerificationError(OperationError):
    """The cluster does not do what the stage promises."""


class ForbiddenError(OperationError):
    """Whoever runs this may not do something; trying again does not help."""


class ApiError(OperationError):
    """The API server refused a request.

    Attributes:
        status: The HTTP status.
        reason: Why, in the API server's own words.
    """

    def __init__(self, method: str, path: str, status: int, answer: str) -> None:
        """Say what was refused."""
        self.status = status
        self.reason = reason_of(answer)
        super().__init__(f"{method} {path}: {status}: {self.reason}{MENDS.get(status, '')}")


def reason_of(answer: str) -> str:
    """Why the API server refused something: its message, or the beginning of whatever else was answered."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:300]


def lines(head: str, details: Sequence[str]) -> str:
    """A message with details under it."""
    return "\n  ".join([head, *details])

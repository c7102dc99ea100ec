"""Progress of an operation, for a person who waits."""

from __future__ import annotations

import sys
from datetime import UTC, datetime


def say(line: str) -> None:
    """Print one line at once. On stderr: stdout is the operation's result."""
    print(line, file=sys.stderr, flush=True)


def moment() -> str:
    """Now, for an operation's result: what depends on the result then depends on every run of the operation."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")

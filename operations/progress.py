"""Progress of an operation, for a person who waits."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Print one line at once. On stderr: stdout is the operation's result."""
    print(line, file=sys.stderr, flush=True)

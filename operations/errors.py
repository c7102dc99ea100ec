"""What an operation fails with."""

from __future__ import annotations


class OperationError(Exception):
    """Something is not as it must be; the message says what, and what to do about it."""

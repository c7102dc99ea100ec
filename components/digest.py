"""Short fingerprints of what a component declares."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pulumi


def digest(value: Any) -> str:
    """16 hexadecimal digits that change when the value does. Takes whatever JSON can hold."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of(*values: pulumi.Input[Any]) -> pulumi.Output[str]:
    """The same, of values that may not be known yet. Never pass it a secret: its digest would be one too."""
    return pulumi.Output.all(*values).apply(digest)

"""Short fingerprints of what a component declares, and of what is on the cluster."""

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


def fingerprints(*resources: pulumi.CustomResource) -> pulumi.Output[str]:
    """Fingerprint of objects as they are on the cluster: it changes when somebody edits one, and when that is repaired.

    An object's generation counts changes of what is wanted of it, not of its status; one without a generation has a
    resource version, which counts all of its changes.
    """
    versions = (pulumi.Output.from_input(item.metadata).apply(_version) for item in resources)  # type: ignore[attr-defined]
    # A label may be secret, and with it all that is known of the object.
    return pulumi.Output.unsecret(digest_of(*versions))


def _version(metadata: Any) -> list[Any]:
    known = metadata if isinstance(metadata, dict) else {}

    def value(camel: str, snake: str) -> Any:
        return known.get(camel) if known else getattr(metadata, snake, None)

    return [value("uid", "uid"), value("generation", "generation") or value("resourceVersion", "resource_version")]

"""The Redis server behind the state store, as data: its Service's ports and its configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PORT: Final = 6379
PORT_NAME: Final = "redis"
# The user that the official image makes for Redis.
USER: Final = 999
RESOURCES: Final[Mapping[str, Any]] = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}


def service_ports() -> list[dict[str, Any]]:
    """``spec.ports`` of the Redis Service: the one place that says which port Redis has, and its name."""
    return [{"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP"}]


def quoted(value: str) -> str:
    r"""A value as redis.conf reads it back: double quotes, with everything unusual escaped.

    Source: Redis's sdssplitargs, which knows ``\xHH`` inside double quotes.
    """
    return '"' + "".join(chr(b) if b < 128 and chr(b).isalnum() else f"\\x{b:02x}" for b in value.encode()) + '"'


def configuration(password: str) -> str:
    """redis.conf for a state store that keeps nothing on disk.

    The password stands in this file, and the file in a Secret, so that it is never an argument of a process.
    """
    return f'requirepass {quoted(password)}\nsave ""\nappendonly no\n'

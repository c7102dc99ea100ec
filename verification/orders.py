"""The order stream, as nodeapp logs it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

# Source: the quickstart's node app (tutorials/hello-kubernetes/node/app.js).
RECEIVED: Final = re.compile(r"Got a new order! Order ID: (\d+)")
PERSISTED: Final = re.compile(r"Successfully persisted state for Order ID: (\d+)")


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Orders since some moment.

    Attributes:
        received: How many nodeapp got.
        persisted: The ids of those that it persisted, in order. The caller counts from 1 again after a restart, so
            ids say nothing about time.
    """

    received: int
    persisted: tuple[int, ...]


def orders_since(lines: Iterable[str], moment: datetime) -> Orders:
    """Read nodeapp's log.

    Args:
        lines: Log lines with Kubernetes' timestamp in front.
        moment: Lines from before it don't count.
    """
    received, persisted = 0, []
    for line in lines:
        stamp, _, message = line.partition(" ")
        when = timestamp(stamp)
        if when is None or when < moment:
            continue
        received += bool(RECEIVED.search(message))
        if found := PERSISTED.search(message):
            persisted.append(int(found.group(1)))
    return Orders(received=received, persisted=tuple(persisted))


def timestamp(text: str) -> datetime | None:
    """A timestamp as Kubernetes writes it, down to microseconds; None for anything else."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if match is None:
        return None
    fraction = (match[2] or "0")[:6].ljust(6, "0")
    zone = "+00:00" if match[3] == "Z" else match[3]
    try:
        return datetime.fromisoformat(f"{match[1]}.{fraction}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None

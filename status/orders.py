"""The walkthrough's orders: how many come, and which was the last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final

from cluster.client import Object
from model.apps import NODE_APP
from status.shape import Orders
from status.sight import Sight
from verification.orders import PERSISTED, RECEIVED, timestamp

SECONDS: Final = 60
# Containers that are nobody's app.
SIDECARS: Final = ("daprd", "envoy", "osm-healthcheck")


def orders(sight: Sight, pods: Sequence[Object]) -> Orders | None:
    """What nodeapp's pods logged in the last minute; None where there is none, or no log may be read."""
    nodes = [pod for pod in pods if (pod["metadata"].get("annotations") or {}).get("dapr.io/app-id") == NODE_APP]
    lines: list[str] = []
    read = False
    for pod in nodes:
        found = sight.sees("orders", partial(_log, sight, pod), None)
        read = read or found is not None
        lines += found or []
    return counted(lines, SECONDS) if read else None


def _log(sight: Sight, pod: Object) -> list[str]:
    """What its containers logged: which of them is the app is not said, and a team's own may stand before it."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    containers = [one["name"] for one in pod["spec"]["containers"] if one["name"] not in SIDECARS]
    return [
        line
        for container in containers
        for line in sight.cluster.logs(namespace, name, container, since_seconds=SECONDS)
    ]


def counted(lines: Sequence[str], seconds: int) -> Orders:
    """Count what logs of so many seconds say, each line with Kubernetes' timestamp in front."""
    received = 0
    persisted: list[tuple[datetime, int]] = []
    for line in lines:
        stamp, _, message = line.partition(" ")
        received += bool(RECEIVED.search(message))
        if (found := PERSISTED.search(message)) and (when := timestamp(stamp)) is not None:
            persisted.append((when, int(found.group(1))))
    last = max(persisted, default=None)
    return Orders(
        seconds=seconds,
        received=received,
        persisted=len(persisted),
        per_minute=round(len(persisted) * 60 / seconds, 1),
        last=last[1] if last else None,
        last_at=last[0].astimezone(UTC).isoformat(timespec="seconds") if last else None,
    )

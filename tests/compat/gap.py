"""The longest time in which no order was persisted, watched while something else happens."""

from __future__ import annotations

import re
import threading
import time
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self

from cluster.client import Cluster
from cluster.errors import OperationError
from verification.orders import PERSISTED, timestamp

POLL_SECONDS: Final = 0.3
NODE: Final = "app=node"


class GapMeter:
    """Reads the log of every pod of nodeapp again and again, so that nothing is lost with a pod that goes.

    Use it around what is measured; it needs orders to flow before and after.
    """

    def __init__(self, cluster: Cluster, namespace: str = "dapr-test") -> None:
        """Watch nodeapp in this namespace."""
        self._cluster, self._namespace = cluster, namespace
        self._persisted: dict[tuple[str, str], datetime] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        self._await_more()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, once another order has come: a gap at the end counts too."""
        if kind is None:
            self._await_more()
        self._stop.set()
        self._thread.join()

    def _await_more(self, seconds: float = 60) -> None:
        before, deadline = len(self._persisted), time.monotonic() + seconds
        while len(self._persisted) <= before:
            if time.monotonic() > deadline:
                raise AssertionError(f"no order was persisted for {seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            try:
                for pod in self._cluster.pods(self._namespace, NODE):
                    name = pod["metadata"]["name"]
                    for line in self._cluster.logs(self._namespace, name, "node", since_seconds=15):
                        stamp, _, message = line.partition(" ")
                        when = timestamp(stamp)
                        if when is not None and (order := re.search(PERSISTED, message)):
                            self._persisted[name, f"{stamp} {order.group(1)}"] = when
            except OperationError:
                # The API server is busy, or a pod has just gone: the next look tells.
                continue

    @property
    def longest(self) -> float:
        """Seconds between the two orders that lay furthest apart."""
        moments = sorted(self._persisted.values())
        gaps = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
        return max(gaps, default=timedelta(0)).total_seconds()

    @property
    def orders(self) -> int:
        """How many orders were persisted meanwhile."""
        return len(self._persisted)


def now() -> str:
    """The moment, for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")

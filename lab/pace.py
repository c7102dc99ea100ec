"""How long a build will take on this machine: the typical seconds of what is left, by how fast it has gone so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ENOUGH = 5.0
"""Typical seconds of finished work from which on this machine's own pace is believed."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """One part of a build, begun or finished."""

    typical: float
    """Seconds that it usually takes."""
    took: float
    """Seconds since it began, or that it took."""
    share: float
    """How much of it is done, from 0 to 1."""


def pace(works: Iterable[Work]) -> float:
    """Return how many times longer than typical this machine takes; 1 where too little is done to say."""
    known = [work for work in works if work.share > 0]
    done = sum(work.typical * work.share for work in known)
    return sum(work.took for work in known) / done if done >= ENOUGH else 1.0


def left(works: Iterable[Work], waiting: Iterable[float]) -> float:
    """Return the seconds that the begun works and the waiting ones, given by their typical seconds, will still take."""
    begun = list(works)
    rest = sum(work.typical * (1 - work.share) for work in begun) + sum(waiting)
    return rest * pace(begun)

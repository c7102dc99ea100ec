"""What is left of a build, by how fast this machine has shown itself to be."""

from __future__ import annotations

import pytest

from lab import build
from lab.console import Progress
from lab.pace import Work, left, pace


def work(typical: float, took: float, share: float = 1.0) -> Work:
    return Work(typical=typical, took=took, share=share)


def test_before_anything_is_seen_the_typical_seconds_count() -> None:
    assert pace([]) == 1.0
    assert left([], [100, 50]) == 150
    assert left([work(200, 3, 0.0)], [50]) == 250


def test_a_machine_half_as_fast_takes_twice_as_long_for_the_rest() -> None:
    assert pace([work(100, 200)]) == 2.0
    assert left([work(100, 200)], [50]) == 100


def test_the_first_part_tells_by_its_pieces_long_before_it_ends() -> None:
    assert left([work(200, 60, 0.1)], [300]) == pytest.approx(3 * (180 + 300))


def test_warm_caches_are_seen_at_once() -> None:
    assert left([work(200, 4)], [300]) == pytest.approx(6)


def test_a_moments_work_says_nothing_yet() -> None:
    assert pace([work(4, 40)]) == 1.0


def test_a_part_counts_its_pieces_and_the_rest_is_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 0.0, 50.0])
    monkeypatch.setattr("lab.console.time.monotonic", lambda: next(clock))
    progress = Progress("Building", waiting={"one": 100.0, "two": 100.0}, sizes={"one": 1000}, _began=0.0)
    progress.begin("one")
    progress.detail("one", "250 packages compiled", 250)
    next(clock)
    # 25 typical seconds took 50: 75 and 100 are left, twice over.
    assert progress._left() == "about 5 min 50 s left; then: two"


@pytest.mark.parametrize(("estimates", "told"), [({"a": 5.0}, False), ({"a": 300.0, "b": 400.0}, True)])
def test_a_long_build_says_how_long_and_what_to_do_meanwhile(estimates: dict[str, float], told: bool) -> None:
    said = build.announcement(estimates)
    assert ("make unit" in said) is told
    assert ("11 min 40 s" in said) is told

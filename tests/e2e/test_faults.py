"""A few of the faults of `make faults`, which tries them all: on one stack, from nothing to nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults import breaking, rows
from tests.support.stack import Stack

GROUPS = (*rows.ROWS, *breaking.ROWS)
FAULTS = (
    "up killed at hello-redis-server",
    "Redis restarted",
    "destroy killed at osm-runtime",
)


@pytest.fixture(scope="module")
def faulty(empty_cluster: None) -> Iterator[Stack]:
    """A stack that is not deployed yet; at the end the cluster must be what it was before, others' objects included."""
    with rows.clean() as stack:
        yield stack


@pytest.mark.parametrize("fault", FAULTS)
def test_the_stack_survives(fault: str, faulty: Stack) -> None:
    (group,) = (group for group in GROUPS if fault in group.rows)
    assert group.rows[fault](faulty)

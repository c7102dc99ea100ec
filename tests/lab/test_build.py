"""What Go's compiler is given."""

from __future__ import annotations

import pytest

from lab.build import unhurried

GIB = 1024**3


@pytest.mark.parametrize(
    ("memory", "processors", "limit"),
    [(20 * GIB, 2, "5120MiB"), (20 * GIB, 16, "640MiB"), (2 * GIB, 8, "512MiB"), (0, 2, "512MiB")],
)
def test_all_compilers_together_have_half_of_the_free_memory_and_each_a_least(
    memory: int, processors: int, limit: str
) -> None:
    assert unhurried(memory, processors) == {"GOGC": "off", "GOMEMLIMIT": limit}

from __future__ import annotations

import pytest

from tests.last_run import result_of, table


@pytest.mark.parametrize(
    ("printed", "result"),
    [
        ("....\n18 passed in 1.23s\n", "18 passed"),
        ("===== 2 failed, 16 passed, 1 skipped in 61.05s (0:01:01) =====\n", "2 failed, 16 passed, 1 skipped"),
        ("collected nothing\n", "ran no test"),
        ("3 passed in 0.1s\n5 passed in 0.2s\n", "5 passed"),
    ],
)
def test_pytests_last_line_is_the_result(printed: str, result: str) -> None:
    assert result_of(printed) == result


def test_the_table_names_target_day_and_result() -> None:
    text = table({"releases": {"at": "2026-11-25", "result": "18 passed", "seconds": 600}})
    assert text.endswith("| `make releases` | 2026-11-25 | 18 passed | 600 |\n")

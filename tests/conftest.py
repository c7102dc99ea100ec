"""The order of all tests: by cost, so that what is broken fails early."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

TESTS: Final = Path(__file__).parent
# Folders, cheapest first; one that is not named comes after the fast ones.
ORDER: Final = ("unit", "graph", "apps", "command_provider", "engine", "lab", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; within one, tests stay in their order, since those of a walk build on each other."""
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> float:
    folder = item.path.relative_to(TESTS).parts[0]
    return float(ORDER.index(folder)) if folder in ORDER else ORDER.index("graph") + 0.5

"""Two kinds of tests here: pure ones, and those that need the running lab (`lab`, `lab_lifecycle`)."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that would take the lab away from others out of every run that doesn't ask for them."""
    if "lab_lifecycle" in (config.option.markexpr or ""):
        return
    for item in items:
        if item.get_closest_marker("lab_lifecycle"):
            item.add_marker(pytest.mark.skip(reason="it removes the lab: ask for it with -m lab_lifecycle"))

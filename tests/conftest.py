"""The order of all tests: by cost, so that what is broken fails early; and what a failure on the lab leaves behind."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest

from lab.commands import heed_interrupts
from lab.paths import NUMBER_VARIABLE

TESTS: Final = Path(__file__).parent
# Folders, cheapest first; one that is not named comes after the fast ones.
ORDER: Final = ("unit", "graph", "apps", "command_provider", "engine", "lab", "e2e")
# Among the last, which take minutes each, the longest come first: processes end at about the same time then.
LONGEST_FIRST: Final = ("walkthrough", "other_ways", "safe", "own_apps", "users", "faults")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; within a file, tests stay in their order, since those of a walk build on each other."""
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> tuple[float, int]:
    folder = item.path.relative_to(TESTS).parts[0]
    name = item.path.stem.removeprefix("test_")
    return (
        float(ORDER.index(folder)) if folder in ORDER else ORDER.index("graph") + 0.5,
        LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST),
    )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tests on a lab wait most of their time, and a stack wants a cluster to itself: so there may be several labs."""
    parser.addoption("--lab-each", action="store_true", help="with -n: each process has a lab of its own")


def pytest_configure(config: pytest.Config) -> None:
    """Give this process its lab: the first one has the lab that everybody has."""
    heed_interrupts()
    worker = getattr(config, "workerinput", None)
    if worker and config.getoption("--lab-each"):
        os.environ[NUMBER_VARIABLE] = str(int(worker["workerid"].removeprefix("gw")) + 1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where a test fails on the lab, its message says where to find what the cluster was like."""
    report = yield
    if report.failed and item.get_closest_marker("lab") is not None:
        # Only here: it needs the lab, which most tests don't.
        from tests.support import postmortem

        said = postmortem.leave(item.nodeid, call.excinfo.value if call.excinfo else None)
        told: Any = report.longrepr
        if hasattr(told, "addsection"):
            told.addsection("post-mortem", said)
        else:
            report.sections.append(("post-mortem", said))
    return report

"""The order of all tests: by cost, so that what is broken fails early; and what a failure on the lab leaves behind."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

TESTS: Final = Path(__file__).parent
# Folders, cheapest first; one that is not named comes after the fast ones.
ORDER: Final = ("unit", "graph", "apps", "command_provider", "engine", "lab", "e2e")
ON_THE_LAB: Final = ("lab", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; within one, tests stay in their order, since those of a walk build on each other."""
    items.sort(key=_cost)


def _cost(item: pytest.Item) -> float:
    folder = item.path.relative_to(TESTS).parts[0]
    return float(ORDER.index(folder)) if folder in ORDER else ORDER.index("graph") + 0.5


class OneForTheLab(LoadScopeScheduling):  # type: ignore[misc]
    """Two processes: one has the lab, of which there is one, the other one everything else."""

    def _split_scope(self, nodeid: str) -> str:
        return "lab" if Path(nodeid).parts[1] in ON_THE_LAB else "engine"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Tests on the lab wait most of their time, so that those of the engine are run beside them (``loadscope``)."""
    return OneForTheLab(config, log) if config.getvalue("dist") == "loadscope" else None


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

"""The lab, for the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import api
from tests.support import lab
from tests.support.kubectl import Kubectl


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs the running lab."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)


@pytest.fixture(scope="session", autouse=True)
def running_lab() -> None:
    """The lab, started; no other cluster is ever tested on."""
    named = os.environ.get("KUBECONFIG")
    assert not named or Path(named).resolve() == api.kubeconfig().resolve(), (
        f"KUBECONFIG is {named}; these tests change the cluster they run on, and serve only the lab's"
    )
    api.start()


@pytest.fixture(scope="session")
def kubectl(running_lab: None) -> Kubectl:
    """The lab's kubectl."""
    return lab.kubectl()


@pytest.fixture(scope="session")
def stack_folder(running_lab: None) -> Path:
    """Where the test stacks keep their config; beside their state, so that a broken run can be cleaned up later."""
    return api.paths().data / "test-stacks"

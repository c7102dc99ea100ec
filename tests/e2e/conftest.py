"""The lab, for the tests that need it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import api
from tests.support import lab
from tests.support.kubectl import Kubectl

# The stacks that the tests make.
STACKS = ("walk", "other", "release", "address", "team", "users", "safe", "faults", "compat", "causes", "bench")


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


@pytest.fixture(scope="session")
def empty_cluster(stack_folder: Path, kubectl: Kubectl) -> None:
    """The lab's cluster without any Dapr or OSM: what broken test runs left is destroyed, other stacks are not."""
    for name in STACKS:
        left = lab.stack(name, stack_folder)
        if left.resources():
            left.cli("cancel", "--yes", "--stack", name, ok=None)  # the lock of a run that was killed
            left.destroy()
    namespaces = {item["metadata"]["name"] for item in kubectl.items("namespaces")}
    taken = namespaces & {"dapr-system", "osm-system", "dapr-test"}
    assert not taken, f"{taken} are there already; if they are the lab's own stack, run `make down` first"

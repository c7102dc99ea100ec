"""Other Dapr releases than the default, each through all stages on the real cluster, and the way between them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.judge import PROMISES, judge
from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack

OTHER = "1.18.1"


@pytest.fixture(scope="module")
def before(empty_cluster: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM."""
    return inventory.take(lab.cluster())


@pytest.fixture(scope="module")
def release(before: dict[inventory.Key, str], stack_folder: Path) -> Iterator[Stack]:
    """A stack at the first stage, with the default release."""
    stack = lab.stack("release", stack_folder, stage="dapr")
    stack.up()
    yield stack
    if stack.resources():
        stack.destroy()


def assert_release(kubectl: Kubectl, version: str) -> None:
    """Everything of Dapr's is of one version."""
    pods = kubectl.items("pods", "-n", "dapr-system")
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    assert all(image.endswith(f":{version}") for image in images), sorted(images)


@pytest.mark.parametrize("stage", list(PROMISES))
def test_an_upgraded_stack_keeps_the_promise_of_every_stage(release: Stack, kubectl: Kubectl, stage: str) -> None:
    release.configure(stage=stage, daprVersion=OTHER)
    release.up()
    assert_release(kubectl, OTHER)
    judge(kubectl, stage, OTHER)


def test_the_upgrade_brought_the_definitions_that_helm_does_not(release: Stack, kubectl: Kubectl) -> None:
    names = {item["metadata"]["name"] for item in kubectl.items("crds")}
    assert {"mcpservers.dapr.io", "workflowaccesspolicies.dapr.io"} <= names


def test_its_sidecars_call_each_other_by_the_name_that_the_mesh_routes(release: Stack, kubectl: Kubectl) -> None:
    configuration = kubectl.get("configurations.dapr.io", "mesh-names", "-n", "dapr-test")
    assert configuration["spec"]["nameResolution"]["configuration"] == {
        "format": "{appid}-dapr.dapr-test.svc.cluster.local:50002"
    }


def test_an_unchanged_stack_with_it_previews_no_change(release: Stack) -> None:
    release.run("preview", "--expect-no-changes")


@pytest.mark.parametrize("version", ["1.12.0", OTHER])
def test_one_up_changes_the_release_of_a_meshed_stack(release: Stack, kubectl: Kubectl, version: str) -> None:
    release.configure(daprVersion=version)
    release.up()
    assert_release(kubectl, version)
    judge(kubectl, "smi", version)


def test_destroy_leaves_nothing_of_either_release(release: Stack, before: dict[inventory.Key, str]) -> None:
    release.destroy()
    assert release.resources() == []
    assert_nothing_left(before)

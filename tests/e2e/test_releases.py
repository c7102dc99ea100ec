"""Other Dapr releases than the default, each through all stages on the real cluster, and the ways between them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import api
from tests.compat.gap import GapMeter
from tests.e2e.judge import DEFAULT, PROMISES, judge
from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack

PAGE, ADDRESS = "1.12.0", "1.17.5"
# What Dapr 1.18 defines and 1.17 does not.
OF_THE_NEWEST = {"mcpservers.dapr.io", "workflowaccesspolicies.dapr.io"}

# Slow and rare: `make releases`.
pytestmark = pytest.mark.releases


@pytest.fixture(scope="module")
def before(empty_cluster: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM."""
    return inventory.take(lab.kubectl())


@pytest.fixture(scope="module")
def release(before: dict[inventory.Key, str], stack_folder: Path) -> Iterator[Stack]:
    """A stack that begins with the page's release, on a lab that has been given it and the one by address."""
    api.start(dapr=(PAGE, ADDRESS))
    stack = lab.stack("release", stack_folder, daprVersion=PAGE)
    yield stack
    if stack.resources():
        stack.destroy()


def assert_release(kubectl: Kubectl, version: str) -> None:
    """Everything of Dapr's is of one version, in the control plane and beside the apps."""
    pods = kubectl.items("pods", "-n", "dapr-system")
    assert pods, "there is a control plane"
    images = {container["image"] for pod in pods for container in pod["spec"]["containers"]}
    for app in ("node", "python"):
        (pod,) = kubectl.living_pods("dapr-test", app)
        images |= {c["image"] for c in pod["spec"]["containers"] if c["name"] == "daprd"}
    assert all(image.endswith(f":{version}") for image in images), sorted(images)


def internal_protocol(kubectl: Kubectl) -> str | None:
    """How the mesh is told to take the port of calls between sidecars."""
    ports = kubectl.get("service", "nodeapp-dapr", "-n", "dapr-test")["spec"]["ports"]
    (port,) = [port for port in ports if port["port"] == 50002]
    protocol: str | None = port.get("appProtocol")
    return protocol


@pytest.mark.parametrize("stage", list(PROMISES))
def test_the_pages_release_keeps_the_promise_of_every_stage(release: Stack, kubectl: Kubectl, stage: str) -> None:
    release.configure(stage=stage)
    release.up()
    assert_release(kubectl, PAGE)
    judge(kubectl, stage, PAGE)


@pytest.mark.parametrize("version", [DEFAULT, PAGE, ADDRESS, DEFAULT, ADDRESS])
def test_one_up_changes_the_release_of_a_running_stack(release: Stack, kubectl: Kubectl, version: str) -> None:
    release.configure(daprVersion=version)
    previewed = {(step.op, step.name) for step in release.preview()}
    assert ("update", "dapr-release-change") in previewed
    assert {("update", "hello-nodeapp-pods"), ("update", "hello-pythonapp-pods")} <= previewed, (
        "their daprd is of the release"
    )
    began = time.monotonic()
    with GapMeter(lab.cluster()) as meter:
        release.up()
    print(f"to {version}: {time.monotonic() - began:.0f} s, no order persisted for {meter.longest:.1f} s at most")
    assert_release(kubectl, version)
    judge(kubectl, "smi", version)
    assert internal_protocol(kubectl) == ("tcp" if version == ADDRESS else None)
    there = {item["metadata"]["name"] for item in kubectl.items("crds")}
    # Definitions come and go with the release that has them.
    assert (there >= OF_THE_NEWEST) is (version == DEFAULT)
    assert version == DEFAULT or not there & OF_THE_NEWEST
    release.run("preview", "--expect-no-changes")


@pytest.mark.parametrize("stage", ["locked", "smi", "permissive", "locked", "dapr", "smi"])
def test_by_address_every_stage_keeps_its_promise_and_a_withdrawn_permission_is_gone_at_once(
    release: Stack, kubectl: Kubectl, stage: str
) -> None:
    # Without new pods the old connection would carry orders for ten minutes more, and the stage would fail.
    release.configure(stage=stage)
    release.up()
    judge(kubectl, stage, ADDRESS)


def test_by_address_daprs_own_mtls_may_be_on_as_well(release: Stack, kubectl: Kubectl) -> None:
    release.configure(daprMtls=True)
    release.up()
    configuration = kubectl.get("configurations.dapr.io", "daprsystem", "-n", "dapr-system")
    assert configuration["spec"]["mtls"]["enabled"] is True
    judge(kubectl, "smi", ADDRESS)


def test_destroy_leaves_nothing_of_any_release(release: Stack, before: dict[inventory.Key, str]) -> None:
    release.destroy()
    assert release.resources() == []
    assert_nothing_left(before)

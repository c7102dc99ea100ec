"""The page's alternatives and a company's ways, on the real cluster; and a verification that must not be fooled."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab import api
from settings import ROOT
from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import INBOUND_PORTS, OUTBOUND_PORTS, Kubectl
from tests.support.stack import Stack

CREDENTIALS = json.dumps({"auths": {"registry.example": {"auth": "bm90OnVzZWQ="}}})


@pytest.fixture(scope="module")
def before(empty_cluster: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM."""
    return inventory.take(lab.kubectl())


@pytest.fixture(scope="module")
def other(
    before: dict[inventory.Key, str], stack_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack at the last stage whose charts come from an HTTP repository, with every alternative of the page."""
    charts = tmp_path_factory.mktemp("repository")
    with api.serve_repository(api.chart_folders(), charts) as url:
        stack = lab.stack(
            "other",
            stack_folder,
            daprChart=url,
            osmChart=url,
            portScope="pod",
            redisPasswordIn="component",
            excludeApiServer=False,
            readAllSecrets=True,
            extraPortExclusions=[9999],
            extraIpRangeExclusions=["192.0.2.0/24"],
        )
        secret = ("config", "set", "--secret", "--stack", stack.name, "--config-file", str(stack.file))
        stack.cli(*secret, "registryCredentials", stdin=CREDENTIALS)
        stack.up()
        yield stack
        if stack.resources():
            stack.destroy()


def test_the_pages_alternatives_reach_the_last_stage_with_charts_from_a_repository(
    other: Stack, kubectl: Kubectl
) -> None:
    traffic = kubectl.get("meshconfig", "osm-mesh-config", "-n", "osm-system")["spec"]["traffic"]
    assert traffic["outboundPortExclusionList"] == [9999], "step 5's ports are the pods' own here"
    assert traffic["outboundIPRangeExclusionList"] == ["192.0.2.0/24"], "the API server is in the mesh here"
    for app in ("node", "python"):
        (pod,) = kubectl.living_pods("dapr-test", app)
        assert {container["name"] for container in pod["spec"]["containers"]} == {
            app,
            "daprd",
            "envoy",
            "osm-healthcheck",
        }
        annotations = pod["metadata"]["annotations"]
        assert annotations[OUTBOUND_PORTS] == "80,443,6379,8201,50005,50006"
        assert pod["spec"]["imagePullSecrets"] == [{"name": "registry-credentials"}]
    (rule,) = kubectl.get("role", "secret-reader", "-n", "dapr-test")["rules"]
    assert rule["verbs"] == ["get", "list"]
    assert "resourceNames" not in rule, "the page's Role reads every Secret"
    assert kubectl.persisted(6, least=3) >= 3
    assert other.outputs()["verification"]["policies"] == [
        "HTTPRouteGroup/dapr-test/nodeapp-service-routes",
        "TrafficTarget/dapr-test/pythodapp-traffic-target",
    ]


def test_credentials_for_a_registry_reach_every_pod_of_the_control_planes(other: Stack, kubectl: Kubectl) -> None:
    for namespace in ("dapr-system", "osm-system"):
        for pod in kubectl.items("pods", "-n", namespace):
            assert {"name": "registry-credentials"} in pod["spec"]["imagePullSecrets"], pod["metadata"]["name"]


@pytest.mark.parametrize("stage", ["permissive", "smi"])
def test_with_egress_redis_alone_has_to_bypass_envoy(other: Stack, kubectl: Kubectl, stage: str) -> None:
    other.configure(exclusions="minimal", portScope="mesh", extraPortExclusions=[], stage=stage)
    other.up()
    traffic = kubectl.get("meshconfig", "osm-mesh-config", "-n", "osm-system")["spec"]["traffic"]
    assert traffic["outboundPortExclusionList"] == [6379]
    for app in ("node", "python"):
        (pod,) = kubectl.living_pods("dapr-test", app)
        assert OUTBOUND_PORTS not in pod["metadata"]["annotations"]
        assert all(status["ready"] for status in pod["status"]["containerStatuses"])
    assert kubectl.persisted(6, least=3) >= 3


def test_an_update_that_failed_half_way_and_is_taken_back_is_not_taken_for_good(other: Stack, kubectl: Kubectl) -> None:
    """Someone else's policy allows the call on, so that ``locked`` fails after the stack's own policies are gone."""
    theirs = []
    for kind in ("httproutegroup/nodeapp-service-routes", "traffictarget/pythodapp-traffic-target"):
        copy = kubectl.get(*kind.split("/"), "-n", "dapr-test")
        copy["metadata"] = {"name": f"theirs-{copy['metadata']['name']}", "namespace": "dapr-test"}
        theirs.append(copy)
    theirs[1]["spec"]["rules"][0]["name"] = theirs[0]["metadata"]["name"]
    kubectl.run("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": theirs}))
    other.configure(stage="locked", verifySeconds=40)
    assert "still lets it in. Another TrafficTarget may allow it" in other.up(ok=False)
    for one in theirs:
        kubectl.run("delete", one["kind"], one["metadata"]["name"], "-n", "dapr-test")
    other.configure(stage="smi", verifySeconds=None)
    said = other.up(ok=False)
    assert "TrafficTarget/dapr-test/pythodapp-traffic-target does not exist" in said, "Pulumi believes that it does"
    assert "`pulumi up --refresh` makes it again" in said
    other.run("up", "--refresh", "--yes", "--skip-preview")
    assert kubectl.persisted(6, least=3) >= 3


def verify(stack: Stack) -> subprocess.CompletedProcess[str]:
    """Run what ``make verify`` runs."""
    expectation = {**json.loads(stack.expectation()), "seconds": 30}
    return subprocess.run(
        [sys.executable, "-m", "steps", "verify"],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": str(api.kubeconfig())},
        input=json.dumps(expectation),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_verification_fails_when_calls_bypass_the_mesh(other: Stack, kubectl: Kubectl) -> None:
    honest = verify(other)
    assert honest.returncode == 0, honest.stderr
    changes = {"nodeapp": {INBOUND_PORTS: "50002"}, "pythonapp": {OUTBOUND_PORTS: "50002"}}
    for deployment, exclusion in changes.items():
        patch = {"spec": {"template": {"metadata": {"annotations": exclusion}}}}
        kubectl.run("patch", "deployment", deployment, "-n", "dapr-test", "--type=merge", "-p", json.dumps(patch))
    for deployment in changes:
        kubectl.run("rollout", "status", f"deployment/{deployment}", "-n", "dapr-test", "--timeout=90s")
    assert kubectl.persisted(8, least=3) >= 3, "the bypass is real: orders flow"
    bypassed = verify(other)
    assert bypassed.returncode == 1
    assert "bypassed the mesh" in bypassed.stderr
    assert "50002" in bypassed.stderr, "and says where to look"


def test_the_verification_names_pod_container_and_reason_of_what_is_broken(other: Stack, kubectl: Kubectl) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "node", "image": "lab.local/no-such-image:1"}]}}}}
    kubectl.run("patch", "deployment", "nodeapp", "-n", "dapr-test", "-p", json.dumps(patch))
    broken = verify(other)
    assert broken.returncode == 1
    assert "container node: " in broken.stderr
    assert "lab.local/no-such-image:1" in broken.stderr
    assert "Pull" in broken.stderr, "the kubelet's own reason"


def test_destroy_works_from_another_checkout_and_leaves_nothing(
    other: Stack, before: dict[inventory.Key, str], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    kept = shutil.ignore_patterns(".git", ".venv", ".lab", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, elsewhere, ignore=kept)
    (elsewhere / ".venv").symlink_to(Path(sys.prefix))
    # As a person does who has the state and no config: without the program, whose last word stands in the state.
    plain = replace(other, environment={**other.environment, "PULUMI_RUN_PROGRAM": "false"})
    plain.cli("destroy", "--stack", other.name, "--yes", "--skip-preview", cwd=elsewhere)
    assert other.resources() == []
    assert_nothing_left(before)

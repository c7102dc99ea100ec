"""On a cluster that others use too: whose is what, which cluster it is, edits by hand, and what a destroy asks."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import api
from tests.e2e.judge import judge
from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.others import definition
from tests.support.stack import Stack, Step

UNTOUCHED = "Nothing was touched"
# A stack "safe" that commit 428588c had brought up, exported with its secrets; the cluster's UID was taken out.
STORED = Path(__file__).parent / "states" / "428588c.json.gz"
STORED_CLUSTER = "00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def before(empty_cluster: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM."""
    return inventory.take(lab.kubectl())


@pytest.fixture(scope="module")
def safe(before: dict[inventory.Key, str], stack_folder: Path) -> Iterator[Stack]:
    """A stack at the last stage, or on its way there."""
    stack = lab.stack("safe", stack_folder)
    yield stack
    if stack.resources():
        stack.destroy()


def plain(stack: Stack) -> Stack:
    """The same stack, whose destroys and refreshes do not run the program."""
    return replace(stack, environment={**stack.environment, "PULUMI_RUN_PROGRAM": "false"})


@contextmanager
def theirs(kubectl: Kubectl, *objects: dict[str, Any]) -> Iterator[None]:
    """Somebody else's objects, for a while; they are as they were in the end."""
    for item in objects:
        kubectl.run("create", "-f", "-", stdin=json.dumps(item))
    try:
        yield
        for item in objects:
            meta = item["metadata"]
            where = ("-n", meta["namespace"]) if "namespace" in meta else ()
            found = kubectl.get(item["kind"], meta["name"], *where)
            assert "dapr-osm/stack" not in found["metadata"].get("labels", {}), f"{meta['name']} is still theirs"
    finally:
        for item in reversed(objects):
            meta = item["metadata"]
            where = ("-n", meta["namespace"]) if "namespace" in meta else ()
            kubectl.run("delete", item["kind"], meta["name"], *where, "--ignore-not-found")


# --- before the first `up` --------------------------------------------------------------------------------------


def test_what_is_somebody_elses_is_named_before_anything_is_touched(safe: Stack, kubectl: Kubectl) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "dapr-test"}}
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "dapr-injector", "labels": {"app.kubernetes.io/managed-by": "somebody"}},
        "rules": [],
    }
    smi = definition("traffictargets.access.smi-spec.io", "TrafficTarget", labels={"a": "b"})
    dapr = definition("components.dapr.io", "Part", labels={})
    with theirs(kubectl, namespace, role, smi, dapr):
        for said in (safe.run("preview", ok=False), safe.up(ok=False)):
            assert UNTOUCHED in said
            assert "Namespace dapr-test is there" in said
            assert "ClusterRole dapr-injector is there, managed by somebody" in said
            assert "CustomResourceDefinition components.dapr.io is there" in said
            assert "can't become the chart's" in said, "its kind has another name, which can't be changed"
            assert "traffictargets.access.smi-spec.io is there" in said
            assert "Traceback" not in said
        assert not safe.resources() or all(item["type"].startswith("pulumi:") for item in safe.resources())


def test_a_state_that_an_earlier_version_stored_is_brought_up_though_all_of_it_is_gone(
    safe: Stack, kubectl: Kubectl
) -> None:
    """As after a restore: the state knows of a whole stack, and the cluster has none of it."""
    stored = json.loads(gzip.decompress(STORED.read_bytes()).decode().replace(STORED_CLUSTER, lab.cluster().uid()))
    # Its secrets are encrypted anew, by what this stack encrypts with.
    stored["deployment"]["secrets_providers"] = safe.state()["deployment"]["secrets_providers"]
    safe.cli("stack", "import", "--stack", safe.name, stdin=json.dumps(stored))
    assert len(safe.resources()) > 100
    safe.run("up", "--refresh", "--yes", "--skip-preview")
    judge(kubectl, "smi")
    assert not safe.preview("--refresh")


def test_two_kubeconfigs_lead_to_the_cluster_that_kubectl_takes(safe: Stack, kubectl: Kubectl, tmp_path: Path) -> None:
    wrong = tmp_path / "prod"
    wrong.write_text(
        yaml.safe_dump(
            {
                "current-context": "prod",
                "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "nobody"}}],
                "clusters": [{"name": "prod", "cluster": {"server": "https://127.0.0.1:1"}}],
                "users": [{"name": "nobody", "user": {"token": "none"}}],
            }
        )
    )
    empty = tmp_path / "empty"
    empty.write_text("")
    files = f"{empty}:{api.kubeconfig()}:{wrong}"
    safe.configure(kubeContext="")
    both = replace(safe, environment={**safe.environment, "KUBECONFIG": files})
    both.up()
    judge(kubectl, "smi")
    safe.run("preview", "--expect-no-changes")


# --- which cluster ----------------------------------------------------------------------------------------------


def test_another_cluster_is_refused_by_every_command_before_anything_is_touched(safe: Stack, kubectl: Kubectl) -> None:
    """There is one cluster here, so it is the stack's state that says it was on another one."""
    state = safe.state()
    other = json.loads(json.dumps(state))
    (noted,) = [item for item in other["deployment"]["resources"] if item["urn"].endswith("::cluster-noted")]
    real = json.loads(noted["outputs"]["stdout"])["cluster"]
    text = json.dumps(other).replace(real, "11111111-2222-3333-4444-555555555555")
    everything = inventory.take(lab.kubectl())
    safe.cli("stack", "import", "--stack", safe.name, stdin=text)
    try:
        count = len(safe.resources())
        for command in ("preview", "up", "refresh", "destroy"):
            flags = () if command == "preview" else ("--yes", "--skip-preview")
            said = safe.run(command, *flags, ok=False)
            assert "this stack is on another cluster" in said, command
            assert len(safe.resources()) == count, f"{command} has left the state as it was"
        said = plain(safe).run("destroy", "--yes", "--skip-preview", ok=False)
        assert "this stack is on another cluster" in said, "a destroy without the program ends at its first step"
        assert len(safe.resources()) == count
        assert not inventory.difference(everything, inventory.take(lab.kubectl()))
    finally:
        safe.cli("stack", "import", "--stack", safe.name, stdin=json.dumps(state))


# --- what can't be changed on a running stack -------------------------------------------------------------------


UNCHANGEABLE: list[tuple[dict[str, Any], str]] = [
    ({"daprNamespace": "dapr-moved"}, "this stack's Dapr runs in dapr-system"),
    ({"osmNamespace": "osm-moved"}, "this stack's OSM runs in osm-system"),
    ({"existingNamespaces": ["dapr-test"]}, "existingNamespaces names dapr-test, which this stack has made itself"),
    ({"daprValues": {"dapr_scheduler": {"cluster": {"storageSize": "32Gi"}}}}, "are asked to have 32Gi"),
    ({"extraIpRangeExclusions": ["10.0.0.0/8"]}, "holds 10.0.0.0/8, in which pods live"),
]


def test_what_can_not_be_changed_on_a_running_stack_is_refused_in_the_preview(safe: Stack) -> None:
    def refused(config: dict[str, Any]) -> str:
        with safe.apart(**config) as other:
            return other.run("preview", ok=False)

    with ThreadPoolExecutor() as side_by_side:
        answers = list(side_by_side.map(refused, [config for config, _ in UNCHANGEABLE]))
    for said, (_, says) in zip(answers, UNCHANGEABLE, strict=True):
        assert says in said
        assert "Traceback" not in said
        assert "pulumi destroy --run-program=false" in said, "a destroy is kept by nothing"


def test_things_of_others_keep_a_namespace_from_going_with_an_update(safe: Stack, kubectl: Kubectl) -> None:
    notes = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "osm-system"}}
    safe.configure(stage="dapr")
    try:
        with theirs(kubectl, notes):
            said = safe.run("preview", ok=False)
        assert "namespace osm-system goes with this update, and also holds ConfigMap theirs" in said
        safe.run("preview")
    finally:
        safe.configure(stage=None)


# --- edits by hand ----------------------------------------------------------------------------------------------


def test_edits_by_hand_are_shown_repaired_and_verified_anew(safe: Stack, kubectl: Kubectl) -> None:
    traffic = {"enablePermissiveTrafficPolicyMode": True, "outboundPortExclusionList": [1]}
    source = [{"op": "replace", "path": "/spec/sources/0/name", "value": "other"}]
    kubectl.run("label", "namespace", "dapr-test", "openservicemesh.io/monitored-by-")
    kubectl.run("scale", "deployment/nodeapp", "-n", "dapr-test", "--replicas=2")
    kubectl.run(
        "patch", "traffictarget/pythodapp-traffic-target", "-n", "dapr-test", "--type=json", "-p", json.dumps(source)
    )
    kubectl.run("delete", "rolebinding", "dapr-secret-reader", "-n", "dapr-test")
    kubectl.run("scale", "deployment/dapr-operator", "-n", "dapr-system", "--replicas=0")
    kubectl.run("delete", "crd", "resiliencies.dapr.io")
    kubectl.run("delete", "service", "osm-validator", "-n", "osm-system")
    kubectl.run(
        "patch",
        "meshconfig/osm-mesh-config",
        "-n",
        "osm-system",
        "--type=merge",
        "-p",
        json.dumps({"spec": {"traffic": traffic}}),
    )
    shown = safe.preview("--refresh")
    assert {
        Step(op="update", name="hello-namespace"),
        Step(op="update", name="hello-nodeapp-pods"),
        Step(op="update", name="hello-ready"),
        Step(op="update", name="smi-traffic-target"),
        Step(op="create", name="hello-dapr-secret-reader"),
        Step(op="update", name="dapr-chart/deployment/dapr-operator"),
        Step(op="update", name="dapr-chart/ready/dapr-operator"),
        Step(op="create", name="dapr-chart/customresourcedefinition/resiliencies.dapr.io"),
        Step(op="create", name="osm-chart/service/osm-validator"),
        Step(op="update", name="exclusions-patch"),
        Step(op="update", name="verification-run"),
    } == shown
    verified = safe.outputs()["verification"]["verified"]
    safe.run("up", "--yes", "--skip-preview", "--refresh")
    judge(kubectl, "smi")
    assert safe.outputs()["verification"]["verified"] > verified, "what was repaired is verified"
    assert not safe.preview("--refresh")


# --- before a destroy -------------------------------------------------------------------------------------------


def test_a_destroy_that_would_harm_others_ends_before_anything_is_deleted(
    safe: Stack, kubectl: Kubectl, before: dict[inventory.Key, str]
) -> None:
    pod = {"metadata": {"annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "theirs"}, "labels": {"a": "b"}}}
    container = {"name": "app", "image": "lab.local/pause:1"}
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "theirs"}},
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "app", "namespace": "theirs"},
            "spec": {
                "selector": {"matchLabels": {"a": "b"}},
                "template": {**pod, "spec": {"nodeSelector": {"no": "where"}, "containers": [container]}},
            },
        },
        {
            "apiVersion": "dapr.io/v1alpha1",
            "kind": "Component",
            "metadata": {"name": "their-store", "namespace": "theirs"},
            "spec": {"type": "state.in-memory", "version": "v1", "metadata": []},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "their-notes", "namespace": "dapr-test"}},
    ]
    everything = len(safe.resources())
    with theirs(kubectl, *objects):
        kubectl.run("label", "namespace", "theirs", "openservicemesh.io/monitored-by=osm")
        for stack in (safe, plain(safe)):
            said = stack.run("destroy", "--yes", "--skip-preview", ok=False)
            assert "nothing was deleted: others need what this stack would take away" in said
            for named in (
                "DaemonSet theirs/app",
                "namespaces theirs",
                "Component/theirs/their-store",
                "ConfigMap their-notes",
            ):
                assert named in said
            assert len(safe.resources()) == everything
        judge(kubectl, "smi")
    safe.destroy()
    assert safe.resources() == []
    assert_nothing_left(before)
    safe.run("destroy", "--yes", "--skip-preview")

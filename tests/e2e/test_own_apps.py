"""A team's own pair of apps beside the walkthrough's, from config alone; several replicas; and no egress.

The cluster is a strict one: a policy lets in images of one registry alone, and Dapr's injector is asked of the apps'
namespaces alone. The team brings its namespace, which is left as it was.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import OUTBOUND_PORTS, Kubectl
from tests.support.stack import Stack, Step, committed_config

IMAGE = committed_config("Pulumi.lab.yaml")["dapr-osm:nodeAppImage"]
APP: dict[str, Any] = {"namespace": "shop", "image": IMAGE, "port": 3000}
APPS: dict[str, Any] = {
    "nodeapp": {"replicas": 2},
    "pythonapp": {"replicas": 2},
    "checkout": {**APP, "servicePort": 8080},
    "stock": {**APP, "replicas": 2, "env": {"APP_PORT": "3000"}},
}
POLICIES: dict[str, Any] = {"checkout-to-stock": {"destination": "stock", "sources": ["checkout"]}}
NAMESPACES = {"daprNamespace": "platform-dapr", "osmNamespace": "platform-osm", "appsNamespace": "hello"}


NARROW: dict[str, Any] = {
    "dapr_sidecar_injector": {"namespaceSelector": {"matchLabels": {"team": "shop"}}},
}
ASKED = {"hello": {"team": "shop"}}
SHOP = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"team": "shop"}, "annotations": {"contact": "shop@example.com"}},
}
POLICY = "dapr-osm-test-registries"
ADMISSION = "admissionregistration.k8s.io/v1"


def only_images_of(registry: str) -> list[dict[str, Any]]:
    """A policy as platform teams have it, for all pods but the cluster's own."""
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}
    every = "(object.spec.containers + (has(object.spec.initContainers) ? object.spec.initContainers : []))"
    spec = {
        "matchConstraints": {"resourceRules": [pods]},
        "matchConditions": [{"name": "not-the-clusters", "expression": "object.metadata.namespace != 'kube-system'"}],
        "validations": [{"expression": f"{every}.all(one, one.image.startsWith('{registry}/'))"}],
    }
    binding = {"policyName": POLICY, "validationActions": ["Deny"]}
    return [
        {"apiVersion": ADMISSION, "kind": kind, "metadata": {"name": POLICY}, "spec": content}
        for kind, content in (("ValidatingAdmissionPolicy", spec), ("ValidatingAdmissionPolicyBinding", binding))
    ]


def refuses_strangers(kubectl: Kubectl) -> bool:
    """Whether a pod with an image of somewhere else is refused."""
    try:
        kubectl.run("run", "stranger", "--image=somewhere.example/else:1", "--dry-run=server", "-n", "default")
    except AssertionError as error:
        return "denied request" in str(error)
    return False


@pytest.fixture(scope="module")
def registries(empty_cluster: None, kubectl: Kubectl) -> Iterator[None]:
    """No other images than the lab's come in; that the policy counts is seen before a test begins."""
    items = json.dumps({"apiVersion": "v1", "kind": "List", "items": only_images_of("lab.local")})
    kubectl.run("apply", "-f", "-", stdin=items)
    for _ in range(50):
        if refuses_strangers(kubectl):
            break
        time.sleep(0.2)
    else:
        raise AssertionError("the policy never counted")
    yield
    kubectl.run("delete", "-f", "-", stdin=items)


@pytest.fixture(scope="module")
def shop(empty_cluster: None, kubectl: Kubectl) -> Iterator[None]:
    """The team's namespace, with what Kubernetes puts into each."""
    kubectl.run("apply", "-f", "-", stdin=json.dumps(SHOP))
    for made in ("serviceaccount/default", "configmap/kube-root-ca.crt"):
        kubectl.run("wait", made, "-n", "shop", "--for=create", "--timeout=30s")
    yield
    kubectl.run("delete", "namespace", "shop")


@pytest.fixture(scope="module")
def before(registries: None, shop: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM."""
    return inventory.take(lab.kubectl())


@pytest.fixture(scope="module")
def team(before: dict[inventory.Key, str], stack_folder: Path) -> Iterator[Stack]:
    """A stack at the last stage, without egress, in namespaces of its own choice."""
    stack = lab.stack(
        "team",
        stack_folder,
        apps=APPS,
        policies=POLICIES,
        enableEgress=False,
        daprValues=NARROW,
        namespaceLabels=ASKED,
        existingNamespaces=["shop"],
        **NAMESPACES,
    )
    stack.up()
    yield stack
    if stack.resources():
        stack.destroy()


def invoke(kubectl: Kubectl, source: str, destination: str) -> tuple[int, str]:
    """Call one app from the pod of another through its daprd; status and body."""
    with kubectl.forwarded("shop", f"deployment/{source}", 3500) as url:
        try:
            path = f"{url}/v1.0/invoke/{destination}/method/ports"
            with urllib.request.urlopen(path, timeout=20) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


def test_everything_is_in_the_namespaces_of_the_config(team: Stack, kubectl: Kubectl) -> None:
    namespaces = {item["metadata"]["name"] for item in kubectl.items("namespaces")}
    assert {"platform-dapr", "platform-osm", "hello", "shop"} <= namespaces
    assert not namespaces & {"dapr-system", "osm-system", "dapr-test"}
    assert team.outputs()["namespaces"] == {"dapr": "platform-dapr", "osm": "platform-osm", "apps": ["hello", "shop"]}
    traffic = kubectl.get("meshconfig", "osm-mesh-config", "-n", "platform-osm")["spec"]["traffic"]
    assert traffic["enableEgress"] is False


def test_a_permitted_call_arrives_and_the_way_back_is_refused(team: Stack, kubectl: Kubectl) -> None:
    status, body = invoke(kubectl, "checkout", "stock")
    assert (status, json.loads(body)["DAPR_HTTP_PORT"]) == (200, "3500"), "the answer is stock's own"
    status, body = invoke(kubectl, "stock", "checkout")
    assert status == 500
    assert "ERR_DIRECT_INVOKE" in body


def test_the_verification_tried_every_call(team: Stack) -> None:
    verification = team.outputs()["verification"]
    assert verification["calls"] == {
        "pythonapp -> nodeapp": "arrives through both Envoys",
        "checkout -> stock": "arrives through both Envoys",
        "stock -> checkout": "is refused by the mesh: stock's Envoy lets nothing out",
    }
    assert verification["mayCall"] == {"nodeapp": [], "pythonapp": ["nodeapp"], "checkout": ["stock"], "stock": []}
    assert verification["diagram"].startswith("flowchart LR")
    assert verification["orders"]["persisted"] >= 3


def test_every_replica_has_its_sidecars(team: Stack, kubectl: Kubectl) -> None:
    for namespace, label, replicas in (("hello", "node", 2), ("hello", "python", 2), ("shop", "stock", 2)):
        pods = kubectl.living_pods(namespace, label)
        assert len(pods) == replicas
        for pod in pods:
            names = {container["name"] for container in pod["spec"]["containers"]}
            assert names == {label, "daprd", "envoy", "osm-healthcheck"}


def test_both_replicas_of_the_called_app_get_calls(team: Stack, kubectl: Kubectl) -> None:
    counter = "cluster.hello/nodeapp-dapr|50002|local.upstream_rq_total"
    for pod in kubectl.living_pods("hello", "node"):
        with (
            kubectl.forwarded("hello", f"pod/{pod['metadata']['name']}", 15000) as url,
            urllib.request.urlopen(f"{url}/stats", timeout=10) as answer,  # noqa: S310 - loopback
        ):
            lines = answer.read().decode().splitlines()
        (value,) = [int(line.rpartition(": ")[2]) for line in lines if line.rpartition(": ")[0] == counter]
        assert value > 0, pod["metadata"]["name"]


def test_without_egress_the_minimal_exclusions_are_what_daprd_dials(team: Stack, kubectl: Kubectl) -> None:
    team.configure(exclusions="minimal")
    team.up()
    traffic = kubectl.get("meshconfig", "osm-mesh-config", "-n", "platform-osm")["spec"]["traffic"]
    assert traffic["outboundPortExclusionList"] == [50005, 6379, 50006]
    assert traffic.get("outboundIPRangeExclusionList", []) == []
    for pod in kubectl.living_pods("hello", "python"):
        assert pod["metadata"]["annotations"][OUTBOUND_PORTS] == "443"
    assert kubectl.persisted(6, namespace="hello", least=3) >= 3
    assert invoke(kubectl, "checkout", "stock")[0] == 200


def test_another_source_in_a_policy_takes_the_permission_from_the_one_before(team: Stack, kubectl: Kubectl) -> None:
    turned = {"checkout-to-stock": {"destination": "checkout", "sources": ["stock"]}}
    old = {pod["metadata"]["uid"] for pod in kubectl.living_pods("shop", "checkout")}
    kept = {pod["metadata"]["uid"] for pod in kubectl.living_pods("shop", "stock")}
    team.configure(policies=turned)
    assert team.preview() == {
        Step(op="update", name=name)
        for name in ("smi-checkout-to-stock-traffic-target", "smi-revoke", "verification-run")
    }
    team.up()
    assert invoke(kubectl, "checkout", "stock")[0] == 500
    assert invoke(kubectl, "stock", "checkout")[0] == 200
    assert not old & {pod["metadata"]["uid"] for pod in kubectl.living_pods("shop", "checkout")}, "it lost a permission"
    assert kept == {pod["metadata"]["uid"] for pod in kubectl.living_pods("shop", "stock")}, "it lost none"
    team.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_the_walkthroughs_apps_can_be_left_out(team: Stack, kubectl: Kubectl) -> None:
    apps = {name: fields for name, fields in APPS.items() if fields.get("namespace")}
    team.configure(
        apps={**apps, "nodeapp": None, "pythonapp": None}, policies={**POLICIES, "pythodapp-traffic-target": None}
    )
    team.up()
    assert kubectl.living_pods("hello", "node") == []
    assert set(team.outputs()["verification"]["calls"]) == {"checkout -> stock", "stock -> checkout"}
    assert "watchOrders" not in team.outputs()


def test_destroy_leaves_nothing_of_the_teams(team: Stack, before: dict[inventory.Key, str]) -> None:
    team.destroy()
    assert team.resources() == []
    assert_nothing_left(before)

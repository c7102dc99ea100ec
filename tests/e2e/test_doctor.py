"""``python -m preflight`` on a real cluster: what it says, and that it leaves everything as it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import api
from settings import ROOT
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.stack import committed_config

LOOKING = "dapr-osm-doctor-looking"
POLICY = "dapr-osm-doctor-registries"
ENFORCE = "pod-security.kubernetes.io/enforce"
Doctor = Callable[..., Mapping[str, Any]]


@pytest.fixture
def doctor(empty_cluster: None, tmp_path: Path) -> Iterator[Doctor]:
    """Runs the doctor for a config, as a user; what it says. The cluster must be as before each time."""

    def run(user: str | None = None, **config: Any) -> Mapping[str, Any]:
        values = {"redisPassword": {"secure": "v1:not:decrypted"}, **config}
        content = committed_config("Pulumi.lab.yaml") | {f"dapr-osm:{key}": value for key, value in values.items()}
        file = tmp_path / "Pulumi.doctor.yaml"
        file.write_text(yaml.safe_dump({"config": content}))
        environment = {**os.environ, **api.environment()}
        if user:
            environment["KUBECONFIG"] = str(api.user_kubeconfig(user))
        before = inventory.take(lab.kubectl())
        done = subprocess.run(  # noqa: S603 - the project's own command
            [sys.executable, "-m", "preflight", "--stack", "doctor", "--config-file", str(file), "--json"],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert inventory.difference(before, inventory.take(lab.kubectl())) == [], "it changes nothing"
        said: Mapping[str, Any] = json.loads(done.stdout or f'"{done.stderr}"')
        assert done.returncode == (0 if said["fits"] else 1)
        return said

    yield run


def found(said: Mapping[str, Any], check: str, level: str) -> str:
    """What a check has found at a level, as one text."""
    parts = [one for one in said["findings"] if (one["check"], one["level"]) == (check, level)]
    assert parts, said["findings"]
    return "\n".join(f"{one['what']}. {one['mend']}" for one in parts)


@contextmanager
def applied(kubectl: Kubectl, *items: Mapping[str, Any]) -> Iterator[None]:
    """Have objects there for a while."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    kubectl.run("apply", "-f", "-", stdin=text)
    try:
        yield
    finally:
        kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=text)


def item(version: str, kind: str, name: str, namespace: str | None = None, **content: Any) -> dict[str, Any]:
    """An object."""
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **content.pop("metadata", {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def test_on_an_empty_cluster_nothing_is_in_the_way(doctor: Doctor) -> None:
    said = doctor()
    assert said["fits"]
    assert said["findings"] == [], "as an administrator who sees everything"


def test_who_may_only_look_is_told_what_was_not_seen(doctor: Doctor, kubectl: Kubectl) -> None:
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": "view"}
    binding = item(
        f"{group}/v1", "ClusterRoleBinding", LOOKING, roleRef=role, subjects=[{"kind": "User", "name": LOOKING}]
    )
    with applied(kubectl, binding):
        said = doctor(user=LOOKING)
    assert said["fits"], "that he can't deploy is no fault of the stack's"
    assert f"user {LOOKING} may only look" in found(said, "rights", "looks")
    assert "clusterroles.rbac.authorization.k8s.io" in found(said, "ownership", "unseen")
    assert "nodes is forbidden" in found(said, "room", "unseen")


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_a_namespace_that_is_too_strict_is_told(level: str, doctor: Doctor, kubectl: Kubectl) -> None:
    strict = item("v1", "Namespace", "dapr-test", metadata={"labels": {ENFORCE: level}})
    with applied(kubectl, strict):
        said = doctor(existingNamespaces=["dapr-test"])
    assert f"namespace dapr-test enforces the Pod Security level {level}" in found(said, "pod-security", "breaks")


def test_a_quota_that_is_too_small_is_told(doctor: Doctor, kubectl: Kubectl) -> None:
    quota = item("v1", "ResourceQuota", "small", "dapr-test", spec={"hard": {"pods": "2", "limits.cpu": "1"}})
    with applied(kubectl, item("v1", "Namespace", "dapr-test"), quota):
        said = doctor(existingNamespaces=["dapr-test"])
    assert "quota dapr-test/small leaves 2 of pods, and the stack's pods there want 3" in found(
        said, "quotas", "breaks"
    )
    assert "must specify limits.cpu. Make a LimitRange with defaults" in found(said, "pods", "breaks")


def test_a_policy_about_registries_is_told(doctor: Doctor, kubectl: Kubectl) -> None:
    group = "admissionregistration.k8s.io/v1"
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "matchConstraints": {"resourceRules": [pods]},
        "matchConditions": [{"name": "not-the-clusters", "expression": "object.metadata.namespace != 'kube-system'"}],
        "validations": [
            {
                "expression": "object.spec.containers.all(c, c.image.startsWith('registry.example/'))",
                "message": "images come from registry.example only",
            }
        ],
    }
    binding = {"policyName": POLICY, "validationActions": ["Deny"]}
    items = [
        item("v1", "Namespace", "dapr-test"),
        item(group, "ValidatingAdmissionPolicy", POLICY, spec=policy),
        item(group, "ValidatingAdmissionPolicyBinding", POLICY, spec=binding),
    ]
    with applied(kubectl, *items):
        for _ in range(10):
            said = doctor(existingNamespaces=["dapr-test"])
            if not said["fits"]:
                # A policy counts a moment after it was made.
                break
    assert "refused in dapr-test: " in found(said, "pods", "breaks")
    assert "images come from registry.example only" in found(said, "pods", "breaks")
    assert "since dapr-system, osm-system are not there yet" in found(said, "pods", "warns")


def test_a_range_in_which_services_live_is_told(doctor: Doctor) -> None:
    """Where pods live shows only when there are some: test_safe."""
    said = doctor(extraIpRangeExclusions=["10.0.0.0/8"])
    assert "extraIpRangeExclusions holds 10.0.0.0/8, in which all Services live" in found(said, "ranges", "breaks")


def test_a_pod_that_no_node_has_room_for_is_told(doctor: Doctor) -> None:
    big = {"image": "lab.local/hello-k8s-node:1", "resources": {"requests": {"cpu": "100"}}}
    said = doctor(apps={"big": big})
    assert said["fits"], "a node may come"
    assert "Deployment dapr-test/big asks for 100 CPU" in found(said, "room", "warns")


def test_somebody_elses_dapr_is_told(doctor: Doctor, kubectl: Kubectl) -> None:
    role = item("rbac.authorization.k8s.io/v1", "ClusterRole", "dapr-operator-admin", rules=[])
    with applied(kubectl, role):
        said = doctor()
    assert "ClusterRole dapr-operator-admin is there, written by" in found(said, "ownership", "breaks")

"""Secrets that an interrupted run has left go once the apps' pods are ready, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from model.owner import Owner
from steps.leftovers import remove_unused_secrets

from .fake_cluster import FakeCluster

OWNER = Owner(stack="dev")
SECRETS = "/api/v1/namespaces/shop/secrets"
LEFT = f"{SECRETS}/hello-redis-password-0ld0ld00"
NAMED = {"pulumi.com/autonamed": "true"}
WRITTEN = [{"manager": "pulumi-kubernetes-1234abcd"}]


def ours(**metadata: Any) -> dict[str, Any]:
    return {"labels": OWNER.labels, "annotations": NAMED, "managedFields": WRITTEN, **metadata}


@pytest.fixture
def cluster() -> FakeCluster:
    """An app and Redis, with the Secrets that they use, and one more of a run that was killed."""
    fake = FakeCluster()
    for name in ("hello-redis-password-0ld0ld00", "hello-redis-password-11111111", "hello-web-environment-22222222"):
        fake.add(f"{SECRETS}/{name}", metadata=ours())
    mounted = {"volumes": [{"name": "password", "secret": {"secretName": "hello-redis-password-11111111"}}]}
    fake.add("/apis/apps/v1/namespaces/shop/deployments/redis", spec={"template": {"spec": mounted}})
    source = {"secretKeyRef": {"name": "hello-web-environment-22222222", "key": "TOKEN"}}
    container = {"name": "web", "env": [{"name": "TOKEN", "valueFrom": source}]}
    fake.add("/apis/apps/v1/namespaces/shop/deployments/web", spec={"template": {"spec": {"containers": [container]}}})
    return fake


def test_what_no_pod_and_no_deployment_names_goes(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    remove_unused_secrets(cluster, OWNER, ["shop", "shop"])
    assert cluster.deleted == [LEFT]
    assert "deleted Secret shop/hello-redis-password-0ld0ld00, which no pod names any more" in capsys.readouterr().err


@pytest.mark.parametrize(
    "metadata",
    [
        ours(labels={}),
        ours(labels=Owner(stack="prod").labels),
        ours(annotations={}),
        ours(managedFields=[{"manager": "kubectl-create"}]),
    ],
    ids=["somebody else's", "another stack's", "one that has its own name", "a copy of the stack's"],
)
def test_what_is_not_the_stacks_or_not_pulumis_to_name_stays(metadata: dict[str, Any], cluster: FakeCluster) -> None:
    cluster.objects[LEFT]["metadata"] = {**cluster.objects[LEFT]["metadata"], **metadata}
    remove_unused_secrets(cluster, OWNER, ["shop"])
    assert cluster.deleted == []


def test_what_a_pod_still_runs_with_stays_until_it_goes(cluster: FakeCluster) -> None:
    pod = "/api/v1/namespaces/shop/pods/web-1"
    cluster.add(pod, spec={"volumes": [{"secret": {"secretName": LEFT.rpartition("/")[2]}}]})
    remove_unused_secrets(cluster, OWNER, ["shop"])
    assert cluster.deleted == []
    cluster.objects[pod]["metadata"]["deletionTimestamp"] = "now"
    remove_unused_secrets(cluster, OWNER, ["shop"])
    assert cluster.deleted == [LEFT]


def test_other_namespaces_are_not_looked_at(cluster: FakeCluster) -> None:
    remove_unused_secrets(cluster, OWNER, ["else"])
    assert cluster.deleted == []
    assert not any("/shop/" in json.dumps(request) for request in cluster.requests)

"""Other people's workloads that Dapr serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from model.owner import STACK_LABEL, Owner
from preflight.others import WORKLOADS, dapr_workloads

from .fake_cluster import FakeCluster

OWNER = Owner(stack="dev")
Metadata = dict[str, Any]


def templated(metadata: Metadata) -> dict[str, Any]:
    return {"spec": {"template": {"metadata": metadata}}}


def scheduled(metadata: Metadata) -> dict[str, Any]:
    return {"spec": {"jobTemplate": templated(metadata)}}


# By kind: where its objects are, and how one describes its pods.
KINDS: dict[str, tuple[str, Callable[[Metadata], dict[str, Any]] | None]] = {
    "Deployment": ("/apis/apps/v1/namespaces/{}/deployments/{}", templated),
    "StatefulSet": ("/apis/apps/v1/namespaces/{}/statefulsets/{}", templated),
    "DaemonSet": ("/apis/apps/v1/namespaces/{}/daemonsets/{}", templated),
    "ReplicaSet": ("/apis/apps/v1/namespaces/{}/replicasets/{}", templated),
    "Job": ("/apis/batch/v1/namespaces/{}/jobs/{}", templated),
    "CronJob": ("/apis/batch/v1/namespaces/{}/cronjobs/{}", scheduled),
    "Pod": ("/api/v1/namespaces/{}/pods/{}", None),
}


def add(
    fake: FakeCluster, kind: str, name: str = "cart", enabled: str | None = "true", namespace: str = "shop", **meta: Any
) -> None:
    """A workload whose pods have the annotation that Dapr looks at."""
    pattern, described = KINDS[kind]
    annotated = {} if enabled is None else {"annotations": {"dapr.io/enabled": enabled}}
    path = pattern.format(namespace, name)
    if described is None:
        fake.add(path, metadata={**annotated, **meta})
    else:
        fake.add(path, metadata=meta, **described(annotated))


def others(fake: FakeCluster) -> list[str]:
    return sorted(dapr_workloads(fake, OWNER))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Job", {"conditions": [{"type": "Complete", "status": "True"}]}),
        ("Job", {"conditions": [{"type": "Failed", "status": "True"}]}),
        ("Pod", {"phase": "Succeeded"}),
        ("Pod", {"phase": "Failed"}),
    ],
    ids=str,
)
def test_what_has_ended_needs_no_dapr_any_more(kind: str, status: dict[str, Any]) -> None:
    fake = FakeCluster()
    add(fake, kind)
    (path,) = fake.objects
    assert others(fake) == [f"{kind} shop/cart"]
    fake.objects[path]["status"] = {"conditions": [{"type": "Complete", "status": "False"}], "phase": "Running"}
    assert others(fake) == [f"{kind} shop/cart"]
    fake.objects[path]["status"] = status
    assert others(fake) == []


def test_every_kind_that_has_pods_is_tried_here() -> None:
    assert set(KINDS) == set(WORKLOADS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_of_any_kind_is_found_by_its_pods_annotation(kind: str) -> None:
    fake = FakeCluster()
    add(fake, kind)
    assert others(fake) == [f"{kind} shop/cart"]
    assert fake.changes == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("enabled", [None, "", "false", "0", "no", "off"])
def test_a_workload_that_dapr_does_not_serve_is_none(kind: str, enabled: str | None) -> None:
    fake = FakeCluster()
    add(fake, kind, enabled=enabled)
    assert others(fake) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_of_this_stack_is_none(kind: str) -> None:
    fake = FakeCluster()
    add(fake, kind, labels=OWNER.labels)
    assert others(fake) == []
    add(fake, kind, labels={STACK_LABEL: "prod"})
    assert others(fake) == [f"{kind} shop/cart"]


def test_an_annotation_of_the_workload_itself_is_not_its_pods() -> None:
    fake = FakeCluster()
    add(fake, "Deployment", enabled=None, annotations={"dapr.io/enabled": "true"})
    assert others(fake) == []


def test_a_workload_that_says_nothing_of_its_pods_is_none() -> None:
    fake = FakeCluster()
    fake.add("/apis/apps/v1/namespaces/shop/deployments/cart", spec={"template": {"metadata": None}})
    fake.add("/apis/batch/v1/namespaces/shop/cronjobs/cart", spec={})
    fake.add("/api/v1/namespaces/shop/pods/cart", metadata={"annotations": None})
    assert others(fake) == []


def test_what_a_workload_has_made_counts_once_as_that_workload() -> None:
    fake = FakeCluster()
    add(fake, "Deployment")
    add(fake, "ReplicaSet", "cart-1", ownerReferences=[{"kind": "Deployment", "name": "cart"}])
    add(fake, "Pod", "cart-1-x", ownerReferences=[{"kind": "ReplicaSet", "name": "cart-1"}])
    add(fake, "CronJob", "nightly")
    add(fake, "Job", "nightly-1", ownerReferences=[{"kind": "CronJob", "name": "nightly"}])
    assert others(fake) == ["CronJob shop/nightly", "Deployment shop/cart"]


@pytest.mark.parametrize(
    ("kind", "made_by"), [("ReplicaSet", "Rollout"), ("Deployment", "SpinApp"), ("Pod", "Workflow"), ("Pod", "Node")]
)
def test_what_another_kind_has_made_counts_itself(kind: str, made_by: str) -> None:
    fake = FakeCluster()
    add(fake, kind, ownerReferences=[{"kind": made_by, "name": "theirs"}])
    assert others(fake) == [f"{kind} shop/cart"], f"nobody lists each {made_by} of every operator there is"


def test_all_namespaces_are_looked_at() -> None:
    fake = FakeCluster()
    add(fake, "Deployment", namespace="one")
    add(fake, "Deployment", namespace="two")
    assert others(fake) == ["Deployment one/cart", "Deployment two/cart"]

"""What is put off for a cause of before is tried at once."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.client import Object
from cluster.errors import ApiError
from cluster.retrying import try_again
from cluster.waiting import Workload
from model.names import FIELD_MANAGER, TRIED_AGAIN

from .fake_cluster import FakeCluster

WEB = Workload(kind="Deployment", namespace="shop", name="web")
DATA = Workload(kind="StatefulSet", namespace="shop", name="data")
PODS = "/api/v1/namespaces/shop/pods"


def shop(*, pods: int = 1) -> FakeCluster:
    """A Deployment, its ReplicaSet, and a StatefulSet that has all it wants."""
    fake = FakeCluster()
    revision = {"deployment.kubernetes.io/revision": "1"}
    counts = {"replicas": pods, "updatedReplicas": pods, "readyReplicas": 0}
    fake.add(WEB.path, metadata={"uid": "web", "annotations": revision}, spec={"replicas": 1}, status=counts)
    fake.add(
        "/apis/apps/v1/namespaces/shop/replicasets/web-1",
        metadata={
            "uid": "web-1",
            "annotations": revision,
            "ownerReferences": [{"uid": "web", "controller": True, "kind": "Deployment", "name": "web"}],
        },
        spec={"replicas": 1},
        status={"replicas": pods},
    )
    ready = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}
    fake.add(DATA.path, metadata={"uid": "data"}, spec={"replicas": 1}, status=ready)
    return fake


def pod(fake: FakeCluster, name: str, state: Object, owner: str = "web-1", part: str = "containerStatuses") -> None:
    fake.add(
        f"{PODS}/{name}",
        metadata={"uid": f"uid-{name}", "ownerReferences": [{"uid": owner, "controller": True}]},
        status={part: [{"name": "app", "ready": False, "state": state}]},
    )


def waits(reason: str) -> Object:
    return {"waiting": {"reason": reason}}


def refuse(fake: FakeCluster) -> None:
    path = "/apis/apps/v1/namespaces/shop/replicasets/web-1"
    told = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
    fake.objects[path]["status"]["conditions"] = [told]


@pytest.mark.parametrize("part", ["containerStatuses", "initContainerStatuses"])
@pytest.mark.parametrize("reason", ["CrashLoopBackOff", "ImagePullBackOff"])
def test_a_pod_that_is_put_off_is_made_anew(reason: str, part: str, capsys: pytest.CaptureFixture[str]) -> None:
    fake = shop()
    pod(fake, "web-1-a", waits(reason), part=part)
    try_again(fake, [WEB, DATA])
    assert fake.deleted == [f"{PODS}/web-1-a"]
    assert "Pod web-1-a is put off" in capsys.readouterr().err
    assert not fake.patched


@pytest.mark.parametrize(
    "state", [waits("ContainerCreating"), {"running": {}}, {"terminated": {"reason": "Error", "exitCode": 1}}]
)
def test_a_pod_that_is_on_its_way_is_left_alone(state: Object) -> None:
    fake = shop()
    pod(fake, "web-1-a", state)
    try_again(fake, [WEB, DATA])
    assert fake.changes == []


def test_pods_of_others_and_those_that_go_already_are_left_alone() -> None:
    fake = shop()
    pod(fake, "theirs", waits("CrashLoopBackOff"), owner="somebody-else")
    pod(fake, "web-1-a", waits("CrashLoopBackOff"))
    fake.objects[f"{PODS}/web-1-a"]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    try_again(fake, [WEB, DATA])
    assert fake.changes == []


def test_a_workload_whose_pods_were_refused_is_noted_on_so_that_they_are_asked_for_again() -> None:
    fake = shop(pods=0)
    refuse(fake)
    try_again(fake, [WEB, DATA])
    [(path, manager, patch)] = fake.patched
    assert (path, manager) == (WEB.path, FIELD_MANAGER), "the other one has its pods"
    assert list(patch["metadata"]["annotations"]) == [TRIED_AGAIN]


def test_pods_that_are_only_missing_are_waited_for() -> None:
    fake = shop(pods=0)
    try_again(fake, [WEB, DATA])
    assert fake.changes == []


class Refusing(FakeCluster):
    """A cluster that lets nobody delete a pod, or fails."""

    status = 403

    def _delete(self, path: str) -> None:
        raise ApiError("DELETE", path, self.status, "no")


@pytest.mark.parametrize(
    ("status", "goes_on"), [(400, True), (403, True), (404, True), (409, True), (422, True), (500, False)]
)
def test_who_may_not_do_that_waits(status: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = Refusing(shop().objects)
    pod(fake, "web-1-a", waits("CrashLoopBackOff"))
    monkeypatch.setattr(Refusing, "status", status)
    if goes_on:
        try_again(fake, [WEB])
    else:
        with pytest.raises(ApiError):
            try_again(fake, [WEB])


def test_what_may_not_be_done_for_one_is_done_for_the_others() -> None:
    """A policy of somebody's protects one of them."""
    fake: Any = Refusing(shop(pods=0).objects)
    pod(fake, "web-1-a", waits("CrashLoopBackOff"))
    refuse(fake)
    try_again(fake, [WEB])
    assert [path for path, _, _ in fake.patched] == [WEB.path]

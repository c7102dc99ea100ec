"""A wait for pods ends when they are ready, when its time is up, or when the cluster says that it can't help."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster import waiting
from cluster.client import Object
from cluster.diagnosis import UNKNOWN_HOST_SECONDS, Finding
from cluster.errors import OperationError, VerificationError
from cluster.waiting import (
    CONFIRM_SECONDS,
    LOOK_SECONDS,
    NEXT_STEP,
    STEADY_SECONDS,
    Causes,
    Workload,
    await_ready,
    readiness,
)

from .fake_cluster import FakeCluster

WEB = Workload(kind="Deployment", namespace="shop", name="web")
NOT_FOUND = "failed to pull image r/x:0: not found"


class Clock:
    """Seconds that pass when a test says so, and whenever somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(waiting, "time", made)
    return made


def deployment(fake: FakeCluster, *, ready: int = 0, revision: str = "1", **status: Any) -> None:
    fake.add(
        WEB.path,
        metadata={"uid": "web", "generation": 1, "annotations": {"deployment.kubernetes.io/revision": revision}},
        spec={"replicas": 1},
        status={"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready, **status},
    )


def replica_set(fake: FakeCluster, name: str, revision: str, owner: str = "web") -> None:
    fake.add(
        f"/apis/apps/v1/namespaces/shop/replicasets/{name}",
        metadata={
            "uid": name,
            "annotations": {"deployment.kubernetes.io/revision": revision},
            "ownerReferences": [{"uid": owner, "controller": True}],
        },
        spec={"replicas": 1},
        status={"replicas": 1},
    )


def pod(fake: FakeCluster, name: str, owner: str, waiting_for: Object | None = None) -> None:
    state = {"name": "app", "ready": waiting_for is None, "state": {"waiting": waiting_for} if waiting_for else {}}
    fake.add(
        f"/api/v1/namespaces/shop/pods/{name}",
        metadata={"uid": name, "ownerReferences": [{"uid": owner, "controller": True}]},
        spec={"containers": [{"name": "app"}]},
        status={"phase": "Pending", "containerStatuses": [state]},
    )


def broken(message: str = NOT_FOUND, reason: str = "ErrImagePull") -> FakeCluster:
    fake = FakeCluster()
    deployment(fake)
    replica_set(fake, "web-1", "1")
    pod(fake, "web-1-a", "web-1", {"reason": reason, "message": message})
    return fake


def test_workloads_that_are_ready_are_not_waited_for(clock: Clock) -> None:
    fake = FakeCluster()
    deployment(fake, ready=1)
    await_ready(fake, [WEB], 60)
    assert clock.now == 0
    assert not [path for _, path in fake.requests if "/pods" in path], "no cause is looked for where all is well"


SERVER = replace(WEB, serves=True)


def test_whoever_serves_others_must_not_be_scaled_to_nothing(clock: Clock) -> None:
    fake = FakeCluster()
    deployment(fake, replicas=0, updatedReplicas=0)
    fake.objects[WEB.path]["spec"]["replicas"] = 0
    await_ready(fake, [WEB], 60)
    with pytest.raises(OperationError) as caught:
        await_ready(fake, [SERVER], 60)
    said = str(caught.value)
    assert said.startswith("Deployment shop/web is scaled to nothing, and waiting longer can't help:")
    assert "ScaledToNothing" in said
    assert "`pulumi up --refresh` brings back" in said
    assert clock.now < 60


def test_whoever_serves_others_may_come_back_meanwhile(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCluster()
    deployment(fake, ready=1)
    fake.objects[WEB.path]["spec"]["replicas"] = 0

    def scale(seconds: float) -> None:
        clock.now += seconds
        fake.objects[WEB.path]["spec"]["replicas"] = 1

    monkeypatch.setattr(clock, "sleep", scale)
    await_ready(fake, [SERVER], 60)
    assert 0 < clock.now < LOOK_SECONDS


def test_a_certain_cause_ends_a_wait_once_it_is_confirmed_and_says_what_to_do(clock: Clock) -> None:
    with pytest.raises(OperationError) as caught:
        await_ready(broken(), [WEB], 600)
    said = str(caught.value)
    assert said.startswith("Deployment shop/web has 0 of 1 pods ready, and waiting longer can't help:")
    assert f"Pod web-1-a, container app: ErrImagePull: {NOT_FOUND}" in said
    assert said.endswith(NEXT_STEP)
    assert CONFIRM_SECONDS <= clock.now <= CONFIRM_SECONDS + 2 * LOOK_SECONDS


def test_a_cause_that_may_heal_is_told_when_time_is_up(clock: Clock) -> None:
    with pytest.raises(OperationError) as caught:
        await_ready(broken("i/o timeout"), [WEB], 30)
    assert str(caught.value).startswith("after 30 s Deployment shop/web has 0 of 1 pods ready:")
    assert "i/o timeout" in str(caught.value)
    assert clock.now > 30


def test_a_cause_that_lasts_ends_a_wait_when_it_has_lasted(clock: Clock) -> None:
    with pytest.raises(OperationError, match="waiting longer can't help"):
        await_ready(broken("dial tcp: lookup nowhere.example: no such host"), [WEB], 600)
    assert UNKNOWN_HOST_SECONDS <= clock.now <= UNKNOWN_HOST_SECONDS + 2 * LOOK_SECONDS


def test_pods_from_before_and_pods_of_others_end_nobodys_wait(clock: Clock) -> None:
    fake = FakeCluster()
    deployment(fake, revision="2")
    replica_set(fake, "web-1", "1")
    replica_set(fake, "web-2", "2")
    replica_set(fake, "other-1", "2", owner="other")
    for name, owner in (("old", "web-1"), ("strange", "other-1")):
        pod(fake, name, owner, {"reason": "ErrImagePull", "message": NOT_FOUND})
    pod(fake, "new", "web-2", {"reason": "ContainerCreating"})
    with pytest.raises(OperationError) as caught:
        await_ready(fake, [WEB], 30)
    assert str(caught.value).startswith("after 30 s")
    assert NOT_FOUND not in str(caught.value)


def test_a_cause_that_goes_away_begins_anew_when_it_comes_back(clock: Clock) -> None:
    fake = broken()
    causes = Causes(cluster=fake, workloads=[WEB], clock=clock.monotonic)
    causes.end("web is away")
    clock.now += CONFIRM_SECONDS
    pod(fake, "web-1-a", "web-1", {"reason": "ContainerCreating"})
    causes.end("web is away")
    clock.now += CONFIRM_SECONDS
    pod(fake, "web-1-a", "web-1", {"reason": "ErrImagePull", "message": NOT_FOUND})
    causes.end("web is away")
    clock.now += CONFIRM_SECONDS
    with pytest.raises(OperationError):
        causes.end("web is away")


def test_a_pull_that_fails_and_one_that_is_put_off_are_one_cause(clock: Clock) -> None:
    fake = broken()
    causes = Causes(cluster=fake, workloads=[WEB], error=VerificationError, clock=clock.monotonic)
    causes.end("web is away")
    clock.now += CONFIRM_SECONDS
    pod(fake, "web-1-a", "web-1", {"reason": "ImagePullBackOff", "message": f"Back-off: {NOT_FOUND}"})
    with pytest.raises(VerificationError, match="ImagePullBackOff"):
        causes.end("web is away")


def test_the_cluster_is_not_asked_at_every_turn(clock: Clock) -> None:
    fake = broken("i/o timeout")
    causes = Causes(cluster=fake, workloads=[WEB], clock=clock.monotonic)
    causes.end("web is away")
    asked = len(fake.requests)
    clock.now += LOOK_SECONDS / 2
    causes.end("web is away")
    assert len(fake.requests) == asked
    clock.now += LOOK_SECONDS
    causes.end("web is away")
    assert len(fake.requests) > asked


def test_whoever_waits_is_told_what_lasts_and_only_once(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OperationError):
        await_ready(broken("i/o timeout"), [WEB], 30)
    said = capsys.readouterr().err.splitlines()
    assert said == ["waiting: Pod web-1-a, container app: ErrImagePull: i/o timeout"]


@pytest.mark.parametrize(("probe", "steady"), [({}, STEADY_SECONDS), ({"readinessProbe": {}}, 0.0)])
def test_a_container_that_ended_is_trusted_when_it_runs_for_a_while_or_has_a_probe(
    clock: Clock, probe: Object, steady: float
) -> None:
    fake = broken()
    ended = {"terminated": {"reason": "Error", "exitCode": 3}}
    path = "/api/v1/namespaces/shop/pods/web-1-a"
    fake.objects[path]["status"]["containerStatuses"] = [{"name": "app", "state": ended, "restartCount": 1}]
    fake.objects[path]["spec"]["containers"] = [{"name": "app", **probe}]
    slept = clock.sleep

    def runs_again(seconds: float) -> None:
        slept(seconds)
        deployment(fake, ready=1)

    clock.sleep = runs_again  # type: ignore[method-assign]
    await_ready(fake, [WEB], 600)
    assert steady <= clock.now <= steady + 2


def test_a_container_that_crashes_again_and_again_never_counts_as_ready(clock: Clock) -> None:
    fake = broken()
    path = "/api/v1/namespaces/shop/pods/web-1-a"
    ended = {"terminated": {"reason": "Error", "exitCode": 3}}
    fake.objects[path]["status"]["containerStatuses"] = [{"name": "app", "state": ended, "restartCount": 1}]
    slept = clock.sleep

    def flaps(seconds: float) -> None:
        slept(seconds)
        deployment(fake, ready=int(clock.now) % 4 == 0)

    clock.sleep = flaps  # type: ignore[method-assign]
    with pytest.raises(OperationError, match="exit code 3"):
        await_ready(fake, [WEB], 60)


def test_a_workload_that_does_not_exist_is_told(clock: Clock) -> None:
    with pytest.raises(OperationError, match="Deployment shop/web does not exist"):
        await_ready(FakeCluster(), [WEB], 5)


@pytest.mark.parametrize(
    ("kind", "spec", "status", "expected"),
    [
        ("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 2, "readyReplicas": 2}, (2, 2)),
        ("Deployment", {}, {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1}, (1, 1)),
        ("Deployment", {"replicas": 0}, {}, (0, 0)),
        # A new pod that is not ready, beside an old one that is.
        ("Deployment", {"replicas": 1}, {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1}, (0, 1)),
        # All new ones are ready, and an old one is still there.
        ("Deployment", {"replicas": 2}, {"replicas": 3, "updatedReplicas": 2, "readyReplicas": 3}, (1, 2)),
        ("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 0, "readyReplicas": 2}, (0, 2)),
        ("StatefulSet", {"replicas": 3}, {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 2}, (2, 3)),
        ("StatefulSet", {"replicas": 3}, {"replicas": 3, "updatedReplicas": 1, "readyReplicas": 3}, (1, 3)),
        (
            "StatefulSet",
            {"replicas": 3, "updateStrategy": {"type": "OnDelete"}},
            {"updatedReplicas": 0, "readyReplicas": 3},
            (3, 3),
        ),
        ("DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberReady": 1}, (1, 2)),
    ],
)
def test_only_latest_pods_count_as_ready(kind: str, spec: Object, status: Object, expected: tuple[int, int]) -> None:
    assert readiness(kind, {"spec": spec, "status": status}) == expected


def test_what_its_controller_has_not_seen_is_not_ready(clock: Clock) -> None:
    fake = FakeCluster()
    deployment(fake, ready=1, observedGeneration=0)
    with pytest.raises(OperationError, match="after 3 s"):
        await_ready(fake, [WEB], 3)


def test_a_finding_that_is_neither_certain_nor_lasting_never_ends_a_wait() -> None:
    finding = Finding(object="Pod x", reason="R", message="m", certain=False)
    assert finding.lasting == 0

"""Dapr's injector: away while its release changes, and waited for until the API server asks it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.client import Object
from cluster.errors import OperationError
from steps import injector
from steps.injector import PAUSED, await_injector, pause

from .fake_cluster import MUTATING, FakeCluster

NAMESPACE = "dapr-system"
DEPLOYMENT = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/dapr-sidecar-injector"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/dapr-sidecar-injector-1"
WEBHOOK = f"{MUTATING}/dapr-sidecar-injector"
BEFORE = json.dumps({"release": "1.12.0", "at": "then"})


class Dapr(FakeCluster):
    """A cluster with an injector that runs and is registered; its pods go once nobody wants them.

    Attributes:
        pods_stay: Whether they don't go.
    """

    def __init__(self, replicas: int | None = 1) -> None:
        super().__init__()
        self.pods_stay = False
        there = 1 if replicas is None else replicas
        self.add(
            DEPLOYMENT,
            metadata={"generation": 3},
            spec={} if replicas is None else {"replicas": replicas},
            status={"observedGeneration": 3, "updatedReplicas": there, "readyReplicas": there},
        )
        self.add(POD, metadata={"labels": {"app": "dapr-sidecar-injector"}}, status={})
        self.add(f"/api/v1/namespaces/{NAMESPACE}/pods/dapr-sentry-1", metadata={"labels": {"app": "dapr-sentry"}})
        self.add(WEBHOOK, webhooks=[{"clientConfig": {"caBundle": "Q0E="}}])

    @property
    def deployment(self) -> Object:
        return self.objects[DEPLOYMENT]

    def pods(self, namespace: str, label: str = "") -> list[Object]:
        found = super().pods(namespace, label)
        # They end between two looks.
        if self.deployment["spec"].get("replicas") == 0 and not self.pods_stay:
            self.objects.pop(POD, None)
        return found


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injector, "POLL_SECONDS", 0)
    monkeypatch.setattr(injector, "moment", lambda: "now")


def paused(cluster: FakeCluster, release: str = "1.18.2", previous: str | None = BEFORE) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(pause(cluster, namespace=NAMESPACE, release=release, previous=previous))
    return result


def awaited(cluster: FakeCluster, seconds: int = 0) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(await_injector(cluster, namespace=NAMESPACE, seconds=seconds))
    return result


def problem(cluster: FakeCluster) -> str:
    with pytest.raises(OperationError) as caught:
        awaited(cluster)
    return str(caught.value)


# --- pause ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("previous", [None, ""])
def test_a_first_run_has_no_older_injector_to_take_away(previous: str | None) -> None:
    cluster = Dapr()
    assert paused(cluster, previous=previous) == {"release": "1.18.2", "at": "now"}
    assert cluster.changes == []


def test_the_same_release_leaves_its_injector_alone() -> None:
    cluster = Dapr()
    assert paused(cluster, release="1.12.0") == json.loads(BEFORE), "nothing that depends on it is run again"
    assert cluster.requests == []


@pytest.mark.parametrize(("before", "after"), [("1.12.0", "1.18.2"), ("1.18.2", "1.12.0")])
def test_of_another_release_the_injector_is_taken_away_and_its_pods_waited_for(before: str, after: str) -> None:
    cluster = Dapr(replicas=3)
    assert paused(cluster, after, json.dumps({"release": before, "at": "then"})) == {"release": after, "at": "now"}
    assert cluster.deployment["spec"]["replicas"] == 0
    assert cluster.deployment["metadata"]["annotations"] == {PAUSED: "3"}, "how many there were is not forgotten"
    assert POD not in cluster.objects, "an injector that is still there would refuse the new one's pod"
    assert [(path, manager) for path, manager, _ in cluster.patched] == [(DEPLOYMENT, injector.FIELD_MANAGER)]


def test_a_deployment_that_names_no_number_has_one_injector() -> None:
    cluster = Dapr(replicas=None)
    paused(cluster)
    assert cluster.deployment["metadata"]["annotations"] == {PAUSED: "1"}


def test_a_deployment_that_is_gone_needs_no_pause() -> None:
    cluster = Dapr()
    del cluster.objects[DEPLOYMENT]
    assert paused(cluster) == {"release": "1.18.2", "at": "now"}
    assert cluster.changes == []


def test_a_pause_that_was_interrupted_goes_on_without_forgetting_the_number() -> None:
    cluster = Dapr(replicas=2)
    cluster.pods_stay = True
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OperationError):
        patch.setattr(injector, "PAUSE_SECONDS", -1)
        paused(cluster)
    cluster.pods_stay = False
    paused(cluster)
    assert cluster.deployment["metadata"]["annotations"] == {PAUSED: "2"}
    assert POD not in cluster.objects


def test_an_injector_that_does_not_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injector, "PAUSE_SECONDS", -1)
    cluster = Dapr()
    cluster.pods_stay = True
    with pytest.raises(OperationError, match="still there after -1 s: dapr-sidecar-injector-1$"):
        paused(cluster)


def test_a_person_is_told_that_the_injector_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    paused(Dapr())
    captured = capsys.readouterr()
    assert "Dapr 1.12.0 becomes 1.18.2: its injector is away" in captured.err
    assert captured.out == "", "stdout is the operation's result"


# --- await ------------------------------------------------------------------------------------------------------


def test_an_injector_that_runs_and_is_registered_is_ready_at_once() -> None:
    cluster = Dapr()
    assert awaited(cluster) == {"injector": "dapr-sidecar-injector", "at": "now"}
    assert cluster.changes == [], "waiting changes nothing"


def test_one_that_is_wanted_without_a_number_is_one() -> None:
    awaited(Dapr(replicas=None))
    none = Dapr(replicas=None)
    none.deployment["status"] = {"observedGeneration": 3}
    assert "0 of 1 of its pods are ready" in problem(none)


def test_an_injector_that_is_away_after_an_update_was_taken_back_comes_again() -> None:
    cluster = Dapr(replicas=3)
    paused(cluster)
    awaited(cluster)
    assert cluster.deployment["spec"]["replicas"] == 3
    assert cluster.deployment["metadata"]["annotations"] == {}


def test_an_injector_that_the_update_brought_back_keeps_its_own_number() -> None:
    cluster = Dapr(replicas=3)
    paused(cluster)
    cluster.deployment["spec"]["replicas"] = 1
    awaited(cluster)
    assert cluster.deployment["spec"]["replicas"] == 1, "the release's own number counts"
    assert cluster.deployment["metadata"]["annotations"] == {}, "else the next pause would be taken for this one"


def test_a_missing_deployment_is_told() -> None:
    assert "does not exist" in problem(FakeCluster())


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 2, "updatedReplicas": 2, "readyReplicas": 2},
        {"observedGeneration": 3, "updatedReplicas": 1, "readyReplicas": 2},
        {"observedGeneration": 3, "updatedReplicas": 2, "readyReplicas": 1},
        {"observedGeneration": 3},
        {},
    ],
    ids=["its change not seen", "old pods", "not ready", "none", "no status"],
)
def test_pods_that_are_not_ready_are_waited_for(status: dict[str, int]) -> None:
    cluster = Dapr(replicas=2)
    cluster.deployment["status"] = status
    assert "of 2 of its pods are ready" in problem(cluster)


@pytest.mark.parametrize(
    "webhooks",
    [None, [], [{"clientConfig": {}}], [{"clientConfig": {"caBundle": "Q0E="}}, {"clientConfig": {"caBundle": ""}}]],
)
def test_an_injector_that_the_api_server_does_not_know_is_waited_for(webhooks: list[Object] | None) -> None:
    cluster = Dapr()
    del cluster.objects[WEBHOOK]
    if webhooks is not None:
        cluster.add(WEBHOOK, webhooks=webhooks)
    assert "it has not registered itself with the API server" in problem(cluster)


def test_a_timeout_tells_what_is_wrong_with_daprs_pods() -> None:
    cluster = Dapr()
    cluster.deployment["status"] = {}
    cluster.objects[POD]["status"] = {
        "containerStatuses": [{"name": "dapr-sidecar-injector", "ready": False, "state": {"waiting": {"reason": "R"}}}]
    }
    message = problem(cluster)
    assert message.startswith("Dapr's injector is not ready after 0 s: 0 of 1 of its pods are ready\n")
    assert "pod dapr-sidecar-injector-1: container dapr-sidecar-injector: R" in message


def test_a_timeout_with_healthy_pods_says_so() -> None:
    assert "all of Dapr's pods look healthy" in problem(FakeCluster())


def test_it_looks_again_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Dapr()
    webhook = cluster.objects.pop(WEBHOOK)
    monkeypatch.setattr("steps.injector.time.sleep", lambda _: cluster.objects.setdefault(WEBHOOK, webhook))
    assert awaited(cluster, seconds=60)["injector"] == "dapr-sidecar-injector"


def test_an_injector_without_pods_is_none_though_it_is_registered() -> None:
    assert "0 of 0 of its pods are ready" in problem(Dapr(replicas=0))

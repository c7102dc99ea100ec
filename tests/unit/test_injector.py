from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from operations.cluster import ApiError
from operations.errors import OperationError
from operations.injector import await_injector

from .fake_cluster import FakeCluster

INJECTOR_POD = "/api/v1/namespaces/dapr-system/pods/dapr-sidecar-injector-1"


class Admitting(FakeCluster):
    """A cluster that answers dry runs of a pod's creation.

    Attributes:
        injecting: Whether the answer has a sidecar in it.
        noticing: Whether the injector's log tells that it was asked.
        refusing: Status to refuse with, or 0.
    """

    injecting, noticing, refusing = False, False, 0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Mapping[str, Any], Any]] = []
        self.add(INJECTOR_POD, metadata={"labels": {"app": "dapr-sidecar-injector"}}, status={})

    def request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> str:
        if method != "POST":
            return super().request(method, path, query, body)
        self.asked.append((path, query or {}, body))
        if self.refusing:
            raise ApiError(method, path, self.refusing, '{"message": "no"}')
        name = body["metadata"]["name"]
        if self.noticing:
            self.container_logs["dapr-system/dapr-sidecar-injector-1/dapr-sidecar-injector"] = [f"asked for {name}"]
        sidecar = [{"name": "daprd"}] if self.injecting else []
        return json.dumps({**body, "spec": {"containers": [*body["spec"]["containers"], *sidecar]}})


def awaited(cluster: Admitting) -> str:
    return await_injector(cluster, namespace="dapr-system", seconds=0)


def test_an_injector_that_adds_its_sidecar_is_ready() -> None:
    cluster = Admitting()
    cluster.injecting = True
    assert json.loads(awaited(cluster))["injector"] == "dapr-sidecar-injector"


def test_an_injector_that_was_asked_but_does_not_inject_for_us_is_ready() -> None:
    cluster = Admitting()
    cluster.noticing = True
    awaited(cluster)


def test_asking_makes_nothing() -> None:
    cluster = Admitting()
    cluster.injecting = True
    before = dict(cluster.objects)
    awaited(cluster)
    assert [(path, query) for path, query, _ in cluster.asked] == [
        ("/api/v1/namespaces/dapr-system/pods", {"dryRun": "All"})
    ]
    assert cluster.objects == before


def test_every_question_bears_a_name_of_its_own() -> None:
    names = set()
    for _ in range(3):
        cluster = Admitting()
        cluster.injecting = True
        awaited(cluster)
        names.add(cluster.asked[0][2]["metadata"]["name"])
    assert len(names) == 3, "an older question's trace in the log would else answer for it"


def test_an_injector_that_nobody_asks_is_waited_for_and_its_pods_explained() -> None:
    cluster = Admitting()
    cluster.objects[INJECTOR_POD]["status"] = {
        "containerStatuses": [{"name": "dapr-sidecar-injector", "ready": False, "state": {"waiting": {"reason": "R"}}}]
    }
    with pytest.raises(OperationError, match="would start without daprd") as caught:
        awaited(cluster)
    assert "pod dapr-sidecar-injector-1: container dapr-sidecar-injector: R" in str(caught.value)


@pytest.mark.parametrize("status", [403, 422])
def test_a_question_that_may_not_be_asked_is_an_error_at_once(status: int) -> None:
    cluster = Admitting()
    cluster.refusing = status
    with pytest.raises(OperationError, match="can't ask what a new pod would look like"):
        await_injector(cluster, namespace="dapr-system", seconds=60)


def test_a_webhook_that_fails_is_waited_for() -> None:
    cluster = Admitting()
    cluster.refusing = 500
    with pytest.raises(OperationError, match="all of Dapr's pods look healthy"):
        awaited(cluster)

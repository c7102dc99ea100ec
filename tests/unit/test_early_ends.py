"""Every wait of a step or of the verification ends once its cause is certain, and not before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cluster import waiting
from cluster.errors import OperationError, VerificationError
from model import names
from model.owner import Owner
from model.stage import Stage
from steps.injector import await_injector
from steps.mesh import await_mesh
from steps.revocation import revoke
from verification.pods import await_pods

from .fake_cluster import FakeCluster
from .test_verify import expected_at

REVISION = "deployment.kubernetes.io/revision"
NOT_FOUND = "failed to pull image r/x:0: not found"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "CONFIRM_SECONDS", 0.0)
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 0.0)


def broken(namespace: str, name: str, message: str) -> FakeCluster:
    """A cluster with a Deployment whose only pod gets no image."""
    fake = FakeCluster()
    base = f"/apis/apps/v1/namespaces/{namespace}"
    owned = [{"uid": "set", "controller": True}]
    fake.add(
        f"{base}/deployments/{name}",
        metadata={"uid": "deployment", "generation": 1, "annotations": {REVISION: "1"}},
        spec={"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": {"metadata": {}}},
        status={"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1},
    )
    fake.add(
        f"{base}/replicasets/{name}-1",
        metadata={
            "uid": "set",
            "annotations": {REVISION: "1"},
            "ownerReferences": [{"uid": "deployment", "controller": True}],
        },
        spec={"replicas": 1},
        status={"replicas": 1},
    )
    waits = {"name": "app", "state": {"waiting": {"reason": "ErrImagePull", "message": message}}}
    fake.add(
        f"/api/v1/namespaces/{namespace}/pods/{name}-1-a",
        metadata={"labels": {"app": name}, "ownerReferences": owned},
        spec={"containers": [{"name": "app"}]},
        status={"phase": "Pending", "containerStatuses": [waits]},
    )
    return fake


def mesh(message: str, seconds: int) -> None:
    meshed(broken("osm-system", "osm-controller", message), seconds)


def meshed(fake: FakeCluster, seconds: int) -> None:
    await_mesh(
        fake,
        namespace="osm-system",
        mesh_config="osm-mesh-config",
        crds=[],
        webhooks={},
        owner=Owner(stack="dev"),
        record="{}",
        seconds=seconds,
    )


def injector(message: str, seconds: int) -> None:
    await_injector(broken("dapr-system", names.DAPR_INJECTOR, message), namespace="dapr-system", seconds=seconds)


WAITS: dict[str, tuple[Callable[[str, int], None], type[OperationError]]] = {
    "the mesh": (mesh, OperationError),
    "Dapr's injector": (injector, OperationError),
}


@pytest.mark.parametrize(("wait", "error"), WAITS.values(), ids=WAITS)
def test_a_certain_cause_ends_it(wait: Callable[[str, int], None], error: type[OperationError]) -> None:
    with pytest.raises(error, match="waiting longer can't help") as caught:
        wait(NOT_FOUND, 3600)
    assert NOT_FOUND in str(caught.value)


@pytest.mark.parametrize(("wait", "error"), WAITS.values(), ids=WAITS)
def test_what_may_heal_is_waited_for(wait: Callable[[str, int], None], error: type[OperationError]) -> None:
    with pytest.raises(error) as caught:
        wait("i/o timeout", -1)
    assert "waiting longer can't help" not in str(caught.value)
    assert "i/o timeout" in str(caught.value)


PLANES: dict[str, tuple[str, Callable[[FakeCluster], object]]] = {
    "osm-injector": ("osm-system", lambda fake: meshed(fake, 3600)),
    names.DAPR_INJECTOR: (
        "dapr-system",
        lambda fake: await_injector(fake, namespace="dapr-system", seconds=3600),
    ),
}


@pytest.mark.parametrize(("name", "namespace", "wait"), [(name, *plane) for name, plane in PLANES.items()])
def test_what_somebody_has_scaled_to_nothing_is_not_waited_for(
    name: str, namespace: str, wait: Callable[[FakeCluster], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONG_SECONDS", 0.001)
    fake = broken(namespace, name, "")
    for path in [path for path in fake.objects if "/pods/" in path]:
        del fake.objects[path]
    fake.objects[f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["spec"]["replicas"] = 0
    with pytest.raises(OperationError, match="waiting longer can't help") as caught:
        wait(fake)
    assert f"Deployment {namespace}/{name}: ScaledToNothing" in str(caught.value)


def test_the_verification_of_pods_ends_by_a_certain_cause() -> None:
    expected = expected_at(Stage.SMI)
    [app] = [app for app in expected.apps if app.name == "nodeapp"]
    fake = broken("dapr-test", "nodeapp", NOT_FOUND)
    with pytest.raises(VerificationError, match="waiting longer can't help"):
        await_pods(fake, replace(expected, apps=(app,)), float("inf"))


def test_new_pods_of_a_caller_that_lost_its_permission_are_waited_for_with_their_causes() -> None:
    fake = broken("dapr-test", "pythonapp", NOT_FOUND)
    fake.objects["/apis/apps/v1/namespaces/dapr-test/deployments/pythonapp"]["status"]["updatedReplicas"] = 0
    with pytest.raises(OperationError, match="pythonapp has no new pods, and waiting longer can't help"):
        revoke(
            fake,
            calls=[],
            apps={"pythonapp": "dapr-test", "nodeapp": "dapr-test"},
            previous='{"calls": [["pythonapp", "nodeapp"]]}',
        )

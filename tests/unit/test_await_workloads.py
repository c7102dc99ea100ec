"""The step that waits for pods: for those it is told of, and for the control planes that these need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from cluster.errors import ApiError, OperationError
from model.arguments import Arguments, InjectionWait, WorkloadsWait
from model.exclusions import DECLARED_ANNOTATION, ExcludedPort, Exclusions
from model.owner import Owner
from steps.__main__ import OPERATIONS, Here
from steps.workloads import await_workloads, control_plane, exclusions_taken_out

from .fake_cluster import FakeCluster, InjectingCluster

OURS = Owner(stack="dev")
APP = ("Deployment", "shop", "web")


def workload(fake: FakeCluster, kind: str, namespace: str, name: str, owner: Owner = OURS, replicas: int = 1) -> None:
    fake.add(
        f"/apis/apps/v1/namespaces/{namespace}/{kind.lower()}s/{name}",
        metadata={"uid": name, "labels": owner.labels},
        spec={"replicas": replicas},
        status={"replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas},
    )


def cluster(**replicas: int) -> FakeCluster:
    fake = FakeCluster()
    workload(fake, *APP)
    for kind, name in (("Deployment", "dapr-operator"), ("StatefulSet", "dapr-placement-server")):
        workload(fake, kind, "dapr-system", name, replicas=replicas.get(name.replace("-", "_"), 1))
    workload(fake, "Deployment", "dapr-system", "theirs", Owner(stack="other"), replicas=0)
    return fake


def test_a_control_plane_is_what_the_stack_has_in_its_namespace() -> None:
    found = control_plane(cluster(), OURS, "dapr-system")
    assert [(one.kind, one.name, one.serves) for one in found] == [
        ("Deployment", "dapr-operator", True),
        ("StatefulSet", "dapr-placement-server", True),
    ]


def test_what_is_ready_is_told() -> None:
    said = json.loads(await_workloads(cluster(), OURS, [APP], ["dapr-system"], seconds=30))
    assert said["ready"] == [
        "Deployment shop/web",
        "Deployment dapr-system/dapr-operator",
        "StatefulSet dapr-system/dapr-placement-server",
    ]


def test_pods_that_are_ready_are_none_while_a_control_plane_is_scaled_to_nothing() -> None:
    with pytest.raises(OperationError, match="dapr-system/dapr-operator is scaled to nothing"):
        await_workloads(cluster(dapr_operator=0), OURS, [APP], ["dapr-system"], seconds=0)
    assert await_workloads(cluster(dapr_operator=0), OURS, [APP], [], seconds=0)


CONFIG = "/apis/config.openservicemesh.io/v1alpha2/namespaces/osm-system/meshconfigs/osm-mesh-config"
DECLARED = Exclusions(
    ip_ranges={"10.96.0.1/32": "the API server"},
    mesh_ports=(
        ExcludedPort(port=6379, service="redis", reason="state"),
        ExcludedPort(port=50005, service="p", reason=""),
    ),
    pod_ports=(),
)


@pytest.mark.parametrize(
    ("ports", "ranges", "gone"),
    [
        ([6379, 50005, 7], ["10.96.0.1/32"], None),
        ([50005], ["10.96.0.1/32"], "port 6379 (redis)"),
        ([], [], "port 6379 (redis), port 50005 (p), 10.96.0.1/32"),
    ],
)
def test_what_somebody_took_out_of_the_exclusions_is_a_cause(
    ports: list[int], ranges: list[str], gone: str | None
) -> None:
    fake = cluster()
    fake.add(
        CONFIG,
        metadata={"annotations": {DECLARED_ANNOTATION: json.dumps(DECLARED.explained())}},
        spec={"traffic": {"outboundPortExclusionList": ports, "outboundIPRangeExclusionList": ranges}},
    )
    found = exclusions_taken_out(fake, ["dapr-system", "osm-system"])
    assert [str(one).partition(", which")[0] for one in found] == (
        [f"MeshConfig osm-system/osm-mesh-config: ChangedByHand: it no longer has {gone}"] if gone else []
    )


def test_who_may_not_see_the_mesh_config_waits_without_it() -> None:
    class Refusing(FakeCluster):
        def _get(self, path: str, query: Mapping[str, Any]) -> str:
            if "meshconfigs" in path:
                raise ApiError("GET", path, 403, "no")
            return super()._get(path, query)

    assert exclusions_taken_out(Refusing(), ["osm-system"]) == []


def test_a_wait_that_fails_tells_of_them() -> None:
    fake = cluster()
    fake.objects["/apis/apps/v1/namespaces/shop/deployments/web"]["status"]["readyReplicas"] = 0
    noted = {"annotations": {DECLARED_ANNOTATION: json.dumps(DECLARED.explained())}}
    fake.add(CONFIG, metadata=noted, spec={"traffic": {}})
    with pytest.raises(OperationError, match=r"it no longer has port 6379 \(redis\)"):
        await_workloads(fake, OURS, [APP], ["osm-system"], seconds=0)


def test_what_is_put_off_for_what_was_before_is_tried_at_once() -> None:
    fake = cluster()
    path = "/api/v1/namespaces/dapr-system/pods/dapr-placement-server-0"
    put_off = {"name": "daprd", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    owner = {"uid": "dapr-placement-server", "controller": True}
    fake.add(path, metadata={"uid": "1", "ownerReferences": [owner]}, status={"containerStatuses": [put_off]})
    await_workloads(fake, OURS, [APP], ["dapr-system"], seconds=30)
    assert fake.deleted == [path]


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("await-workloads", WorkloadsWait(workloads=(APP,), served_by=("dapr-system",), seconds=0)),
        (
            "await-injection",
            InjectionWait(
                images={"shop": "node:1"}, sidecars=("daprd",), pull_secret="", served_by=("dapr-system",), seconds=60
            ),
        ),
    ],
)
def test_a_step_hands_on_what_its_pods_are_served_by(
    operation: str, arguments: Arguments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each tells that the operator is scaled to nothing."""
    passed = iter(range(0, 10_000, 5))
    monkeypatch.setattr("time.monotonic", lambda: float(next(passed)))
    monkeypatch.setattr("time.sleep", lambda _: None)
    fake = InjectingCluster(())
    fake.objects.update(cluster(dapr_operator=0).objects)
    here = Here(cluster=fake, owner=OURS, previous=None)
    with pytest.raises(OperationError, match="Deployment dapr-system/dapr-operator: ScaledToNothing"):
        OPERATIONS[operation].run(here, arguments)

"""What pods ask for, and whether nodes have it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight import room
from preflight.finding import Level
from preflight.pods import Group, amounts

from .fake_cluster import FakeCluster
from .subjects import subject, told, workload


def node(cpu: str = "4", memory: str = "8Gi", pods: str = "110") -> dict[str, Any]:
    return {
        "status": {
            "allocatable": {"cpu": cpu, "memory": memory, "pods": pods},
            "conditions": [{"type": "Ready", "status": "True"}],
        }
    }


def with_nodes(*nodes: dict[str, Any]) -> FakeCluster:
    fake = FakeCluster()
    for number, content in enumerate(nodes):
        fake.add(f"/api/v1/nodes/n{number}", **content)
    return fake


def made_by(kind: str, name: str) -> dict[str, Any]:
    """Metadata of a pod."""
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True}]}


def asking(cpu: str) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}}


def warned(fake: FakeCluster, *charts: Any, **config: Any) -> list[str]:
    found = told(room.on_nodes, subject(fake, *charts, **config))
    assert {finding.level for finding in found} <= {Level.WARNS, Level.UNSEEN}, "a node may come"
    return [finding.what for finding in found]


# --- what a pod asks for ----------------------------------------------------------------------------------------


def test_containers_add_up_and_an_init_container_counts_where_it_asks_for_more() -> None:
    spec: dict[str, Any] = {
        "containers": [asking("100m"), asking("0.2"), {}],
        "initContainers": [asking("250m"), {"restartPolicy": "Always", **asking("50m")}, asking("1")],
        "overhead": {"cpu": "10m"},
    }
    assert amounts(spec, "requests") == {"cpu": Decimal("1.010")}
    del spec["initContainers"][2]
    assert amounts(spec, "requests") == {"cpu": Decimal("0.360")}


def test_a_limit_without_a_request_is_one_too() -> None:
    spec = {"containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "0.5"}}}]}
    assert amounts(spec, "requests") == {"cpu": Decimal("0.5"), "memory": Decimal(2**30)}
    assert amounts(spec, "limits") == {"cpu": Decimal(1), "memory": Decimal(2**30)}


# --- nodes ------------------------------------------------------------------------------------------------------


def test_what_fits_on_the_nodes_together_is_no_finding() -> None:
    assert warned(with_nodes(node("1"), node("1")), workload("a", replicas=2, **asking("900m"))) == []


def test_a_pod_needs_one_node_of_its_own() -> None:
    (said,) = warned(with_nodes(node("1"), node("1")), workload("a", **asking("1.5")))
    assert "no room for 1 of the stack's 4 pods: Deployment dapr-system/a asks for 1.5 CPU, and n" in said


def test_pods_of_others_take_their_room_and_those_of_the_stack_their_own() -> None:
    fake = with_nodes(node("1"))
    spec = {"nodeName": "n0", "containers": [asking("800m")]}
    fake.add(
        "/api/v1/namespaces/dapr-system/pods/a-6d5f-x2",
        metadata=made_by("ReplicaSet", "a-6d5f"),
        spec=spec,
        status={"phase": "Running"},
    )
    assert warned(fake, workload("a", **asking("800m"))) == [], "its successor takes its place"
    fake.add("/api/v1/namespaces/theirs/pods/a-1", spec=spec, status={"phase": "Running"})
    assert len(warned(fake, workload("a", **asking("800m")))) == 1
    fake.objects["/api/v1/namespaces/theirs/pods/a-1"]["status"]["phase"] = "Succeeded"
    assert warned(fake, workload("a", **asking("800m"))) == []


LONG = "a" * 58


@pytest.mark.parametrize(
    ("workload_kind", "workload_name", "maker", "is_its_own"),
    [
        ("Deployment", "web", ("ReplicaSet", "web-6d5f"), True),
        ("Deployment", "web", ("ReplicaSet", "web-admin-6d5f"), False),
        ("Deployment", LONG, ("ReplicaSet", f"{LONG}-6d5f"), True),
        ("Deployment", "web", ("StatefulSet", "web"), False),
        ("Deployment", "web", ("Job", "web-1"), False),
        ("StatefulSet", "web", ("StatefulSet", "web"), True),
        ("StatefulSet", "web", ("StatefulSet", "web-1"), False),
        ("DaemonSet", "web", ("DaemonSet", "web"), True),
    ],
    ids=str,
)
def test_a_pod_is_a_workloads_by_who_has_made_it(
    workload_kind: str, workload_name: str, maker: tuple[str, str], is_its_own: bool
) -> None:
    """Of a long name's pods only a part of it is the name, and another workload's name may begin alike."""
    group = Group(kind=workload_kind, namespace="shop", name=workload_name, count=1, template={})
    # As the API server makes it of a name that is too long.
    name = f"{maker[1]}-"[:58] + "x2x2x"
    assert group.owns({"metadata": {"name": name, "namespace": "shop", **made_by(*maker)}}) is is_its_own
    assert not group.owns({"metadata": {"name": name, "namespace": "blog", **made_by(*maker)}})
    assert not group.owns({"metadata": {"name": f"{workload_name}-x", "namespace": "shop"}}), "a pod of nobody's"


def full(fake: FakeCluster, *pods: str) -> FakeCluster:
    """A namespace with a quota of two pods, all of which are there."""
    fake.add("/api/v1/namespaces/dapr-system")
    status = {"hard": {"pods": "2"}, "used": {"pods": "2"}}
    fake.add("/api/v1/namespaces/dapr-system/resourcequotas/small", spec={}, status=status)
    for number, phase in enumerate(pods):
        fake.add(
            f"/api/v1/namespaces/dapr-system/pods/a-6d5f-{number}",
            metadata=made_by("ReplicaSet", "a-6d5f"),
            spec={"containers": []},
            status={"phase": phase},
        )
    return fake


def test_pods_that_have_ended_are_still_to_come_again() -> None:
    """An evicted pod stays, and a quota doesn't count it."""
    wanted = workload("a", replicas=2)
    assert told(room.in_quotas, subject(full(FakeCluster(), "Running", "Running"), wanted)) == []
    (said,) = told(room.in_quotas, subject(full(FakeCluster(), "Running", "Failed"), wanted))
    assert said.what == "quota dapr-system/small leaves 0 of pods, and the stack's pods there want 1"


LIMITS: dict[str, Any] = {"type": "Container", "default": {"cpu": "500m"}, "defaultRequest": {"cpu": "200m"}}


@pytest.mark.parametrize(
    ("resources", "requests", "limits"),
    [
        ({}, "0.2", "0.5"),
        ({"requests": {"cpu": "50m"}}, "0.05", "0.5"),
        ({"limits": {"cpu": "100m"}}, "0.1", "0.1"),
        ({"limits": {"memory": "1Gi"}}, "0.2", "0.5"),
    ],
    ids=str,
)
def test_what_pods_do_not_say_a_limit_range_says_for_a_quota(
    resources: dict[str, Any], requests: str, limits: str
) -> None:
    """Whoever sets a quota of CPUs sets such defaults too: else no pod would be let in that says nothing."""
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/dapr-system")
    hard = {"requests.cpu": "0.01", "limits.cpu": "0.01"}
    fake.add("/api/v1/namespaces/dapr-system/resourcequotas/small", spec={"hard": hard})
    fake.add("/api/v1/namespaces/dapr-system/limitranges/l", spec={"limits": [LIMITS, {"type": "Pod", "max": {}}]})
    found = told(room.in_quotas, subject(fake, workload("a", resources=resources)))
    assert [one.what.partition(" of ")[2] for one in found] == [
        f"requests.cpu, and the stack's pods there want {requests}",
        f"limits.cpu, and the stack's pods there want {limits}",
    ]


def test_a_daemon_sets_pods_are_on_every_node() -> None:
    daemons = workload("d", kind="DaemonSet", **asking("600m"))
    assert warned(with_nodes(node("1")), daemons) == []
    assert len(warned(with_nodes(node("1")), daemons, workload("a", **asking("500m")))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"unschedulable": True}},
        {"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}},
        {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}},
    ],
    ids=str,
)
def test_nodes_that_take_no_pods_have_no_room(change: dict[str, Any]) -> None:
    assert "none of the 1 nodes takes pods" in warned(with_nodes({**node(), **change}))[0]
    assert warned(with_nodes({**node(), **change}, node())) == []


def test_a_cluster_whose_nodes_come_with_the_pods_is_no_finding() -> None:
    assert warned(FakeCluster()) == []


def test_more_pods_than_a_look_is_worth_are_not_added_up() -> None:
    class Crowded(FakeCluster):
        def _get(self, path: str, query: Any) -> str:
            if path == "/api/v1/pods":
                return '{"metadata": {"continue": "more"}, "items": []}'
            return super()._get(path, query)

    fake = Crowded(with_nodes(node()).objects)
    assert "more than 3000 pods" in warned(fake)[0]


@given(
    cpus=st.lists(st.integers(1, 40), max_size=12),
    nodes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
)
def test_nobody_is_homeless_where_everybody_fits_on_one_node(cpus: list[int], nodes: list[int]) -> None:
    apps = [workload(f"w{number}", **asking(str(cpu))) for number, cpu in enumerate(cpus)]
    said = warned(with_nodes(*(node(str(cpu)) for cpu in nodes)), *apps)
    if sum(cpus) + 1 <= max(nodes) and len(nodes) == 1:
        assert said == []
    if sum(cpus) > sum(nodes):
        assert len(said) == 1, "there is less than they ask for"
    if cpus and max(cpus) > max(nodes):
        assert len(said) == 1, "no node is large enough for one of them"

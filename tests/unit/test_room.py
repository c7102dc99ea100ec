"""What pods ask for, and whether nodes have it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight import room
from preflight.finding import Level
from preflight.pods import amounts

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
    fake.add("/api/v1/namespaces/dapr-system/pods/a-6d5f-x2", spec=spec, status={"phase": "Running"})
    assert warned(fake, workload("a", **asking("800m"))) == [], "its successor takes its place"
    fake.add("/api/v1/namespaces/theirs/pods/a-1", spec=spec, status={"phase": "Running"})
    assert len(warned(fake, workload("a", **asking("800m")))) == 1
    fake.objects["/api/v1/namespaces/theirs/pods/a-1"]["status"]["phase"] = "Succeeded"
    assert warned(fake, workload("a", **asking("800m"))) == []


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

"""Both charts bring what the stack stands on, whatever a stack's own values say."""

from __future__ import annotations

from typing import Any

import pytest

from model.chart import ChartObject
from preflight.parts import parts

from .fake_cluster import FakeCluster
from .subjects import chart, lines, subject, told, workload

NEEDED = {
    "1.12.0": ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector"),
    "1.18.2": ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector"),
}
STATEFUL = {"1.12.0": ("dapr-placement-server",), "1.18.2": ("dapr-placement-server", "dapr-scheduler-server")}


def dapr(version: str = "1.18.2", /, **replicas: Any) -> tuple[ChartObject, ...]:
    """Its workloads, each with one pod unless another number is said; None leaves it out."""
    counts = {name.replace("_", "-"): count for name, count in replicas.items()}
    kinds = {
        **dict.fromkeys(NEEDED[version], "Deployment"),
        **dict.fromkeys(STATEFUL[version], "StatefulSet"),
    }
    return tuple(
        workload(name, kind=kind, replicas=counts.get(name, 1))
        for name, kind in kinds.items()
        if counts.get(name, 1) is not None
    )


def found(*objects: ChartObject, version: str = "1.18.2") -> list[str]:
    return lines(told(parts, subject(FakeCluster({}), *objects, daprVersion=version)))


def webhook(**fields: Any) -> ChartObject:
    body = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
    (item,) = chart({**body, "metadata": {"name": "dapr-sidecar-injector"}, "webhooks": [{"name": "w", **fields}]})
    return item


@pytest.mark.parametrize("version", ["1.12.0", "1.18.2"])
def test_a_control_plane_that_is_whole_is_fine(version: str) -> None:
    assert found(*dapr(version), version=version) == []


@pytest.mark.parametrize("name", ["dapr_operator", "dapr_sentry", "dapr_sidecar_injector", "dapr_scheduler_server"])
def test_a_part_without_pods_is_refused_before_the_mesh_waits_for_it(name: str) -> None:
    (line,) = found(*dapr("1.18.2", **{name: 0}))
    assert line.startswith(f"Dapr's {name.replace('_', '-')} would have 0 pods. Nothing of the mesh works without it.")
    assert "dapr-osm:daprValues" in line


@pytest.mark.parametrize("name", ["dapr_operator", "dapr_placement_server", "dapr_sidecar_injector"])
def test_a_part_that_is_switched_off_is_refused(name: str) -> None:
    (line,) = found(*dapr("1.18.2", **{name: None}))
    assert line.startswith(f"Dapr's chart makes no {name.replace('_', '-')}.")


@pytest.mark.parametrize("count", ["two", True, 1.5, "1"])
def test_a_number_of_pods_that_is_none_is_told_and_no_traceback(count: Any) -> None:
    about = subject(FakeCluster({}), *dapr(dapr_operator=count))
    (line,) = lines(told(parts, about))
    assert "Dapr's dapr-operator would have a number of pods that is none" in line
    assert about.groups, "other checks count the pods as well"


def test_a_part_of_a_charts_own_may_rest() -> None:
    assert found(*dapr(), workload("extra", replicas=0)) == []


def test_an_injector_that_would_keep_its_own_pods_away_is_refused() -> None:
    (line,) = found(*dapr(), webhook(failurePolicy="Fail"))
    assert "would let no pod in while nobody answers it" in line
    assert found(*dapr(), webhook(failurePolicy="Ignore")) == []
    assert found(*dapr(), webhook(failurePolicy="Fail", namespaceSelector={"matchLabels": {"team": "shop"}})) == []


def test_what_could_not_be_rendered_is_told_elsewhere() -> None:
    assert found() == []

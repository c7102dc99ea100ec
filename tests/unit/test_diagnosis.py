from __future__ import annotations

from typing import Any

import pytest

from operations.diagnosis import container_trouble, explain

from .fake_cluster import FakeCluster


def pod(*containers: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "some-pod"}, "status": {"containerStatuses": list(containers), **status}}


def container(name: str = "app", *, ready: bool = False, **states: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, **states}


RUNNING = {"running": {"startedAt": "2024-01-01T00:00:00Z"}}


def test_a_pod_whose_containers_are_all_ready_is_well() -> None:
    fine = pod(container(ready=True, state=RUNNING), container("daprd", ready=True, state=RUNNING))
    assert container_trouble(fine) == []


def test_a_crash_loop_is_told_with_the_last_exit_code_and_message() -> None:
    crashing = pod(
        container(
            "daprd",
            state={"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}},
            lastState={"terminated": {"reason": "Error", "exitCode": 137, "message": "no state store\n"}},
        )
    )
    assert container_trouble(crashing) == [
        "container daprd: CrashLoopBackOff: back-off 40s restarting (before that: Error, exit code 137: no state store)"
    ]


def test_an_image_that_cannot_be_pulled_is_told_with_the_registrys_answer() -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "redis:0"'}}
    assert container_trouble(pod(container(state=waiting))) == [
        'container app: ImagePullBackOff: Back-off pulling image "redis:0"'
    ]


def test_a_container_that_runs_but_is_not_ready_is_told() -> None:
    assert container_trouble(pod(container(state=RUNNING))) == ["container app: not ready"]


def test_a_container_that_has_just_failed_is_told() -> None:
    failed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    assert container_trouble(pod(container(state=failed))) == ["container app: OOMKilled, exit code 137"]


@pytest.mark.parametrize("ready", [True, False])
def test_a_completed_init_container_is_well(ready: bool) -> None:
    done = container("osm-init", ready=ready, state={"terminated": {"reason": "Completed", "exitCode": 0}})
    assert container_trouble(pod(container(ready=True, state=RUNNING), initContainerStatuses=[done])) == []


def test_a_failing_init_container_is_told_before_those_that_wait_for_it() -> None:
    failing = container("osm-init", state={"terminated": {"reason": "Error", "exitCode": 1, "message": "iptables"}})
    waiting = container(state={"waiting": {"reason": "PodInitializing"}})
    assert container_trouble(pod(waiting, initContainerStatuses=[failing])) == [
        "container osm-init: Error, exit code 1: iptables",
        "container app: PodInitializing",
    ]


def test_a_pod_that_fits_nowhere_is_told_in_the_schedulers_words() -> None:
    unscheduled = {
        "metadata": {"name": "some-pod"},
        "status": {
            "phase": "Pending",
            "conditions": [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes are available: 1 Insufficient cpu.",
                }
            ],
        },
    }
    assert container_trouble(unscheduled) == ["Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."]


def test_a_pod_that_says_nothing_of_itself_yet_is_no_trouble() -> None:
    assert container_trouble({"metadata": {"name": "new"}}) == []


def test_conditions_only_speak_where_containers_cannot() -> None:
    conditions = [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}]
    assert container_trouble(pod(container(state=RUNNING), conditions=conditions)) == ["container app: not ready"]


def test_warnings_are_told_for_troubled_pods_only() -> None:
    fake = FakeCluster()
    for name, about, kind in (("1", "sick", "Warning"), ("2", "well", "Warning"), ("3", "sick", "Normal")):
        fake.add(
            f"/api/v1/namespaces/dapr-test/events/{name}",
            type=kind,
            reason=f"Reason{name}",
            message="text",
            involvedObject={"name": about},
        )
    sick = {**pod(container(state=RUNNING)), "metadata": {"name": "sick"}}
    well = {**pod(container(ready=True, state=RUNNING)), "metadata": {"name": "well"}}
    assert explain(fake, "dapr-test", [sick, well]) == [
        "pod sick: container app: not ready",
        "event on sick: Reason1: text",
    ]

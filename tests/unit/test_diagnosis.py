from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from cluster.client import Object
from cluster.diagnosis import (
    CRASHES,
    LONG_SECONDS,
    UNKNOWN_HOST_SECONDS,
    Finding,
    Seen,
    container_trouble,
    explain,
    explain_namespace,
    findings,
    of_workloads,
)
from cluster.errors import ApiError

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


def test_a_condition_without_a_message_is_told_by_its_reason() -> None:
    silent = {"metadata": {"name": "new"}, "status": {"conditions": [{"status": "False", "reason": "Unschedulable"}]}}
    assert container_trouble(silent) == ["Unschedulable"]


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


# --- a whole namespace ------------------------------------------------------------------------------------------


def event(kind: str, name: str, reason: str, message: str, **more: Any) -> Object:
    about = {"kind": kind, "name": name}
    about |= {key: more.pop(key) for key in ("uid", "fieldPath") if key in more}
    times = {"firstTimestamp": "2024-01-01T00:00:00Z", "lastTimestamp": "2024-01-01T00:00:01Z"}
    return {
        "type": "Warning",
        "reason": reason,
        "message": message,
        "involvedObject": about,
        "count": 1,
        **times,
        **more,
    }


def seen(*events: Object, **objects: Object | Sequence[Object]) -> Seen:
    lists = {kind: [given] if isinstance(given, dict) else list(given) for kind, given in objects.items()}
    return Seen(events=events, objects=lists)


def found(*events: Object, said: Sequence[str] = (), **objects: Object | Sequence[Object]) -> list[Finding]:
    return findings(seen(*events, **objects), lambda pod, container, ended: said)


def only(*events: Object, said: Sequence[str] = (), **objects: Object | Sequence[Object]) -> Finding:
    [finding] = found(*events, said=said, **objects)
    return finding


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    return container(state={"waiting": {"reason": reason, "message": message}}, **more)


def test_a_namespace_where_all_is_well_tells_nothing() -> None:
    fine = pod(container(ready=True, state=RUNNING), phase="Running")
    done = {**pod(container(state={"terminated": {"exitCode": 0}}), phase="Succeeded")}
    leaving = pod(container(state=RUNNING), phase="Running")
    leaving["metadata"] = {"name": "leaving", "deletionTimestamp": "2024-01-01T00:00:00Z"}
    assert found(event("Pod", "some-pod", "Unhealthy", "an hour ago"), Pod=[fine, done, leaving]) == []


def test_a_finding_is_a_line() -> None:
    finding = Finding(object="Pod x", reason="R", message="", certain=False)
    assert str(finding) == "Pod x: R"
    assert only(Pod=pod(waiting("Odd", "two\n  lines\n"))).message == "two lines"


PULLS = {
    'rpc error: code = NotFound desc = failed to pull and unpack image "r/x:0": r/x:0: not found': True,
    "pull access denied, repository does not exist or may require authorization": True,
    "failed to authorize: 401 Unauthorized": True,
    "denied: requested access to the resource is denied": True,
    "no match for platform in manifest": True,
    "dial tcp: lookup registry.example: no such host": False,
    "dial tcp 10.0.0.1:443: i/o timeout": False,
    "toomanyrequests: You have reached your pull rate limit": False,
    "unexpected status: 503 Service Unavailable": False,
}


@pytest.mark.parametrize(("said", "certain"), PULLS.items())
def test_an_image_that_the_registry_does_not_give_is_certain_and_one_out_of_reach_is_not(
    said: str, certain: bool
) -> None:
    finding = only(Pod=pod(waiting("ErrImagePull", said)))
    assert (finding.object, finding.reason) == ("Pod some-pod, container app", "ErrImagePull")
    assert (finding.message, finding.certain) == (said, certain)


def test_while_a_pull_is_put_off_its_event_tells_the_cause() -> None:
    failed = event(
        "Pod", "some-pod", "Failed", 'Failed to pull image "x:0": not found', fieldPath="spec.containers{app}"
    )
    other = event("Pod", "some-pod", "Failed", 'Failed to pull image "y": timeout', fieldPath="spec.containers{daprd}")
    later = event("Pod", "some-pod", "Failed", "Error: ErrImagePull", fieldPath="spec.containers{app}")
    finding = only(failed, other, later, Pod=pod(waiting("ImagePullBackOff", 'Back-off pulling image "x:0"')))
    assert (finding.message, finding.certain) == ('Failed to pull image "x:0": not found', True)
    # Newer releases tell it themselves, however long an older event is.
    earlier = event("Pod", "some-pod", "Failed", "Failed to pull image: " + "i/o timeout, " * 20)
    own = 'Back-off pulling image "x:0": ErrImagePull: not found'
    assert only(earlier, Pod=pod(waiting("ImagePullBackOff", own))).message == own
    short = event("Pod", "some-pod", "Failed", "pull failed")
    assert only(short, Pod=pod(waiting("ImagePullBackOff", "a longer text"))).message == "a longer text"


@pytest.mark.parametrize(
    ("reason", "message", "certain"),
    [
        ("InvalidImageName", 'couldn\'t parse image name "X:": invalid reference format', True),
        ("ErrImageNeverPull", "Container image is not present with pull policy of Never", True),
        ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", True),
        ("CreateContainerConfigError", 'secret "redis" not found', False),
        ("RunContainerError", 'exec: "x": executable file not found in $PATH: unknown', True),
        ("CreateContainerError", "context deadline exceeded", False),
        ("SomethingNew", "as it says", False),
    ],
)
def test_a_container_that_cannot_start_is_told_in_the_clusters_words(reason: str, message: str, certain: bool) -> None:
    finding = only(Pod=pod(waiting(reason, message)))
    assert (finding.reason, finding.message, finding.certain) == (reason, message, certain)


def test_a_crashed_container_is_told_with_its_last_lines() -> None:
    ended = {"terminated": {"reason": "Error", "exitCode": 1}}
    asked: list[tuple[str, str, bool]] = []

    def words(name: str, of: str, ended: bool) -> Sequence[str]:
        asked.append((name, of, ended))
        return ["connecting", "  no state store  "]

    crashing = pod(waiting("CrashLoopBackOff", "back-off 40s", lastState=ended))
    [finding] = findings(seen(Pod=crashing), words)
    assert finding.reason == "CrashLoopBackOff"
    assert finding.message == "it ended with Error, exit code 1; its last lines: connecting | no state store"
    assert not finding.certain, "it may need something that is still to come"
    assert asked == [("some-pod", "app", False)]
    just_ended = pod(container(state=ended))
    findings(seen(Pod=just_ended), words)
    assert asked[-1] == ("some-pod", "app", True)


def test_last_lines_are_bounded() -> None:
    ended = {"terminated": {"exitCode": 1}}
    assert len(only(said=["x" * 5000], Pod=pod(waiting("CrashLoopBackOff", lastState=ended))).message) < 600


def test_an_image_without_the_command_is_certain() -> None:
    message = 'failed to create task: exec: "/run": stat /run: no such file or directory: unknown'
    ended = {"terminated": {"reason": "StartError", "exitCode": 128, "message": message}}
    assert only(Pod=pod(waiting("CrashLoopBackOff", lastState=ended))).certain


def test_a_container_that_a_probe_ended_is_told_with_the_probe() -> None:
    ended = {"terminated": {"reason": "Error", "exitCode": 137}}
    probe = event("Pod", "some-pod", "Unhealthy", "Liveness probe failed: 500", fieldPath="spec.containers{app}")
    finding = only(probe, Pod=pod(container(state=RUNNING, lastState=ended)))
    assert finding.message == "it ended with Error, exit code 137; Liveness probe failed: 500"


def test_a_container_that_runs_and_is_not_ready_is_told_with_its_own_probe() -> None:
    probe = event("Pod", "some-pod", "Unhealthy", "Readiness probe failed: 503", fieldPath="spec.containers{app}")
    other = event("Pod", "some-pod", "Unhealthy", "not mine", fieldPath="spec.containers{daprd}")
    assert str(only(probe, other, Pod=pod(container(state=RUNNING)))) == (
        "Pod some-pod, container app: Unhealthy: Readiness probe failed: 503"
    )
    assert str(only(Pod=pod(container(state=RUNNING)))) == "Pod some-pod, container app: NotReady: it runs, not ready"


def test_containers_that_wait_for_a_failing_one_are_not_told() -> None:
    failing = container("osm-init", state={"terminated": {"reason": "Error", "exitCode": 1}})
    assert [
        finding.object for finding in found(Pod=pod(waiting("PodInitializing"), initContainerStatuses=[failing]))
    ] == ["Pod some-pod, container osm-init"]


def test_a_pod_whose_volume_cannot_be_mounted_is_told_in_the_nodes_words() -> None:
    said = 'MountVolume.SetUp failed for volume "tls" : secret "dapr-trust-bundle" not found'
    mount = event("Pod", "some-pod", "FailedMount", said)
    assert str(only(mount, Pod=pod(waiting("ContainerCreating")))) == f"Pod some-pod: FailedMount: {said}"
    assert found(Pod=pod(waiting("ContainerCreating"))) == [], "it has only just begun"
    assert found(mount, Pod=pod(container(state=RUNNING, ready=True))) == [], "that is over"


def unscheduled(message: str) -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    return {"metadata": {"name": "some-pod"}, "status": {"phase": "Pending", "conditions": [condition]}}


def test_a_pod_that_fits_nowhere_may_fit_later() -> None:
    finding = only(Pod=unscheduled("0/1 nodes are available: 1 Insufficient cpu."))
    assert str(finding) == "Pod some-pod: Unschedulable: 0/1 nodes are available: 1 Insufficient cpu."
    assert not finding.certain


def test_a_pod_that_its_node_turned_away_is_told() -> None:
    turned = {"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}}
    assert str(only(Pod=turned)) == "Pod p: Evicted: low on memory"


# --- workloads --------------------------------------------------------------------------------------------------

PODSECURITY = 'pods "web-1-" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'


def replica_set(message: str = "", *, wanted: int = 1, there: int = 0, **metadata: Any) -> Object:
    conditions = [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]
    return {
        "metadata": {"name": "web-1", "uid": "u-1", **metadata},
        "spec": {"replicas": wanted},
        "status": {"replicas": there, **({"conditions": conditions} if message else {})},
    }


REFUSALS = {
    PODSECURITY: True,
    'pods "web-1-" is forbidden: failed quota: q: must specify limits.cpu for: app': True,
    'pods "web-1-" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi': True,
    'Pod "web-1-x" is invalid: spec.containers[0].name: Required value': True,
    "pods is forbidden: unable to create new content in namespace n because it is being terminated": True,
    'pods "web-1-" is forbidden: exceeded quota: q, requested: pods=1, used: pods=5, limited: pods=5': False,
    'admission webhook "policy.example" denied the request: no': False,
    "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no": False,
    'failed calling webhook "osm-inject": connect: connection refused': False,
    'pods "web-1-" is forbidden: error looking up service account n/web: serviceaccount "web" not found': False,
}


@pytest.mark.parametrize(("message", "certain"), REFUSALS.items())
def test_pods_that_the_api_server_refuses_are_told_and_certain_where_they_can_never_be_made(
    message: str, certain: bool
) -> None:
    finding = only(ReplicaSet=replica_set(message))
    assert finding == Finding(object="ReplicaSet web-1", reason="FailedCreate", message=message, certain=certain)


@pytest.mark.parametrize("message", [message for message, certain in REFUSALS.items() if not certain])
def test_a_decision_that_lasts_is_certain_and_an_outage_is_not(message: str) -> None:
    lasting = event("ReplicaSet", "web-1", "FailedCreate", message, count=12, lastTimestamp="2024-01-01T00:00:30Z")
    decided = "denied" in message or "exceeded" in message
    assert only(lasting, ReplicaSet=replica_set(message)).certain == decided
    often = {**lasting, "lastTimestamp": "2024-01-01T00:00:02Z"}
    assert not only(often, ReplicaSet=replica_set(message)).certain, "a moment's refusals may come in a burst"
    seldom = {**lasting, "count": 2}
    assert not only(seldom, ReplicaSet=replica_set(message)).certain


def test_the_new_form_of_events_is_understood() -> None:
    message = 'admission webhook "policy.example" denied the request: no'
    series = {"count": 9, "lastObservedTime": "2024-01-01T00:01:00.000000Z"}
    new = event("ReplicaSet", "web-1", "FailedCreate", message, series=series, eventTime="2024-01-01T00:00:00.000000Z")
    new |= {"count": None, "firstTimestamp": None, "lastTimestamp": None}
    assert only(new, ReplicaSet=replica_set()).certain
    endless = {**new, "series": {"count": 9}, "eventTime": None, "lastTimestamp": "2024-01-01T00:00:00Z"}
    assert not only(endless, ReplicaSet=replica_set()).certain, "nobody knows since when"
    timeless = {**new, "series": {"count": 9}, "eventTime": None}
    assert not only(timeless, ReplicaSet=replica_set()).certain, "nobody knows for how long"


def test_a_workload_that_has_its_pods_is_not_told() -> None:
    refused = event("ReplicaSet", "web-1", "FailedCreate", PODSECURITY)
    assert found(refused, ReplicaSet=replica_set(PODSECURITY, there=1)) == []
    assert found(refused, ReplicaSet=replica_set(PODSECURITY, wanted=0)) == [], "an old one"
    assert found(refused, ReplicaSet=replica_set(PODSECURITY, deletionTimestamp="now")) == []


def test_what_befell_an_earlier_object_of_that_name_is_not_told() -> None:
    assert found(event("ReplicaSet", "web-1", "FailedCreate", PODSECURITY, uid="u-0"), ReplicaSet=replica_set()) == []
    assert found(event("ReplicaSet", "web-1", "FailedCreate", PODSECURITY, uid="u-1"), ReplicaSet=replica_set())
    assert found(event("ReplicaSet", "web-2", "FailedCreate", PODSECURITY), ReplicaSet=replica_set()) == []
    assert found(event("StatefulSet", "web-1", "FailedCreate", PODSECURITY), ReplicaSet=replica_set()) == []


def test_a_refusal_that_is_over_is_not_told() -> None:
    refused = event(
        "StatefulSet", "db", "FailedCreate", "create Pod db-0 in StatefulSet db failed error: " + PODSECURITY
    )
    created = event(
        "StatefulSet", "db", "SuccessfulCreate", "create Pod db-0 in StatefulSet db successful", type="Normal"
    )
    database = {"metadata": {"name": "db"}, "spec": {"replicas": 2}, "status": {"replicas": 1}}
    assert only(refused, StatefulSet=database).certain
    assert found(refused, created, StatefulSet=database) == []


@pytest.mark.parametrize(
    ("kind", "lacking", "complete"),
    [
        ("StatefulSet", {"spec": {"replicas": 1}, "status": {}}, {"spec": {"replicas": 1}, "status": {"replicas": 1}}),
        ("StatefulSet", {"status": {}}, {"status": {"replicas": 1}}),
        (
            "DaemonSet",
            {"status": {"desiredNumberScheduled": 2, "currentNumberScheduled": 1}},
            {"status": {"desiredNumberScheduled": 2, "currentNumberScheduled": 2}},
        ),
        ("Job", {"status": {}}, {"status": {"active": 1}}),
        ("Job", {}, {"status": {"succeeded": 1}}),
    ],
)
def test_every_kind_of_workload_tells_why_it_has_no_pods(kind: str, lacking: Object, complete: Object) -> None:
    refused = event(kind, "db", "FailedCreate", PODSECURITY)

    def told(workload: Object) -> list[str]:
        objects = {kind: [{"metadata": {"name": "db"}, **workload}]}
        return [str(finding) for finding in findings(Seen(events=[refused], objects=objects), lambda *of: ())]

    assert told(lacking) == [f"{kind} db: FailedCreate: {PODSECURITY}"]
    assert told(complete) == []


def test_a_job_that_failed_is_certain() -> None:
    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "Job has reached it"}
    job = {"metadata": {"name": "j"}, "status": {"failed": 1, "conditions": [failed]}}
    finding = only(Job=job)
    assert (str(finding), finding.certain) == ("Job j: BackoffLimitExceeded: Job has reached it", True)


def test_a_deployment_that_does_not_get_on_is_told_after_what_is_certain() -> None:
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": 'ReplicaSet "web-1" has timed out progressing.',
    }
    deployment = {"metadata": {"name": "web"}, "status": {"conditions": [late]}}
    missing = pod(waiting("InvalidImageName", "invalid reference format"))
    assert [finding.reason for finding in found(Deployment=deployment, Pod=missing)] == [
        "InvalidImageName",
        "ProgressDeadlineExceeded",
    ]
    going = {**late, "status": "True", "reason": "ReplicaSetUpdated"}
    assert found(Deployment={"metadata": {"name": "web"}, "status": {"conditions": [going]}}) == []


# --- claims -----------------------------------------------------------------------------------------------------

CLAIMS = {
    ("ProvisioningFailed", 'storageclass.storage.k8s.io "fast" not found'): True,
    ("FailedBinding", "no persistent volumes available for this claim and no storage class is set"): True,
    ("ExternalProvisioning", "Waiting for a volume to be created by the external provisioner 'csi.example'"): False,
    ("ProvisioningFailed", "rpc error: code = ResourceExhausted desc = no space left"): False,
}


def claim(phase: str) -> Object:
    return {"metadata": {"name": "data"}, "status": {"phase": phase}}


@pytest.mark.parametrize(("said", "lasts"), CLAIMS.items())
def test_a_claim_without_a_volume_is_told(said: tuple[str, str], lasts: bool) -> None:
    waits = event("PersistentVolumeClaim", "data", *said, type="Normal")
    finding = only(waits, PersistentVolumeClaim=claim("Pending"))
    assert str(finding) == f"PersistentVolumeClaim data: {said[0]}: {said[1]}"
    assert not finding.certain, "a class that has come is seen only when the claim is looked at again"
    assert bool(finding.lasting) is lasts
    assert found(waits, PersistentVolumeClaim=claim("Bound")) == []


def test_a_claim_that_waits_for_its_pod_is_well() -> None:
    waits = event("PersistentVolumeClaim", "data", "WaitForFirstConsumer", "waiting for first consumer", type="Normal")
    assert found(waits, PersistentVolumeClaim=claim("Pending")) == []


def test_a_claim_that_lost_its_volume_is_certain() -> None:
    assert only(PersistentVolumeClaim=claim("Lost")).certain


# --- on a cluster -----------------------------------------------------------------------------------------------


def a_namespace(fake: FakeCluster) -> None:
    base = "/api/v1/namespaces/n"
    crashing = pod(waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}}))
    fake.add(f"{base}/pods/some-pod", status=crashing["status"])
    fake.add("/apis/apps/v1/namespaces/n/replicasets/web-1", **{**replica_set(PODSECURITY), "metadata": {}})
    for index, reason in enumerate(["FailedBinding", "ExternalProvisioning"]):
        told = event("PersistentVolumeClaim", "data", reason, reason, lastTimestamp=f"2024-01-01T00:00:0{9 - index}Z")
        fake.add(f"{base}/events/{index}", **told)
    fake.add(f"{base}/persistentvolumeclaims/data", status={"phase": "Pending"})
    fake.container_logs["n/some-pod/app"] = ["the next one's words"]
    fake.container_logs["n/some-pod/app/previous"] = ["the last words"]


def test_a_namespace_is_explained_from_all_that_it_holds() -> None:
    fake = FakeCluster()
    a_namespace(fake)
    causes = explain_namespace(fake, "n")
    assert [(cause.object, cause.reason) for cause in causes] == [
        ("ReplicaSet web-1", "FailedCreate"),
        ("PersistentVolumeClaim data", "FailedBinding"),
        ("Pod some-pod, container app", "CrashLoopBackOff"),
    ], "the latest event tells, wherever it stands in the list"
    assert causes[-1].message.endswith("its last lines: the last words")
    assert {method for method, _ in fake.requests} == {"GET"}, "looking changes nothing"


def test_a_container_that_ended_for_the_first_time_is_quoted_itself() -> None:
    fake = FakeCluster()
    ended = pod(container(state={"terminated": {"exitCode": 1}}))
    fake.add("/api/v1/namespaces/n/pods/some-pod", status=ended["status"])
    fake.container_logs["n/some-pod/app"] = ["its only words"]
    [cause] = explain_namespace(fake, "n")
    assert cause.message.endswith("its last lines: its only words")
    looping = pod(waiting("CrashLoopBackOff", lastState={"terminated": {"exitCode": 1}}))
    fake.objects["/api/v1/namespaces/n/pods/some-pod"]["status"] = looping["status"]
    [cause] = explain_namespace(fake, "n")
    assert cause.message == "it ended with terminated, exit code 1", "what the next one says is not about its end"


def test_an_explanation_of_pods_tells_why_there_are_none() -> None:
    fake = FakeCluster()
    a_namespace(fake)
    assert f"ReplicaSet web-1: FailedCreate: {PODSECURITY}" in explain(fake, "n", [])
    assert "PersistentVolumeClaim data: FailedBinding: FailedBinding" in explain(fake, "n", [])


def test_what_a_user_may_not_read_does_not_hide_the_rest() -> None:
    class Narrow(FakeCluster):
        def request(self, method: str, path: str, query: Any = None, body: Any = None) -> str:
            if path.endswith(("/events", "/jobs")):
                raise ApiError(method, path, self.status, "no")
            return super().request(method, path, query, body)

        status = 403

    fake = Narrow()
    a_namespace(fake)
    assert [cause.object for cause in explain_namespace(fake, "n")] == [
        "ReplicaSet web-1",
        "Pod some-pod, container app",
    ]
    fake.status = 500
    with pytest.raises(ApiError):
        explain_namespace(fake, "n")


# --- what can't heal by itself ----------------------------------------------------------------------------------


def requesting(cpu: str, message: str = "0/1 nodes are available: 1 Insufficient cpu.") -> Object:
    asked = unscheduled(message)
    return {**asked, "spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": cpu}}}]}}


def node(cpu: str) -> Object:
    return {"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": cpu, "memory": "8Gi"}}}


def test_a_pod_larger_than_any_node_waits_in_vain() -> None:
    finding = only(Pod=requesting("64"), Node=[node("2"), node("3900m")])
    assert finding.lasting == LONG_SECONDS
    assert finding.message.endswith("it requests cpu 64, and the largest node has 3900m")
    assert not only(Pod=requesting("3"), Node=[node("2"), node("3900m")]).lasting, "one of them may get free"
    assert not only(Pod=requesting("64")).lasting, "who may not see nodes can't tell"


@pytest.mark.parametrize("reason", ["TriggeredScaleUp", "Nominated"])
def test_a_pod_that_an_autoscaler_gets_a_node_for_does_not_wait_in_vain(reason: str) -> None:
    coming = event("Pod", "some-pod", reason, "a node comes")
    assert not only(coming, Pod=requesting("64"), Node=[node("2")]).lasting


def test_a_pod_whose_selector_no_node_has_waits_in_vain() -> None:
    said = "0/3 nodes are available: {} node(s) didn't match Pod's node affinity/selector."
    assert only(Pod=unscheduled(said.format(3))).lasting == LONG_SECONDS
    assert not only(Pod=unscheduled(said.format(2) + " 1 Insufficient cpu.")).lasting


def test_a_container_that_crashed_often_is_certain() -> None:
    ended = {"terminated": {"reason": "Error", "exitCode": 1}}
    often = pod(waiting("CrashLoopBackOff", lastState=ended, restartCount=CRASHES))
    assert only(Pod=often).certain
    assert not only(Pod=pod(waiting("CrashLoopBackOff", lastState=ended, restartCount=CRASHES - 1))).certain


def test_a_registry_of_a_name_that_nobody_knows_is_certain_after_some_tries() -> None:
    finding = only(Pod=pod(waiting("ErrImagePull", "dial tcp: lookup r.example: no such host")))
    assert (finding.certain, finding.lasting) == (False, UNKNOWN_HOST_SECONDS)


def test_a_claim_that_nobody_takes_up_is_a_cause_after_a_while() -> None:
    claim = {"metadata": {"name": "data"}, "status": {"phase": "Pending"}}

    def told(until: str) -> Finding:
        said = event("PersistentVolumeClaim", "data", "ExternalProvisioning", "waiting", lastTimestamp=until)
        return only(said, PersistentVolumeClaim=claim)

    assert not told("2024-01-01T00:00:59Z").lasting
    assert told("2024-01-01T00:01:00Z").lasting


def test_of_a_stateful_set_only_pods_of_its_latest_revision_count() -> None:
    owner = {"ownerReferences": [{"uid": "s", "controller": True}]}
    stateful = {"metadata": {"name": "db", "uid": "s"}, "status": {"updateRevision": "r2"}}
    pods = [
        {"metadata": {"name": f"db-{hash_}", "labels": {"controller-revision-hash": hash_}, **owner}, "spec": {}}
        for hash_ in ("r1", "r2")
    ]
    claim = {"metadata": {"name": "data"}, "status": {"phase": "Pending"}}
    pods[1]["spec"] = {"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}
    left = of_workloads(seen(StatefulSet=stateful, Pod=pods, PersistentVolumeClaim=claim), [("StatefulSet", "db")])
    assert [one["metadata"]["name"] for one in left.objects["Pod"]] == ["db-r2"]
    assert left.objects["PersistentVolumeClaim"] == [claim]
    other = of_workloads(seen(StatefulSet=stateful, Pod=pods, PersistentVolumeClaim=claim), [("StatefulSet", "x")])
    assert not other.objects["Pod"]
    assert not other.objects["PersistentVolumeClaim"]


def test_a_log_that_is_gone_is_not_told_as_a_containers_last_words() -> None:
    fake = FakeCluster()
    ended = {"terminated": {"reason": "Error", "exitCode": 3}}
    content = pod(container(state=ended, restartCount=1))
    fake.add("/api/v1/namespaces/n/pods/some-pod", status=content["status"])
    fake.container_logs["n/some-pod/app"] = ["no licence found"]
    fake.container_logs["n/some-pod/app/previous"] = ["unable to retrieve container logs for containerd://1"]
    assert explain_namespace(fake, "n")[0].message.endswith("its last lines: no licence found")
    fake.container_logs["n/some-pod/app"] = ["unable to retrieve container logs for containerd://2"]
    assert explain_namespace(fake, "n")[0].message == "it ended with Error, exit code 3"


def test_nodes_are_looked_at_only_where_a_pod_has_none() -> None:
    """A cluster may have thousands of them, and who waits looks every two seconds."""
    fake = FakeCluster()
    fake.add("/api/v1/nodes/n1", **node("2"))
    fake.add("/api/v1/namespaces/shop/pods/p", **{**pod(container()), "metadata": {}})
    explain_namespace(fake, "shop")
    assert ("GET", "/api/v1/nodes") not in fake.requests
    fake.add("/api/v1/namespaces/shop/pods/q", **{**requesting("64"), "metadata": {}})
    (found, *_) = [one for one in explain_namespace(fake, "shop") if one.lasting]
    assert "the largest node has 2" in found.message

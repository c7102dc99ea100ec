"""Why something in a namespace is not as it should be, in the cluster's own words.

The rules are pure functions over objects as the API server gives them. Each cause also says whether it is certain,
that is, whether waiting longer can't help: who waits then ends at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cluster.client import Cluster, Object, parallel
from cluster.errors import ApiError

# So many lines of a crashed container's log are told, and so much of them.
LAST_LINES: Final = 3
LAST_LETTERS: Final = 400
# A refusal that may have been one moment's counts as certain when it came so often, over so many seconds.
OFTEN: Final = 5
LONG_SECONDS: Final = 20
NEVER: Final = datetime.min.replace(tzinfo=UTC)

Words = Callable[[str, str, bool], Sequence[str]]
"""The last lines of a pod's container: of the one before, or of the present one where that has ended."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cause.

    Attributes:
        object: What it is about: ``Pod web-1, container app``.
        reason: Kubernetes' short name for it.
        message: What was said about it.
        certain: Whether waiting longer can't help.
    """

    object: str
    reason: str
    message: str
    certain: bool

    def __str__(self) -> str:
        """As a line."""
        return ": ".join(part for part in (self.object, self.reason, self.message) if part)


# What a registry says of an image that it will not give, however often it is asked.
NO_IMAGE: Final = re.compile(
    r"not found|manifest unknown|does not exist|access denied|is denied|insufficient_scope|unauthorized"
    r"|authentication required|no match for platform|no matching manifest",
    re.IGNORECASE,
)
# What is wrong in the image or in the pod itself. Secrets and ConfigMaps may still come.
NO_START: Final = re.compile(
    r"will run as root|executable file not found|no such file or directory: unknown|is invalid"
)
WRONG_NAMES: Final = ("InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
PULLING: Final = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable")
STARTING: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")
CREATING: Final = ("ContainerCreating", "PodInitializing")
# Pods that are refused because of what they are; trying again makes the same pods.
NEVER_MADE: Final = re.compile(
    r"violates PodSecurity|failed quota: |must specify |is invalid: |unable to validate against any security context"
    r"|because it is being terminated|(?:minimum|maximum) .* usage per "
)
# Pods that somebody decided against: certain when it lasts. A webhook that does not answer may yet come up.
REFUSED_FOR_NOW: Final = re.compile(r"exceeded quota|denied the request|denied request: ")
# Claims that nobody is going to serve.
NEVER_BOUND: Final = re.compile(r"no storage class is set|storageclass\S* \"[^\"]*\" not found")


def container_trouble(pod: Object) -> list[str]:
    """What is wrong with a pod's containers, a line each; empty where all are ready."""
    status = pod.get("status", {})
    troubles = []
    for container in _containers(pod):
        state = container.get("state", {})
        if _is_well(container):
            continue
        why = _state(state) or "not ready"
        last = _state(container.get("lastState", {}))
        troubles.append(f"container {container['name']}: {why}" + (f" (before that: {last})" if last else ""))
    if not status.get("containerStatuses"):
        troubles += [
            f"{condition['reason']}: {condition.get('message', '')}"
            for condition in status.get("conditions", [])
            if condition.get("status") == "False" and condition.get("reason")
        ]
    return troubles


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _is_well(container: Object) -> bool:
    return bool(container.get("ready") or container.get("state", {}).get("terminated", {}).get("exitCode") == 0)


def _state(state: Object) -> str:
    for kind in ("waiting", "terminated"):
        if kind in state:
            detail = state[kind]
            code = f", exit code {detail['exitCode']}" if "exitCode" in detail else ""
            message = f": {detail['message'].strip()}" if detail.get("message") else ""
            return f"{detail.get('reason', kind)}{code}{message}"
    return ""


def explain(cluster: Cluster, namespace: str, pods: Iterable[Object]) -> list[str]:
    """What is wrong with these pods, and why there may be none.

    Told are their containers' reasons, the warnings that Kubernetes noted on them, and what keeps the namespace's
    workloads and claims from going on.
    """
    seen = look(cluster, namespace)
    lines = []
    names = set()
    for pod in pods:
        name = pod["metadata"]["name"]
        troubles = container_trouble(pod)
        lines += [f"pod {name}: {trouble}" for trouble in troubles]
        if troubles:
            names.add(name)
    for event in seen.events:
        about = event.get("involvedObject", {}).get("name")
        if about in names and event.get("type") == "Warning":
            lines.append(f"event on {about}: {event.get('reason')}: {event.get('message')}")
    return lines + [str(finding) for finding in (*workload_findings(seen), *claim_findings(seen))]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A namespace, as it was at one moment.

    Attributes:
        events: Its events, older ones first.
        objects: Its pods, workloads and claims, by kind.
    """

    events: Sequence[Object]
    objects: Mapping[str, Sequence[Object]]


_PATHS: Final = {
    "Pod": "/api/v1/namespaces/{}/pods",
    "Event": "/api/v1/namespaces/{}/events",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
}


def look(cluster: Cluster, namespace: str) -> Seen:
    """Read a namespace; kinds that this user may not read count as empty."""
    found = parallel(partial(_readable, cluster, path.format(namespace)) for path in _PATHS.values())
    objects = dict(zip(_PATHS, found, strict=True))
    return Seen(events=sorted(objects.pop("Event"), key=_last_time), objects=objects)


def _readable(cluster: Cluster, path: str) -> list[Object]:
    try:
        return cluster.items(path)
    except ApiError as error:
        if error.status == 403:
            return []
        raise


def explain_namespace(cluster: Cluster, namespace: str) -> list[Finding]:
    """All causes that a namespace tells of, the certain ones first."""
    seen = look(cluster, namespace)

    def words(pod: str, container: str, ended: bool) -> Sequence[str]:
        before = cluster.last_words(namespace, pod, container, LAST_LINES)
        return before if before or not ended else cluster.final_words(namespace, pod, container, LAST_LINES)

    return findings(seen, words)


def findings(seen: Seen, words: Words) -> list[Finding]:
    """All causes, the certain ones first and none twice."""
    pods = [finding for pod in seen.objects.get("Pod", ()) for finding in pod_findings(pod, seen.events, words)]
    found = dict.fromkeys([*workload_findings(seen), *claim_findings(seen), *pods])
    return sorted(found, key=lambda finding: not finding.certain)


# --- pods -------------------------------------------------------------------------------------------------------


def pod_findings(pod: Object, events: Sequence[Object], words: Words) -> list[Finding]:
    """What keeps a pod from being ready."""
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return []
    name = f"Pod {pod['metadata']['name']}"
    about = _about(events, "Pod", pod)
    if status.get("phase") == "Failed" and status.get("reason"):
        # Turned away by its node, or evicted.
        return [_finding(name, status["reason"], status.get("message", ""))]
    if unscheduled := _conditions(pod, "PodScheduled", "False"):
        return [_finding(name, unscheduled[0].get("reason", "Unschedulable"), unscheduled[0].get("message", ""))]
    troubled = [container for container in _containers(pod) if not _is_well(container)]
    found = [_container_finding(pod, container, about, words) for container in troubled]
    return [finding for finding in found if finding] or _stuck(name, troubled, about)


def _stuck(name: str, troubled: Sequence[Object], about: Sequence[Object]) -> list[Finding]:
    """What a pod waits for before any of its containers starts: volumes and its network."""
    waiting = [one for one in troubled if one.get("state", {}).get("waiting", {}).get("reason") in CREATING]
    event = _latest(about, "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox") if waiting else None
    return [_finding(name, event["reason"], event.get("message", ""))] if event else []


def _container_finding(pod: Object, container: Object, about: Sequence[Object], words: Words) -> Finding | None:
    own = [event for event in about if _container_of(event) in ("", container["name"])]
    name = f"Pod {pod['metadata']['name']}, container {container['name']}"
    state = container.get("state", {})
    waiting = state.get("waiting", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in WRONG_NAMES:
        return _finding(name, reason, message, certain=True)
    if reason in PULLING:
        told = _latest(own, "Failed", saying="pull")
        message = _longer(message, told)
        return _finding(name, reason, message, certain=bool(NO_IMAGE.search(message)))
    if reason in STARTING:
        return _finding(name, reason, message, certain=bool(NO_START.search(message)))
    last = state.get("terminated") or container.get("lastState", {}).get("terminated")
    if last and (reason == "CrashLoopBackOff" or "terminated" in state or "running" in state):
        return _crash(pod, container, last, own, words)
    if "running" in state:
        probe = _latest(own, "Unhealthy")
        return _finding(name, "Unhealthy" if probe else "NotReady", (probe or {}).get("message", "it runs, not ready"))
    return None if reason in ("", *CREATING) else _finding(name, reason, message)


def _crash(pod: Object, container: Object, last: Object, own: Sequence[Object], words: Words) -> Finding:
    """A container that ended, with what it said last, and the probe that ended it."""
    metadata, state = pod["metadata"], container.get("state", {})
    reason = state.get("waiting", {}).get("reason") or last.get("reason") or "Error"
    said = [f"it ended with {_state({'terminated': last})}"]
    if probe := _latest(own, "Unhealthy"):
        said.append(probe.get("message", "").strip())
    if lines := words(metadata["name"], container["name"], "terminated" in state):
        said.append("its last lines: " + " | ".join(line.strip() for line in lines)[-LAST_LETTERS:])
    certain = bool(NO_START.search(last.get("message") or ""))
    return _finding(f"Pod {metadata['name']}, container {container['name']}", reason, "; ".join(said), certain=certain)


def _longer(message: str, event: Object | None) -> str:
    """The text that says more: while a pull is put off, some releases keep its cause in the event only."""
    told = str((event or {}).get("message", ""))
    return message if NO_IMAGE.search(message) or len(message) >= len(told) else told


# --- workloads and claims ---------------------------------------------------------------------------------------


def workload_findings(seen: Seen) -> list[Finding]:
    """What keeps workloads from having their pods."""
    found = []
    for kind in ("ReplicaSet", "StatefulSet", "DaemonSet", "Job"):
        for workload in seen.objects.get(kind, ()):
            if _lacks_pods(kind, workload):
                found += _refusals(kind, workload, seen.events)
    for job in seen.objects.get("Job", ()):
        found += [
            _finding(
                f"Job {job['metadata']['name']}", one.get("reason", "Failed"), one.get("message", ""), certain=True
            )
            for one in _conditions(job, "Failed", "True")
        ]
    for deployment in seen.objects.get("Deployment", ()):
        name = f"Deployment {deployment['metadata']['name']}"
        found += [
            _finding(name, one.get("reason", "NotProgressing"), one.get("message", ""))
            for one in _conditions(deployment, "Progressing", "False")
        ]
    return found


def _lacks_pods(kind: str, workload: Object) -> bool:
    status = workload.get("status", {})
    if workload["metadata"].get("deletionTimestamp"):
        return False
    if kind == "DaemonSet":
        return bool(status.get("currentNumberScheduled", 0) < status.get("desiredNumberScheduled", 0))
    if kind == "Job":
        return not any(status.get(count) for count in ("active", "succeeded", "failed"))
    return bool(status.get("replicas", 0) < workload.get("spec", {}).get("replicas", 1))


def _refusals(kind: str, workload: Object, events: Sequence[Object]) -> list[Finding]:
    """Why the API server does not let a workload make its pods."""
    own = _about(events, kind, workload)
    about = [event for event in own if event.get("reason") == "FailedCreate"]
    told = [one.get("message", "") for one in _conditions(workload, "ReplicaFailure", "True")]
    if latest := _latest(own, "FailedCreate", "SuccessfulCreate"):
        told += [latest.get("message", "")] if latest["reason"] == "FailedCreate" else []
    if not told:
        return []
    # The condition says what holds now; the events, how often and for how long.
    message = told[0]
    lasting = sum(map(_count, about)) >= OFTEN and _seconds(about) >= LONG_SECONDS
    certain = bool(NEVER_MADE.search(message) or (lasting and REFUSED_FOR_NOW.search(message)))
    return [_finding(f"{kind} {workload['metadata']['name']}", "FailedCreate", message, certain=certain)]


def claim_findings(seen: Seen) -> list[Finding]:
    """What keeps claims from having their volumes."""
    found = []
    for claim in seen.objects.get("PersistentVolumeClaim", ()):
        phase = claim.get("status", {}).get("phase")
        name = f"PersistentVolumeClaim {claim['metadata']['name']}"
        if phase == "Lost":
            found.append(_finding(name, "Lost", "its volume is gone", certain=True))
        about = _about(seen.events, "PersistentVolumeClaim", claim)
        event = _latest(about, "ProvisioningFailed", "FailedBinding", "ExternalProvisioning", "Provisioning")
        if phase == "Pending" and event:
            message = event.get("message", "")
            found.append(_finding(name, event["reason"], message, certain=bool(NEVER_BOUND.search(message))))
    return found


# --- small ------------------------------------------------------------------------------------------------------


def _finding(name: str, reason: str, message: str, *, certain: bool = False) -> Finding:
    return Finding(object=name, reason=reason, message=" ".join(str(message).split()), certain=certain)


def _conditions(owner: Object, kind: str, status: str) -> list[Object]:
    conditions = owner.get("status", {}).get("conditions") or []
    return [one for one in conditions if one.get("type") == kind and one.get("status") == status]


def _about(events: Sequence[Object], kind: str, owner: Object) -> list[Object]:
    """An object's events; those of an earlier one with its name are not its own."""
    metadata = owner["metadata"]
    found = []
    for event in events:
        involved = event.get("involvedObject", {})
        other = involved.get("uid") and metadata.get("uid") and involved["uid"] != metadata["uid"]
        if involved.get("kind", kind) == kind and involved.get("name") == metadata["name"] and not other:
            found.append(event)
    return found


def _latest(events: Sequence[Object], *reasons: str, saying: str = "") -> Object | None:
    """The last event for one of these reasons."""
    found = [event for event in events if event.get("reason") in reasons and saying in event.get("message", "")]
    return found[-1] if found else None


def _container_of(event: Object) -> str:
    match = re.search(r"ontainers\{(.+)\}", event.get("involvedObject", {}).get("fieldPath", ""))
    return match[1] if match else ""


def _count(event: Object) -> int:
    return int((event.get("series") or {}).get("count") or event.get("count") or 1)


def _seconds(events: Sequence[Object]) -> float:
    """For how long these events have been coming."""
    first = [_time(event.get("firstTimestamp") or event.get("eventTime")) for event in events]
    known = [moment for moment in [*first, *map(_last_time, events)] if moment != NEVER]
    return (max(known) - min(known)).total_seconds() if known else 0.0


def _last_time(event: Object) -> datetime:
    latest = (event.get("series") or {}).get("lastObservedTime")
    return _time(latest or event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp"))


def _time(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return NEVER

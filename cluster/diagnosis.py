"""Why something in a namespace is not as it should be, in the cluster's own words.

The rules are pure functions over objects as the API server gives them. Each cause also says whether it is certain,
that is, whether waiting longer can't help: who waits then ends at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cluster.client import Cluster, Object, parallel
from cluster.errors import ApiError
from model.quantity import quantity

# So many lines of a crashed container's log are told, and so much of them.
LAST_LINES: Final = 3
LAST_LETTERS: Final = 400
# A refusal that may have been one moment's counts as certain when it came so often, over so many seconds.
OFTEN: Final = 5
LONG_SECONDS: Final = 20
# A registry of a name that nobody knows has been asked four times by then.
UNKNOWN_HOST_SECONDS: Final = 60
# So often a container is started again in a minute and a half, which is time enough for what it may wait for; the next
# time would be a minute and more away.
CRASHES: Final = 4
# A provisioner that there is takes a claim up within seconds; one whose pods are on their way, within this.
UNSERVED_SECONDS: Final = 60
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
        unproven: Whether it is about a container that ended and has no readiness probe: it looks well whenever it runs.
        lasting: After how many seconds of it waiting longer can't help, although it could have at first: nobody does
            anything about it by then. 0 where it may always heal by itself.
    """

    object: str
    reason: str
    message: str
    certain: bool = False
    lasting: int = 0
    unproven: bool = False

    def __str__(self) -> str:
        """As a line."""
        return ": ".join(part for part in (self.object, self.reason, self.message) if part)


# What a registry says of an image that it will not give, however often it is asked.
NO_IMAGE: Final = re.compile(
    r"not found|manifest unknown|does not exist|access denied|is denied|insufficient_scope|unauthorized"
    r"|authentication required|no match for platform|no matching manifest",
    re.IGNORECASE,
)
# A registry's name that doesn't resolve is mostly misspelt; a name server that comes up late knows it.
NO_HOST: Final = re.compile(r"no such host|server misbehaving|dial tcp: lookup ", re.IGNORECASE)
# What the kubelet says in place of a log that is gone.
NO_LOG: Final = "unable to retrieve container logs"
# What is wrong in the image or in the pod itself. Secrets and ConfigMaps may still come.
NO_START: Final = re.compile(
    r"will run as root|breaks non-root policy|cannot verify user is non-root|executable file not found"
    r"|no such file or directory: unknown|is invalid"
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
# All nodes say the same of a pod, and none of them changes by itself.
NO_NODE: Final = re.compile(r"0/(\d+) nodes are available: \1 node\(s\) didn't match Pod's node affinity/selector")
# What autoscalers note on a pod that they get a node for.
SCALING: Final = ("TriggeredScaleUp", "Nominated")
# Claims that nobody is going to serve.
NEVER_BOUND: Final = re.compile(r"no storage class is set|storageclass\S* \"[^\"]*\" not found")


def container_trouble(pod: Object) -> list[str]:
    """What is wrong with a pod's containers, a line each; empty where all are ready."""
    status = pod.get("status", {})
    troubles = []
    for container in statuses(pod):
        state = container.get("state", {})
        if _is_well(container):
            continue
        why = _state(state) or "not ready"
        last = _state(container.get("lastState", {}))
        troubles.append(f"container {container['name']}: {why}" + (f" (before that: {last})" if last else ""))
    if not status.get("containerStatuses"):
        troubles += [
            ": ".join(filter(None, (condition["reason"], condition.get("message"))))
            for condition in status.get("conditions", [])
            if condition.get("status") == "False" and condition.get("reason")
        ]
    return troubles


def statuses(pod: Object) -> list[Object]:
    """What Kubernetes says of a pod's containers; a sidecar may be an init container that goes on."""
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
        objects: Its pods, workloads and claims, by kind; and the cluster's nodes, where a pod has none and this user
            may see them.
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
_NODES: Final = "/api/v1/nodes"


def look(cluster: Cluster, namespace: str) -> Seen:
    """Read a namespace; kinds that this user may not read count as empty."""
    found = parallel(partial(_readable, cluster, path.format(namespace)) for path in _PATHS.values())
    objects = dict(zip(_PATHS, found, strict=True))
    if any(conditions(pod, "PodScheduled", "False") for pod in objects["Pod"]):
        # There may be thousands, and who waits looks again and again.
        objects["Node"] = _readable(cluster, _NODES)
    return Seen(events=sorted(objects.pop("Event"), key=_last_time), objects=objects)


def _readable(cluster: Cluster, path: str) -> list[Object]:
    try:
        return cluster.items(path)
    except ApiError as error:
        if error.status == 403:
            return []
        raise


def explain_namespace(
    cluster: Cluster, namespace: str, workloads: Iterable[tuple[str, str]] | None = None
) -> list[Finding]:
    """All causes that a namespace tells of, the certain ones first.

    Args:
        cluster: The cluster.
        namespace: The namespace.
        workloads: Kinds and names of those that matter, with what they have made; None for everything there.
    """
    seen = look(cluster, namespace)
    if workloads is not None:
        seen = of_workloads(seen, workloads)

    def words(pod: str, container: str, ended: bool) -> Sequence[str]:
        try:
            if ended and (said := _told(cluster.final_words(namespace, pod, container, LAST_LINES))):
                return said
            return _told(cluster.last_words(namespace, pod, container, LAST_LINES))
        except ApiError as error:
            if error.status == 403:
                return []
            raise

    return findings(seen, words)


def _told(log: Sequence[str]) -> Sequence[str]:
    return [line for line in log if not line.startswith(NO_LOG)]


def findings(seen: Seen, words: Words) -> list[Finding]:
    """All causes, the certain ones first and none twice."""
    nodes = seen.objects.get("Node", ())
    pods = [finding for pod in seen.objects.get("Pod", ()) for finding in pod_findings(pod, seen.events, words, nodes)]
    found = dict.fromkeys([*workload_findings(seen), *claim_findings(seen), *pods])
    return sorted(found, key=lambda finding: not finding.certain)


# --- pods -------------------------------------------------------------------------------------------------------


def pod_findings(pod: Object, events: Sequence[Object], words: Words, nodes: Sequence[Object] = ()) -> list[Finding]:
    """What keeps a pod from being ready."""
    status = pod.get("status", {})
    if pod["metadata"].get("deletionTimestamp"):
        return []
    name = f"Pod {pod['metadata']['name']}"
    about = _about(events, "Pod", pod)
    if status.get("phase") == "Failed" and status.get("reason"):
        # Turned away by its node, or evicted.
        return [_finding(name, status["reason"], status.get("message", ""))]
    if unscheduled := conditions(pod, "PodScheduled", "False"):
        return [_unscheduled(pod, unscheduled[0], about, nodes)]
    troubled = [container for container in statuses(pod) if not _is_well(container)]
    found = [_container_finding(pod, container, about, words) for container in troubled]
    return [finding for finding in found if finding] or _stuck(name, troubled, about)


def _unscheduled(pod: Object, condition: Object, about: Sequence[Object], nodes: Sequence[Object]) -> Finding:
    """A pod without a node; it lasts where no node is ever going to be one, and nobody gets another."""
    name, reason, message = f"Pod {pod['metadata']['name']}", condition.get("reason", ""), condition.get("message", "")
    if reason != "Unschedulable":
        return _finding(name, reason or "Unschedulable", message)
    too_large = [
        f"it requests {resource} {asked}, and the largest node has {largest}"
        for resource, asked, largest in _too_large(pod, nodes)
    ]
    lasting = (too_large or NO_NODE.search(message)) and _latest(about, *SCALING) is None
    return _finding(name, reason, "; ".join([message, *too_large]), lasting=LONG_SECONDS if lasting else 0)


def _too_large(pod: Object, nodes: Sequence[Object]) -> list[tuple[str, str, str]]:
    """What a pod requests more of than any node has: the resource, what is asked, what there is."""
    containers = pod.get("spec", {}).get("containers", ())
    found = []
    for resource in ("cpu", "memory") if nodes else ():
        asked = [quantity(((c.get("resources") or {}).get("requests") or {}).get(resource, 0)) or 0 for c in containers]
        sizes = [str((node.get("status", {}).get("allocatable") or {}).get(resource, "0")) for node in nodes]
        largest = max(sizes, key=lambda size: quantity(size) or 0)
        if sum(asked) > (quantity(largest) or 0):
            found.append((resource, f"{sum(asked):f}", largest))
    return found


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
        unknown = UNKNOWN_HOST_SECONDS if NO_HOST.search(message) else 0
        return _finding(name, reason, message, certain=bool(NO_IMAGE.search(message)), lasting=unknown)
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
    certain = bool(NO_START.search(last.get("message") or "")) or container.get("restartCount", 0) >= CRASHES
    name = f"Pod {metadata['name']}, container {container['name']}"
    specs = pod.get("spec", {}).get("containers", ())
    unproven = any(one["name"] == container["name"] and "readinessProbe" not in one for one in specs)
    return replace(_finding(name, reason, "; ".join(said), certain=certain), unproven=unproven)


def _longer(message: str, event: Object | None) -> str:
    """The text that says more: while a pull is put off, some releases keep its cause in the event only."""
    told = str((event or {}).get("message", ""))
    return message if NO_IMAGE.search(message) or NO_HOST.search(message) or len(message) >= len(told) else told


# --- workloads and claims ---------------------------------------------------------------------------------------


def workload_findings(seen: Seen) -> list[Finding]:
    """What keeps workloads from having their pods."""
    found = refused(seen)
    for job in seen.objects.get("Job", ()):
        found += [
            _finding(
                f"Job {job['metadata']['name']}", one.get("reason", "Failed"), one.get("message", ""), certain=True
            )
            for one in conditions(job, "Failed", "True")
        ]
    for deployment in seen.objects.get("Deployment", ()):
        name = f"Deployment {deployment['metadata']['name']}"
        found += [
            _finding(name, one.get("reason", "NotProgressing"), one.get("message", ""))
            for one in conditions(deployment, "Progressing", "False")
        ]
    return found


def refused(seen: Seen) -> list[Finding]:
    """What the API server says to workloads whose pods it does not let in."""
    return [
        finding
        for kind in ("ReplicaSet", "StatefulSet", "DaemonSet", "Job")
        for workload in seen.objects.get(kind, ())
        if _lacks_pods(kind, workload)
        for finding in _refusals(kind, workload, seen.events)
    ]


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
    told = [one.get("message", "") for one in conditions(workload, "ReplicaFailure", "True")]
    if latest := _latest(own, "FailedCreate", "SuccessfulCreate"):
        told += [latest.get("message", "")] if latest["reason"] == "FailedCreate" else []
    if not told:
        return []
    # The condition says what holds now; the events, how often and for how long.
    message = told[0]
    lasting = sum(map(_count, about)) >= OFTEN and _seconds(about) >= LONG_SECONDS
    certain = is_refusal_certain(message, lasting=lasting)
    return [_finding(f"{kind} {workload['metadata']['name']}", "FailedCreate", message, certain=certain)]


def is_refusal_certain(message: str, *, lasting: bool) -> bool:
    """Whether pods that the API server refuses like this are going to be refused for ever.

    Args:
        message: What it says.
        lasting: Whether it has been saying so for ``LONG_SECONDS``, again and again.
    """
    return bool(NEVER_MADE.search(message) or (lasting and REFUSED_FOR_NOW.search(message)))


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
            unserved = event["reason"] == "ExternalProvisioning" and _seconds([event]) >= UNSERVED_SECONDS
            # Looked at again every 15 seconds: a class that has come by now is not seen sooner.
            lasting = LONG_SECONDS if unserved or NEVER_BOUND.search(message) else 0
            found.append(_finding(name, event["reason"], message, lasting=lasting))
    return found


# --- of some workloads alone ------------------------------------------------------------------------------------

REVISION: Final = "deployment.kubernetes.io/revision"


def of_workloads(seen: Seen, wanted: Iterable[tuple[str, str]]) -> Seen:
    """What of a namespace belongs to some workloads as they are wanted now: no other people's, and none from before.

    Args:
        seen: The namespace.
        wanted: Kinds and names.
    """
    named = set(wanted)
    top = [
        (kind, item)
        for kind in ("Deployment", "StatefulSet", "DaemonSet", "Job")
        for item in seen.objects.get(kind, ())
        if (kind, item["metadata"]["name"]) in named
    ]
    sets = [
        item
        for item in seen.objects.get("ReplicaSet", ())
        if any(kind == "Deployment" and _is_current(item, owner) for kind, owner in top)
    ]
    # A pod of an earlier revision is on its way out, whatever is wrong with it.
    revisions = {
        owner["metadata"].get("uid"): owner.get("status", {}).get("updateRevision")
        for kind, owner in top
        if kind == "StatefulSet"
    }
    owners = {item["metadata"].get("uid") for item in [*sets, *(item for _, item in top)]}
    pods = []
    for pod in seen.objects.get("Pod", ()):
        owner = _owner_of(pod)
        made_from = (pod["metadata"].get("labels") or {}).get("controller-revision-hash")
        if owner in owners and revisions.get(owner) in (None, made_from):
            pods.append(pod)
    claims = {name for pod in pods for name in _claims_of(pod)}
    objects: dict[str, Sequence[Object]] = {
        "Pod": pods,
        "ReplicaSet": sets,
        "PersistentVolumeClaim": [
            item for item in seen.objects.get("PersistentVolumeClaim", ()) if item["metadata"]["name"] in claims
        ],
        "Node": seen.objects.get("Node", ()),
    }
    for kind, item in top:
        objects[kind] = [*objects.get(kind, ()), item]
    return Seen(events=seen.events, objects=objects)


def _is_current(replica_set: Object, deployment: Object) -> bool:
    def revision(item: Object) -> str:
        return str((item["metadata"].get("annotations") or {}).get(REVISION))

    is_its_own = _owner_of(replica_set) == deployment["metadata"].get("uid")
    return bool(is_its_own) and revision(replica_set) == revision(deployment)


def _owner_of(item: Object) -> Any:
    return next(
        (one.get("uid") for one in item["metadata"].get("ownerReferences") or () if one.get("controller")), None
    )


def _claims_of(pod: Object) -> list[str]:
    volumes = pod.get("spec", {}).get("volumes") or ()
    return [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]


# --- small ------------------------------------------------------------------------------------------------------


def _finding(name: str, reason: str, message: str, *, certain: bool = False, lasting: int = 0) -> Finding:
    message = " ".join(str(message).split())
    return Finding(object=name, reason=reason, message=message, certain=certain, lasting=lasting)


def conditions(owner: Object, kind: str, status: str) -> list[Object]:
    """An object's conditions of a type and a status."""
    found = owner.get("status", {}).get("conditions") or []
    return [one for one in found if one.get("type") == kind and one.get("status") == status]


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

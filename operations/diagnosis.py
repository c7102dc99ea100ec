"""Why pods are not as they should be, in the cluster's own words."""

from __future__ import annotations

from collections.abc import Iterable

from operations.cluster import Cluster, Object


def container_trouble(pod: Object) -> list[str]:
    """What is wrong with a pod's containers, a line each; empty where all are ready."""
    status = pod.get("status", {})
    troubles = []
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        state = container.get("state", {})
        if container.get("ready") or state.get("terminated", {}).get("exitCode") == 0:
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


def _state(state: Object) -> str:
    for kind in ("waiting", "terminated"):
        if kind in state:
            detail = state[kind]
            code = f", exit code {detail['exitCode']}" if "exitCode" in detail else ""
            message = f": {detail['message'].strip()}" if detail.get("message") else ""
            return f"{detail.get('reason', kind)}{code}{message}"
    return ""


def explain(cluster: Cluster, namespace: str, pods: Iterable[Object]) -> list[str]:
    """What is wrong with these pods: their containers' reasons, and the warnings that Kubernetes noted."""
    lines = []
    names = set()
    for pod in pods:
        name = pod["metadata"]["name"]
        troubles = container_trouble(pod)
        lines += [f"pod {name}: {trouble}" for trouble in troubles]
        if troubles:
            names.add(name)
    for event in cluster.items(f"/api/v1/namespaces/{namespace}/events", {"fieldSelector": "type=Warning"}):
        about = event.get("involvedObject", {}).get("name")
        if about in names:
            lines.append(f"event on {about}: {event.get('reason')}: {event.get('message')}")
    return lines

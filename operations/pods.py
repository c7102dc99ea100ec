"""An app's pods: waiting until they are just the ones that its Deployment asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from model.expectation import Expectation, ExpectedApp
from operations.cluster import Cluster, Object
from operations.diagnosis import explain
from operations.errors import VerificationError, lines
from operations.progress import say

POLL_SECONDS: Final = 0.5

Pods = Mapping[str, tuple[str, ...]]
"""The pods of every app, by app id."""


def await_pods(cluster: Cluster, expected: Expectation, deadline: float) -> Pods:
    """Wait until every app's pods are the ones its Deployment asks for, with just the expected containers.

    Args:
        cluster: The cluster.
        expected: What the pods must be like.
        deadline: Until when to wait, on the monotonic clock.

    Raises:
        VerificationError: They are not; says which pod, which container, and why.
    """
    while True:
        problems, pods = [], {}
        for app in expected.apps:
            found, trouble = app_pods(cluster, app)
            pods[app.name] = tuple(pod["metadata"]["name"] for pod in found)
            problems += trouble
        if not problems:
            say(f"pods are as they should be: {', '.join(sorted(name for group in pods.values() for name in group))}")
            return pods
        if time.monotonic() > deadline:
            causes = [
                cause
                for namespace in expected.namespaces
                for cause in explain(cluster, namespace, cluster.pods(namespace))
            ]
            raise VerificationError(
                lines(f"stage {expected.stage}: the pods are not as they should be:", problems + causes)
            )
        time.sleep(POLL_SECONDS)


def app_pods(cluster: Cluster, app: ExpectedApp) -> tuple[list[Object], list[str]]:
    """An app's living pods, and what is wrong with them."""
    pods, problems = deployment_pods(cluster, app.namespace, app.name)
    return pods, problems + [problem for pod in pods for problem in pod_problems(pod, app)]


def deployment_pods(cluster: Cluster, namespace: str, name: str) -> tuple[list[Object], list[str]]:
    """A Deployment's living pods, and what keeps them from being all of its latest ones."""
    deployment = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    if deployment is None:
        return [], [f"Deployment {name} does not exist"]
    pods = [pod for pod in cluster.pods(namespace, pod_selector(deployment)) if is_living(pod)]
    problems = []
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    if not observed or status.get("updatedReplicas", 0) != wanted:
        problems.append(f"Deployment {name} has not rolled out its latest pods")
    if len(pods) != wanted:
        problems.append(f"{name} has {len(pods)} pods instead of {wanted}")
    return pods, problems


def is_living(pod: Object) -> bool:
    """Whether a pod is neither on its way out nor a dead one that Kubernetes keeps, such as an evicted one."""
    return not pod["metadata"].get("deletionTimestamp") and pod["status"].get("phase") not in ("Failed", "Succeeded")


def pod_selector(deployment: Object) -> str:
    """The label selector of a Deployment's pods."""
    labels = deployment["spec"]["selector"]["matchLabels"]
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items()))


def pod_problems(pod: Object, app: ExpectedApp) -> list[str]:
    """What of one pod is not as expected, a line each."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    problems = [
        *_difference(name, "container", [c["name"] for c in spec["containers"]], app.containers),
        *_difference(name, "init container", [c["name"] for c in spec.get("initContainers", [])], app.init_containers),
    ]
    if spec.get("serviceAccountName") != app.service_account:
        problems.append(f"pod {name} runs as {spec.get('serviceAccountName')} instead of {app.service_account}")
    ready = [status for status in pod["status"].get("containerStatuses", []) if status.get("ready")]
    if len(ready) != len(spec["containers"]):
        problems.append(f"pod {name}: {len(ready)} of {len(spec['containers'])} containers are ready")
    return problems


def _difference(pod: str, what: str, found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    missing, surplus = sorted(set(wanted) - set(found)), sorted(set(found) - set(wanted))
    return [f"pod {pod} lacks {what} {name}" for name in missing] + [
        f"pod {pod} has {what} {name}, which should not be there" for name in surplus
    ]

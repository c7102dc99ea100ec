"""An app's pods: waiting until they are just the ones that its Deployment asks for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from cluster.client import Cluster, Object
from cluster.diagnosis import explain
from cluster.errors import VerificationError, lines
from cluster.progress import say
from model.expectation import Expectation, ExpectedApp
from model.versions import DAPR_RELEASES, OSM_RELEASE

POLL_SECONDS: Final = 0.5
# What only a pod of the mesh has; one of a stage before it may not.
MESH_CONTAINERS: Final = frozenset(
    {
        *OSM_RELEASE.containers,
        *OSM_RELEASE.init_containers,
        *(container for release in DAPR_RELEASES.values() for container in release.mesh_containers),
    }
)

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
    problems = [f"pod {name} lacks container {container}" for container in missing(pod, app)]
    wanted = {*app.containers, *app.init_containers}
    problems += [
        f"pod {name} has container {container}, which should not be there"
        for container in sorted(_containers(pod) & MESH_CONTAINERS - wanted)
    ]
    if spec.get("serviceAccountName") != app.service_account:
        problems.append(f"pod {name} runs as {spec.get('serviceAccountName')} instead of {app.service_account}")
    ready = [status for status in pod["status"].get("containerStatuses", []) if status.get("ready")]
    if len(ready) != len(spec["containers"]):
        problems.append(f"pod {name}: {len(ready)} of {len(spec['containers'])} containers are ready")
    return problems


def missing(pod: Object, app: ExpectedApp) -> list[str]:
    """The containers that a pod of an app must have, and lacks; what else it has is the team's."""
    return sorted({*app.containers, *app.init_containers} - _containers(pod))


def _containers(pod: Object) -> set[str]:
    spec = pod["spec"]
    return {container["name"] for container in [*spec["containers"], *spec.get("initContainers", [])]}

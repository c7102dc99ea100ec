"""An app's pods: waiting until they are just the ones that its Deployment asks for."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from cluster.client import Cluster, Object, parallel
from cluster.diagnosis import explain, statuses
from cluster.errors import ApiError, VerificationError, lines
from cluster.progress import say
from cluster.waiting import CONFIRM_SECONDS, Causes, Workload
from model import names
from model.expectation import Expectation, ExpectedApp
from model.owner import STACK_LABEL
from model.versions import DAPR_RELEASES, OSM_RELEASE

POLL_SECONDS: Final = 0.5
MADE_ANEW: Final = (
    "Run `pulumi up --refresh`: it brings back what the stack has declared, and has pods without a sidecar made anew."
)
NEEDED: Final = "without a pod nothing of it can be verified"
# By which Dapr knows which app a pod is of.
APP_ID: Final = "dapr.io/app-id"
# What only a pod of the mesh has; one of a stage before it may not.
MESH_CONTAINERS: Final = frozenset(
    {
        *OSM_RELEASE.containers,
        *OSM_RELEASE.init_containers,
        *(container for release in DAPR_RELEASES.values() for container in release.mesh_containers),
    }
)


@dataclass(frozen=True, kw_only=True)
class Pod:
    """One pod.

    Attributes:
        name: Its name.
        uid: Which pod of that name it is.
        address: Its IP address, or "" while it has none.
    """

    name: str
    uid: str
    address: str

    @classmethod
    def of(cls, pod: Object) -> Pod:
        """A pod, as the API server gives it."""
        metadata = pod["metadata"]
        return cls(name=metadata["name"], uid=metadata.get("uid", ""), address=pod["status"].get("podIP", ""))


Pods = Mapping[str, tuple[Pod, ...]]
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
    workloads = [
        Workload(kind="Deployment", namespace=app.namespace, name=app.name, serves=True, needed=NEEDED)
        for app in expected.apps
    ]
    causes_of = Causes(cluster=cluster, workloads=workloads, error=VerificationError, clock=time.monotonic)
    since: dict[str, float] = {}
    while True:
        looks = parallel(partial(deployment_pods, cluster, app.namespace, app.name) for app in expected.apps)
        problems, bare_ones = [], []
        for app, (found, on_their_way) in zip(expected.apps, looks, strict=True):
            problems += on_their_way + [problem for pod in found for problem in pod_problems(pod, app)]
            if not found and not on_their_way:
                # Of an app without a pod nothing can be seen, and so nothing may be promised.
                problems.append(f"Deployment {app.name} is scaled to nothing: scale it to one pod at the least")
            bare_ones += [pod["metadata"]["uid"] for pod in found if missing(pod, app) and not on_their_way]
        pods = {app.name: tuple(map(Pod.of, found)) for app, (found, _) in zip(expected.apps, looks, strict=True)}
        if not problems:
            say(f"pods are as they should be: {', '.join(f'{app} ({len(group)})' for app, group in pods.items())}")
            return pods
        # A pod never gets another container, so one that lacks some, and is not being replaced, stays as it is.
        since = {uid: since.get(uid, time.monotonic()) for uid in bare_ones}
        if any(time.monotonic() - moment >= CONFIRM_SECONDS for moment in since.values()):
            what = f"stage {expected.stage}: {'; '.join(problems)}, and waiting longer can't help:"
            raise VerificationError(lines(what, [*_why_bare(cluster, expected), MADE_ANEW]))
        causes_of.end(f"stage {expected.stage}: {'; '.join(problems)}")
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


def _why_bare(cluster: Cluster, expected: Expectation) -> list[str]:
    """Why pods may have been made without a sidecar, as far as the cluster tells."""
    found = []
    for namespace in expected.namespaces if expected.through_envoys else ():
        metadata = (cluster.get(f"/api/v1/namespaces/{namespace}") or {}).get("metadata", {})
        for what, wanted in (("label", names.JOINED_LABELS), ("annotation", names.JOINED_ANNOTATIONS)):
            there = metadata.get(f"{what}s") or {}
            found += [
                f"namespace {namespace} is not joined to the mesh: its {what} {key} is {there.get(key) or 'missing'} "
                f"instead of {value}"
                for key, value in wanted.items()
                if there.get(key) != value
            ]
    return found or ["whoever adds it was away when the pod was made, or not asked"]


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
    """The label selector of a Deployment's pods; with the stack's mark, since a team's may have the same label."""
    spec = deployment["spec"]
    written = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    labels = {**spec["selector"]["matchLabels"], **{key: written[key] for key in (STACK_LABEL,) if key in written}}
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
    # Only those that it must have: another one may be the team's, and its own business.
    ready = {status["name"] for status in statuses(pod) if status.get("ready")}
    there = [container for container in app.containers if container in _containers(pod)]
    if unready := [container for container in there if container not in ready]:
        problems.append(f"pod {name}: {', '.join(unready)} not ready")
    return problems


def restarts(pod: Object, containers: Collection[str]) -> dict[str, int]:
    """How often each of these containers has restarted, by name."""
    return {one["name"]: int(one["restartCount"]) for one in statuses(pod) if one["name"] in containers}


def still_there(cluster: Cluster, expected: Expectation, pods: Pods) -> bool:
    """Whether the pods are the same ones as before."""
    looks = parallel(partial(deployment_pods, cluster, app.namespace, app.name) for app in expected.apps)
    now = {app.name: {Pod.of(pod).uid for pod in found} for app, (found, _) in zip(expected.apps, looks, strict=True)}
    return now == {app: {pod.uid for pod in group} for app, group in pods.items()}


def missing(pod: Object, app: ExpectedApp) -> list[str]:
    """The containers that a pod of an app must have, and lacks; what else it has is the team's."""
    return sorted({*app.containers, *app.init_containers} - _containers(pod))


def bare(cluster: Cluster, expected: Expectation) -> dict[str, str]:
    """The pods of a stack's apps that were made without a sidecar, while whoever adds it was away.

    Nothing that the stack declares tells of them: a drained node's pods have successors, and no object has changed.

    Returns:
        What each lacks, by ``namespace/pod uid``; none where this user may not look.
    """
    apps = {(app.namespace, app.name): app for app in expected.apps}
    found = {}
    for namespace in expected.namespaces:
        for pod in _pods_or_none(cluster, namespace):
            metadata = pod["metadata"]
            app = apps.get((namespace, (metadata.get("annotations") or {}).get(APP_ID, "")))
            if app is not None and is_living(pod) and (lacking := missing(pod, app)):
                found[f"{namespace}/{metadata['name']} {metadata['uid']}"] = ", ".join(lacking)
    return found


def _pods_or_none(cluster: Cluster, namespace: str) -> list[Object]:
    try:
        return cluster.pods(namespace)
    except ApiError as error:
        if error.status == 403:
            return []
        raise


def _containers(pod: Object) -> set[str]:
    spec = pod["spec"]
    return {container["name"] for container in [*spec["containers"], *spec.get("initContainers", [])]}

"""Dapr's sidecar injector over a change of releases, and until the API server knows it.

An old injector asks sentry about every pod of the cluster. A new release's sentry refuses it, and the injector then
refuses the pods, the new injector's own among them. So before a release changes the old one is taken away: the
webhook's failure policy is Ignore, and pods come as they are.
"""

from __future__ import annotations

import json
import time
from typing import Final

from cluster.client import Cluster, Object
from cluster.diagnosis import explain
from cluster.errors import OperationError, lines
from cluster.kinds import PATHS
from cluster.progress import moment, say
from cluster.waiting import Causes, Workload, is_observed, readiness
from model.names import DAPR_INJECTOR

POLL_SECONDS: Final = 0.5
# A pod has thirty seconds to end.
PAUSE_SECONDS: Final = 90
FIELD_MANAGER: Final = "dapr-osm-release-change"
# How many injectors there were before they were taken away.
PAUSED: Final = "dapr-osm/paused-replicas"


def pause(cluster: Cluster, *, namespace: str, release: str, previous: str | None) -> str:
    """Take the injector away where the release is another one than before.

    Args:
        cluster: The cluster.
        namespace: Dapr's namespace.
        release: The release that comes.
        previous: What this printed last, if it ran before.

    Returns:
        JSON: the release, and when it changed.

    Raises:
        OperationError: The old injector does not go.
    """
    before = json.loads(previous) if previous else {}
    if before.get("release") == release:
        return json.dumps(before)
    path = _deployment_path(namespace)
    deployment = cluster.get(path)
    result = json.dumps({"release": release, "at": moment()})
    if not before or deployment is None:
        return result
    say(f"Dapr {before['release']} becomes {release}: its injector is away until the new one is ready")
    if replicas := deployment["spec"].get("replicas", 1):
        body = {"metadata": {"annotations": {PAUSED: str(replicas)}}, "spec": {"replicas": 0}}
        cluster.request("PATCH", path, {"fieldManager": FIELD_MANAGER}, body)
    deadline = time.monotonic() + PAUSE_SECONDS
    while pods := cluster.pods(namespace, f"app={DAPR_INJECTOR}"):
        if time.monotonic() > deadline:
            there = ", ".join(pod["metadata"]["name"] for pod in pods)
            raise OperationError(f"Dapr's old injector is still there after {PAUSE_SECONDS} s: {there}")
        time.sleep(POLL_SECONDS)
    return result


def await_injector(cluster: Cluster, *, namespace: str, seconds: int) -> str:
    """Wait until Dapr's injector runs and is registered with the API server.

    Where an update was taken back after :func:`pause`, the injector is brought back first.

    Args:
        cluster: The cluster.
        namespace: Dapr's namespace.
        seconds: How long to wait.

    Returns:
        JSON with the injector's name, and when it was seen.

    Raises:
        OperationError: It takes too long; says what is wrong with Dapr's pods.
    """
    _resume(cluster, namespace)
    deadline = time.monotonic() + seconds
    causes_of = Causes(
        cluster=cluster,
        workloads=[Workload(kind="Deployment", namespace=namespace, name=DAPR_INJECTOR, serves=True)],
    )
    while problem := _problem(cluster, namespace):
        causes_of.end(f"Dapr's injector is not ready: {problem}")
        if time.monotonic() > deadline:
            causes = explain(cluster, namespace, cluster.pods(namespace)) or ["all of Dapr's pods look healthy"]
            raise OperationError(lines(f"Dapr's injector is not ready after {seconds} s: {problem}", causes))
        time.sleep(POLL_SECONDS)
    return json.dumps({"injector": DAPR_INJECTOR, "at": moment()})


def _resume(cluster: Cluster, namespace: str) -> None:
    deployment = cluster.get(_deployment_path(namespace))
    if deployment is None:
        return
    paused = (deployment["metadata"].get("annotations") or {}).get(PAUSED)
    if paused is None:
        return
    body: Object = {"metadata": {"annotations": {PAUSED: None}}}
    if deployment["spec"].get("replicas") == 0:
        body["spec"] = {"replicas": int(paused)}
    cluster.request("PATCH", _deployment_path(namespace), {"fieldManager": FIELD_MANAGER}, body)


def _problem(cluster: Cluster, namespace: str) -> str | None:
    deployment = cluster.get(_deployment_path(namespace))
    if deployment is None:
        return f"Deployment {namespace}/{DAPR_INJECTOR} does not exist"
    ready, wanted = readiness("Deployment", deployment)
    if not wanted or ready < wanted or not is_observed(deployment):
        return f"{ready} of {wanted} of its pods are ready"
    webhook = cluster.get(f"{PATHS['mutatingwebhookconfigurations']}/{DAPR_INJECTOR}")
    hooks = webhook.get("webhooks", []) if webhook else []
    if not hooks or not all(hook["clientConfig"].get("caBundle") for hook in hooks):
        return "it has not registered itself with the API server"
    return None


def _deployment_path(namespace: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{DAPR_INJECTOR}"

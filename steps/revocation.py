"""Making it real that a call is no longer allowed.

Envoy asks the policies when a connection or a request begins. Dapr's sidecars keep one connection for everything, and
where Envoy sees connections only, an old one goes on for ten minutes after its permission is gone. So the callers that
have lost a permission get new pods.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from cluster.client import Cluster
from cluster.diagnosis import explain
from cluster.errors import ForbiddenError, OperationError, lines
from cluster.progress import moment, say
from cluster.waiting import Causes, Workload
from verification import envoy
from verification.pods import deployment_pods, pod_selector

ANNOTATION: Final = "dapr-osm/calls-revoked"
FIELD_MANAGER: Final = "dapr-osm-revocation"
# OSM tells its Envoys of a policy within seconds.
PROPAGATION_SECONDS: Final = 60
# What they get where nobody may ask them.
BLIND_SECONDS: Final = 15
# A pod has thirty seconds to end, and its successor needs some to start.
ROLLOUT_SECONDS: Final = 180
POLL_SECONDS: Final = 0.5


def revoke(cluster: Cluster, *, calls: Sequence[Sequence[str]], apps: Mapping[str, str], previous: str | None) -> str:
    """Replace the pods of every caller that may no longer make a call that it could make before.

    Args:
        cluster: The cluster.
        calls: The calls that policies allow now, as pairs of app ids: who, and whom.
        apps: The namespace of every app, by app id.
        previous: What this printed last. Where it has not run before, there is nothing to take back: the step that
            turns permissive mode off gives every app another ServiceAccount, and so other pods.

    Returns:
        JSON: the callers of each called app, and when.

    Raises:
        OperationError: The mesh does not take the policies over, or new pods do not start; says why.
    """
    result = json.dumps({"callers": _by_destination(calls), "at": moment()})
    if previous is None:
        return result
    # A run that failed is repeated with the same previous result: what it has replaced already is not replaced again.
    mark = hashlib.sha256(previous.encode()).hexdigest()[:16]
    allowed = {(source, destination) for source, destination in calls}
    withdrawn = sorted(_calls(json.loads(previous)) - allowed)
    for source, destination in withdrawn:
        if source in apps and destination in apps:
            _await_refusal(cluster, apps, source, destination)
    for source in dict.fromkeys(source for source, _ in withdrawn if source in apps):
        say(f"{source} may no longer call {', '.join(d for s, d in withdrawn if s == source)}: it gets new pods")
        _replace_pods(cluster, apps[source], source, mark)
    return result


def _by_destination(calls: Sequence[Sequence[str]]) -> dict[str, list[str]]:
    """Short, since it comes back by an environment variable, however many calls there are."""
    found: dict[str, list[str]] = {}
    for source, destination in sorted((source, destination) for source, destination in calls):
        found.setdefault(destination, []).append(source)
    return found


def _calls(printed: Mapping[str, Any]) -> set[tuple[str, str]]:
    # As pairs before the callers were put together.
    pairs = {(source, destination) for source, destination in printed.get("calls", [])}
    callers = printed.get("callers", {}).items()
    return pairs | {(source, destination) for destination, sources in callers for source in sources}


def _await_refusal(cluster: Cluster, apps: Mapping[str, str], source: str, destination: str) -> None:
    """Wait until no Envoy of the destination lets the caller in: a pod that came earlier could slip through."""
    try:
        _await_envoys(cluster, apps, source, destination)
    except ForbiddenError:
        # A stack whose verification is reduced has a deployer without pods/portforward.
        say(f"this user may not ask {destination}'s Envoy whether it refuses {source}: it is given {BLIND_SECONDS} s")
        time.sleep(BLIND_SECONDS)


def _await_envoys(cluster: Cluster, apps: Mapping[str, str], source: str, destination: str) -> None:
    namespace = apps[destination]
    deadline = time.monotonic() + PROPAGATION_SECONDS
    while admitting := [
        pod["metadata"]["name"]
        for pod in deployment_pods(cluster, namespace, destination)[0]
        if _admits(cluster, namespace, pod["metadata"]["name"], envoy.identity(apps[source], source))
    ]:
        if time.monotonic() > deadline:
            raise OperationError(
                f"{source} may no longer call {destination}, but after {PROPAGATION_SECONDS} s the Envoy of "
                f"{', '.join(admitting)} still lets it in. Another TrafficTarget may allow it, or OSM's controller "
                "is not well: kubectl get traffictargets -A."
            )
        time.sleep(POLL_SECONDS)


def _admits(cluster: Cluster, namespace: str, pod: str, identity: str) -> bool:
    try:
        return envoy.admits(cluster, namespace, pod, identity)
    except ForbiddenError:
        raise
    except OperationError:
        # It has gone meanwhile, or does not answer yet: the next look tells.
        return True


def _replace_pods(cluster: Cluster, namespace: str, name: str, mark: str) -> None:
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"
    deployment = cluster.get(path)
    if deployment is None:
        return
    if (deployment["spec"]["template"]["metadata"].get("annotations") or {}).get(ANNOTATION) != mark:
        body = {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: mark}}}}}
        cluster.request("PATCH", path, {"fieldManager": FIELD_MANAGER}, body)
    deadline = time.monotonic() + ROLLOUT_SECONDS
    causes = Causes(cluster=cluster, workloads=[Workload(kind="Deployment", namespace=namespace, name=name)])
    while True:
        pods, problems = deployment_pods(cluster, namespace, name)
        # One that is on its way out still has its connections.
        problems += [
            f"pod {pod['metadata']['name']} is still there"
            for pod in cluster.pods(namespace, pod_selector(deployment))
            if pod["metadata"].get("deletionTimestamp")
        ]
        if not problems:
            return
        causes.end(f"{name} has no new pods")
        if time.monotonic() > deadline:
            raise OperationError(
                lines(
                    f"{name} has no new pods after {ROLLOUT_SECONDS} s:", problems + explain(cluster, namespace, pods)
                )
            )
        time.sleep(POLL_SECONDS)

"""Does the cluster do what the stage promises? Steps 1, 9 and 10 of the walkthrough, seen for oneself.

Nothing here changes anything on the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from model.apps import NODE_APP, PYTHON_APP
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.expectation import Expectation, ExpectedApp
from operations import envoy, mesh
from operations.cluster import Cluster, Object
from operations.diagnosis import container_trouble, explain
from operations.errors import OperationError
from operations.orders import Orders, orders_since
from operations.progress import say

# So many new orders must be persisted: pythonapp posts one a second.
WANTED_ORDERS: Final = 3
# For so long no order may arrive. Longer than the five seconds that a call may hang before it fails.
QUIET_SECONDS: Final = 8
POLL_SECONDS: Final = 0.5


class VerificationError(OperationError):
    """The cluster does not do what the stage promises."""


@dataclass(frozen=True, kw_only=True)
class AppPods:
    """The pods of both apps, by name."""

    node: tuple[str, ...]
    python: tuple[str, ...]


def verify(cluster: Cluster, expected: Expectation) -> dict[str, Any]:
    """Check a stage.

    Args:
        cluster: The cluster.
        expected: What has to be seen.

    Returns:
        The findings, as plain lists and dictionaries.

    Raises:
        VerificationError: Something is not as promised; says what, which pod, which container, and why.
    """
    deadline = time.monotonic() + expected.seconds
    pods = _await_pods(cluster, expected, deadline)
    _check_policies(cluster, expected)
    orders = (
        _orders_flow(cluster, expected, pods, deadline)
        if expected.orders_flow
        else _orders_stop(cluster, expected, pods, deadline)
    )
    say(f"stage {expected.stage}: {orders['verdict']}")
    return {
        "stage": expected.stage,
        "verified": datetime.now(UTC).isoformat(timespec="seconds"),
        "containers": {app.name: list(app.containers) for app in expected.apps},
        "policies": list(expected.policies or ()),
        "orders": orders,
    }


# --- pods -------------------------------------------------------------------------------------------------------


def _await_pods(cluster: Cluster, expected: Expectation, deadline: float) -> AppPods:
    """Wait until every app's pods are the ones its Deployment asks for, with just the expected containers."""
    while True:
        problems, pods = [], {}
        for app in expected.apps:
            found, trouble = _app_pods(cluster, expected.namespace, app)
            pods[app.name] = tuple(pod["metadata"]["name"] for pod in found)
            problems += trouble
        if not problems:
            say(f"pods are as they should be: {', '.join(sorted(name for group in pods.values() for name in group))}")
            return AppPods(node=pods[NODE_APP.name], python=pods[PYTHON_APP.name])
        if time.monotonic() > deadline:
            causes = explain(cluster, expected.namespace, cluster.pods(expected.namespace))
            raise VerificationError(
                _lines(f"stage {expected.stage}: the pods are not as they should be:", problems + causes)
            )
        time.sleep(POLL_SECONDS)


def _app_pods(cluster: Cluster, namespace: str, app: ExpectedApp) -> tuple[list[Object], list[str]]:
    """An app's living pods, and what is wrong with them."""
    deployment = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{app.name}")
    if deployment is None:
        return [], [f"Deployment {app.name} does not exist"]
    labels = deployment["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    pods = [pod for pod in cluster.pods(namespace, selector) if not pod["metadata"].get("deletionTimestamp")]
    problems = []
    wanted, status = deployment["spec"]["replicas"], deployment["status"]
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    if not observed or status.get("updatedReplicas", 0) != wanted:
        problems.append(f"Deployment {app.name} has not rolled out its latest pods")
    if len(pods) != wanted:
        problems.append(f"{app.name} has {len(pods)} pods instead of {wanted}")
    for pod in pods:
        problems += pod_problems(pod, app)
    return pods, problems


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


# --- policies ---------------------------------------------------------------------------------------------------


def _check_policies(cluster: Cluster, expected: Expectation) -> None:
    if expected.policies is None:
        return
    there = mesh.policies(cluster, expected.namespace)
    missing, surplus = sorted(set(expected.policies) - set(there)), sorted(set(there) - set(expected.policies))
    problems = [f"{name} does not exist; `pulumi up --refresh` makes it again" for name in missing]
    problems += [f"{name} exists, although this stage has none" for name in surplus]
    if problems:
        raise VerificationError(_lines(f"stage {expected.stage}: the SMI objects are not as they should be:", problems))


# --- orders -----------------------------------------------------------------------------------------------------


def _orders_flow(cluster: Cluster, expected: Expectation, pods: AppPods, deadline: float) -> dict[str, Any]:
    """Wait for new orders to be persisted, and see that their calls crossed both Envoys."""
    namespace = expected.namespace
    before = _crossings(cluster, namespace, pods) if expected.through_envoys else None
    start = datetime.now(UTC)
    while len((orders := _orders(cluster, namespace, pods, start)).persisted) < WANTED_ORDERS:
        if time.monotonic() > deadline:
            seconds = round((datetime.now(UTC) - start).total_seconds())
            raise VerificationError(
                _lines(
                    f"stage {expected.stage}: orders must flow, but in {seconds} s nodeapp got {orders.received} and "
                    f"persisted {len(orders.persisted)} of the {WANTED_ORDERS} that were waited for:",
                    _why(cluster, expected, pods),
                )
            )
        time.sleep(POLL_SECONDS)
    count = len(orders.persisted)
    findings: dict[str, Any] = {"persisted": count, "verdict": f"{count} new orders were persisted"}
    if before is not None:
        after = _crossings(cluster, namespace, pods)
        crossed = {side: after[side] - before[side] for side in after}
        # The first of them may have been on its way already when the counters were read.
        bypassed = [side for side, calls in crossed.items() if calls < count - 1]
        if bypassed:
            raise VerificationError(
                f"stage {expected.stage}: {count} orders were persisted, but their calls bypassed the mesh: "
                + "; ".join(f"{side} sent on {crossed[side]} calls meanwhile" for side in bypassed)
                + f". Is port {DAPR_INTERNAL_GRPC_PORT} excluded from interception somewhere?"
            )
        findings["callsThroughEnvoys"] = crossed
        findings["verdict"] += ", through both Envoys"
    return findings


def _orders_stop(cluster: Cluster, expected: Expectation, pods: AppPods, deadline: float) -> dict[str, Any]:
    """Wait until no order arrives any more, while the mesh refuses calls and everything else is well."""
    heard = False
    while not (heard and time.monotonic() > deadline):
        restarts = _restarts(cluster, expected.namespace)
        silence, refused = _listen(cluster, expected.namespace, pods, deadline)
        if refused:
            _check_nothing_crashed(cluster, expected, restarts)
            verdict = f"no order arrived for {round(silence)} s, and the mesh refused {refused} calls"
            return {"persisted": 0, "refusedByMesh": refused, "verdict": verdict}
        if silence:
            raise VerificationError(
                _lines(
                    f"stage {expected.stage}: no order arrives, as it should be, but for {round(silence)} s neither "
                    "Envoy has refused a call, so it is not the mesh that stops them:",
                    _why(cluster, expected, pods),
                )
            )
        heard = True
    raise VerificationError(
        f"stage {expected.stage}: orders must stop, but after {expected.seconds} s nodeapp still gets them. "
        "Something allows the call: permissive mode, or an SMI policy of someone else's."
    )


def _listen(cluster: Cluster, namespace: str, pods: AppPods, deadline: float) -> tuple[float, int]:
    """Listen until an order arrives, or until a long silence in which the mesh refused calls, or time is up.

    Returns:
        The seconds of silence, and the calls that the mesh refused in it; zeros where an order arrived. A silence
        that has begun is listened to until it is long enough, whatever the time.
    """
    start, began = datetime.now(UTC), time.monotonic()
    before = _refused(cluster, namespace, pods)
    while not _orders(cluster, namespace, pods, start).received:
        silence = time.monotonic() - began
        if silence >= QUIET_SECONDS:
            refused = _refused(cluster, namespace, pods) - before
            if refused > 0 or time.monotonic() > deadline:
                return silence, refused
        time.sleep(POLL_SECONDS)
    return 0.0, 0


def _orders(cluster: Cluster, namespace: str, pods: AppPods, since: datetime) -> Orders:
    seconds = int((datetime.now(UTC) - since).total_seconds()) + 2
    lines = [
        line for pod in pods.node for line in cluster.logs(namespace, pod, NODE_APP.container, since_seconds=seconds)
    ]
    return orders_since(lines, since)


def _crossings(cluster: Cluster, namespace: str, pods: AppPods) -> dict[str, int]:
    """How many of the calls to nodeapp each side's Envoys have sent on so far."""
    outbound = envoy.outbound_cluster(namespace, NODE_APP.name)
    inbound = envoy.inbound_cluster(namespace, NODE_APP.name)
    return {
        "pythonapp's Envoy": sum(envoy.requests_to(cluster, namespace, pod, outbound) for pod in pods.python),
        "nodeapp's Envoy": sum(envoy.requests_to(cluster, namespace, pod, inbound) for pod in pods.node),
    }


def _refused(cluster: Cluster, namespace: str, pods: AppPods) -> int:
    return sum(envoy.refused(cluster, namespace, pod) for pod in (*pods.node, *pods.python))


def _restarts(cluster: Cluster, namespace: str) -> dict[str, int]:
    """How often each living pod's containers have restarted; pods on their way out say nothing."""
    return {
        f"{pod['metadata']['name']}/{container['name']}": int(container["restartCount"])
        for pod in cluster.pods(namespace)
        if not pod["metadata"].get("deletionTimestamp")
        for container in pod["status"].get("containerStatuses", [])
    }


def _check_nothing_crashed(cluster: Cluster, expected: Expectation, before: dict[str, int]) -> None:
    """Orders also stop when something falls over, which is not what this stage is about."""
    after = _restarts(cluster, expected.namespace)
    problems = [f"{name} restarted meanwhile" for name, count in after.items() if count != before.get(name, count)]
    problems += [f"{name} is gone" for name in before if name not in after]
    for pod in cluster.pods(expected.namespace):
        if not pod["metadata"].get("deletionTimestamp"):
            problems += [f"pod {pod['metadata']['name']}: {trouble}" for trouble in container_trouble(pod)]
    if problems:
        raise VerificationError(
            _lines(f"stage {expected.stage}: orders stopped, but not because of the mesh:", problems)
        )


def _why(cluster: Cluster, expected: Expectation, pods: AppPods) -> list[str]:
    """What a person would look at next: broken containers, the mesh's refusals, and what the caller was told."""
    causes = explain(cluster, expected.namespace, cluster.pods(expected.namespace))
    for pod in pods.python:
        lines = cluster.logs(expected.namespace, pod, PYTHON_APP.container, since_seconds=30)
        if lines:
            causes.append(f"pod {pod}, container {PYTHON_APP.container}, says: {lines[-1].partition(' ')[2]}")
    if expected.through_envoys:
        try:
            causes.append(f"the apps' Envoys have refused {_refused(cluster, expected.namespace, pods)} calls so far")
        except OperationError as error:
            causes.append(str(error))
    return causes


def _lines(head: str, details: Sequence[str]) -> str:
    return "\n  ".join([head, *details])

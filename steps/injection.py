"""Whether pods really get their sidecars: by a pod that never runs.

An injector's pod is ready before the API server reaches it, and Dapr's webhook has the failure policy Ignore: a pod
made in between silently starts without daprd. So a ReplicaSet is asked for one pod, in each namespace that apps come
to, made by the same controller, of an app's own image, with an app's own security context - whatever injectors,
selectors, policies and quotas make of the apps' pods they make of this one. No scheduler looks at it, so nothing runs
and nothing is pulled, and it is deleted again.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cluster.client import Cluster, Object
from cluster.diagnosis import LONG_SECONDS, is_refusal_certain
from cluster.errors import OperationError, lines
from cluster.progress import moment, say
from cluster.waiting import NEXT_STEP, Causes
from model import names
from model.owner import Owner
from steps.workloads import control_plane

NAME: Final = "dapr-osm-injection-probe"
LABEL: Final = "dapr-osm/injection-probe"
# No scheduler has this name.
NO_SCHEDULER: Final = "dapr-osm-none"
# A controller waits longer and longer after each refusal, so it gets a new ReplicaSet rather than more time.
ATTEMPT_SECONDS: Final = 4
POLL_SECONDS: Final = 0.2
PAUSE_SECONDS: Final = 0.5


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What is asked for in one namespace.

    Attributes:
        namespace: The namespace.
        image: An image that apps use there; it is never pulled.
        pull_secret: Name of the Secret that apps pull with, or "".
        owner: The stack.
    """

    namespace: str
    image: str
    pull_secret: str
    owner: Owner

    def replica_set(self, number: str) -> Object:
        """A ReplicaSet of one pod like an app's."""
        labels = {LABEL: number, **self.owner.labels}
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": f"{NAME}-{number}", "labels": labels},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {LABEL: number}},
                "template": {
                    "metadata": {
                        "labels": labels,
                        "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": NAME},
                    },
                    "spec": {
                        "schedulerName": NO_SCHEDULER,
                        "automountServiceAccountToken": False,
                        "terminationGracePeriodSeconds": 0,
                        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                        **({"imagePullSecrets": [{"name": self.pull_secret}]} if self.pull_secret else {}),
                        "containers": [_container(self.image)],
                    },
                },
            },
        }


def _container(image: str) -> Object:
    return {
        "name": "probe",
        "image": image,
        "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
        "securityContext": {
            "runAsUser": 1000,
            "runAsGroup": 1000,
            "runAsNonRoot": True,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def await_injection(
    cluster: Cluster,
    *,
    images: Mapping[str, str],
    sidecars: Sequence[str],
    pull_secret: str,
    owner: Owner,
    seconds: int,
    served_by: Sequence[str] = (),
) -> str:
    """Wait until a new pod in each namespace gets all of its sidecars.

    Args:
        cluster: The cluster.
        images: By namespace, an image that apps use there.
        sidecars: Names of the containers that injectors add.
        pull_secret: Name of the Secret that apps pull with, or "".
        owner: The stack.
        seconds: How long to wait for all of them.
        served_by: Namespaces of the control planes that the injectors are of.

    Returns:
        JSON with the namespaces, and when.

    Raises:
        OperationError: It takes too long, or can't help; says what a pod lacks, or who refuses it and why, or what
            keeps an injector from answering.
    """
    deadline = time.monotonic() + seconds
    planes = [workload for namespace in served_by for workload in control_plane(cluster, owner, namespace)]
    causes = Causes(cluster=cluster, workloads=planes, clock=time.monotonic)
    for namespace, image in images.items():
        probe = Probe(namespace=namespace, image=image, pull_secret=pull_secret, owner=owner)
        clean(cluster, namespace)
        said, since = "", 0.0
        while problem := attempt(cluster, probe, sidecars):
            if time.monotonic() > deadline:
                raise OperationError(
                    lines(f"after {seconds} s a new pod in {namespace} would not be as an app's must be:", [problem])
                )
            if problem != said:
                say(f"waiting for the injectors: in {namespace}, {problem}")
                said, since = problem, time.monotonic()
            causes.end(f"in {namespace}, {problem}")
            if is_refusal_certain(problem, lasting=time.monotonic() - since >= LONG_SECONDS):
                raise OperationError(
                    lines(f"in {namespace}, where apps are to be, {problem}", ["Trying again can't help.", NEXT_STEP])
                )
            time.sleep(PAUSE_SECONDS)
    return json.dumps({"namespaces": sorted(images), "at": moment()})


def attempt(cluster: Cluster, probe: Probe, sidecars: Sequence[str]) -> str | None:
    """Ask for one pod, and delete it again; what is wrong with it."""
    number = secrets.token_hex(4)
    path = f"/apis/apps/v1/namespaces/{probe.namespace}/replicasets"
    cluster.request("POST", path, body=probe.replica_set(number))
    try:
        return _problem(cluster, probe.namespace, number, sidecars)
    finally:
        _delete(cluster, probe.namespace, number)


def _problem(cluster: Cluster, namespace: str, number: str, sidecars: Sequence[str]) -> str | None:
    deadline = time.monotonic() + ATTEMPT_SECONDS
    while True:
        for pod in cluster.pods(namespace, f"{LABEL}={number}"):
            missing = sorted(set(sidecars) - {container["name"] for container in containers(pod)})
            return f"a new pod gets no {' and no '.join(missing)}" if missing else None
        replica_set = cluster.get(f"/apis/apps/v1/namespaces/{namespace}/replicasets/{NAME}-{number}") or {}
        for condition in replica_set.get("status", {}).get("conditions", []):
            if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
                # Each probe has another name, and what is said of it is the same.
                said = str(condition.get("message", condition.get("reason")))
                return "a new pod is refused: " + re.sub(rf"{NAME}-{number}(-[a-z0-9]{{5}})?-?", NAME, said)
        if time.monotonic() > deadline:
            return "no pod is made: is the cluster's controller-manager well?"
        time.sleep(POLL_SECONDS)


def containers(pod: Object) -> list[dict[str, Any]]:
    """All containers of a pod; a sidecar may be an init container that goes on."""
    spec = pod["spec"]
    return [*spec["containers"], *(c for c in spec.get("initContainers", []) if c.get("restartPolicy") == "Always")]


def clean(cluster: Cluster, namespace: str) -> None:
    """Delete what an interrupted run has left."""
    for item in cluster.items(f"/apis/apps/v1/namespaces/{namespace}/replicasets", {"labelSelector": LABEL}):
        _delete(cluster, namespace, item["metadata"]["labels"][LABEL])


def _delete(cluster: Cluster, namespace: str, number: str) -> None:
    pods = cluster.pods(namespace, f"{LABEL}={number}")
    cluster.delete(f"/apis/apps/v1/namespaces/{namespace}/replicasets/{NAME}-{number}")
    for pod in pods:
        cluster.delete(f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}")
        # OSM's controller ties this Secret to its pod a moment later, which may be too late for this one.
        proxy = (pod["metadata"].get("labels") or {}).get(names.PROXY_LABEL)
        if proxy:
            cluster.delete(f"/api/v1/namespaces/{namespace}/secrets/envoy-bootstrap-config-{proxy}")

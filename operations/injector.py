"""Waiting for Dapr's sidecar injector to be called.

Its pod is ready before its webhook listens, and the API server reaches its Service a moment later still. The
webhook's failure policy is Ignore: a pod made in between silently starts without daprd.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Final

from operations.cluster import ApiError, Cluster, Object
from operations.diagnosis import explain
from operations.errors import OperationError
from operations.progress import moment

# Names of Dapr's chart.
INJECTOR: Final = "dapr-sidecar-injector"
SIDECAR: Final = "daprd"
# Helm has waited for the pods already, so what is left takes seconds.
SECONDS: Final = 120


def await_injector(cluster: Cluster, *, namespace: str, seconds: int = SECONDS) -> str:
    """Wait until the API server has the injector look at new pods.

    Asks the API server what it would make of a pod, without making one (a server-side dry run), until the answer
    has a sidecar in it. Dapr injects only for cluster administrators and controllers; for anybody else the
    injector's log tells that it was asked.

    Args:
        cluster: The cluster.
        namespace: Dapr's namespace.
        seconds: How long to wait.

    Returns:
        JSON with the injector's name, and when it was seen.

    Raises:
        OperationError: It takes too long; says what is wrong with Dapr's pods.
    """
    probe = f"injection-probe-{secrets.token_hex(4)}"
    start = time.monotonic()
    while not _is_asked(cluster, namespace, probe, since_seconds=int(time.monotonic() - start) + 5):
        if time.monotonic() - start > seconds:
            causes = explain(cluster, namespace, cluster.pods(namespace)) or ["all of Dapr's pods look healthy"]
            raise OperationError(
                f"after {seconds} s the API server still makes pods without asking Dapr's injector, "
                "and they would start without daprd:\n  " + "\n  ".join(causes)
            )
        time.sleep(0.5)
    return json.dumps({"injector": INJECTOR, "at": moment()})


def _is_asked(cluster: Cluster, namespace: str, probe: str, since_seconds: int) -> bool:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": probe, "annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": probe}},
        # The image is never pulled: nothing is made.
        "spec": {"containers": [{"name": "probe", "image": "probe.invalid/probe"}]},
    }
    path = f"/api/v1/namespaces/{namespace}/pods"
    try:
        answer: Object = json.loads(cluster.request("POST", path, {"dryRun": "All"}, pod))
    except ApiError as error:
        if error.status in (403, 422):
            raise OperationError(f"can't ask what a new pod would look like: {error}") from error
        return False
    if any(container["name"] == SIDECAR for container in answer["spec"]["containers"]):
        return True
    injectors = cluster.pods(namespace, f"app={INJECTOR}")
    return any(
        probe in line
        for injector in injectors
        for line in cluster.logs(namespace, injector["metadata"]["name"], INJECTOR, since_seconds)
    )

"""Pods that were made without their sidecars, while an injector or the namespace's membership was away: replaced."""

from __future__ import annotations

from functools import partial

from cluster.client import Cluster, parallel
from cluster.progress import say
from model.expectation import Expectation
from verification.pods import deployment_pods, missing


def replace(cluster: Cluster, expected: Expectation) -> list[str]:
    """Delete every pod of the stack's apps that lacks a sidecar; its controller makes another one.

    Whether that one is as it should be is for the verification to say.

    Args:
        cluster: The cluster.
        expected: The apps, and what their pods must have.

    Returns:
        The pods' names.
    """
    gone = []
    looks = parallel(partial(deployment_pods, cluster, app.namespace, app.name) for app in expected.apps)
    for app, (pods, _) in zip(expected.apps, looks, strict=True):
        for pod in pods:
            if lacking := missing(pod, app):
                name = pod["metadata"]["name"]
                say(f"pod {app.namespace}/{name} was made without {', '.join(lacking)}: it is replaced")
                cluster.delete(f"/api/v1/namespaces/{app.namespace}/pods/{name}")
                gone.append(name)
    return gone

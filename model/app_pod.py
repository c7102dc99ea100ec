"""An app's pod template, as Kubernetes writes it; values may be known only later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from model import pod_overlay
from model.apps import App

# Means nothing in the quickstart's images, both of which run as any user.
USER: Final = 1000
# Sidecars bring contexts of their own, and osm-init needs root, so a pod's own context holds only what suits all.
POD_SECURITY: Final[Mapping[str, Any]] = {"seccompProfile": {"type": "RuntimeDefault"}}


def container_security(user: int) -> dict[str, Any]:
    """The context of a container of ours: an ordinary user without capabilities who writes nowhere.

    Args:
        user: Numeric user and group to run as.
    """
    return {
        "runAsUser": user,
        "runAsGroup": user,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def template(
    app: App,
    *,
    account: str,
    labels: Mapping[str, Any],
    annotations: Mapping[str, Any],
    variables: Sequence[Mapping[str, Any]],
    pull_secret: str | None,
) -> dict[str, Any]:
    """The pod template, with the team's own overlay over it.

    Args:
        app: The app.
        account: Its ServiceAccount.
        labels: Further labels.
        annotations: Further annotations.
        variables: Environment variables beside those that anybody may read.
        pull_secret: Name of the Secret that its images are pulled with, or None.
    """
    known: dict[str, Any] = {"dapr.io/enabled": "true", "dapr.io/app-id": app.name}
    if app.port is not None:
        known["dapr.io/app-port"] = str(app.port)
    container: dict[str, Any] = {
        "name": app.container,
        "image": app.image,
        "env": [*({"name": key, "value": value} for key, value in app.environment.items()), *variables],
        "securityContext": container_security(USER),
        "resources": dict(app.resources),
    }
    if app.port is not None:
        container["ports"] = [{"containerPort": app.port}]
    pod: dict[str, Any] = {
        "metadata": {"labels": {"app": app.label, **labels}, "annotations": {**known, **annotations}},
        "spec": {
            "serviceAccountName": account,
            "securityContext": dict(POD_SECURITY),
            "containers": [container],
        },
    }
    if pull_secret is not None:
        pod["spec"]["imagePullSecrets"] = [{"name": pull_secret}]
    return pod_overlay.merged(pod, app.pod_overlay)


def asks_by_tcp(app: App) -> bool:
    """Whether OSM answers a probe of the team's own by TCP, with a container of its own.

    It looks at the last container's probe of each kind, which is daprd's but for startup probes.
    """
    containers = (app.pod_overlay.get("spec") or {}).get("containers") or ()
    probes = [
        one["startupProbe"]
        for one in sorted(containers, key=lambda one: bool(one.get("name") != app.container))
        if one.get("startupProbe") and {"httpGet", "tcpSocket"} & one["startupProbe"].keys()
    ]
    return bool(probes) and "tcpSocket" in probes[-1]

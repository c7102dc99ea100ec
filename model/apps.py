"""The apps: the two of the hello-kubernetes quickstart, and whatever a stack adds to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# App ids of the quickstart. Its images know each other by them.
NODE_APP: Final = "nodeapp"
PYTHON_APP: Final = "pythonapp"

# What a pod of an app gets unless the stack says otherwise: enough for the quickstart's.
RESOURCES: Final[Mapping[str, Any]] = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "192Mi"}}


@dataclass(frozen=True, kw_only=True)
class App:
    """One app.

    Attributes:
        name: Its Dapr app id, and the name of its Deployment, its Service and its ServiceAccount.
        namespace: Where it runs.
        image: Its image.
        label: Value of the label ``app`` that selects its pods.
        container: Name of its container.
        port: Where it listens, or None where it only calls.
        service_port: The port of its own Service, or None where it has none.
        replicas: How many pods it has; None where a HorizontalPodAutoscaler decides.
        environment: Environment variables of its container that anybody may read.
        secret_environment: Names of those that were given as secret. Their values are in nobody's settings; see
            ``stack.Secrets``.
        resources: ``resources`` of its container, as Kubernetes writes them.
        pod_overlay: What is laid over its pods; see ``model.pod_overlay``.
        secret_pod_overlay: Whether something of that may have been given as secret.
    """

    name: str
    namespace: str
    image: str
    label: str
    container: str
    port: int | None = None
    service_port: int | None = None
    replicas: int | None = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: frozenset[str] = frozenset()
    resources: Mapping[str, Any] = field(default_factory=lambda: RESOURCES)
    pod_overlay: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secret_pod_overlay: bool = False

    @property
    def dapr_service(self) -> str:
        """The Service of its daprd, by which other sidecars call it. The name is Dapr's."""
        return f"{self.name}-dapr"


def walkthrough(namespace: str, *, node_image: str, python_image: str) -> dict[str, App]:
    """The quickstart's apps, by app id.

    Args:
        namespace: Where they run.
        node_image: Image of nodeapp.
        python_image: Image of pythonapp.
    """
    return {
        NODE_APP: App(
            name=NODE_APP,
            namespace=namespace,
            image=node_image,
            label="node",
            container="node",
            port=3000,
            service_port=80,
            environment={"APP_PORT": "3000"},
        ),
        PYTHON_APP: App(name=PYTHON_APP, namespace=namespace, image=python_image, label="python", container="python"),
    }

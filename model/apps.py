"""The two hello-kubernetes apps, as the quickstart deploys them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class App:
    """One app.

    Attributes:
        name: Name of its Deployment, its Service, its ServiceAccount and its Dapr app id.
        label: Value of the label ``app`` that selects its pods.
        container: Name of its container.
        port: Where it listens, or None where it only calls.
        service_port: The port of its own Service, or None where it has none.
    """

    name: str
    label: str
    container: str
    port: int | None = None
    service_port: int | None = None


NODE_APP: Final = App(name="nodeapp", label="node", container="node", port=3000, service_port=80)
PYTHON_APP: Final = App(name="pythonapp", label="python", container="python")
APPS: Final = (NODE_APP, PYTHON_APP)

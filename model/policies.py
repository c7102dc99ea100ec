"""The walkthrough's SMI objects (step 10), as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model import names
from model.apps import NODE_APP, PYTHON_APP


@dataclass(frozen=True, kw_only=True)
class Policy:
    """One SMI object.

    Attributes:
        resource_name: Its part in the names of Pulumi's resources.
        api_version: Its API group and version.
        kind: Its kind.
        name: Its name.
        spec: Its spec.
    """

    resource_name: str
    api_version: str
    kind: str
    name: str
    spec: dict[str, Any]


def walkthrough() -> tuple[Policy, ...]:
    """What lets pythonapp call nodeapp: routes first, then the TrafficTarget that names them."""
    return (
        Policy(
            resource_name="routes",
            api_version="specs.smi-spec.io/v1alpha4",
            kind="HTTPRouteGroup",
            name=names.ROUTE_GROUP,
            # A match without conditions: any path and method. Envoy sees Dapr's own gRPC method in any case.
            spec={"matches": [{"name": names.ROUTE_MATCH}]},
        ),
        Policy(
            resource_name="traffic-target",
            api_version="access.smi-spec.io/v1alpha3",
            kind="TrafficTarget",
            name=names.TRAFFIC_TARGET,
            spec={
                "destination": {"kind": "ServiceAccount", "name": NODE_APP.name, "namespace": names.APPS_NAMESPACE},
                "rules": [
                    {"kind": "HTTPRouteGroup", "name": names.ROUTE_GROUP, "matches": [names.ROUTE_MATCH]},
                ],
                "sources": [{"kind": "ServiceAccount", "name": PYTHON_APP.name, "namespace": names.APPS_NAMESPACE}],
            },
        ),
    )

"""How a Dapr release's calls between sidecars ride the mesh.

OSM routes HTTP by host name. Up to 1.12 daprd calls the other app's daprd by the DNS name of its Service, and all is
well. From 1.13 on it calls by pod address, for which Envoy has no route. A release in the table says which of the
ways below makes its calls routable; components, policies and the verification ask the way, not the version.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from model.exclusions import DAPR_INTERNAL_GRPC_PORT

# Dapr's Configuration that the apps' pods name where a way needs one.
CONFIGURATION: Final = "mesh-names"


class Route(Enum):
    """The way from one app's daprd to another's."""

    DNS_NAME = "dns-name"
    """daprd uses the DNS name by itself (up to 1.12)."""

    NAME_FORMAT = "name-format"
    """daprd is told to, by Dapr's name resolver ``nameformat`` (registered since 1.18, an alpha component).

    It replaces the resolver that looks addresses up; everything else of the page stays as it is: HTTP policies, and
    Dapr's operator as the owner of the ``<app>-dapr`` Services.
    """

    ADDRESS = "address"
    """daprd calls the other pod's address, and OSM carries the connection as TCP (1.13 to 1.17).

    OSM takes a port for TCP where its Service says ``appProtocol: tcp``. Dapr's operator would take that away again, so
    its reconciler is off - for the whole cluster - and the ``<app>-dapr`` Services are this stack's. Policies know
    ports only.
    """

    @property
    def by_http(self) -> bool:
        """Whether Envoy sees single calls, and policies can be HTTPRouteGroups; else it sees connections."""
        return self is not Route.ADDRESS

    @property
    def own_services(self) -> bool:
        """Whether the ``<app>-dapr`` Services are this stack's instead of Dapr's operator's."""
        return self is Route.ADDRESS

    @property
    def across_namespaces(self) -> bool:
        """Whether an app can call one of another namespace: the format of ``nameformat`` names a single one."""
        return self is not Route.NAME_FORMAT

    @property
    def carries_dapr_mtls(self) -> bool:
        """Whether Dapr's own mTLS may be on too: Envoy can't read calls that daprd has encrypted already."""
        return not self.by_http

    @property
    def helm_values(self) -> dict[str, Any]:
        """What this way needs of Dapr's chart."""
        return {"dapr_operator": {"serviceReconciler": {"enabled": False}}} if self.own_services else {}

    def configuration(self, namespace: str) -> dict[str, Any] | None:
        """``spec`` of the Dapr Configuration that the apps of a namespace need, or None."""
        if self is not Route.NAME_FORMAT:
            return None
        host = f"{{appid}}-dapr.{namespace}.svc.cluster.local:{DAPR_INTERNAL_GRPC_PORT}"
        # Only {appid} is substituted, and without the port every call fails.
        return {"nameResolution": {"component": "nameformat", "version": "v1", "configuration": {"format": host}}}


def dapr_service_ports() -> list[dict[str, Any]]:
    """``spec.ports`` of an ``<app>-dapr`` Service that is this stack's.

    As Dapr's operator writes them (pkg/operator/handlers), but for the protocol of calls between sidecars.
    """
    return [
        {"name": "dapr-http", "port": 80, "targetPort": 3500, "protocol": "TCP"},
        {"name": "dapr-grpc", "port": 50001, "targetPort": 50001, "protocol": "TCP"},
        {
            "name": "dapr-internal",
            "port": DAPR_INTERNAL_GRPC_PORT,
            "targetPort": DAPR_INTERNAL_GRPC_PORT,
            "protocol": "TCP",
            "appProtocol": "tcp",
        },
        {"name": "dapr-metrics", "port": 9090, "targetPort": 9090, "protocol": "TCP"},
    ]

"""How a Dapr release's calls between sidecars ride the mesh.

OSM routes HTTP by host name. Up to 1.12 daprd calls the other app's daprd by the DNS name of its Service, and all is
well. From 1.13 on it calls by pod address, for which Envoy has no route. A release in the table says which of the
ways below makes its calls routable; the components ask the way, not the version.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from model import names
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

    @property
    def configuration(self) -> dict[str, Any] | None:
        """``spec`` of the Dapr Configuration that the apps need, or None."""
        if self is Route.DNS_NAME:
            return None
        host = f"{{appid}}-dapr.{names.APPS_NAMESPACE}.svc.cluster.local:{DAPR_INTERNAL_GRPC_PORT}"
        # Only {appid} is substituted, and without the port every call fails.
        return {"nameResolution": {"component": "nameformat", "version": "v1", "configuration": {"format": host}}}

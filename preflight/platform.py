"""What kind of cluster it is: its release, and the addresses that it knows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from cluster.client import as_object
from cluster.errors import ApiError
from model import exclusions, names, redis
from model.versions import KUBERNETES, OSM_RELEASE
from preflight.finding import Finding, breaks, warns
from preflight.subject import Subject

API_SERVICE: Final = "/api/v1/namespaces/{}/services/{}".format(*names.API_SERVER_SERVICE.split("/"))


def version(subject: Subject) -> Iterator[Finding]:
    """Whether this program runs on the cluster's release."""
    try:
        said = str(as_object(subject.cluster.request("GET", "/version")).get("gitVersion"))
    except ApiError as error:
        if error.status != 404:
            raise
        # Behind some proxies only the API itself is served.
        return
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", said)
    if found is None:
        return
    release = (int(found[1]), int(found[2]), int(found[3] or 0))
    oldest, newest = ".".join(map(str, KUBERNETES.oldest)), ".".join(map(str, KUBERNETES.newest))
    if release < KUBERNETES.oldest:
        yield breaks(
            f"the cluster is Kubernetes {said}, before {oldest}",
            f"OSM {OSM_RELEASE.version} asks for that, and objects are made by server-side apply",
            "Upgrade it, or choose another cluster.",
        )
    elif release[:2] > KUBERNETES.newest:
        yield warns(
            f"the cluster is Kubernetes {said}, newer than what this was tried on ({newest})",
            "OSM is archived, and a later Kubernetes may remove what it needs",
            "Try it first where nobody depends on it.",
        )


def addresses(subject: Subject) -> Iterator[Finding]:
    """Whether the cluster has the addresses that OSM can work with."""
    if not subject.meshed:
        return
    service = subject.cluster.get(API_SERVICE)
    address = str(((service or {}).get("spec") or {}).get("clusterIP") or "")
    if address and not _is_ipv4(address):
        yield breaks(
            f"Services of this cluster have IPv6 addresses first: {names.API_SERVER_SERVICE} is {address}",
            "OSM catches traffic by IPv4 rules alone, and its exclusion lists know no other addresses",
            "Take a cluster whose first address family is IPv4, or set dapr-osm:stage to dapr.",
        )


def _is_ipv4(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).version == 4
    except ValueError:
        return True


def ports(subject: Subject) -> Iterator[Finding]:
    """Whether what has to bypass Envoy is found in Dapr's Services, and fits into one rule."""
    settings = subject.settings
    if not subject.meshed or not subject.dapr:
        return
    where = settings.namespaces.dapr
    services: dict[str, Mapping[str, Any]] = {
        f"{item.namespace}/{item.name}": item.body["spec"] for item in subject.dapr if item.kind == "Service"
    }
    if missing := [name for name in settings.dapr.services if f"{where}/{name}" not in services]:
        yield breaks(
            f"Dapr's chart {settings.dapr_chart.version} makes no Service {', '.join(missing)}",
            "What bypasses Envoy is worked out from its ports",
            "Is dapr-osm:daprChart the release's own, and does dapr-osm:daprValues leave its parts on?",
        )
        return
    try:
        exclusions.compute(
            api_server_ip=None,
            services=exclusions.service_ports(services, where),
            redis_port_name=redis.PORT_NAME,
            scope=settings.port_scope,
            which=settings.exclusion_set,
            egress=settings.enable_egress,
            extra_ports=settings.extra_ports,
        )
    except (exclusions.UnknownPortError, exclusions.TooManyPortsError) as error:
        yield breaks(str(error))

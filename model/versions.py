"""Every version of the product in one table, with its source and the reason for it.

The lab's own parts (Kubernetes, Envoy's build, ...) have their table in ``lab/``; this one holds what
the program installs on any cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model.route import Route


@dataclass(frozen=True, kw_only=True)
class DaprRelease:
    """One Dapr release that this program knows how to run inside the mesh.

    Attributes:
        version: Chart and image version; the two are always equal in Dapr.
        crds: Names of the CustomResourceDefinitions in the chart's ``crds/`` folder. Helm installs
            them and never removes them, so teardown has to know them by name.
        route: How its sidecars' calls to each other ride the mesh.
        scheduler: Whether it has a scheduler, to which every daprd keeps a connection (from 1.14 on).
        containers: What Dapr's injector adds to a pod, by container name.
        mesh_containers: What OSM adds for them beside its own sidecar: from 1.15.2 on daprd has a TCP liveness
            probe, and OSM answers such probes with a container of its own.
    """

    version: str
    crds: tuple[str, ...]
    route: Route
    scheduler: bool
    containers: tuple[str, ...] = ("daprd",)
    mesh_containers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OsmRelease:
    """One Open Service Mesh release.

    Attributes:
        version: Chart version; images carry it as ``v<version>``.
        crds: Names of the CustomResourceDefinitions that ``osm-bootstrap`` creates when it starts.
            They belong to no Helm release and outlive it.
        containers: What OSM's injector adds to a pod, by container name.
        init_containers: What it adds to a pod's init containers.
    """

    version: str
    crds: tuple[str, ...]
    containers: tuple[str, ...] = ("envoy",)
    init_containers: tuple[str, ...] = ("osm-init",)


DAPR_RELEASES: Mapping[str, DaprRelease] = MappingProxyType(
    {
        # The last minor that calls a peer's sidecar by its DNS name, which is what the walkthrough needs.
        # Source: https://github.com/dapr/dapr/releases/tag/v1.12.0
        "1.12.0": DaprRelease(
            version="1.12.0",
            crds=(
                "components.dapr.io",
                "configurations.dapr.io",
                "httpendpoints.dapr.io",
                "resiliencies.dapr.io",
                "subscriptions.dapr.io",
            ),
            route=Route.DNS_NAME,
            scheduler=False,
        ),
        # A current release. Its sidecars are told to use DNS names by an alpha component; see docs/dapr-releases.md.
        # Source: https://github.com/dapr/dapr/releases/tag/v1.18.1
        "1.18.1": DaprRelease(
            version="1.18.1",
            crds=(
                "components.dapr.io",
                "configurations.dapr.io",
                "httpendpoints.dapr.io",
                "mcpservers.dapr.io",
                "resiliencies.dapr.io",
                "subscriptions.dapr.io",
                "workflowaccesspolicies.dapr.io",
            ),
            route=Route.NAME_FORMAT,
            scheduler=True,
            mesh_containers=("osm-healthcheck",),
        ),
    }
)
DEFAULT_DAPR_VERSION = "1.12.0"

# The last release before the project was archived.
# Source: https://github.com/openservicemesh/osm/releases/tag/v1.2.4
OSM_RELEASE = OsmRelease(
    version="1.2.4",
    crds=(
        "egresses.policy.openservicemesh.io",
        "httproutegroups.specs.smi-spec.io",
        "ingressbackends.policy.openservicemesh.io",
        "meshconfigs.config.openservicemesh.io",
        "meshrootcertificates.config.openservicemesh.io",
        "retries.policy.openservicemesh.io",
        "tcproutes.specs.smi-spec.io",
        "traffictargets.access.smi-spec.io",
        "trafficsplits.split.smi-spec.io",
        "upstreamtrafficsettings.policy.openservicemesh.io",
    ),
)

# Charts' public homes. Source: the installation pages of both projects.
DAPR_CHART_REPOSITORY = "https://dapr.github.io/helm-charts"
OSM_CHART_REPOSITORY = "https://openservicemesh.github.io/osm"

# The official Redis image; the chart that Dapr's own guide names is no longer published freely.
# Source: https://hub.docker.com/_/redis
REDIS_IMAGE = "docker.io/library/redis:7.2"

# The quickstart's own images, the ones its deploy/node.yaml and deploy/python.yaml name. They carry no
# version tags upstream. Source: https://github.com/dapr/quickstarts/tree/v1.12.0/tutorials/hello-kubernetes
NODE_APP_IMAGE = "ghcr.io/dapr/samples/hello-k8s-node:latest"
PYTHON_APP_IMAGE = "ghcr.io/dapr/samples/hello-k8s-python:latest"

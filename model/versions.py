"""Every version of the product in one table, with its source and the reason for it.

The lab's own parts (Kubernetes, Envoy's build, ...) have their table in ``lab/``; this one holds what
the program installs on any cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from model import names
from model.chart import ChartPlan, Probe
from model.route import Route


@dataclass(frozen=True, kw_only=True)
class DaprRelease:
    """One Dapr release that this program knows how to run inside the mesh.

    Attributes:
        version: Chart and image version; the two are always equal in Dapr.
        crds: Names of the CustomResourceDefinitions in the chart's ``crds/`` folder, which the stack makes like all
            else of the chart; tests hold the chart to them.
        route: How its sidecars' calls to each other ride the mesh.
        scheduler: The Services of its scheduler, to which every daprd keeps a connection (from 1.14 on).
        schedulers: How many schedulers its chart runs, each with a volume of its own.
        scheduler_in_memory: Whether its chart lets several schedulers keep their jobs in memory.
        containers: What Dapr's injector adds to a pod, by container name.
        mesh_containers: What OSM adds for them beside its own sidecar: from 1.15.2 on daprd has a TCP liveness
            probe, and OSM answers such probes with a container of its own.
        reads_ed25519: Whether its sentry can read a root key of the kind that newer ones make.
        chart: What is known of its chart: sentry comes first, since it makes the certificates that the others mount.
    """

    version: str
    crds: tuple[str, ...]
    route: Route
    scheduler: tuple[str, ...] = ()
    schedulers: int = 0
    scheduler_in_memory: bool = True
    containers: tuple[str, ...] = ("daprd",)
    mesh_containers: tuple[str, ...] = ()
    reads_ed25519: bool = True
    chart: ChartPlan = ChartPlan(first=("dapr-sentry",))

    @property
    def services(self) -> tuple[str, ...]:
        """The Services in Dapr's namespace that every daprd talks to."""
        return (names.PLACEMENT_SERVICE, names.DAPR_API_SERVICE, names.SENTRY_SERVICE, *self.scheduler)


@dataclass(frozen=True, kw_only=True)
class OsmRelease:
    """One Open Service Mesh release.

    Attributes:
        version: Chart version; images carry it as ``v<version>``.
        crds: Names of the CustomResourceDefinitions that ``osm-bootstrap`` creates when it starts.
            No chart has them, and they outlive the one that brought osm-bootstrap.
        containers: What OSM's injector adds to a pod, by container name.
        init_containers: What it adds to a pod's init containers.
        answers_tcp: What it adds where the last probe of a kind is by TCP.
        chart: What is known of its chart: osm-bootstrap comes first, since the others wait for what it makes. Of the
            two hooks one refuses a second mesh, the other one cleans up; this program does both. The chart looks at
            readiness every ten seconds, after five.
    """

    version: str
    crds: tuple[str, ...]
    containers: tuple[str, ...] = ("envoy",)
    init_containers: tuple[str, ...] = ("osm-init",)
    answers_tcp: tuple[str, ...] = ("osm-healthcheck",)
    chart: ChartPlan = ChartPlan(
        first=("osm-bootstrap",),
        hooks=("osm-preinstall", "osm-cleanup"),
        probes=tuple(
            Probe(workload=name, period_seconds=1, failure_threshold=30)
            for name in ("osm-bootstrap", "osm-controller", "osm-injector")
        ),
    )


_CRDS_1_12 = (
    "components.dapr.io",
    "configurations.dapr.io",
    "resiliencies.dapr.io",
    "subscriptions.dapr.io",
    "httpendpoints.dapr.io",
)
_CRDS_1_18 = (*_CRDS_1_12, "mcpservers.dapr.io", "workflowaccesspolicies.dapr.io")
_SCHEDULER = (names.SCHEDULER_SERVICE, names.SCHEDULER_HOSTS_SERVICE)

# What each release is like was read from its chart and source: https://github.com/dapr/dapr/releases/tag/v<version>
DAPR_RELEASES: Mapping[str, DaprRelease] = MappingProxyType(
    {
        release.version: release
        for release in (
            # As the walkthrough was written for: sidecars call each other by DNS name. The last minor that does so.
            DaprRelease(version="1.12.0", crds=_CRDS_1_12, route=Route.DNS_NAME, reads_ed25519=False),
            # These call by address; the later is the last such minor, with the fix of the access lists' path traversal.
            *(
                DaprRelease(
                    version=version,
                    crds=_CRDS_1_12,
                    route=Route.ADDRESS,
                    scheduler=_SCHEDULER,
                    schedulers=3,
                    scheduler_in_memory=in_memory,
                    mesh_containers=("osm-healthcheck",),
                    reads_ed25519=False,
                )
                for version, in_memory in (("1.16.0", False), ("1.17.5", True))
            ),
            # By DNS name again, through an alpha component; see docs/dapr-releases.md.
            DaprRelease(
                version="1.18.2",
                crds=_CRDS_1_18,
                route=Route.NAME_FORMAT,
                scheduler=_SCHEDULER,
                schedulers=3,
                mesh_containers=("osm-healthcheck",),
            ),
        )
    }
)
# The newest that passes all stages; see docs/dapr-releases.md.
DEFAULT_DAPR_VERSION = "1.18.2"

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


@dataclass(frozen=True, kw_only=True)
class KubernetesRange:
    """Which releases of Kubernetes this program runs on.

    Attributes:
        oldest: Before it nothing works.
        newest: The newest minor on which it was seen to work; later ones may do as well.
    """

    oldest: tuple[int, int, int]
    newest: tuple[int, int]


# OSM's chart asks for 1.22.9 (kubeVersion), and so does server-side apply, stable since 1.22; Dapr's charts ask for
# nothing and its documents for supported releases. The newest is the lab's, on which everything is tried.
# Source: https://github.com/openservicemesh/osm/blob/v1.2.4/charts/osm/Chart.yaml
KUBERNETES = KubernetesRange(oldest=(1, 22, 9), newest=(1, 36))

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

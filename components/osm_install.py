"""Step 2 of the walkthrough: Open Service Mesh."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.chart_release import chart_release
from components.connection import Connection, child
from components.digest import digest
from components.namespaces import own_namespace
from components.operation import operation
from model import helm_values, names
from model.versions import OsmRelease
from settings import Chart


@dataclass(frozen=True, kw_only=True)
class OsmInstallArgs:
    """What OSM is installed from.

    Attributes:
        connection: The cluster.
        release: The OSM release.
        chart: Its chart.
        registry: Registry and path in front of OSM's image names; None for the chart's own.
        envoy_image: Image of the sidecar; None for the chart's own.
        curl_image: Image that the control plane waits with; None for the chart's own.
        values: Further Helm values, checked already not to override what this program depends on.
        registry_credentials: Credentials for a private registry, secret, or None.
        timeout_seconds: How long the installation may take, in seconds.
    """

    connection: Connection
    release: OsmRelease
    chart: Chart
    registry: str | None
    envoy_image: str | None
    curl_image: str | None
    values: Mapping[str, Any]
    registry_credentials: pulumi.Input[str] | None
    timeout_seconds: int


class OsmInstall(pulumi.ComponentResource):
    """OSM's control plane: its namespace, its Helm release, and on destroy what it leaves on the cluster.

    ``osm-bootstrap`` creates CRDs, the MeshConfig and two webhook configurations that belong to no Helm
    release. ``cluster-wide`` notes before the release which of them were there already, and deletes the others
    after its removal. ``mesh-ready`` waits until they all exist: the MeshConfig must not be patched before,
    since the patch would create it and osm-bootstrap would then never write its presets.

    Attributes:
        namespace: Name of OSM's namespace; known only once the mesh is ready.
        version: The release's version.
        digest: Fingerprint of what is declared here.
    """

    namespace: pulumi.Output[str]
    version: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: OsmInstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install OSM and wait for the mesh."""
        super().__init__("dapr-osm:components:OsmInstall", name, None, opts)
        connection = args.connection
        home = own_namespace(
            f"{name}-namespace",
            name=names.OSM_NAMESPACE,
            connection=connection,
            parent=self,
            registry_credentials=args.registry_credentials,
        )
        webhooks = {
            "mutatingwebhookconfigurations": [f"osm-webhook-{names.MESH_NAME}"],
            "validatingwebhookconfigurations": [f"osm-validator-mesh-{names.MESH_NAME}"],
        }
        # The chart's hooks make these and remove them again, unless they fail.
        hooks = [f"{names.OSM_RELEASE_NAME}-{hook}" for hook in ("cleanup", "preinstall")]
        cluster_wide = operation(
            f"{name}-cluster-wide",
            create="record-cluster-wide",
            delete="remove-cluster-wide",
            environment={
                "OPERATION_CRDS": json.dumps(args.release.crds),
                "OPERATION_NAMESPACE": names.OSM_NAMESPACE,
                "OPERATION_OTHERS": json.dumps({**webhooks, "clusterroles": hooks, "clusterrolebindings": hooks}),
            },
            opts=child(self, *home.resources),
        )
        values = helm_values.osm(
            registry=args.registry,
            envoy_image=args.envoy_image,
            curl_image=args.curl_image,
            pull_secret=names.REGISTRY_CREDENTIALS if home.pull_secret else None,
            further=args.values,
        )
        release = chart_release(
            f"{name}-release",
            name=names.OSM_RELEASE_NAME,
            chart=args.chart,
            chart_name="osm",
            namespace=names.OSM_NAMESPACE,
            values=values,
            timeout_seconds=args.timeout_seconds,
            opts=child(self, *home.resources, cluster_wide, provider=connection.apply),
        )
        ready = operation(
            f"{name}-mesh-ready",
            create="await-mesh",
            environment={
                "OPERATION_NAMESPACE": names.OSM_NAMESPACE,
                "OPERATION_MESH_CONFIG": names.MESH_CONFIG,
                "OPERATION_CRDS": json.dumps(args.release.crds),
                "OPERATION_WEBHOOKS": json.dumps(webhooks),
                "OPERATION_SECONDS": str(args.timeout_seconds),
            },
            opts=child(self, release),
        )
        self.namespace = ready.stdout.apply(lambda _: names.OSM_NAMESPACE)
        self.version = pulumi.Output.from_input(args.release.version)
        self.digest = pulumi.Output.from_input(digest([args.release.version, values]))
        self.register_outputs({"namespace": self.namespace, "version": self.version, "digest": self.digest})

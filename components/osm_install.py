"""Step 2 of the walkthrough: Open Service Mesh."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi

from components.connection import child
from components.control_plane import ControlPlane, ControlPlaneArgs, install
from components.digest import digest
from components.operation import operation
from model import helm_values, names
from model.versions import OsmRelease


@dataclass(frozen=True, kw_only=True)
class OsmInstallArgs(ControlPlaneArgs):
    """What OSM is installed from.

    Attributes:
        namespace: The namespace to make for it.
        release: The OSM release.
        envoy_image: Image of the sidecar; None for the chart's own.
        curl_image: Image that the control plane waits with; None for the chart's own.
    """

    namespace: str
    release: OsmRelease
    envoy_image: str | None
    curl_image: str | None


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
        sidecars: Fingerprint of what its injector puts into pods; those made before a change of it are stale.
    """

    namespace: pulumi.Output[str]
    version: pulumi.Output[str]
    digest: pulumi.Output[str]
    sidecars: str

    def __init__(self, name: str, args: OsmInstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install OSM and wait for the mesh."""
        super().__init__("dapr-osm:components:OsmInstall", name, None, opts)
        values = helm_values.osm(
            registry=args.registry,
            envoy_image=args.envoy_image,
            curl_image=args.curl_image,
            pull_secret=args.pull_secret,
            further=args.values,
        )
        webhooks = {
            "mutatingwebhookconfigurations": [f"osm-webhook-{names.MESH_NAME}"],
            "validatingwebhookconfigurations": [f"osm-validator-mesh-{names.MESH_NAME}"],
        }
        # The chart's hooks make these and remove them again, unless they fail.
        hooks = [f"{names.OSM_RELEASE_NAME}-{hook}" for hook in ("cleanup", "preinstall")]
        plane = ControlPlane(
            namespace=args.namespace,
            release_name=names.OSM_RELEASE_NAME,
            chart_name="osm",
            crds=args.release.crds,
            crds_in_chart=False,  # osm-bootstrap brings them
            others={**webhooks, "clusterroles": hooks, "clusterrolebindings": hooks},
        )
        release = install(name, plane, args, values, parent=self)
        declared = digest([args.namespace, args.release.version, args.chart.source, values])
        ready = operation(
            f"{name}-mesh-ready",
            create="await-mesh",
            environment={
                "OPERATION_NAMESPACE": args.namespace,
                "OPERATION_MESH_CONFIG": names.MESH_CONFIG,
                "OPERATION_CRDS": json.dumps(args.release.crds),
                "OPERATION_WEBHOOKS": json.dumps(webhooks),
                "OPERATION_RELEASE": declared,
            },
            opts=child(self, release),
        )
        self.namespace = ready.stdout.apply(lambda _: args.namespace)
        self.version = pulumi.Output.from_input(args.release.version)
        self.digest = pulumi.Output.from_input(declared)
        images = [values["osm"].get(key) for key in ("image", "sidecarImage")]
        self.sidecars = digest([args.namespace, args.release.version, images])
        self.register_outputs(
            {
                "namespace": self.namespace,
                "version": self.version,
                "digest": self.digest,
                "sidecars": self.sidecars,
            }
        )

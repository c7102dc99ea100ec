"""Step 2 of the walkthrough: Open Service Mesh."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.connection import child
from components.control_plane import ControlPlaneArgs, Runtime, install
from components.digest import digest, digest_of
from components.operation import operation
from model import names
from model.arguments import ControlPlaneWait, MeshParts
from model.versions import OsmRelease


@dataclass(frozen=True, kw_only=True)
class OsmInstallArgs(ControlPlaneArgs):
    """What OSM is installed from.

    Attributes:
        release: The OSM release.
    """

    release: OsmRelease


class OsmInstall(pulumi.ComponentResource):
    """OSM's control plane: its namespace, each object of its chart, and what OSM makes by itself.

    osm-bootstrap comes before the other workloads, which wait for what it makes: CRDs, the MeshConfig, two webhook
    configurations and the mesh's certificate authority. ``runtime`` notes before it which of them were there already,
    and removes the others after OSM has gone. ``mesh-ready`` waits until they all exist and marks them as the stack's:
    the MeshConfig must not be patched before, since the patch would create it and osm-bootstrap would then never write
    its presets. On destroy it takes the webhooks away first: they would refuse pods once nobody answers them.

    The chart's two hooks do not run: one refuses a mesh of the same name, which the preflight does, the other one
    removes what ``runtime`` removes.

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
        runtime = Runtime(
            definitions=args.release.crds,
            cluster_wide=names.OSM_WEBHOOKS,
            namespaced={
                "secrets": [names.OSM_CA_BUNDLE],
                "meshconfigs.config.openservicemesh.io": [names.MESH_CONFIG],
                "meshrootcertificates.config.openservicemesh.io": [names.MESH_ROOT_CERTIFICATE],
            },
        )
        installed = install(name, args, runtime, self)
        declared = args.chart.digest_of()
        ready = operation(
            f"{name}-mesh-ready",
            connection=args.connection,
            create="await-mesh",
            delete="withdraw-webhooks",
            arguments=installed.runtime.stdout.apply(
                lambda record: ControlPlaneWait(
                    namespace=args.namespace,
                    webhooks={kind: tuple(webhooks) for kind, webhooks in names.OSM_WEBHOOKS.items()},
                    keep=args.keep_shared,
                    seconds=args.timeout_seconds,
                    mesh=MeshParts(mesh_config=names.MESH_CONFIG, crds=args.release.crds, record=record),
                )
            ),
            again_with={"OPERATION_RELEASE": declared},
            opts=child(self, installed.resources),
        )
        self.namespace = ready.stdout.apply(lambda _: args.namespace)
        self.version = pulumi.Output.from_input(args.release.version)
        self.digest = digest_of(declared, ready.stdout)
        self.sidecars = digest(
            [
                args.namespace,
                args.release.version,
                args.chart.sidecars_digest("osm-injector"),
            ]
        )
        self.register_outputs(
            {
                "namespace": self.namespace,
                "version": self.version,
                "digest": self.digest,
                "sidecars": self.sidecars,
            }
        )

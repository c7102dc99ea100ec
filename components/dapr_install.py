"""Step 1 of the walkthrough, its first half: Dapr, with its mTLS off."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi

from components.connection import child
from components.control_plane import ControlPlane, ControlPlaneArgs, install
from components.digest import digest, digest_of
from components.operation import operation, result_of
from model import helm_values, names
from model.versions import DaprRelease


@dataclass(frozen=True, kw_only=True)
class DaprInstallArgs(ControlPlaneArgs):
    """What Dapr is installed from.

    Attributes:
        namespace: The namespace to make for it.
        release: The Dapr release.
        mtls: Whether Dapr's own mTLS is on.
    """

    namespace: str
    release: DaprRelease
    mtls: bool


class DaprInstall(pulumi.ComponentResource):
    """Dapr's control plane: its namespace, its Helm release, and on destroy its CRDs.

    Helm installs the chart's CRDs but never removes them. ``cluster-wide`` notes before the release which of
    them were there already, and after its removal deletes the others, unless someone's objects still use them.
    ``crds`` brings them up to date before an upgrade, which Helm does not do either.

    ``injector-ready`` waits until the sidecar injector serves, which is later than its pod says: a pod made before
    that would silently start without daprd.

    ``services`` looks up where Dapr's Services answer, after each change of the release. (Not by Pulumi's reading
    of existing resources: every refresh would report those as changed.)

    Attributes:
        namespace: Name of Dapr's namespace; known only once Dapr is installed.
        services: The Services that every daprd talks to: by ``namespace/name``, their ``clusterIP`` and ``ports``.
            Known only once Dapr is installed.
        version: The release's version.
        digest: Fingerprint of what is declared here.
        sidecars: Fingerprint of the release, whose injector makes daprd; pods made before a change of it are stale.
    """

    namespace: pulumi.Output[str]
    services: pulumi.Output[dict[str, Any]]
    version: pulumi.Output[str]
    digest: pulumi.Output[str]
    sidecars: str

    def __init__(self, name: str, args: DaprInstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install Dapr."""
        super().__init__("dapr-osm:components:DaprInstall", name, None, opts)
        values = helm_values.dapr(
            release=args.release,
            mtls=args.mtls,
            registry=args.registry,
            pull_secret=args.pull_secret,
            further=args.values,
        )
        plane = ControlPlane(
            namespace=args.namespace,
            release_name=names.DAPR_RELEASE_NAME,
            chart_name="dapr",
            crds=args.release.crds,
            crds_in_chart=True,
        )
        release = install(name, plane, args, values, parent=self)
        declared = digest([args.namespace, args.release.version, args.chart.source, values])
        ready = operation(
            f"{name}-injector-ready",
            create="await-injector",
            # Another release has another injector, which has to be waited for again.
            environment={"OPERATION_NAMESPACE": args.namespace, "OPERATION_RELEASE": declared},
            opts=child(self, release),
        )
        services = operation(
            f"{name}-services",
            create="look-up-services",
            environment={
                "OPERATION_SERVICES": json.dumps(
                    [names.API_SERVER_SERVICE, *(f"{args.namespace}/{service}" for service in args.release.services)]
                ),
                # Another release may have other ports, so it is looked up anew.
                "OPERATION_RELEASE": declared,
            },
            opts=child(self, ready),
        )
        self.namespace = ready.stdout.apply(lambda _: args.namespace)
        self.services = result_of(services)
        self.version = pulumi.Output.from_input(args.release.version)
        self.sidecars = declared
        # A release that came and went with a failed update shows in no input, so each run of this counts too.
        self.digest = digest_of(declared, ready.stdout)
        self.register_outputs(
            {
                "namespace": self.namespace,
                "services": self.services,
                "version": self.version,
                "digest": self.digest,
                "sidecars": self.sidecars,
            }
        )

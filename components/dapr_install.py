"""Step 1 of the walkthrough, its first half: Dapr, with its mTLS off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from components.connection import child
from components.control_plane import ControlPlaneArgs, Runtime, install
from components.digest import digest, digest_of
from components.operation import operation, result_of
from model import names
from model.arguments import ControlPlaneWait, Definitions, InjectorPause, ServicesWanted
from model.versions import DaprRelease


@dataclass(frozen=True, kw_only=True)
class DaprInstallArgs(ControlPlaneArgs):
    """What Dapr is installed from.

    Attributes:
        release: The Dapr release.
    """

    release: DaprRelease


class DaprInstall(pulumi.ComponentResource):
    """Dapr's control plane: its namespace, and each object of its chart.

    sentry comes before the other workloads: it makes the certificates that they mount, and the kubelet brings a
    Secret that was filled too late only a minute later.

    ``release-change`` takes the old injector away before a release changes: it would ask the new sentry about every
    pod of the cluster, be refused, and refuse the pod, its own successor included. Without it, pods come as they are.
    ``injector-ready`` brings it back where an update was taken back in between, and waits until it is registered with
    the API server; on destroy it takes that registration away first, so that nobody waits for an injector that is gone.

    ``services`` looks up where Dapr's Services answer, after each change of the release or of one of them. (Not by
    Pulumi's reading of existing resources: every refresh would report those as changed.)

    Attributes:
        namespace: Name of Dapr's namespace; known only once Dapr is installed.
        services: The Services that every daprd talks to: by ``namespace/name``, their ``clusterIP`` and ``ports``.
            Known only once Dapr is installed.
        version: The release's version.
        digest: Fingerprint of what is declared here.
        sidecars: Fingerprint of what makes daprd; pods made before a change of it are stale.
    """

    namespace: pulumi.Output[str]
    services: pulumi.Output[dict[str, Any]]
    version: pulumi.Output[str]
    digest: pulumi.Output[str]
    sidecars: str

    def __init__(self, name: str, args: DaprInstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install Dapr."""
        super().__init__("dapr-osm:components:DaprInstall", name, None, opts)
        release_change = operation(
            f"{name}-release-change",
            connection=args.connection,
            create="pause-injector",
            arguments=InjectorPause(namespace=args.namespace, release=args.release.version),
            remembers=True,
            opts=child(self),
        )
        installed = install(
            name,
            args,
            # The scheduler's claims belong to nobody: a StatefulSet leaves them behind.
            Runtime(namespaced={"persistentvolumeclaims": [f"{names.SCHEDULER_CLAIM}*"]}),
            self,
            release_change,
        )
        declared = args.chart.digest_of()
        unused = operation(
            f"{name}-definitions",
            connection=args.connection,
            create="note-definitions",
            delete="check-definitions",
            arguments=Definitions(
                namespace=args.namespace,
                definitions=tuple(d for d in args.chart.definitions if d not in args.chart.kept),
                keep=args.keep_shared,
            ),
            remembers=True,
            opts=child(self, installed.resources),
        )
        ready = operation(
            f"{name}-injector-ready",
            connection=args.connection,
            create="await-injector",
            delete="withdraw-webhooks",
            arguments=ControlPlaneWait(
                namespace=args.namespace,
                webhooks={"mutatingwebhookconfigurations": (names.DAPR_INJECTOR,)},
                keep=args.keep_shared,
                seconds=args.timeout_seconds,
            ),
            # Another release has another injector, which has to be waited for again.
            again_with={"OPERATION_RELEASE": declared, "OPERATION_AFTER": release_change.stdout},
            opts=child(self, installed.resources, unused),
        )
        services = operation(
            f"{name}-services",
            connection=args.connection,
            create="look-up-services",
            arguments=ServicesWanted(
                services=(
                    names.API_SERVER_SERVICE,
                    *(f"{args.namespace}/{service}" for service in args.release.services),
                )
            ),
            # Another release may have other ports, so they are looked up anew. Any other change of the chart leaves
            # them as they are, and a preview of it goes on knowing what bypasses the mesh.
            again_with={
                "OPERATION_RELEASE": digest(
                    [args.release.version, args.chart.digest_of(*(("Service", one) for one in args.release.services))]
                )
            },
            opts=child(self, ready),
        )
        self.namespace = ready.stdout.apply(lambda _: args.namespace)
        self.services = result_of(services)
        self.version = pulumi.Output.from_input(args.release.version)
        self.sidecars = digest(
            [
                args.namespace,
                args.release.version,
                args.chart.sidecars_digest(names.DAPR_INJECTOR, ("Configuration", names.DAPR_CONFIGURATION)),
            ]
        )
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

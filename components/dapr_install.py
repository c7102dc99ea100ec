"""Step 1 of the walkthrough, its first half: Dapr, with its mTLS off."""

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
from model.versions import DaprRelease
from settings import Chart


@dataclass(frozen=True, kw_only=True)
class DaprInstallArgs:
    """What Dapr is installed from.

    Attributes:
        connection: The cluster.
        release: The Dapr release.
        chart: Its chart.
        registry: Registry and path in front of Dapr's image names; None for the chart's own.
        values: Further Helm values, checked already not to override what the mesh depends on.
        registry_credentials: Credentials for a private registry, secret, or None.
        timeout_seconds: How long the installation may take, in seconds.
    """

    connection: Connection
    release: DaprRelease
    chart: Chart
    registry: str | None
    values: Mapping[str, Any]
    registry_credentials: pulumi.Input[str] | None
    timeout_seconds: int


class DaprInstall(pulumi.ComponentResource):
    """Dapr's control plane: its namespace, its Helm release, and on destroy its CRDs.

    Helm installs the chart's CRDs but never removes them. ``cluster-wide`` notes before the release which of
    them were there already, and after its removal deletes the others, unless someone's objects still use them.
    ``injector-ready`` waits until the sidecar injector serves, which is later than its pod says: a pod made
    before that would silently start without daprd.

    Attributes:
        namespace: Name of Dapr's namespace; known only once Dapr is installed, so that whoever looks up its
            Services by it waits for them.
        version: The release's version.
        digest: Fingerprint of what is declared here.
    """

    namespace: pulumi.Output[str]
    version: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: DaprInstallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Install Dapr."""
        super().__init__("dapr-osm:components:DaprInstall", name, None, opts)
        connection = args.connection
        home = own_namespace(
            f"{name}-namespace",
            name=names.DAPR_NAMESPACE,
            connection=connection,
            parent=self,
            registry_credentials=args.registry_credentials,
        )
        cluster_wide = operation(
            f"{name}-cluster-wide",
            create="record-cluster-wide",
            delete="remove-cluster-wide",
            environment={
                "OPERATION_CRDS": json.dumps(args.release.crds),
                "OPERATION_NAMESPACE": names.DAPR_NAMESPACE,
            },
            opts=child(self, *home.resources),
        )
        values = helm_values.dapr(
            release=args.release,
            registry=args.registry,
            pull_secret=names.REGISTRY_CREDENTIALS if home.pull_secret else None,
            further=args.values,
        )
        release = chart_release(
            f"{name}-release",
            name=names.DAPR_RELEASE_NAME,
            chart=args.chart,
            chart_name="dapr",
            namespace=names.DAPR_NAMESPACE,
            values=values,
            timeout_seconds=args.timeout_seconds,
            opts=child(self, *home.resources, cluster_wide, provider=connection.apply),
        )
        ready = operation(
            f"{name}-injector-ready",
            create="await-injector",
            environment={
                "OPERATION_NAMESPACE": names.DAPR_NAMESPACE,
                "OPERATION_SECONDS": str(args.timeout_seconds),
            },
            opts=child(self, release),
        )
        self.namespace = ready.stdout.apply(lambda _: names.DAPR_NAMESPACE)
        self.version = pulumi.Output.from_input(args.release.version)
        self.digest = pulumi.Output.from_input(digest([args.release.version, values]))
        self.register_outputs({"namespace": self.namespace, "version": self.version, "digest": self.digest})

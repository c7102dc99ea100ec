"""What installing Dapr and installing OSM have in common."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.namespaces import own_namespace
from components.operation import operation
from model import names
from settings import Chart


@dataclass(frozen=True, kw_only=True)
class ControlPlaneArgs:
    """What a control plane is installed from.

    Attributes:
        connection: The cluster.
        chart: Its Helm chart.
        registry: Registry and path in front of its image names; None for the chart's own.
        values: Further Helm values, checked already not to override what the mesh depends on.
        registry_credentials: Credentials for a private registry, secret, or None.
        timeout_seconds: How long the installation may take, in seconds.
    """

    connection: Connection
    chart: Chart
    registry: str | None
    values: Mapping[str, Any]
    registry_credentials: pulumi.Input[str] | None
    timeout_seconds: int

    @property
    def pull_secret(self) -> str | None:
        """Name of the Secret that its pods pull images with, or None."""
        return None if self.registry_credentials is None else names.REGISTRY_CREDENTIALS


@dataclass(frozen=True, kw_only=True)
class ControlPlane:
    """Where a control plane goes, and what it brings to the cluster beside its Helm release.

    Attributes:
        namespace: Its namespace.
        release_name: Name of its Helm release.
        chart_name: Name of its chart in a repository.
        crds: Names of its CustomResourceDefinitions; they belong to no release.
        crds_in_chart: Whether those are in the chart's ``crds/`` folder, which Helm never upgrades.
        others: Names of further objects that may outlive the release, by kind (plural, lower case).
    """

    namespace: str
    release_name: str
    chart_name: str
    crds: Sequence[str]
    crds_in_chart: bool
    others: Mapping[str, Sequence[str]] = field(default_factory=dict)


def install(
    name: str, plane: ControlPlane, args: ControlPlaneArgs, values: Mapping[str, Any], parent: pulumi.Resource
) -> k8s.helm.v3.Release:
    """Make the namespace, note what is there already, and install the release, waited for until it is ready.

    A Release, not a Chart resource: OSM's chart needs its hooks run, and Dapr's pods need the order that Helm
    gives them. The namespace is not Helm's to create, since Helm would never delete it.

    Args:
        name: The component's name; the resources' names begin with it.
        plane: Where it goes, and what it brings.
        args: What it is installed from.
        values: All of its Helm values.
        parent: The component.
    """
    home = own_namespace(
        f"{name}-namespace",
        name=plane.namespace,
        connection=args.connection,
        parent=parent,
        registry_credentials=args.registry_credentials,
    )
    cluster_wide = operation(
        f"{name}-cluster-wide",
        create="record-cluster-wide",
        delete="remove-cluster-wide",
        environment={
            "OPERATION_CRDS": json.dumps(plane.crds),
            "OPERATION_NAMESPACE": plane.namespace,
            "OPERATION_OTHERS": json.dumps(plane.others),
        },
        opts=child(parent, *home.resources),
    )
    before: list[pulumi.Resource] = [*home.resources, cluster_wide]
    if plane.crds_in_chart:
        update_crds = operation(
            f"{name}-crds",
            create="update-crds",
            environment={
                "OPERATION_CHART": args.chart.source,
                "OPERATION_CHART_NAME": plane.chart_name,
                "OPERATION_CHART_VERSION": args.chart.version,
                "OPERATION_RECORD": cluster_wide.stdout,
            },
            opts=child(parent, cluster_wide),
        )
        before.append(update_crds)
    repository = args.chart.repository
    return k8s.helm.v3.Release(
        f"{name}-release",
        name=plane.release_name,
        chart=plane.chart_name if repository else args.chart.source,
        version=args.chart.version,
        repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=repository) if repository else None,
        namespace=plane.namespace,
        create_namespace=False,
        values=dict(values),
        timeout=args.timeout_seconds,
        opts=child(parent, *before, provider=args.connection.apply),
    )

"""What installing Dapr and installing OSM have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_command import local

from components.chart_resources import ChartResources, ChartResourcesArgs
from components.connection import Connection, child
from components.digest import digest
from components.namespaces import Home, HomeArgs, home
from components.operation import operation
from model.arguments import RuntimeObjects
from model.chart import ChartObject


@dataclass(frozen=True, kw_only=True)
class InstalledChart:
    """A chart, rendered for this cluster and this stack.

    Attributes:
        objects: Its objects, ready to be registered.
        kept: Names of definitions that were there before the stack, and stay when it goes.
        secret: Whether it was rendered from secret values.
    """

    objects: Sequence[ChartObject]
    kept: frozenset[str] = frozenset()
    secret: bool = False

    def digest_of(self, *kinds_and_names: tuple[str, str]) -> str:
        """Fingerprint of some of its objects, by kind and name; of all where none are named.

        Where it was rendered from secret values, only of what those can't be in: a digest of a secret tells of it.
        """
        chosen = [item for item in self.objects if not kinds_and_names or (item.kind, item.name) in kinds_and_names]
        return digest([[item.kind, item.name] if self.secret else item.body for item in chosen])

    def sidecars_digest(self, injector: str, *kinds_and_names: tuple[str, str]) -> str:
        """Fingerprint of what an injector puts into pods: its own containers, which say so, and objects that it reads.

        How many injectors there are, or what they wait with at their start, rolls no pod.
        """
        containers = [
            item.body["spec"]["template"]["spec"]["containers"]
            for item in self.objects
            if (item.kind, item.name) == ("Deployment", injector)
        ]
        read = self.digest_of(*kinds_and_names) if kinds_and_names else ""
        return digest([[] if self.secret else containers, read])

    @property
    def definitions(self) -> list[str]:
        """Names of its CustomResourceDefinitions."""
        return [item.name for item in self.objects if item.is_definition]


@dataclass(frozen=True, kw_only=True)
class ControlPlaneArgs:
    """What a control plane is installed from.

    Attributes:
        connection: The cluster.
        chart: Its Helm chart, rendered.
        namespace: The namespace to make for it, or to use where it exists.
        existing_namespace: Whether that is there already and stays.
        namespace_labels: Its further labels.
        namespace_annotations: Its further annotations.
        registry_credentials: Credentials for a private registry, secret, or None.
        protect: Whether Pulumi refuses to delete it.
        keep_shared: Whether it stays when the stack goes.
        timeout_seconds: How long a workload of it may take until it is ready, in seconds.
    """

    connection: Connection
    chart: InstalledChart
    namespace: str
    existing_namespace: bool = False
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    namespace_annotations: Mapping[str, str] = field(default_factory=dict)
    registry_credentials: pulumi.Input[str] | None = None
    protect: bool = False
    keep_shared: bool = False
    timeout_seconds: int


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What a control plane makes by itself, beside its chart's objects.

    Attributes:
        definitions: Names of the CustomResourceDefinitions that it creates.
        cluster_wide: Names of further cluster-wide objects, by plural.
        namespaced: Names of objects in its own namespace, by plural; one may end with ``*``.
    """

    definitions: Sequence[str] = ()
    cluster_wide: Mapping[str, Sequence[str]] = field(default_factory=dict)
    namespaced: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def arguments(self, args: ControlPlaneArgs) -> RuntimeObjects:
        """As a step's arguments."""
        return RuntimeObjects(
            namespace=args.namespace,
            definitions=tuple(self.definitions),
            cluster_wide={kind: tuple(names) for kind, names in self.cluster_wide.items()},
            namespaced={kind: tuple(names) for kind, names in self.namespaced.items()},
            keep=args.keep_shared,
        )


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A control plane that runs.

    Attributes:
        place: Its namespace.
        runtime: What notes, and at the end removes, what it makes by itself.
        resources: The chart's resources.
    """

    place: Home
    runtime: local.Command
    resources: ChartResources


def install(
    name: str,
    args: ControlPlaneArgs,
    runtime: Runtime,
    parent: pulumi.Resource,
    *before_workloads: pulumi.Resource,
) -> Installed:
    """Make the namespace, note what is there already, and make the chart's objects, waited for until they are ready.

    Args:
        name: The component's name; the resources' names begin with it.
        args: What it is installed from.
        runtime: What it makes by itself.
        parent: The component.
        before_workloads: What has to be done before a workload starts or changes.
    """
    place = home(
        f"{name}-namespace",
        HomeArgs(
            connection=args.connection,
            name=args.namespace,
            existing=args.existing_namespace,
            protect=args.protect,
            retain=args.keep_shared,
            registry_credentials=args.registry_credentials,
            labels=args.namespace_labels,
            annotations=args.namespace_annotations,
        ),
        parent,
    )
    # It notes before the control plane starts, and removes after it has gone.
    noted = operation(
        f"{name}-runtime",
        connection=args.connection,
        create="record-runtime",
        delete="remove-runtime",
        arguments=runtime.arguments(args),
        remembers=True,
        opts=child(parent, *place.resources),
    )
    resources = ChartResources(
        f"{name}-chart",
        ChartResourcesArgs(
            connection=args.connection,
            objects=args.chart.objects,
            after=[*place.resources, noted],
            before_workloads=before_workloads,
            kept=args.chart.kept,
            protect=args.protect,
            retain=args.keep_shared,
            secret=args.chart.secret,
            timeout_seconds=args.timeout_seconds,
        ),
        opts=child(parent),
    )
    return Installed(place=place, runtime=noted, resources=resources)

"""A Helm chart's objects, each a resource of the stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.connection import Connection, child
from components.readiness import Where, await_pods
from model.chart import WRITTEN, ChartObject, waves


@dataclass(frozen=True, kw_only=True)
class ChartResourcesArgs:
    """What is made.

    Attributes:
        connection: The cluster.
        objects: The chart's objects, rendered and ready (``model.chart``).
        after: What has to be there before the first of them.
        before_workloads: What has to be there before the first of its workloads starts.
        kept: Names of definitions that stay when the stack goes: they were there before it.
        protect: Whether Pulumi refuses to delete them.
        retain: Whether they all stay when the stack goes.
        secret: Whether they were made from secret values, and are secret themselves.
        timeout_seconds: How long a workload may take until it is ready, in seconds.
    """

    connection: Connection
    objects: Sequence[ChartObject]
    after: Sequence[pulumi.Resource]
    before_workloads: Sequence[pulumi.Resource] = ()
    kept: frozenset[str] = frozenset()
    protect: bool = False
    retain: bool = False
    secret: bool = False
    timeout_seconds: int


class ChartResources(pulumi.ComponentResource):
    """A chart without a Helm release: previews show each object and field that changes, refreshes find each edit.

    The objects come in waves, each after all of the one before it: definitions, what pods need, objects of those
    definitions, and the workloads, of which those that others depend on come first. The pods of each are waited for.

    Attributes:
        resources: The objects, in order.
    """

    resources: list[pulumi.CustomResource]

    def __init__(self, name: str, args: ChartResourcesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Register the objects."""
        super().__init__("dapr-osm:components:ChartResources", name, None, opts)
        self.resources = []
        before: Sequence[pulumi.Resource] = args.after
        for wave in waves(args.objects):
            starts = [*before, *args.before_workloads] if wave[0].is_workload else before
            made = [self._object(name, item, args, starts) for item in wave]
            self.resources += made
            before = [*made, *self._ready(name, wave, made, args)]
        self.register_outputs({"objects": len(self.resources)})

    def _ready(
        self,
        name: str,
        wave: Sequence[ChartObject],
        made: Sequence[pulumi.CustomResource],
        args: ChartResourcesArgs,
    ) -> list[pulumi.Resource]:
        """The wait for a wave's pods, where it has any; named after the first of them."""
        workloads: dict[Where, pulumi.CustomResource] = {
            (item.kind, item.namespace or "", item.name): resource
            for item, resource in zip(wave, made, strict=True)
            if item.is_awaited
        }
        if not workloads:
            return []
        return [
            await_pods(
                f"{name}/ready/{min(name for _, _, name in workloads)}",
                connection=args.connection,
                workloads=workloads,
                timeout_seconds=args.timeout_seconds,
                opts=child(self),
            )
        ]

    def _object(
        self, name: str, item: ChartObject, args: ChartResourcesArgs, before: Sequence[pulumi.Resource]
    ) -> pulumi.CustomResource:
        props: dict[str, object] = dict(item.body)
        if args.secret:
            props = {
                key: value if key in ("apiVersion", "kind", "metadata") else pulumi.Output.secret(value)
                for key, value in props.items()
            } | {"metadata": _hidden(item.body["metadata"])}
        options = child(
            self,
            *before,
            protect=args.protect or None,
            retain_on_delete=True if args.retain or item.name in args.kept else None,
            timeout_seconds=args.timeout_seconds if item.is_workload else None,
        )
        if item.kind == "Secret":
            # The control plane fills some of them: what a refresh reads of it is never in the clear.
            options = pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(additional_secret_outputs=["data", "stringData"])
            )
        return pulumi.CustomResource(item.resource_type, f"{name}/{item.resource_name}", props, options)


def _hidden(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """An object's metadata; of its labels and annotations only what this program writes is sure to be no secret."""
    return {
        key: {name: mark if name in WRITTEN else pulumi.Output.secret(mark) for name, mark in value.items()}
        if key in ("labels", "annotations")
        else value
        for key, value in metadata.items()
    }

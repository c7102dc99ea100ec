"""Waiting for the pods of what a component has declared, by a step that knows causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import pulumi
from pulumi_command import local

from components.connection import Connection
from components.digest import fingerprints
from components.operation import operation
from model.arguments import WorkloadsWait

Where = tuple[str, pulumi.Input[str], str]
"""A workload's kind, namespace and name."""


def await_pods(
    name: str,
    *,
    connection: Connection,
    workloads: Mapping[Where, pulumi.CustomResource],
    timeout_seconds: int,
    step: Literal["await-workloads", "await-apps"] = "await-workloads",
    covers: pulumi.Input[str] | None = None,
    served_by: Sequence[str] = (),
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """Wait until all of these have their latest pods ready; it runs again after each change of them.

    Pulumi's own wait is off for them (``model.chart.OWN_WAIT``): it sits its time out where the cluster has long said
    that a pod can't be made or can't start.

    Args:
        name: The resource's name.
        connection: The cluster.
        workloads: What makes the pods.
        timeout_seconds: How long all of them together may take, in seconds.
        step: What waits; ``await-apps`` takes away what an interrupted run has left beside them, too.
        covers: Fingerprint of what it runs again for; None for the workloads as they are on the cluster.
        served_by: Namespaces of control planes that the pods need: a pod whose sidecar gets no answer says so badly.
        opts: Its parent and what has to be there before it; the workloads are waited for anyway.
    """
    made = list(workloads.values())
    after = pulumi.ResourceOptions(
        depends_on=made,
        # A step that hangs is ended a little later than it should have ended by itself.
        custom_timeouts=pulumi.CustomTimeouts(create=f"{timeout_seconds + 120}s", update=f"{timeout_seconds + 120}s"),
    )
    return operation(
        name,
        connection=connection,
        create=step,
        arguments=pulumi.Output.all(*(pulumi.Output.all(*where) for where in workloads)).apply(
            lambda found: WorkloadsWait(
                workloads=tuple((kind, namespace, name) for kind, namespace, name in found),
                served_by=tuple(served_by),
                seconds=timeout_seconds,
            )
        ),
        again_with={"OPERATION_COVERS": fingerprints(*made) if covers is None else covers},
        opts=pulumi.ResourceOptions.merge(opts, after),
    )

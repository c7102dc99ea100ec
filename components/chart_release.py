"""Helm releases of the two control planes."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from settings import Chart


def chart_release(
    resource_name: str,
    *,
    name: str,
    chart: Chart,
    chart_name: str,
    namespace: pulumi.Input[str],
    values: dict[str, Any],
    timeout_seconds: int,
    opts: pulumi.ResourceOptions,
) -> k8s.helm.v3.Release:
    """A Helm release, waited for until all of it is ready.

    A Release, not a Chart resource: OSM's chart needs its hooks run, and Dapr's pods need the order that Helm
    gives them. The namespace is not Helm's to create, since Helm would never delete it.
    """
    return k8s.helm.v3.Release(
        resource_name,
        name=name,
        chart=chart_name if chart.repository else chart.source,
        version=chart.version,
        repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=chart.repository) if chart.repository else None,
        namespace=namespace,
        create_namespace=False,
        values=values,
        timeout=timeout_seconds,
        opts=opts,
    )

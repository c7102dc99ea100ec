"""The cluster, as the resource providers see it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Two ways to write to the one cluster.

    Attributes:
        apply: Server-side apply, for everything that lives in a namespace of ours and for patches.
        create_only: Plain creation, which fails where an object of that name exists. Server-side apply would
            adopt it silently, and a later destroy would delete what this stack never made.
    """

    apply: k8s.Provider
    create_only: k8s.Provider


@contextmanager
def _without_kubeconfig_default() -> Iterator[None]:
    """Hide KUBECONFIG from the SDK, which would write its value into the provider's inputs and so into the state.

    The provider's own process still has it, and finds kubeconfig and context there by itself.
    """
    value = os.environ.pop("KUBECONFIG", None)
    try:
        yield
    finally:
        if value is not None:
            os.environ["KUBECONFIG"] = value


def connect() -> Connection:
    """Providers for the cluster that KUBECONFIG's current context names.

    Neither file nor context is an input of theirs: the state says nothing about where it was written, and
    works from another checkout, another machine, a CI runner.
    """
    with _without_kubeconfig_default():
        return Connection(
            apply=k8s.Provider("cluster", enable_server_side_apply=True),
            create_only=k8s.Provider("cluster-create-only", enable_server_side_apply=False),
        )


def child(
    parent: pulumi.Resource,
    *depends_on: pulumi.Resource,
    provider: pulumi.ProviderResource | None = None,
    delete_before_replace: bool | None = None,
    retain_on_delete: bool | None = None,
) -> pulumi.ResourceOptions:
    """Options of a component's child: its parent, and what has to be there before it."""
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(depends_on),
        provider=provider,
        delete_before_replace=delete_before_replace,
        retain_on_delete=retain_on_delete,
    )

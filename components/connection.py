"""The cluster, as the stack's resources reach it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from model.chart import FORCE
from model.owner import Owner

# Its change would replace the provider, and with it everything. Which cluster it is, the program knows by itself.
CLUSTER_IDENTIFIER = "dapr-osm"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """The one cluster, and whose the objects on it are.

    Attributes:
        provider: The Kubernetes provider, by server-side apply.
        context: The kubeconfig's context, or None for the current one.
        cluster: The cluster's identity: the UID of its namespace ``kube-system``, as the first ``up`` noted it.
        owner: The stack.
    """

    provider: k8s.Provider
    context: str | None
    cluster: pulumi.Input[str]
    owner: Owner

    def metadata(
        self,
        name: str | None = None,
        *,
        namespace: pulumi.Input[str] | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        owner_references: pulumi.Input[list[k8s.meta.v1.OwnerReferenceArgs]] | None = None,
    ) -> k8s.meta.v1.ObjectMetaArgs:
        """Metadata of an object of this stack's: with its mark, and taking back what was edited by hand."""
        return k8s.meta.v1.ObjectMetaArgs(
            name=name,
            namespace=namespace,
            labels={**(labels or {}), **self.owner.labels},
            annotations={**(annotations or {}), **FORCE},
            owner_references=owner_references,
        )


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


def provider(context: str | None) -> k8s.Provider:
    """The provider for the cluster that a context of KUBECONFIG names, or its current one.

    The kubeconfig is no input of its: the state says nothing about where it was written, and works from another
    checkout, another machine, a CI runner.
    """
    with _without_kubeconfig_default():
        return k8s.Provider(
            "cluster", context=context, enable_server_side_apply=True, cluster_identifier=CLUSTER_IDENTIFIER
        )


def child(
    parent: pulumi.Resource,
    *depends_on: pulumi.Resource,
    delete_before_replace: bool | None = None,
    retain_on_delete: bool | None = None,
    protect: bool | None = None,
    timeout_seconds: int | None = None,
) -> pulumi.ResourceOptions:
    """Options of a component's child: its parent, what has to be there before it, and how long it may take.

    The provider is the parent's, which has it from whoever made the component.
    """
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(depends_on),
        delete_before_replace=delete_before_replace,
        retain_on_delete=retain_on_delete,
        protect=protect,
        custom_timeouts=None
        if timeout_seconds is None
        else pulumi.CustomTimeouts(create=f"{timeout_seconds}s", update=f"{timeout_seconds}s"),
    )

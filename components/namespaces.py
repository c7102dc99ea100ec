"""Namespaces that a stack makes for itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from model import names


@dataclass(frozen=True, kw_only=True)
class OwnNamespace:
    """A namespace of this stack's, with what pods in it need to pull images.

    Attributes:
        namespace: The Namespace.
        pull_secret: The Secret with the registry's credentials, or None where there are none.
    """

    namespace: k8s.core.v1.Namespace
    pull_secret: k8s.core.v1.Secret | None

    @property
    def resources(self) -> list[pulumi.Resource]:
        """What has to be there before anything is put into it."""
        return [self.namespace, *([self.pull_secret] if self.pull_secret else [])]


def own_namespace(
    resource_name: str,
    *,
    name: str,
    connection: Connection,
    parent: pulumi.Resource,
    registry_credentials: pulumi.Input[str] | None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    depends_on: list[pulumi.Resource] | None = None,
) -> OwnNamespace:
    """Create a namespace, and fail where one of that name exists.

    Args:
        resource_name: Name of the resource.
        name: Name of the Namespace.
        connection: The cluster.
        parent: The component that owns it.
        registry_credentials: Content of a container client's config.json, secret, or None.
        labels: The Namespace's labels.
        annotations: Its annotations.
        depends_on: What has to be there before it.
    """
    namespace = k8s.core.v1.Namespace(
        resource_name,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=name, labels=dict(labels or {}) or None, annotations=dict(annotations or {}) or None
        ),
        opts=child(parent, *(depends_on or []), provider=connection.create_only),
    )
    if registry_credentials is None:
        return OwnNamespace(namespace=namespace, pull_secret=None)
    secret = k8s.core.v1.Secret(
        f"{resource_name}-{names.REGISTRY_CREDENTIALS}",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=names.REGISTRY_CREDENTIALS, namespace=namespace.metadata.name),
        type="kubernetes.io/dockerconfigjson",
        string_data={".dockerconfigjson": registry_credentials},
        opts=child(parent, namespace, provider=connection.apply),
    )
    return OwnNamespace(namespace=namespace, pull_secret=secret)


def pull_secrets(home: OwnNamespace) -> list[k8s.core.v1.LocalObjectReferenceArgs] | None:
    """What a pod in this namespace pulls its images with."""
    if home.pull_secret is None:
        return None
    return [k8s.core.v1.LocalObjectReferenceArgs(name=names.REGISTRY_CREDENTIALS)]

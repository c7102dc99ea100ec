"""Namespaces that a stack makes for itself, or joins where a team brings them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from model import names
from model.chart import FORCE


@dataclass(frozen=True, kw_only=True)
class Home:
    """A namespace that the stack puts things into, with what pods in it need to pull images.

    Attributes:
        name: Its name, known once it is there.
        namespace: The Namespace, or what was added to an existing one.
        pull_secret: The Secret with the registry's credentials, or None where there are none.
    """

    name: pulumi.Output[str]
    namespace: pulumi.CustomResource
    pull_secret: k8s.core.v1.Secret | None

    @property
    def resources(self) -> list[pulumi.Resource]:
        """What has to be there before anything is put into it."""
        return [self.namespace, *([self.pull_secret] if self.pull_secret else [])]


@dataclass(frozen=True, kw_only=True)
class HomeArgs:
    """What a namespace is made of.

    Attributes:
        connection: The cluster.
        name: Its name.
        existing: Whether a team brings it: then it is joined, and left as it was.
        protect: Whether Pulumi refuses to delete it.
        retain: Whether it stays when the stack goes, with what pods in it need to pull images.
        registry_credentials: Content of a container client's config.json, secret, or None.
        labels: Its labels, beside the stack's mark.
        annotations: Its annotations.
    """

    connection: Connection
    name: str
    existing: bool = False
    protect: bool = False
    retain: bool = False
    registry_credentials: pulumi.Input[str] | None = None
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


def home(resource_name: str, args: HomeArgs, parent: pulumi.Resource, *depends_on: pulumi.Resource) -> Home:
    """Make a namespace, or join one that is there.

    An existing one gets labels and annotations by a patch, under a field manager of its own, whose deletion takes just
    those away again.

    Args:
        resource_name: Name of the resource.
        args: What it is made of.
        parent: The component that owns it.
        depends_on: What has to be there before it.
    """
    namespace: k8s.core.v1.Namespace | k8s.core.v1.NamespacePatch
    connection = args.connection
    if args.existing:
        namespace = k8s.core.v1.NamespacePatch(
            resource_name,
            metadata=k8s.meta.v1.ObjectMetaPatchArgs(
                name=args.name,
                labels=dict(args.labels or {}) or None,
                annotations={
                    **(args.annotations or {}),
                    **FORCE,
                    "pulumi.com/patchFieldManager": names.FIELD_MANAGER,
                },
            ),
            opts=child(parent, *depends_on, retain_on_delete=args.retain or None),
        )
    else:
        namespace = k8s.core.v1.Namespace(
            resource_name,
            metadata=connection.metadata(args.name, labels=args.labels, annotations=args.annotations),
            opts=child(parent, *depends_on, protect=args.protect or None, retain_on_delete=args.retain or None),
        )
    name = namespace.metadata.apply(lambda meta: str(meta.name if meta else args.name))
    secret = None
    if args.registry_credentials is not None:
        secret = k8s.core.v1.Secret(
            f"{resource_name}-{names.REGISTRY_CREDENTIALS}",
            metadata=connection.metadata(names.REGISTRY_CREDENTIALS, namespace=name),
            type="kubernetes.io/dockerconfigjson",
            string_data={".dockerconfigjson": args.registry_credentials},
            opts=child(parent, namespace, retain_on_delete=args.retain or None),
        )
    return Home(name=name, namespace=namespace, pull_secret=secret)


def pull_secrets(place: Home) -> list[k8s.core.v1.LocalObjectReferenceArgs] | None:
    """What a pod in this namespace pulls its images with."""
    if place.pull_secret is None:
        return None
    return [k8s.core.v1.LocalObjectReferenceArgs(name=names.REGISTRY_CREDENTIALS)]

"""The Kubernetes objects of one app that Dapr serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import child
from components.namespaces import OwnNamespace, pull_secrets
from components.security import POD_SECURITY, container_security
from model import names
from model.apps import App
from model.route import dapr_service_ports

# Both of the quickstart's images run as any user; this one means nothing in them.
APP_USER = 1000


@dataclass(frozen=True, kw_only=True)
class DaprApp:
    """One app, and where and how it is deployed.

    Attributes:
        name: What the resources' names begin with.
        app: The app.
        home: Its namespace.
        annotations: Annotations of its pods, beside Dapr's own.
        parent: The component that owns it.
        provider: The cluster.
    """

    name: str
    app: App
    home: OwnNamespace
    annotations: Mapping[str, pulumi.Input[str]]
    parent: pulumi.Resource
    provider: pulumi.ProviderResource

    def service_account(self) -> k8s.core.v1.ServiceAccount:
        """An identity of its own, which a policy can name (step 10)."""
        return k8s.core.v1.ServiceAccount(
            f"{self.name}-account",
            metadata=self._metadata(self.app.name),
            opts=child(self.parent, self.home.namespace, provider=self.provider),
        )

    def deployment(self, *before: pulumi.Resource, own_account: bool) -> k8s.apps.v1.Deployment:
        """Its pods.

        Args:
            before: What has to be there before they start.
            own_account: Whether they run as a ServiceAccount of their own, or as the namespace's default one.
        """
        return k8s.apps.v1.Deployment(
            self.name,
            metadata=self._metadata(self.app.name, labels={"app": self.app.label}),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=self.app.replicas,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels={"app": self.app.label}),
                template=self._pod(own_account),
            ),
            opts=child(self.parent, *self.home.resources, *before, provider=self.provider),
        )

    def service(self) -> None:
        """Its own Service, where it has one: for callers that don't go through Dapr."""
        if self.app.service_port is None:
            return
        k8s.core.v1.Service(
            f"{self.name}-service",
            metadata=self._metadata(self.app.name, labels={"app": self.app.label}),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector={"app": self.app.label},
                ports=[
                    k8s.core.v1.ServicePortArgs(protocol="TCP", port=self.app.service_port, target_port=self.app.port)
                ],
            ),
            opts=child(self.parent, self.home.namespace, provider=self.provider),
        )

    def dapr_service(self, deployment: k8s.apps.v1.Deployment) -> None:
        """The Service of its daprd, in place of the one that Dapr's operator would make.

        It belongs to the Deployment, as the operator's does, and is left to it when it is no longer declared here: a
        release whose operator makes these Services takes it over as it stands, and deleting it later would take it
        away from running apps. It goes with its Deployment.
        """
        k8s.core.v1.Service(
            f"{self.name}-dapr-service",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=self.app.dapr_service,
                namespace=self.home.namespace.metadata.name,
                labels={"dapr.io/enabled": "true"},
                annotations={
                    "dapr.io/app-id": self.app.name,
                    # The operator of a release before may have made it already.
                    "pulumi.com/patchForce": "true",
                    # Pulumi waits by a watch, which may still show such a Service as it was: the next preview would
                    # then find a change that is none. Its pods are waited for anyway.
                    "pulumi.com/skipAwait": "true",
                },
                # A Deployment that is not there yet has metadata in a preview, but no id; so all of it is unknown then.
                owner_references=pulumi.Output.all(
                    deployment.id, deployment.metadata.apply(lambda meta: meta.uid)
                ).apply(lambda known: self._owners(known[1])),
            ),
            spec=k8s.core.v1.ServiceSpecArgs(
                cluster_ip="None",
                selector={"app": self.app.label},
                ports=[
                    k8s.core.v1.ServicePortArgs(
                        name=port["name"],
                        port=port["port"],
                        target_port=port["targetPort"],
                        protocol=port["protocol"],
                        app_protocol=port.get("appProtocol"),
                    )
                    for port in dapr_service_ports()
                ],
            ),
            opts=pulumi.ResourceOptions.merge(
                child(self.parent, deployment, provider=self.provider, retain_on_delete=True),
                # A Deployment keeps its uid, but a preview of its update does not know it.
                pulumi.ResourceOptions(ignore_changes=["metadata.ownerReferences"]),
            ),
        )

    def _owners(self, uid: str | None) -> list[k8s.meta.v1.OwnerReferenceArgs]:
        """The Deployment as owner; nobody where a preview does not know it."""
        if uid is None:
            return []
        return [
            k8s.meta.v1.OwnerReferenceArgs(
                api_version="apps/v1",
                kind="Deployment",
                name=self.app.name,
                uid=uid,
                controller=True,
                block_owner_deletion=True,
            )
        ]

    def _metadata(self, name: str, labels: Mapping[str, str] | None = None) -> k8s.meta.v1.ObjectMetaArgs:
        return k8s.meta.v1.ObjectMetaArgs(
            name=name, namespace=self.home.namespace.metadata.name, labels=dict(labels) if labels else None
        )

    def _pod(self, own_account: bool) -> k8s.core.v1.PodTemplateSpecArgs:
        app = self.app
        annotations: dict[str, pulumi.Input[str]] = {"dapr.io/enabled": "true", "dapr.io/app-id": app.name}
        if app.port is not None:
            annotations["dapr.io/app-port"] = str(app.port)
        resources: Mapping[str, Any] = app.resources
        return k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(
                labels={"app": app.label}, annotations={**annotations, **self.annotations}
            ),
            spec=k8s.core.v1.PodSpecArgs(
                service_account_name=app.name if own_account else "default",
                security_context=POD_SECURITY,
                image_pull_secrets=pull_secrets(self.home),
                containers=[
                    k8s.core.v1.ContainerArgs(
                        name=app.container,
                        image=app.image,
                        env=[k8s.core.v1.EnvVarArgs(name=key, value=value) for key, value in app.environment.items()],
                        ports=[k8s.core.v1.ContainerPortArgs(container_port=app.port)] if app.port else None,
                        security_context=container_security(APP_USER),
                        resources=k8s.core.v1.ResourceRequirementsArgs(
                            requests=resources.get("requests"), limits=resources.get("limits")
                        ),
                    )
                ],
            ),
        )


def secret_reader(
    name: str,
    home: OwnNamespace,
    *,
    secret: pulumi.Output[str] | None,
    accounts: list[str],
    parent: pulumi.Resource,
    provider: pulumi.ProviderResource,
) -> k8s.rbac.v1.RoleBinding:
    """Who may read which Secrets: the page's Role and RoleBinding (steps 1 and 10).

    Args:
        name: What the resources' names begin with.
        home: The namespace.
        secret: The one Secret that may be read; None for every one, as the page has it. "list" can't be held to single
            names and is left out with the rest.
        accounts: The ServiceAccounts that may.
        parent: The component that owns them.
        provider: The cluster.
    """
    namespace = home.namespace.metadata.name
    if secret is None:
        rule = k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["secrets"], verbs=["get", "list"])
    else:
        rule = k8s.rbac.v1.PolicyRuleArgs(
            api_groups=[""], resources=["secrets"], resource_names=[secret], verbs=["get"]
        )
    role = k8s.rbac.v1.Role(
        f"{name}-{names.SECRET_READER_ROLE}",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=names.SECRET_READER_ROLE, namespace=namespace),
        rules=[rule],
        opts=child(parent, home.namespace, provider=provider),
    )
    return k8s.rbac.v1.RoleBinding(
        f"{name}-{names.SECRET_READER_BINDING}",
        metadata=k8s.meta.v1.ObjectMetaArgs(name=names.SECRET_READER_BINDING, namespace=namespace),
        role_ref=k8s.rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="Role", name=names.SECRET_READER_ROLE
        ),
        subjects=[
            k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=namespace) for account in accounts
        ],
        opts=child(parent, role, provider=provider),
    )

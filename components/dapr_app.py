"""The Kubernetes objects of one app that Dapr serves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import fingerprints
from components.namespaces import Home
from model import app_pod, names
from model.apps import App
from model.chart import OWN_WAIT, SKIP_AWAIT
from model.route import dapr_service_ports


@dataclass(frozen=True, kw_only=True)
class DaprAppArgs:
    """One app, and where and how it is deployed.

    Attributes:
        connection: The cluster.
        app: The app.
        home: Its namespace.
        annotations: Annotations of its pods, beside Dapr's own.
        secret_environment: Environment variables of its container that were given as secret.
        own_account: Whether its pods run as a ServiceAccount of its own, or as the namespace's default one.
        own_dapr_service: Whether the Service of its daprd is the stack's instead of Dapr's operator's.
        after: What has to be there before its pods start.
        timeout_seconds: How long its pods may take until they are ready, in seconds.
    """

    connection: Connection
    app: App
    home: Home
    annotations: Mapping[str, pulumi.Input[str]]
    secret_environment: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    own_account: bool
    own_dapr_service: bool
    after: Sequence[pulumi.Resource]
    timeout_seconds: int


class DaprApp(pulumi.ComponentResource):
    """One app: its ServiceAccount, Deployment and Services.

    Attributes:
        account: Its own ServiceAccount, or None.
        deployment: Its Deployment.
        digest: Fingerprint of what of it is on the cluster; an edit by hand that was repaired changes it too.
    """

    account: k8s.core.v1.ServiceAccount | None
    deployment: k8s.apps.v1.Deployment
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: DaprAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Deploy it."""
        super().__init__("dapr-osm:components:DaprApp", name, None, opts)
        self._args = args
        self.account = self._service_account(name) if args.own_account else None
        self.deployment = self._deployment(name)
        self._service(name)
        if args.own_dapr_service:
            self._dapr_service(name, self.deployment)
        self.digest = fingerprints(self.deployment) if args.app.replicas is not None else pulumi.Output.from_input("")
        self.register_outputs({"digest": self.digest})

    def _service_account(self, name: str) -> k8s.core.v1.ServiceAccount:
        """An identity of its own, which a policy can name (step 10)."""
        return k8s.core.v1.ServiceAccount(
            f"{name}-account",
            metadata=self._metadata(self._args.app.name),
            opts=child(self, self._args.home.namespace),
        )

    def _deployment(self, name: str) -> k8s.apps.v1.Deployment:
        """Its pods."""
        args = self._args
        account = [self.account] if self.account else []
        return k8s.apps.v1.Deployment(
            f"{name}-pods",
            metadata=self._metadata(args.app.name, labels={"app": args.app.label}, annotations=OWN_WAIT),
            spec={
                **({} if args.app.replicas is None else {"replicas": args.app.replicas}),
                "selector": {"matchLabels": {"app": args.app.label}},
                "template": self._pod(),
            },
            opts=child(self, *args.home.resources, *account, *args.after, timeout_seconds=args.timeout_seconds),
        )

    def _service(self, name: str) -> None:
        """Its own Service, where it has one: for callers that don't go through Dapr."""
        app = self._args.app
        if app.service_port is None:
            return
        k8s.core.v1.Service(
            f"{name}-service",
            metadata=self._metadata(app.name, labels={"app": app.label}, annotations=SKIP_AWAIT),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector={"app": app.label},
                ports=[k8s.core.v1.ServicePortArgs(protocol="TCP", port=app.service_port, target_port=app.port)],
            ),
            opts=child(self, self._args.home.namespace),
        )

    def _dapr_service(self, name: str, deployment: k8s.apps.v1.Deployment) -> None:
        """The Service of its daprd, in place of the one that Dapr's operator would make.

        It belongs to the Deployment, as the operator's does, and is left to it when it is no longer declared here: a
        release whose operator makes these Services takes it over as it stands, and deleting it later would take it
        away from running apps. It goes with its Deployment.
        """
        app = self._args.app
        k8s.core.v1.Service(
            f"{name}-dapr-service",
            metadata=self._args.connection.metadata(
                app.dapr_service,
                namespace=self._args.home.name,
                labels={"dapr.io/enabled": "true"},
                # Pulumi waits by a watch, which may still show such a Service as it was: the next preview would
                # then find a change that is none. Its pods are waited for anyway.
                annotations={"dapr.io/app-id": app.name, **SKIP_AWAIT},
                # A Deployment that is not there yet has metadata in a preview, but no id; so all of it is unknown then.
                owner_references=pulumi.Output.all(
                    deployment.id, deployment.metadata.apply(lambda meta: meta.uid)
                ).apply(lambda known: self._owners(known[1])),
            ),
            spec=k8s.core.v1.ServiceSpecArgs(
                cluster_ip="None",
                selector={"app": app.label},
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
                child(self, deployment, retain_on_delete=True),
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
                name=self._args.app.name,
                uid=uid,
                controller=True,
                block_owner_deletion=True,
            )
        ]

    def _metadata(
        self, name: str, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None
    ) -> k8s.meta.v1.ObjectMetaArgs:
        return self._args.connection.metadata(
            name, namespace=self._args.home.name, labels=labels, annotations=annotations
        )

    def _pod(self) -> dict[str, Any]:
        """The pod template, as Kubernetes writes it, with the team's own overlay over it."""
        app, args = self._args.app, self._args
        secret = self._secret_environment()
        pod = app_pod.template(
            app,
            account=app.name if args.own_account else "default",
            labels=args.connection.owner.labels,
            annotations=args.annotations,
            variables=[
                {"name": key, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
                for key in args.secret_environment
            ],
            pull_secret=None if args.home.pull_secret is None else names.REGISTRY_CREDENTIALS,
        )
        if app.secret_pod_overlay:
            pod = {"metadata": _hidden(pod["metadata"], app), "spec": pulumi.Output.secret(pod["spec"])}
        return pod

    def _secret_environment(self) -> pulumi.Output[str] | None:
        """The Secret with what was given as secret. Its name is Pulumi's: new values make a new one, and new pods."""
        args = self._args
        if not args.secret_environment:
            return None
        secret = k8s.core.v1.Secret(
            f"{self._name}-environment",
            metadata=args.connection.metadata(namespace=args.home.name),
            string_data={key: pulumi.Output.secret(value) for key, value in args.secret_environment.items()},
            opts=child(self, args.home.namespace),
        )
        return pulumi.Output.unsecret(secret.metadata.apply(lambda meta: str(meta.name)))


def _hidden(metadata: Mapping[str, Any], app: App) -> dict[str, Any]:
    """A pod's metadata, with the labels and annotations that the team has laid over it as secrets."""
    laid = app.pod_overlay.get("metadata") or {}
    return {
        kind: {
            name: pulumi.Output.secret(mark) if name in (laid.get(kind) or {}) else mark for name, mark in marks.items()
        }
        for kind, marks in metadata.items()
    }


def secret_reader(
    name: str,
    connection: Connection,
    home: Home,
    *,
    secret: pulumi.Output[str] | None,
    accounts: list[str],
    parent: pulumi.Resource,
) -> k8s.rbac.v1.RoleBinding:
    """Who may read which Secrets: the page's Role and RoleBinding (steps 1 and 10).

    Args:
        name: What the resources' names begin with.
        connection: The cluster.
        home: The namespace.
        secret: The one Secret that may be read; None for every one, as the page has it. "list" can't be held to single
            names and is left out with the rest.
        accounts: The ServiceAccounts that may.
        parent: The component that owns them.
    """
    namespace = home.name
    if secret is None:
        rule = k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["secrets"], verbs=["get", "list"])
    else:
        rule = k8s.rbac.v1.PolicyRuleArgs(
            api_groups=[""], resources=["secrets"], resource_names=[secret], verbs=["get"]
        )
    role = k8s.rbac.v1.Role(
        f"{name}-{names.SECRET_READER_ROLE}",
        metadata=connection.metadata(names.SECRET_READER_ROLE, namespace=namespace),
        rules=[rule],
        opts=child(parent, home.namespace),
    )
    return k8s.rbac.v1.RoleBinding(
        f"{name}-{names.SECRET_READER_BINDING}",
        metadata=connection.metadata(names.SECRET_READER_BINDING, namespace=namespace),
        role_ref=k8s.rbac.v1.RoleRefArgs(
            api_group="rbac.authorization.k8s.io", kind="Role", name=names.SECRET_READER_ROLE
        ),
        subjects=[
            k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=namespace) for account in accounts
        ],
        opts=child(parent, role),
    )

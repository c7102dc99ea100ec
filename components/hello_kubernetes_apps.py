"""Steps 1, 7 and 8 of the walkthrough: the hello-kubernetes apps, and their namespace's place in the mesh."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest, digest_of
from components.namespaces import own_namespace
from components.redis_state_store import RedisStateStore, RedisStateStoreArgs, pull_secrets
from components.security import POD_SECURITY, container_security
from model import names
from model.apps import APPS, App
from model.route import CONFIGURATION, Route
from model.stage import Stage

# Both of the quickstart's images run as any user; this one means nothing in them.
APP_USER = 1000


@dataclass(frozen=True, kw_only=True)
class Interception:
    """What of the mesh's configuration a pod is made with.

    Attributes:
        pod_annotation: Value of the pods' ``openservicemesh.io/outbound-port-exclusion-list`` (step 6).
        digest: Fingerprint of what OSM reads at injection. A change of it rolls the pods.
        configured: What has to be done before a pod may be injected.
    """

    pod_annotation: pulumi.Input[str]
    digest: pulumi.Input[str]
    configured: pulumi.Resource


@dataclass(frozen=True, kw_only=True)
class HelloKubernetesAppsArgs:
    """What the apps are made of.

    Attributes:
        connection: The cluster.
        stage: Says whether each app has a ServiceAccount of its own.
        images: Each app's image, by the app's name.
        redis_image: The state store's image.
        redis_password: Its password, secret.
        password_in_component: Whether the Component holds the password itself.
        read_all_secrets: Whether the Role covers every Secret, as the page's does.
        registry_credentials: Credentials for a private registry, secret, or None.
        route: How the apps' sidecars call each other.
        dapr: What has to be there before a pod can get its daprd.
        interception: The mesh that the namespace joins, or None where it stays outside.
    """

    connection: Connection
    stage: Stage
    images: dict[str, str]
    redis_image: str
    redis_password: pulumi.Input[str]
    password_in_component: bool
    read_all_secrets: bool
    registry_credentials: pulumi.Input[str] | None
    route: Route
    dapr: pulumi.Resource
    interception: Interception | None = field(default=None)


class HelloKubernetesApps(pulumi.ComponentResource):
    """The namespace ``dapr-test`` and everything in it but the SMI objects.

    Attributes:
        namespace: The namespace's name.
        digest: Fingerprint of what is declared here.
    """

    namespace: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: HelloKubernetesAppsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Deploy the state store and the apps."""
        super().__init__("dapr-osm:components:HelloKubernetesApps", name, None, opts)
        self._args = args
        provider = args.connection.apply
        mesh = args.interception
        # Step 7. What lives here is made after the exclusions, since OSM reads them when it injects a pod.
        self.home = own_namespace(
            f"{name}-namespace",
            name=names.APPS_NAMESPACE,
            connection=args.connection,
            parent=self,
            registry_credentials=args.registry_credentials,
            labels={"openservicemesh.io/monitored-by": names.MESH_NAME} if mesh else None,
            annotations={"openservicemesh.io/sidecar-injection": "enabled"} if mesh else None,
            depends_on=[mesh.configured] if mesh else [],
        )
        namespace = self.home.namespace
        store = RedisStateStore(
            f"{name}-redis",
            RedisStateStoreArgs(
                connection=args.connection,
                home=self.home,
                image=args.redis_image,
                password=args.redis_password,
                password_in_component=args.password_in_component,
                dapr=args.dapr,
            ),
            opts=child(self),
        )
        # Step 10 gives each app a ServiceAccount, and with it an identity that a policy can name.
        accounts: dict[str, k8s.core.v1.ServiceAccount] = {}
        if args.stage.own_service_accounts:
            for app in APPS:
                accounts[app.name] = k8s.core.v1.ServiceAccount(
                    f"{name}-{app.name}-account",
                    metadata=k8s.meta.v1.ObjectMetaArgs(name=app.name, namespace=namespace.metadata.name),
                    opts=child(self, namespace, provider=provider),
                )
        binding = self._secret_reader(name, store.secret_name, list(accounts))
        before = [*self.home.resources, store, binding, args.dapr, *accounts.values(), *self._configuration(name)]
        for app in APPS:
            k8s.apps.v1.Deployment(
                f"{name}-{app.name}",
                metadata=k8s.meta.v1.ObjectMetaArgs(
                    name=app.name, namespace=namespace.metadata.name, labels={"app": app.label}
                ),
                spec=k8s.apps.v1.DeploymentSpecArgs(
                    replicas=1,
                    selector=k8s.meta.v1.LabelSelectorArgs(match_labels={"app": app.label}),
                    template=self._pod(app, store, service_account=app.name if accounts else None),
                ),
                opts=child(self, *before, provider=provider),
            )
            if app.service_port is not None:
                k8s.core.v1.Service(
                    f"{name}-{app.name}-service",
                    metadata=k8s.meta.v1.ObjectMetaArgs(
                        name=app.name, namespace=namespace.metadata.name, labels={"app": app.label}
                    ),
                    spec=k8s.core.v1.ServiceSpecArgs(
                        type="ClusterIP",
                        selector={"app": app.label},
                        ports=[
                            k8s.core.v1.ServicePortArgs(protocol="TCP", port=app.service_port, target_port=app.port)
                        ],
                    ),
                    opts=child(self, namespace, provider=provider),
                )
        self.namespace = namespace.metadata.apply(lambda meta: str(meta.name))
        self.digest = digest_of(
            args.images,
            *([args.route.configuration] if args.route.configuration else []),
            args.stage.own_service_accounts,
            args.read_all_secrets,
            store.digest,
            [mesh.pod_annotation, mesh.digest] if mesh else None,
        )
        self.register_outputs({"namespace": self.namespace, "digest": self.digest})

    def _configuration(self, name: str) -> list[pulumi.Resource]:
        """Dapr's Configuration for the apps' sidecars, where their way through the mesh needs one."""
        args = self._args
        if args.route.configuration is None:
            return []
        return [
            k8s.apiextensions.CustomResource(
                f"{name}-configuration",
                api_version="dapr.io/v1alpha1",
                kind="Configuration",
                metadata=k8s.meta.v1.ObjectMetaArgs(name=CONFIGURATION, namespace=self.home.namespace.metadata.name),
                spec=args.route.configuration,
                opts=child(self, self.home.namespace, args.dapr, provider=args.connection.apply),
            )
        ]

    def _secret_reader(
        self, name: str, store_secret: pulumi.Output[str], accounts: list[str]
    ) -> k8s.rbac.v1.RoleBinding:
        """Who may read which Secrets: the page's Role and RoleBinding.

        The page's Role reads every Secret of the namespace. Here it reads the one that the Component names, unless
        a stack asks for the page's; "list" can't be held to single names and is left out with the rest.
        """
        args, provider = self._args, self._args.connection.apply
        namespace = self.home.namespace
        if args.read_all_secrets:
            rule = k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["secrets"], verbs=["get", "list"])
        else:
            rule = k8s.rbac.v1.PolicyRuleArgs(
                api_groups=[""], resources=["secrets"], resource_names=[store_secret], verbs=["get"]
            )
        role = k8s.rbac.v1.Role(
            f"{name}-{names.SECRET_READER_ROLE}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=names.SECRET_READER_ROLE, namespace=namespace.metadata.name),
            rules=[rule],
            opts=child(self, namespace, provider=provider),
        )
        return k8s.rbac.v1.RoleBinding(
            f"{name}-{names.SECRET_READER_BINDING}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=names.SECRET_READER_BINDING, namespace=namespace.metadata.name),
            role_ref=k8s.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="Role", name=names.SECRET_READER_ROLE
            ),
            subjects=[
                k8s.rbac.v1.SubjectArgs(kind="ServiceAccount", name=account, namespace=names.APPS_NAMESPACE)
                for account in ["default", *accounts]
            ],
            opts=child(self, role, provider=provider),
        )

    def _pod(self, app: App, store: RedisStateStore, service_account: str | None) -> k8s.core.v1.PodTemplateSpecArgs:
        args, mesh = self._args, self._args.interception
        annotations: dict[str, pulumi.Input[str]] = {
            "dapr.io/enabled": "true",
            "dapr.io/app-id": app.name,
            # daprd reads its Components only when it starts, so another password needs another pod.
            "dapr-osm/state-store": store.access_digest,
        }
        if app.port is not None:
            annotations["dapr.io/app-port"] = str(app.port)
        if args.route.configuration is not None:
            annotations["dapr.io/config"] = CONFIGURATION
            # daprd reads it only when it starts.
            annotations["dapr-osm/configuration"] = digest(args.route.configuration)
        if mesh is not None:
            annotations["openservicemesh.io/outbound-port-exclusion-list"] = mesh.pod_annotation
            # OSM reads its lists only when it injects a pod, so another list needs another pod (step 8).
            annotations["dapr-osm/interception"] = mesh.digest
        environment: dict[str, Any] = {"APP_PORT": str(app.port)} if app.port is not None else {}
        return k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(labels={"app": app.label}, annotations=annotations),
            spec=k8s.core.v1.PodSpecArgs(
                service_account_name=service_account or "default",
                security_context=POD_SECURITY,
                image_pull_secrets=pull_secrets(self.home),
                containers=[
                    k8s.core.v1.ContainerArgs(
                        name=app.container,
                        image=args.images[app.name],
                        env=[k8s.core.v1.EnvVarArgs(name=key, value=value) for key, value in environment.items()],
                        ports=[k8s.core.v1.ContainerPortArgs(container_port=app.port)] if app.port else None,
                        security_context=container_security(APP_USER),
                        resources=k8s.core.v1.ResourceRequirementsArgs(
                            requests={"cpu": "10m", "memory": "48Mi"}, limits={"memory": "192Mi"}
                        ),
                    )
                ],
            ),
        )

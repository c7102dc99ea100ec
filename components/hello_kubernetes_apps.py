"""Steps 1, 7 and 8 of the walkthrough: the hello-kubernetes apps, and their namespace's place in the mesh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.dapr_app import DaprApp, DaprAppArgs, secret_reader
from components.digest import digest, digest_of, fingerprints
from components.namespaces import Home, HomeArgs, home
from components.operation import operation
from components.readiness import await_pods
from components.redis_state_store import RedisStateStore, RedisStateStoreArgs
from model import names
from model.apps import App
from model.arguments import InjectionWait
from model.route import CONFIGURATION, Route
from model.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Interception:
    """What of the mesh's configuration a pod is made with.

    Attributes:
        pod_annotation: Value of the pods' ``openservicemesh.io/outbound-port-exclusion-list`` (step 6), or None.
        digest: Fingerprint of what OSM reads at injection. A change of it rolls the pods.
        configured: What has to be done before a pod may be injected.
    """

    pod_annotation: pulumi.Input[str] | None
    digest: pulumi.Input[str]
    configured: pulumi.Resource


@dataclass(frozen=True, kw_only=True)
class HelloKubernetesAppsArgs:
    """What the apps are made of.

    Attributes:
        connection: The cluster.
        stage: Says whether each app has a ServiceAccount of its own.
        namespace: The state store's namespace, and that of every app which names none of its own.
        apps: All apps, by app id: the walkthrough's and a stack's own.
        redis_image: The state store's image.
        redis_password: Its password, secret.
        password_in_component: Whether the Component holds the password itself.
        read_all_secrets: Whether the Role covers every Secret, as the page's does.
        registry_credentials: Credentials for a private registry, secret, or None.
        route: How the apps' sidecars call each other.
        control_planes: Namespaces of what serves the apps' sidecars.
        dapr: What has to be there before a pod can get its daprd.
        dapr_digest: Fingerprint of the Dapr release; another one rolls the pods, whose daprd is of the old one.
        sidecars: The containers that Dapr's and OSM's injectors add to a pod.
        interception: The mesh that the namespaces join, or None where they stay outside.
        secret_environments: By app id, environment variables that were given as secret.
        namespace_labels: Further labels of namespaces, by namespace.
        namespace_annotations: Further annotations of namespaces, by namespace.
        existing_namespaces: Names of namespaces that are there already and stay.
        protect: Whether Pulumi refuses to delete the namespaces.
        timeout_seconds: How long an app's pods may take until they are ready, in seconds.
    """

    connection: Connection
    stage: Stage
    namespace: str
    apps: Mapping[str, App]
    redis_image: str
    redis_password: pulumi.Input[str]
    password_in_component: bool
    read_all_secrets: bool
    registry_credentials: pulumi.Input[str] | None
    route: Route
    control_planes: Sequence[str]
    dapr: pulumi.Resource
    dapr_digest: str
    sidecars: Sequence[str]
    interception: Interception | None
    secret_environments: Mapping[str, Mapping[str, pulumi.Input[str]]] = field(default_factory=dict)
    namespace_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    namespace_annotations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    existing_namespaces: frozenset[str] = frozenset()
    protect: bool = False
    timeout_seconds: int


class HelloKubernetesApps(pulumi.ComponentResource):
    """The apps' namespaces - the page's is ``dapr-test`` - and everything in them but the SMI objects.

    The state store is in the first of them; apps of other namespaces don't see it, as Dapr keeps Components apart.

    Attributes:
        namespaces: The apps' namespaces, by name; each is known once it is there.
        digest: Fingerprint of what is declared here.
    """

    namespaces: dict[str, pulumi.Output[str]]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: HelloKubernetesAppsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Deploy the state store and the apps."""
        super().__init__("dapr-osm:components:HelloKubernetesApps", name, None, opts)
        self._args = args
        self.homes = self._homes(name)
        place = self.homes[args.namespace]
        store = RedisStateStore(
            f"{name}-redis",
            RedisStateStoreArgs(
                connection=args.connection,
                home=place,
                image=args.redis_image,
                password=args.redis_password,
                password_in_component=args.password_in_component,
                dapr=args.dapr,
                timeout_seconds=args.timeout_seconds,
            ),
            opts=child(self),
        )
        configurations = self._configurations(name)
        own_accounts = args.stage.own_service_accounts
        binding = secret_reader(
            name,
            connection=args.connection,
            home=place,
            secret=None if args.read_all_secrets else store.secret_name,
            accounts=[
                "default",
                *(app.name for app in args.apps.values() if own_accounts and app.namespace == args.namespace),
            ],
            parent=self,
        )
        injected = self._injection(name)
        deployed = [
            DaprApp(
                f"{name}-{app.name}",
                DaprAppArgs(
                    connection=args.connection,
                    app=app,
                    home=self.homes[app.namespace],
                    annotations=self._annotations(app, store),
                    secret_environment=args.secret_environments.get(app.name, {}),
                    own_account=own_accounts,
                    own_dapr_service=args.route.own_services,
                    after=[store, binding, args.dapr, injected, *configurations],
                    timeout_seconds=args.timeout_seconds,
                ),
                opts=child(self),
            )
            for app in args.apps.values()
        ]
        mesh = args.interception
        self.namespaces = {namespace: made.name for namespace, made in self.homes.items()}
        self.digest = digest_of(
            [digest(_declared(app)) for app in args.apps.values()],
            args.route.value,
            args.dapr_digest,
            args.stage.own_service_accounts,
            args.read_all_secrets,
            store.digest,
            [mesh.pod_annotation, mesh.digest] if mesh else None,
            [app.digest for app in deployed],
            fingerprints(binding, *(made.namespace for made in self.homes.values())),
        )
        if deployed:
            await_pods(
                f"{name}-ready",
                connection=args.connection,
                workloads={
                    ("Deployment", self.homes[app.namespace].name, app.name): made.deployment
                    for app, made in zip(args.apps.values(), deployed, strict=True)
                },
                timeout_seconds=args.timeout_seconds,
                step="await-apps",
                # What an autoscaler changes in a Deployment is none of the stack's.
                covers=digest_of(*(app.digest for app in deployed)),
                served_by=args.control_planes,
                opts=child(self, *deployed),
            )
        self.register_outputs({"namespaces": self.namespaces, "digest": self.digest})

    def _injection(self, name: str) -> pulumi.Resource:
        """Whether a pod in each namespace really gets its sidecars: one made too early would silently go without."""
        args, mesh = self._args, self._args.interception
        images = {app.namespace: app.image for app in args.apps.values()}
        return operation(
            f"{name}-injection",
            connection=args.connection,
            create="await-injection",
            arguments=InjectionWait(
                images=images,
                sidecars=tuple(args.sidecars),
                pull_secret=names.REGISTRY_CREDENTIALS if args.registry_credentials is not None else "",
                served_by=tuple(args.control_planes),
                seconds=args.timeout_seconds,
            ),
            again_with={"OPERATION_RELEASE": args.dapr_digest, "OPERATION_MESH": mesh.digest if mesh else ""},
            opts=child(self, args.dapr, *(item for made in self.homes.values() for item in made.resources)),
        )

    def _homes(self, name: str) -> dict[str, Home]:
        """Step 7. What lives here is made after the exclusions, since OSM reads them when it injects a pod."""
        args, mesh = self._args, self._args.interception
        wanted = dict.fromkeys([args.namespace, *(app.namespace for app in args.apps.values())])
        return {
            namespace: home(
                f"{name}-namespace" if namespace == args.namespace else f"{name}-namespace-{namespace}",
                HomeArgs(
                    connection=args.connection,
                    name=namespace,
                    existing=namespace in args.existing_namespaces,
                    protect=args.protect,
                    registry_credentials=args.registry_credentials,
                    labels={**args.namespace_labels.get(namespace, {}), **(names.JOINED_LABELS if mesh else {})},
                    annotations={
                        **args.namespace_annotations.get(namespace, {}),
                        **(names.JOINED_ANNOTATIONS if mesh else {}),
                    },
                ),
                self,
                *([mesh.configured] if mesh else []),
            )
            for namespace in wanted
        }

    def _configurations(self, name: str) -> list[pulumi.Resource]:
        """Dapr's Configuration for the apps' sidecars, where their way through the mesh needs one."""
        args = self._args
        made: list[pulumi.Resource] = []
        for namespace, place in self.homes.items():
            spec = args.route.configuration(namespace)
            if spec is not None:
                made.append(
                    k8s.apiextensions.CustomResource(
                        f"{name}-configuration" if namespace == args.namespace else f"{name}-configuration-{namespace}",
                        api_version="dapr.io/v1alpha1",
                        kind="Configuration",
                        metadata=args.connection.metadata(CONFIGURATION, namespace=place.name),
                        spec=spec,
                        opts=child(self, place.namespace, args.dapr),
                    )
                )
        return made

    def _annotations(self, app: App, store: RedisStateStore) -> dict[str, pulumi.Input[str]]:
        args, mesh = self._args, self._args.interception
        # daprd is the release's own: another release needs another pod.
        annotations: dict[str, pulumi.Input[str]] = {"dapr-osm/dapr": args.dapr_digest}
        if app.namespace == args.namespace:
            # daprd reads its Components only when it starts, so another password needs another pod.
            annotations["dapr-osm/state-store"] = store.access_digest
        configuration = args.route.configuration(app.namespace)
        if configuration is not None:
            annotations["dapr.io/config"] = CONFIGURATION
            # daprd reads it only when it starts.
            annotations["dapr-osm/configuration"] = digest(configuration)
        if mesh is not None:
            if mesh.pod_annotation is not None:
                annotations["openservicemesh.io/outbound-port-exclusion-list"] = mesh.pod_annotation
            # OSM reads its lists only when it injects a pod, so another list needs another pod (step 8).
            annotations["dapr-osm/interception"] = mesh.digest
        return annotations


def _declared(app: App) -> list[object]:
    return [
        app.name,
        app.namespace,
        app.image,
        app.port,
        app.service_port,
        app.replicas,
        dict(app.environment),
        dict(app.resources),
        None if app.secret_pod_overlay else dict(app.pod_overlay),
    ]

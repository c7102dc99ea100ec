"""Step 1 of the walkthrough: the state store, Redis with Dapr's Component for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest_of, fingerprints
from components.namespaces import Home, pull_secrets
from components.readiness import await_pods
from components.security import POD_SECURITY, container_security
from model import names, redis
from model.chart import OWN_WAIT, SKIP_AWAIT


@dataclass(frozen=True, kw_only=True)
class RedisStateStoreArgs:
    """What the state store is made of.

    Attributes:
        connection: The cluster.
        home: The apps' namespace.
        image: The official Redis image or a copy of it.
        password: Redis's password, secret.
        password_in_component: Whether the Component holds the password itself, readable by whoever may read
            Components, instead of naming the Secret.
        dapr: What has to be there before a Component can be.
        timeout_seconds: How long Redis may take until it is ready, in seconds.
    """

    connection: Connection
    home: Home
    image: str
    password: pulumi.Input[str]
    password_in_component: bool
    dapr: pulumi.Resource
    timeout_seconds: int


class RedisStateStore(pulumi.ComponentResource):
    """Redis, and the Component ``statestore`` that names it.

    It keeps nothing on disk, as the quickstart's needs nothing kept: a new pod starts empty.

    The password reaches Redis in a file, mounted from the Secret, so it is in no process's arguments and in no
    container's environment. The Secret's name is Pulumi's: a new password makes a new Secret, whose new name
    rolls Redis and changes the Component.

    Attributes:
        secret_name: Name of the Secret with the password.
        access_digest: Fingerprint of how daprd gets in; a daprd from before a change of it is shut out.
        digest: Fingerprint of what is declared here, and of what of it is on the cluster.
    """

    secret_name: pulumi.Output[str]
    access_digest: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: RedisStateStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Start Redis and declare the Component."""
        super().__init__("dapr-osm:components:RedisStateStore", name, None, opts)
        namespace = args.home.name
        labels = {"app": names.REDIS}
        metadata = args.connection.metadata
        password = pulumi.Output.secret(args.password)

        secret = k8s.core.v1.Secret(
            f"{name}-password",
            metadata=metadata(namespace=namespace),
            string_data={
                names.REDIS_PASSWORD_KEY: password,
                "redis.conf": password.apply(redis.configuration),
            },
            opts=child(self, args.home.namespace),
        )
        self.secret_name = pulumi.Output.unsecret(secret.metadata.apply(lambda meta: str(meta.name)))
        deployment = k8s.apps.v1.Deployment(
            f"{name}-server",
            metadata=metadata(names.REDIS, namespace=namespace, labels=labels, annotations=OWN_WAIT),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                # Two servers would hold two different states.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(type="Recreate"),
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels),
                template=self._pod(args, labels),
            ),
            opts=child(self, *args.home.resources, secret, timeout_seconds=args.timeout_seconds),
        )
        ready = await_pods(
            f"{name}-ready",
            connection=args.connection,
            workloads={("Deployment", namespace, names.REDIS): deployment},
            timeout_seconds=args.timeout_seconds,
            opts=child(self),
        )
        service = k8s.core.v1.Service(
            f"{name}-service",
            metadata=metadata(names.REDIS, namespace=namespace, labels=labels, annotations=SKIP_AWAIT),
            spec=k8s.core.v1.ServiceSpecArgs(
                selector=labels,
                ports=[
                    k8s.core.v1.ServicePortArgs(
                        name=port["name"],
                        port=port["port"],
                        target_port=port["targetPort"],
                        protocol=port["protocol"],
                    )
                    for port in redis.service_ports()
                ],
            ),
            opts=child(self, args.home.namespace),
        )
        reference = {"name": self.secret_name, "key": names.REDIS_PASSWORD_KEY}
        component = k8s.apiextensions.CustomResource(
            f"{name}-component",
            api_version="dapr.io/v1alpha1",
            kind="Component",
            metadata=metadata(names.STATE_STORE, namespace=namespace),
            spec={
                "type": "state.redis",
                "version": "v1",
                "metadata": [
                    {"name": "redisHost", "value": f"{names.REDIS}:{redis.PORT}"},
                    {"name": "redisPassword", "value": password}
                    if args.password_in_component
                    else {"name": "redisPassword", "secretKeyRef": reference},
                ],
            },
            # daprd gives up when its state store does not answer, so the Component comes when Redis does.
            opts=child(self, args.home.namespace, args.dapr, ready, service),
        )
        self.access_digest = digest_of(self.secret_name, args.password_in_component)
        self.digest = digest_of(args.image, self.access_digest, fingerprints(deployment, service, component))
        self.register_outputs(
            {"secret_name": self.secret_name, "access_digest": self.access_digest, "digest": self.digest}
        )

    def _pod(self, args: RedisStateStoreArgs, labels: dict[str, str]) -> k8s.core.v1.PodTemplateSpecArgs:
        probe: dict[str, Any] = {"tcp_socket": k8s.core.v1.TCPSocketActionArgs(port=redis.PORT_NAME)}
        return k8s.core.v1.PodTemplateSpecArgs(
            metadata=k8s.meta.v1.ObjectMetaArgs(
                labels={**labels, **args.connection.owner.labels},
                # An Envoy in front of Redis would want mTLS of clients that are excluded from the mesh.
                annotations={names.INJECTION: "disabled"},
            ),
            spec=k8s.core.v1.PodSpecArgs(
                automount_service_account_token=False,
                security_context=POD_SECURITY,
                image_pull_secrets=pull_secrets(args.home),
                containers=[
                    k8s.core.v1.ContainerArgs(
                        name=names.REDIS,
                        image=args.image,
                        command=["redis-server", "/etc/redis/redis.conf"],
                        ports=[k8s.core.v1.ContainerPortArgs(name=redis.PORT_NAME, container_port=redis.PORT)],
                        security_context=container_security(redis.USER),
                        readiness_probe=k8s.core.v1.ProbeArgs(period_seconds=1, failure_threshold=30, **probe),
                        liveness_probe=k8s.core.v1.ProbeArgs(initial_delay_seconds=10, **probe),
                        resources=k8s.core.v1.ResourceRequirementsArgs(**redis.RESOURCES),
                        volume_mounts=[
                            k8s.core.v1.VolumeMountArgs(name="config", mount_path="/etc/redis", read_only=True)
                        ],
                    )
                ],
                volumes=[
                    k8s.core.v1.VolumeArgs(
                        name="config",
                        secret=k8s.core.v1.SecretVolumeSourceArgs(
                            secret_name=self.secret_name,
                            items=[k8s.core.v1.KeyToPathArgs(key="redis.conf", path="redis.conf")],
                        ),
                    )
                ],
            ),
        )

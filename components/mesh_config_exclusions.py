"""Steps 3 to 6 of the walkthrough: permissive mode, and what bypasses Envoy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest_of
from model import exclusions, names, redis
from model.exclusions import Exclusions, PortScope, ServicePorts

FIELD_MANAGER = "dapr-osm"


@dataclass(frozen=True, kw_only=True)
class MeshConfigExclusionsArgs:
    """What to write into the MeshConfig.

    Attributes:
        connection: The cluster.
        mesh: What has to be there before the MeshConfig may be patched: the patch would create it.
        services: The Services that every daprd talks to, as the cluster has them (``DaprInstall.services``).
        permissive: Whether permissive traffic policy mode is on (step 3).
        exclude_api_server: Whether the API server's ClusterIP is excluded (step 4).
        port_scope: Whether placement's and Redis's ports are excluded mesh-wide or per pod (step 5).
        extra_ports: Further ports to exclude.
        extra_ip_ranges: Further IPv4 CIDRs to exclude.
    """

    connection: Connection
    mesh: pulumi.Resource
    services: pulumi.Input[dict[str, Any]]
    permissive: bool
    exclude_api_server: bool
    port_scope: PortScope
    extra_ports: Sequence[int]
    extra_ip_ranges: Sequence[str]


class MeshConfigExclusions(pulumi.ComponentResource):
    """The only writer of ``osm-mesh-config``: permissive mode, and the exclusion lists.

    Ports and addresses are those of the cluster's own Services. Before those exist, a preview shows the lists as
    not known yet.

    OSM owns the MeshConfig's other fields, so this is a patch by server-side apply, under a field manager of its
    own. Removing the patch does not restore earlier values, which does not matter: the MeshConfig goes with OSM.

    Attributes:
        exclusions: What bypasses Envoy and why, as plain lists and dictionaries.
        pod_annotation: Value for the apps' ``openservicemesh.io/outbound-port-exclusion-list`` (step 6).
        injection_digest: Fingerprint of what OSM reads at injection; pods made before a change of it are stale.
        digest: Fingerprint of what is declared here.
    """

    exclusions: pulumi.Output[dict[str, Any]]
    pod_annotation: pulumi.Output[str]
    injection_digest: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: MeshConfigExclusionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Work the lists out and patch the MeshConfig."""
        super().__init__("dapr-osm:components:MeshConfigExclusions", name, None, opts)

        computed: pulumi.Output[Exclusions] = pulumi.Output.from_input(args.services).apply(
            lambda services: exclusions.compute(
                api_server_ip=services[names.API_SERVER_SERVICE]["clusterIP"] if args.exclude_api_server else None,
                services=ServicePorts(
                    placement=services[names.PLACEMENT_SERVICE]["ports"],
                    api=services[names.DAPR_API_SERVICE]["ports"],
                    sentry=services[names.SENTRY_SERVICE]["ports"],
                    redis=redis.service_ports(),
                    scheduler={
                        service.split("/")[1]: services[service]["ports"]
                        for service in names.SCHEDULER_SERVICES
                        if service in services
                    },
                ),
                redis_port_name=redis.PORT_NAME,
                scope=args.port_scope,
                extra_ports=args.extra_ports,
                extra_ip_ranges=args.extra_ip_ranges,
            )
        )
        lists = computed.apply(lambda e: {"ip_ranges": list(e.ip_ranges), "ports": e.mesh_port_numbers})
        self.patch = k8s.apiextensions.CustomResourcePatch(
            f"{name}-patch",
            api_version="config.openservicemesh.io/v1alpha2",
            kind="MeshConfig",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=names.MESH_CONFIG,
                namespace=names.OSM_NAMESPACE,
                annotations={
                    # osm-bootstrap wrote these fields first.
                    "pulumi.com/patchForce": "true",
                    "pulumi.com/patchFieldManager": FIELD_MANAGER,
                },
            ),
            spec=_mesh_config_spec(args.permissive, lists),
            opts=child(self, args.mesh, provider=args.connection.apply),
        )
        self.exclusions = computed.apply(lambda e: e.explained())
        self.pod_annotation = computed.apply(lambda e: e.pod_annotation)
        self.injection_digest = digest_of(lists)
        self.digest = digest_of(args.permissive, self.exclusions)
        self.register_outputs(
            {
                "exclusions": self.exclusions,
                "pod_annotation": self.pod_annotation,
                "injection_digest": self.injection_digest,
                "digest": self.digest,
            }
        )


def _mesh_config_spec(permissive: bool, lists: pulumi.Output[dict[str, Any]]) -> Mapping[str, Any]:
    # Lists in a MeshConfig are atomic: whoever writes one writes all of it.
    return {
        "traffic": {
            "enablePermissiveTrafficPolicyMode": permissive,
            "outboundIPRangeExclusionList": lists["ip_ranges"],
            "outboundPortExclusionList": lists["ports"],
        }
    }

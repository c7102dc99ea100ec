"""Steps 3 to 6 of the walkthrough: permissive mode, and what bypasses Envoy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from components.connection import Connection, child
from components.digest import digest_of, fingerprints
from model import exclusions, names, redis
from model.chart import FORCE
from model.exclusions import Exclusions, ExclusionSet, PortScope
from model.names import Namespaces


@dataclass(frozen=True, kw_only=True)
class MeshConfigExclusionsArgs:
    """What to write into the MeshConfig.

    Attributes:
        connection: The cluster.
        mesh: What has to be there before the MeshConfig may be patched: the patch would create it.
        sidecars: Fingerprint of what OSM's injector puts into pods.
        namespaces: Where OSM and Dapr are.
        services: The Services that every daprd talks to, as the cluster has them (``DaprInstall.services``).
        permissive: Whether permissive traffic policy mode is on (step 3).
        enable_egress: Whether Envoy sends on what it knows nothing of.
        exclude_api_server: Whether the page's set has the API server's ClusterIP (step 4).
        exclusion_set: All that the page excludes, or only what is needed.
        port_scope: Whether placement's and Redis's ports are excluded mesh-wide or per pod (step 5).
        extra_ports: Further ports to exclude.
        extra_ip_ranges: Further IPv4 CIDRs to exclude.
    """

    connection: Connection
    mesh: pulumi.Resource
    sidecars: str
    namespaces: Namespaces
    services: pulumi.Input[dict[str, Any]]
    permissive: bool
    enable_egress: bool
    exclude_api_server: bool
    exclusion_set: ExclusionSet
    port_scope: PortScope
    extra_ports: Sequence[int]
    extra_ip_ranges: Sequence[str]


class MeshConfigExclusions(pulumi.ComponentResource):
    """The only writer of ``osm-mesh-config``: permissive mode, and the exclusion lists.

    Ports and addresses are those of the cluster's own Services. Before those exist, a preview shows the lists as
    not known yet.

    OSM owns the MeshConfig's other fields, so this is a patch by server-side apply, under a field manager of its
    own. Removing the patch does not restore earlier values, which does not matter: the MeshConfig goes with OSM, or the
    patch stays with it.

    Attributes:
        exclusions: What bypasses Envoy and why, as plain lists and dictionaries.
        pod_annotation: Value for the apps' ``openservicemesh.io/outbound-port-exclusion-list`` (step 6), or None.
        injection_digest: Fingerprint of what OSM reads at injection; pods made before a change of it are stale.
        digest: Fingerprint of what is declared here, and of the MeshConfig on the cluster.
    """

    exclusions: pulumi.Output[dict[str, Any]]
    pod_annotation: pulumi.Output[str] | None
    injection_digest: pulumi.Output[str]
    digest: pulumi.Output[str]

    def __init__(self, name: str, args: MeshConfigExclusionsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Work the lists out and patch the MeshConfig."""
        super().__init__("dapr-osm:components:MeshConfigExclusions", name, None, opts)

        computed: pulumi.Output[Exclusions] = pulumi.Output.from_input(args.services).apply(
            lambda services: exclusions.compute(
                api_server_ip=services[names.API_SERVER_SERVICE]["clusterIP"] if args.exclude_api_server else None,
                services=exclusions.service_ports(services, args.namespaces.dapr),
                redis_port_name=redis.PORT_NAME,
                scope=args.port_scope,
                which=args.exclusion_set,
                egress=args.enable_egress,
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
                namespace=args.namespaces.osm,
                annotations={
                    # osm-bootstrap wrote these fields first.
                    **FORCE,
                    "pulumi.com/patchFieldManager": names.FIELD_MANAGER,
                    # For whoever looks at the cluster alone: what was declared, and why.
                    exclusions.DECLARED_ANNOTATION: computed.apply(lambda e: json.dumps(e.explained())),
                },
            ),
            spec=_mesh_config_spec(args, lists),
            # It goes with the MeshConfig, and that with OSM. A mesh that is kept would deny what it has let others do;
            # and where somebody has removed OSM by hand, nothing is left to take these fields from.
            opts=child(self, args.mesh, retain_on_delete=True),
        )
        self.exclusions = computed.apply(lambda e: e.explained())
        # OSM refuses an empty annotation, and whether there is one is known before the ports are.
        per_pod = exclusions.any_per_pod(args.exclusion_set, egress=args.enable_egress, scope=args.port_scope)
        self.pod_annotation = computed.apply(lambda e: e.pod_annotation) if per_pod else None
        self.injection_digest = digest_of(args.sidecars, lists)
        self.digest = digest_of(args.permissive, args.enable_egress, self.exclusions, fingerprints(self.patch))
        self.register_outputs(
            {
                "exclusions": self.exclusions,
                "pod_annotation": self.pod_annotation,
                "injection_digest": self.injection_digest,
                "digest": self.digest,
            }
        )


def _mesh_config_spec(args: MeshConfigExclusionsArgs, lists: pulumi.Output[dict[str, Any]]) -> Mapping[str, Any]:
    # Lists in a MeshConfig are atomic: whoever writes one writes all of it.
    return {
        "traffic": {
            "enableEgress": args.enable_egress,
            "enablePermissiveTrafficPolicyMode": args.permissive,
            "outboundIPRangeExclusionList": lists["ip_ranges"],
            "outboundPortExclusionList": lists["ports"],
        }
    }

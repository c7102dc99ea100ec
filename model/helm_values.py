"""Helm values of both charts: what the mesh depends on, and what a stack may add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model import names
from model.versions import DaprRelease

Values = dict[str, Any]

# Size of each of the scheduler's three claims: the default of 1.18. Kubernetes can't change it afterwards, and up to
# 1.17 the default was 1Gi: without one size for all, a stack could not go back to such a release.
SCHEDULER_STORAGE: Final = "16Gi"

# Dapr's chart would make a Role and a RoleBinding in the namespace `default`, whoever's that is, by which every pod
# there may read every Secret there. The apps here have a Role of their own, in their own namespace. A stack's values
# may turn it on again.
NO_SECRET_READER: Final[Mapping[str, Any]] = {"dapr_rbac": {"secretReader": {"enabled": False}}}

# Keys that this program sets, with the reason that makes overriding them an error.
DAPR_PROTECTED: Final[Mapping[str, str]] = {
    "global.mtls.enabled": "it is set by dapr-osm:daprMtls",
    "global.mtls.sentryAddress": "sentry is in Dapr's namespace: only that is excluded from the mesh",
    "global.tag": "the release is chosen by dapr-osm:daprVersion",
    "global.registry": "the registry is chosen by dapr-osm:daprRegistry",
    "global.imagePullSecrets": "pull secrets are made from dapr-osm:registryCredentials",
    "global.actors.enabled": "the placement service's ports are part of the exclusions",
    "global.actors.serviceName": "the placement service's ports are part of the exclusions",
    "global.scheduler.enabled": "the scheduler's ports are part of the exclusions",
    "global.rbac.namespaced": "Dapr would see its own namespace only, and the apps live in others",
    "dapr_operator.watchNamespace": "Dapr would see this namespace only, and each team's apps have their own",
    "dapr_sidecar_injector.nativeSidecar": "OSM and the verification look for daprd beside the app",
    "dapr_operator.serviceReconciler.enabled": "who owns the <app>-dapr Services follows from dapr-osm:daprVersion",
}
OSM_PROTECTED: Final[Mapping[str, str]] = {
    "osm.meshName": "the apps' namespace joins the mesh by this name",
    "osm.osmNamespace": "OSM runs in the namespace that this stack makes for it",
    "osm.image.registry": "the registry is chosen by dapr-osm:osmRegistry",
    "osm.sidecarImage": "Envoy's image is chosen by dapr-osm:envoyImage",
    "osm.curlImage": "curl's image is chosen by dapr-osm:curlImage",
    "osm.imagePullSecrets": "pull secrets are made from dapr-osm:registryCredentials",
    "osm.enablePermissiveTrafficPolicy": "the mode follows from dapr-osm:stage",
    "osm.enableEgress": "it is set by dapr-osm:enableEgress",
    "osm.outboundIPRangeExclusionList": "the list is worked out from the cluster; see dapr-osm:extraIpRangeExclusions",
    "osm.outboundPortExclusionList": "the list is worked out from the cluster; see dapr-osm:extraPortExclusions",
    "osm.outboundIPRangeInclusionList": "calls to whatever it leaves out would bypass the mesh and its policies",
    "osm.networkInterfaceExclusionList": "calls by such an interface would bypass the mesh and its policies",
    "osm.enableReconciler": "it makes webhooks and CRDs again that a teardown has removed, with nobody to answer them",
    "osm.trustDomain": "pods are known by cluster.local when a permission is withdrawn",
    "osm.webhookConfigNamePrefix": "Dapr's webhook must come before OSM's, and webhooks run in order of name",
    "osm.caBundleSecretName": "teardown removes this Secret by name",
}

# What values of both charts begin with: their subcharts, and what is of all of them.
DAPR_PARTS: Final = (
    "global",
    "dapr_config",
    "dapr_operator",
    "dapr_placement",
    "dapr_rbac",
    "dapr_scheduler",
    "dapr_sentry",
    "dapr_sidecar_injector",
)
OSM_PARTS: Final = ("osm", "smi", "contour")

# Switches of OSM's chart that render objects of APIs which Kubernetes has removed.
# Source: OSM 1.2.4, charts/osm/templates/*-pod-disruption-budget.yaml and *-hpa.yaml.
OSM_GONE: Final[Mapping[str, str]] = {
    **{
        f"osm.{part}.enablePodDisruptionBudget": "the chart asks for policy/v1beta1, which Kubernetes 1.25 removed"
        for part in ("osmController", "injector")
    },
    **{
        f"osm.{part}.autoScale.enable": "the chart asks for autoscaling/v2beta2, which Kubernetes 1.26 removed"
        for part in ("osmController", "injector")
    },
}


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Values:
    """Both, deeply; where both have a value, the second one's. Lists are values, not merged."""
    result: Values = dict(base)
    for key, value in over.items():
        mine = result.get(key)
        both_maps = isinstance(mine, Mapping) and isinstance(value, Mapping)
        result[key] = merged(mine, value) if both_maps else value  # type: ignore[arg-type]
    return result


def overridden(values: Mapping[str, Any], protected: Mapping[str, str]) -> dict[str, str]:
    """The protected keys that these values would set, with the reason why they may not.

    A value that replaces a whole branch ("global: null") sets every key under it.
    """
    return {key: reason for key, reason in protected.items() if _sets(values, key.split("."))}


def switched_on(values: Mapping[str, Any], switches: Mapping[str, str]) -> dict[str, str]:
    """The switches that these values turn on, with the reason why they may not. To Helm any text is true."""
    return {key: reason for key, reason in switches.items() if at(values, key.split("."))}


def at(values: Any, path: Sequence[str]) -> Any:
    """What stands at a place; None where nothing does."""
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _sets(values: Any, path: Sequence[str]) -> bool:
    if not path:
        return True
    if not isinstance(values, Mapping):
        return True
    return path[0] in values and _sets(values[path[0]], path[1:])


def dapr(
    *, release: DaprRelease, mtls: bool, registry: str | None, pull_secret: str | None, further: Mapping[str, Any]
) -> Values:
    """Dapr's chart values: step 1's ``--enable-mtls=false``, the release's images and the stack's own values."""
    own = merged({"global": {"mtls": {"enabled": mtls}, "tag": release.version}}, NO_SECRET_READER)
    base: Values = merged(own, release.route.helm_values)
    if release.scheduler:
        base = merged(base, {"dapr_scheduler": {"cluster": {"storageSize": SCHEDULER_STORAGE}}})
    if registry:
        base["global"]["registry"] = registry
    if pull_secret:
        base["global"]["imagePullSecrets"] = pull_secret
    # A part of which nothing is said, as where all of it is a comment, takes nothing of ours away.
    return merged(base, {part: values for part, values in further.items() if values is not None})


def osm(
    *,
    registry: str | None,
    envoy_image: str | None,
    curl_image: str | None,
    pull_secret: str | None,
    further: Mapping[str, Any],
) -> Values:
    """OSM's chart values (step 2).

    Permissive mode is off here, although the chart's default is on: these presets count only until the
    MeshConfig exists, and a mesh should not be open before something says so.
    """
    base: Values = {"osm": {"meshName": names.MESH_NAME, "enablePermissiveTrafficPolicy": False}}
    if registry:
        base["osm"]["image"] = {"registry": registry}
    if envoy_image:
        base["osm"]["sidecarImage"] = envoy_image
    if curl_image:
        base["osm"]["curlImage"] = curl_image
    if pull_secret:
        base["osm"]["imagePullSecrets"] = [{"name": pull_secret}]
    return merged(base, further)


@dataclass(frozen=True, kw_only=True)
class SchedulerStorage:
    """Where Dapr's scheduler keeps its jobs.

    Attributes:
        in_memory: Whether it keeps them in its pods' memory, and needs no volumes.
        storage_class: The StorageClass of its claims; "" for the cluster's default.
    """

    in_memory: bool
    storage_class: str


def scheduler_storage(further: Mapping[str, Any]) -> SchedulerStorage:
    """What a stack's own values for Dapr's chart say of the scheduler's storage."""
    cluster: Any = further
    for key in ("dapr_scheduler", "cluster"):
        cluster = cluster.get(key) if isinstance(cluster, Mapping) else None
    values = cluster if isinstance(cluster, Mapping) else {}
    return SchedulerStorage(
        in_memory=values.get("inMemoryStorage") is True, storage_class=str(values.get("storageClassName") or "")
    )

"""The pods that a stack brings, as they will be once the injectors have added their sidecars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from cluster.client import Object
from model import app_pod, names, redis
from model.apps import App
from model.chart import ChartObject
from model.quantity import quantity
from settings import Settings

# What an injector's container says of itself. Sources: OSM 1.2.4, pkg/injector/{init_container,envoy_container}.go;
# Dapr, pkg/injector/patcher/sidecar_container.go.
OSM_INIT: Final[Mapping[str, Any]] = {
    "name": "osm-init",
    "securityContext": {
        "privileged": False,
        "capabilities": {"add": ["NET_ADMIN"]},
        "runAsNonRoot": False,
        "runAsUser": 0,
    },
}
ENVOY: Final[Mapping[str, Any]] = {
    "name": "envoy",
    "securityContext": {"allowPrivilegeEscalation": False, "runAsUser": 1500},
}
DAPRD: Final[Mapping[str, Any]] = {
    "name": "daprd",
    "securityContext": {"allowPrivilegeEscalation": False, "runAsNonRoot": True, "readOnlyRootFilesystem": True},
}
# How a team sizes daprd, by annotation; Envoy has no size of its own.
_SIZES: Final = {
    (kind, resource): f"dapr.io/sidecar-{resource}-{kind.removesuffix('s')}"
    for kind in ("requests", "limits")
    for resource in ("cpu", "memory")
}

Amounts = dict[str, Decimal]
"""Quantities by what they are of: ``cpu``, ``memory``."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A workload's pods.

    Attributes:
        kind: The workload's kind.
        namespace: Its namespace.
        name: Its name.
        count: How many pods it has; 0 where each node has one.
        template: Their template.
        secret: Whether a secret may stand in it.
    """

    kind: str
    namespace: str
    name: str
    count: int
    template: Mapping[str, Any]
    secret: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """Its workload: kind, namespace, name."""
        return (self.kind, self.namespace, self.name)

    @property
    def label(self) -> str:
        """As people write it."""
        return f"{self.kind} {self.namespace}/{self.name}"

    @property
    def requests(self) -> Amounts:
        """What one pod asks for."""
        return amounts(self.template["spec"], "requests")

    def owns(self, pod: Object) -> bool:
        """Whether a pod that is there is one of these, by who has made it; names are cut, and may begin alike."""
        metadata = pod["metadata"]
        makers = [(one["kind"], one["name"]) for one in metadata.get("ownerReferences") or ()]
        # A ReplicaSet is called like its Deployment, with a hash.
        makers += [("Deployment", name.rpartition("-")[0]) for kind, name in makers if kind == "ReplicaSet"]
        return metadata.get("namespace") == self.namespace and (self.kind, self.name) in makers


def amounts(spec: Mapping[str, Any], kind: str) -> Amounts:
    """What a pod asks for, or may take: its containers' together, or an init container's where that is more."""
    total = _sum(_amounts(container, kind) for container in spec.get("containers") or ())
    inits = spec.get("initContainers") or ()
    # One that goes on is a sidecar.
    total = _sum([total, *(_amounts(one, kind) for one in inits if one.get("restartPolicy") == "Always")])
    for init in inits:
        for name, amount in _amounts(init, kind).items():
            total[name] = max(total.get(name, Decimal(0)), amount)
    overhead = {name: quantity(value) or Decimal(0) for name, value in (spec.get("overhead") or {}).items()}
    return _sum([total, overhead])


def _amounts(container: Mapping[str, Any], kind: str) -> Amounts:
    resources = container.get("resources") or {}
    given = dict(resources.get(kind) or {})
    if kind == "requests":
        # A limit without a request is one too.
        given = {**(resources.get("limits") or {}), **given}
    return {name: quantity(value) or Decimal(0) for name, value in given.items()}


def _sum(parts: Iterable[Mapping[str, Decimal]]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def groups(settings: Settings, charts: Iterable[ChartObject]) -> Iterator[Group]:
    """The pods of a stack, by workload."""
    for item in charts:
        if item.is_workload and item.kind in ("Deployment", "StatefulSet", "DaemonSet"):
            spec = item.body["spec"]
            yield Group(
                kind=item.kind,
                namespace=item.namespace or "",
                name=item.name,
                count=0 if item.kind == "DaemonSet" else item.pods or 0,
                template=_with_claims(spec),
                secret=settings.secret_dapr_values or settings.secret_osm_values,
            )
    yield Group(
        kind="Deployment",
        namespace=settings.namespaces.apps,
        name=names.REDIS,
        count=1,
        template={
            "metadata": {"labels": {"app": names.REDIS}},
            "spec": {
                "automountServiceAccountToken": False,
                "securityContext": app_pod.POD_SECURITY,
                "containers": [
                    {
                        "name": names.REDIS,
                        "image": settings.images.redis,
                        "securityContext": app_pod.container_security(redis.USER),
                        "resources": redis.RESOURCES,
                    }
                ],
                **_pulling(settings),
            },
        },
    )
    for app in settings.apps.values():
        yield _app(settings, app)


def _with_claims(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """A workload's template, with a volume for each claim that its pods would have."""
    template: dict[str, Any] = spec["template"]
    claimed = [{"name": one["metadata"]["name"], "emptyDir": {}} for one in spec.get("volumeClaimTemplates") or ()]
    if not claimed:
        return template
    return {**template, "spec": {**template["spec"], "volumes": [*(template["spec"].get("volumes") or ()), *claimed]}}


def _pulling(settings: Settings) -> dict[str, Any]:
    return {"imagePullSecrets": [{"name": names.REGISTRY_CREDENTIALS}]} if settings.registry_credentials else {}


def _app(settings: Settings, app: App) -> Group:
    """An app's pods with their sidecars. Without the annotations, so that no injector adds them again."""
    pod = app_pod.template(
        app,
        account="default",
        labels={},
        annotations={},
        variables=[{"name": name, "value": ""} for name in sorted(app.secret_environment)],
        pull_secret=names.REGISTRY_CREDENTIALS if settings.registry_credentials else None,
    )
    annotations = pod["metadata"].get("annotations") or {}
    spec = dict(pod["spec"])
    where = settings.images
    sidecars = [
        {
            **_daprd(settings),
            "image": f"{where.dapr_registry or 'docker.io/daprio'}/daprd:{settings.dapr.version}",
            "resources": _sized(annotations),
        }
    ]
    if settings.stage.meshed:
        sidecars.append({**ENVOY, "image": where.envoy or "envoyproxy/envoy"})
        init = {**OSM_INIT, "image": f"{where.osm_registry or 'openservicemesh'}/init"}
        spec["initContainers"] = [*(spec.get("initContainers") or ()), init]
    spec["containers"] = [*spec["containers"], *sidecars]
    kept = {name: value for name, value in annotations.items() if not name.startswith("dapr.io/")}
    disabled = {names.INJECTION: "disabled"}
    metadata = {"labels": pod["metadata"]["labels"], "annotations": {**kept, **disabled}}
    return Group(
        kind="Deployment",
        namespace=app.namespace,
        name=app.name,
        count=app.replicas or 1,
        template={"metadata": metadata, "spec": spec},
        secret=app.secret_pod_overlay,
    )


def _daprd(settings: Settings) -> dict[str, Any]:
    """daprd, as the injector's values have it."""
    values = settings.dapr_values.get("dapr_sidecar_injector")
    if not isinstance(values, Mapping) or not values.get("sidecarDropALLCapabilities"):
        return dict(DAPRD)
    return {**DAPRD, "securityContext": {**DAPRD["securityContext"], "capabilities": {"drop": ["ALL"]}}}


def _sized(annotations: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    sized: dict[str, dict[str, Any]] = {}
    for (kind, resource), name in _SIZES.items():
        if annotations.get(name):
            sized.setdefault(kind, {})[resource] = annotations[name]
    return sized

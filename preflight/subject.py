"""What a preflight is about: a stack, the cluster it is for, and what it would bring there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final

from cluster.client import Cluster, Object, parallel
from cluster.errors import ApiError
from cluster.kinds import CRDS
from model import helm_values, inventory, names
from model.chart import ChartObject
from model.inventory import Named
from model.owner import Owner
from model.versions import OSM_RELEASE
from preflight import needs, ownership
from preflight.pods import Group, groups
from settings import Settings
from settings.problem import SECRET

NAMESPACES: Final = "/api/v1/namespaces"
WORKLOADS: Final = {kind: f"/apis/apps/v1/{kind.lower()}s" for kind in ("Deployment", "StatefulSet", "DaemonSet")}
NODES: Final = "/api/v1/nodes"
PODS: Final = "/api/v1/pods"
Key = tuple[str, str, str]
"""Kind, namespace ("" for none), name."""

# More pods than these are not counted in every preview.
MOST_PODS: Final = 3000


@dataclass(frozen=True, kw_only=True)
class State:
    """What the stack's own state knows. The defaults are for whoever asks without it: marks alone tell then.

    Attributes:
        begun: Whether an earlier run has looked at what OSM makes by itself.
        noted: Whether it knows of an earlier run at all.
        objects: The UIDs of objects that it knows, by kind, namespace and name.
        joined: Names of the namespaces of teams that it has written into.
    """

    begun: bool = False
    noted: bool = True
    objects: Mapping[Key, str] = field(default_factory=dict)
    joined: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A stack on its way to a cluster.

    Attributes:
        cluster: The cluster.
        settings: The stack's config, checked.
        owner: The stack.
        state: What its state knows.
        dapr: Dapr's chart, rendered; None where it could not be.
        osm: OSM's, likewise; of no object where the stage has no mesh.
    """

    cluster: Cluster
    settings: Settings
    owner: Owner
    state: State = field(default_factory=State)
    dapr: tuple[ChartObject, ...] | None = None
    osm: tuple[ChartObject, ...] | None = None

    @property
    def charts(self) -> tuple[ChartObject, ...]:
        """All objects of both charts that are known."""
        return (*(self.dapr or ()), *(self.osm or ()))

    @property
    def has_secrets(self) -> bool:
        """Whether a secret may stand in an object of the charts."""
        return self.settings.secret_dapr_values or self.settings.secret_osm_values

    @property
    def meshed(self) -> bool:
        """Whether the stage has a mesh."""
        return self.settings.stage.meshed

    @property
    def namespaces(self) -> list[str]:
        """The namespaces that the stack makes itself."""
        settings = self.settings
        return inventory.namespaces(settings.stage, settings.namespaces, settings.apps, settings.existing_namespaces)

    @property
    def homes(self) -> tuple[str, ...]:
        """The namespaces of the state store and of the apps."""
        settings = self.settings
        return tuple(dict.fromkeys([settings.namespaces.apps, *(app.namespace for app in settings.apps.values())]))

    @property
    def used(self) -> tuple[str, ...]:
        """Every namespace that the stack uses."""
        where = self.settings.namespaces
        return tuple(dict.fromkeys([where.dapr, *([where.osm] if self.meshed else []), *self.homes]))

    @property
    def storage(self) -> helm_values.SchedulerStorage:
        """Where Dapr's scheduler is to keep its jobs."""
        return helm_values.scheduler_storage(self.settings.dapr_values)

    def of_dapr_values(self, value: str) -> str:
        """A value for Dapr's chart as it may be told: not at all, where one of them was given as secret."""
        return SECRET if self.settings.secret_dapr_values else value

    @property
    def needs_volumes(self) -> bool:
        """Whether Dapr's scheduler wants volumes."""
        return bool(self.settings.dapr.scheduler) and not self.storage.in_memory

    def own_objects(self) -> Iterator[Named]:
        """The stack's own objects, beside the charts'."""
        settings = self.settings
        return inventory.own_objects(
            settings.stage,
            where=settings.namespaces,
            apps=settings.apps,
            policies=settings.policies.values(),
            route=settings.dapr.route,
            existing=settings.existing_namespaces,
            registry_credentials=settings.registry_credentials,
        )

    @property
    def claim(self) -> ownership.Claim:
        """Everything that the stack wants to be its own."""
        wanted = [
            ownership.Wanted(api_version=item.api_version, kind=item.kind, namespace=item.namespace, name=item.name)
            for item in self.own_objects()
        ]
        return ownership.Claim(
            owner=self.owner,
            wanted=[*wanted, *(ownership.Wanted.of(item) for item in self.charts)],
            runtime={**names.OSM_WEBHOOKS, CRDS: OSM_RELEASE.crds} if self.meshed else {},
            begun=self.state.begun,
            noted=self.state.noted,
            known=self.state.objects,
            namespaces=self.namespaces,
            take_over_definitions=self.settings.take_over_crds,
            existing_namespaces=self.settings.existing_namespaces,
            joins={name: self._joined(name) for name in self.settings.existing_namespaces - self.state.joined},
        )

    def _joined(self, namespace: str) -> Mapping[str, Mapping[str, str]]:
        """What a team's namespace is joined to the stack by; of a control plane's the mesh asks nothing."""
        settings, meshed = self.settings, self.meshed and namespace in self.homes
        return {
            "labels": {**settings.namespace_labels.get(namespace, {}), **(names.JOINED_LABELS if meshed else {})},
            "annotations": {
                **settings.namespace_annotations.get(namespace, {}),
                **(names.JOINED_ANNOTATIONS if meshed else {}),
            },
        }

    @cached_property
    def judged(self) -> ownership.Judged:
        """Whose the stack's names are."""
        return ownership.judge(self.cluster, self.claim)

    def plan(self, charts: Iterable[ChartObject]) -> needs.Plan:
        """What of the stack decides about the rights that it takes, with these objects of its charts."""
        settings = self.settings
        return needs.Plan(
            stage=settings.stage,
            where=settings.namespaces,
            apps=self.homes,
            own=tuple(self.namespaces),
            existing=tuple(sorted(settings.existing_namespaces)),
            release=settings.dapr,
            volumes=self.needs_volumes,
            verify=settings.verify,
            read_all_secrets=settings.read_all_secrets,
            objects=[*map(needs.Made.of, self.own_objects()), *map(needs.Made.of, charts)],
        )

    @cached_property
    def there(self) -> Mapping[str, Object]:
        """Those of the namespaces that are there, by name, with their metadata; one that is on its way out is not."""
        found = parallel(partial(self.cluster.partial, f"{NAMESPACES}/{name}") for name in self.used)
        return {
            name: item
            for name, item in zip(self.used, found, strict=True)
            if item is not None and not item["metadata"].get("deletionTimestamp")
        }

    @cached_property
    def nodes(self) -> list[Object]:
        """The cluster's nodes."""
        return self.cluster.items(NODES)

    @cached_property
    def pods(self) -> list[Object] | None:
        """All pods that have not ended; None where they are too many to look at."""
        query = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed", "limit": MOST_PODS}
        found = self.cluster.get(PODS, query) or {"items": []}
        return None if (found.get("metadata") or {}).get("continue") else list(found["items"])

    @cached_property
    def deployed(self) -> frozenset[Key]:
        """The workloads of the stack's that are there: those with its mark, or those of its state."""
        ((name, value),) = self.owner.labels.items()
        try:
            lists = [self.cluster.metadata(path, {"labelSelector": f"{name}={value}"}) for path in WORKLOADS.values()]
        except ApiError as error:
            if error.status != 403:
                raise
            return frozenset(key for key in self.state.objects if key[0] in WORKLOADS)
        return frozenset(
            (kind, str(item["metadata"].get("namespace") or ""), str(item["metadata"]["name"]))
            for kind, found in zip(WORKLOADS, lists, strict=True)
            for item in found
        )

    @cached_property
    def groups(self) -> list[Group]:
        """The pods that the stack brings, by workload."""
        return list(groups(self.settings, self.charts))

"""What a stage promises, as data that the verification can be handed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from model.apps import App
from model.policies import Call, Policy, calls, smi_objects
from model.route import Route
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DaprRelease, OsmRelease


@dataclass(frozen=True, kw_only=True)
class ExpectedApp:
    """One app's pods.

    Attributes:
        name: The app's id and Deployment.
        namespace: Where they are.
        container: The app's own container.
        containers: The names of all containers of a pod, sorted.
        init_containers: The names of all init containers, sorted.
        service_account: Who the pods run as.
    """

    name: str
    namespace: str
    container: str
    containers: tuple[str, ...]
    init_containers: tuple[str, ...]
    service_account: str


@dataclass(frozen=True, kw_only=True)
class ExpectedCall:
    """A call between two apps.

    Attributes:
        source: The caller's app id.
        destination: The called app's.
        allowed: Whether it must arrive, or must be refused by the mesh.
    """

    source: str
    destination: str
    allowed: bool


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What has to be seen on the cluster.

    Attributes:
        stack: The stack whose stage it is.
        stage: The stage that promises it.
        apps: Every app's pods.
        calls: Every call that could be made between them.
        through_envoys: Whether calls must cross both Envoys.
        by_http: Whether Envoys see calls; else they see connections.
        policies: The SMI objects that must be there, as ``Kind/namespace/name``; none others of this stack's may be.
            None where they don't matter, and may still be there: Pulumi deletes them after everything else.
        seconds: How long to wait for all of it.
        level: How much is looked at.
    """

    stack: str
    stage: str
    apps: tuple[ExpectedApp, ...]
    calls: tuple[ExpectedCall, ...]
    through_envoys: bool
    by_http: bool
    policies: tuple[str, ...] | None
    seconds: int
    level: VerifyLevel = VerifyLevel.CALLS

    @property
    def enforces(self) -> bool:
        """Whether the mesh refuses what no policy allows."""
        return self.policies is not None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Where the apps are, each once."""
        return tuple(dict.fromkeys(app.namespace for app in self.apps))

    def app(self, name: str) -> ExpectedApp:
        """The app of that id."""
        return next(app for app in self.apps if app.name == name)

    def call(self, source: str, destination: str) -> ExpectedCall | None:
        """The call between these two, or None where there is none."""
        return next((call for call in self.calls if (call.source, call.destination) == (source, destination)), None)

    def to_json(self) -> str:
        """As text that :meth:`from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Expectation:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        fields["apps"] = tuple(
            ExpectedApp(
                **{
                    **app,
                    "containers": tuple(app["containers"]),
                    "init_containers": tuple(app["init_containers"]),
                }
            )
            for app in fields["apps"]
        )
        fields["calls"] = tuple(ExpectedCall(**call) for call in fields["calls"])
        fields["level"] = VerifyLevel(fields.get("level", VerifyLevel.CALLS))
        fields["policies"] = None if fields["policies"] is None else tuple(fields["policies"])
        return cls(**fields)


def sidecars(stage: Stage, dapr: DaprRelease, osm: OsmRelease) -> tuple[str, ...]:
    """The containers that Dapr's and OSM's injectors add to every pod."""
    return dapr.containers + (osm.containers + dapr.mesh_containers if stage.meshed else ())


def expectation(
    stage: Stage,
    *,
    stack: str,
    dapr: DaprRelease,
    osm: OsmRelease,
    apps: Mapping[str, App],
    policies: Sequence[Policy],
    seconds: int,
    level: VerifyLevel = VerifyLevel.CALLS,
) -> Expectation:
    """What this stage promises with these releases, apps and policies."""
    return Expectation(
        stack=stack,
        stage=stage.value,
        apps=tuple(
            ExpectedApp(
                name=app.name,
                namespace=app.namespace,
                container=app.container,
                containers=tuple(sorted((app.container, *sidecars(stage, dapr, osm)))),
                init_containers=tuple(sorted(osm.init_containers if stage.meshed else ())),
                service_account=app.name if stage.own_service_accounts else "default",
            )
            for app in apps.values()
        ),
        calls=tuple(_expected(call, allowed) for call, allowed in calls(stage, apps, policies).items()),
        through_envoys=stage.meshed,
        by_http=dapr.route.by_http,
        policies=_references(stage, apps, policies, dapr.route) if stage.enforces else None,
        seconds=seconds,
        level=level,
    )


def _expected(call: Call, allowed: bool) -> ExpectedCall:
    return ExpectedCall(source=call.source, destination=call.destination, allowed=allowed)


def _references(stage: Stage, apps: Mapping[str, App], policies: Sequence[Policy], route: Route) -> tuple[str, ...]:
    return tuple(made.reference for made in smi_objects(policies, apps, route)) if stage.policies else ()

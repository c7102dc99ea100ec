"""What a stage promises, as data that the verification can be handed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from model.app_pod import asks_by_tcp
from model.apps import App
from model.arguments import Arguments, Strict
from model.policies import Call, Policy, named_calls, possible_calls, smi_objects
from model.route import Route
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DaprRelease, OsmRelease


@dataclass(frozen=True, kw_only=True)
class ExpectedApp(Strict):
    """One app's pods.

    Attributes:
        name: The app's id and Deployment.
        namespace: Where they are.
        port: Where the app listens; None where it only calls.
        container: The app's own container.
        containers: The names of all containers of a pod, sorted.
        init_containers: The names of all init containers, sorted.
        service_account: Who the pods run as.
    """

    name: str
    namespace: str
    port: int | None
    container: str
    containers: tuple[str, ...]
    init_containers: tuple[str, ...]
    service_account: str


@dataclass(frozen=True, kw_only=True)
class NamedCall(Strict):
    """A call that a policy of the stack speaks of.

    Attributes:
        policy: The policy's name.
        source: The caller's app id.
        destination: The called app's.
    """

    policy: str
    source: str
    destination: str

    @property
    def call(self) -> Call:
        """Who calls whom."""
        return Call(source=self.source, destination=self.destination)


@dataclass(frozen=True, kw_only=True)
class Expectation(Arguments):
    """What has to be seen on the cluster. It grows with the apps and the policies, not with pairs of apps.

    Attributes:
        stack: The stack whose stage it is.
        stage: The stage that promises it.
        apps: Every app's pods.
        named: The calls that policies speak of, whether they are in force or not.
        named_pass: Whether those are in force.
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
    named: tuple[NamedCall, ...]
    named_pass: bool
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

    @cached_property
    def calls(self) -> Mapping[Call, bool]:
        """Every call that could be made between the apps; whether it must arrive, or must be refused by the mesh."""
        named = {named.call for named in self.named}
        passing = named if self.named_pass else set()
        return {call: not self.enforces or call in passing for call in possible_calls(self.apps, named)}

    @cached_property
    def _apps(self) -> Mapping[str, ExpectedApp]:
        return {app.name: app for app in self.apps}

    def app(self, name: str) -> ExpectedApp:
        """The app of that id."""
        return self._apps[name]


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
                port=app.port,
                container=app.container,
                containers=tuple(sorted({app.container, *sidecars(stage, dapr, osm), *_for_probes(stage, osm, app)})),
                init_containers=tuple(sorted(osm.init_containers if stage.meshed else ())),
                service_account=app.name if stage.own_service_accounts else "default",
            )
            for app in apps.values()
        ),
        named=tuple(
            NamedCall(policy=name, source=call.source, destination=call.destination)
            for call, name in named_calls(policies).items()
        ),
        named_pass=stage.policies,
        through_envoys=stage.meshed,
        by_http=dapr.route.by_http,
        policies=_references(stage, apps, policies, dapr.route) if stage.enforces else None,
        seconds=seconds,
        level=level,
    )


def _for_probes(stage: Stage, osm: OsmRelease, app: App) -> tuple[str, ...]:
    return osm.answers_tcp if stage.meshed and asks_by_tcp(app) else ()


def _references(stage: Stage, apps: Mapping[str, App], policies: Sequence[Policy], route: Route) -> tuple[str, ...]:
    return tuple(made.reference for made in smi_objects(policies, apps, route)) if stage.policies else ()

"""SMI traffic policies (step 10), as data: who may call whom, and the objects that say so."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from model import names
from model.apps import NODE_APP, PYTHON_APP, App
from model.exclusions import DAPR_INTERNAL_GRPC_PORT
from model.route import Route

# The match of a policy that is not the walkthrough's.
MATCH: Final = "dapr-calls"
# What Envoy sees of an invocation: Dapr's own gRPC methods, the second one where the first finds nobody.
# Source: Dapr 1.12.0 and 1.18.2, pkg/messaging/direct_messaging.go.
CALL_PATHS: Final = tuple(
    f"/dapr.proto.internals.v1.ServiceInvocation/{method}" for method in ("CallLocalStream", "CallLocal")
)


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A permission: some apps may call another.

    Attributes:
        name: Name of its TrafficTarget.
        destination: App id of the called app.
        sources: App ids of the callers.
        path_regex: What the path of a call must match, or None for any; see :data:`CALL_PATHS`.
        routes: Name of its HTTPRouteGroup or TCPRoute.
        match: Name of the match in its HTTPRouteGroup.
    """

    name: str
    destination: str
    sources: tuple[str, ...]
    path_regex: str | None = None
    routes: str
    match: str = MATCH


@dataclass(frozen=True, kw_only=True)
class SmiObject:
    """One SMI object.

    Attributes:
        resource_name: Its part in the names of Pulumi's resources.
        api_version: Its API group and version.
        kind: Its kind.
        namespace: Its namespace.
        name: Its name.
        spec: Its spec.
    """

    resource_name: str
    api_version: str
    kind: str
    namespace: str
    name: str
    spec: dict[str, Any]

    @property
    def reference(self) -> str:
        """``Kind/namespace/name``."""
        return f"{self.kind}/{self.namespace}/{self.name}"


@dataclass(frozen=True, kw_only=True, order=True)
class Call:
    """One app calling another.

    Attributes:
        source: The caller's app id.
        destination: The called app's.
    """

    source: str
    destination: str


def walkthrough() -> dict[str, Policy]:
    """The page's policy, by name: pythonapp may call nodeapp."""
    return {
        names.TRAFFIC_TARGET: Policy(
            name=names.TRAFFIC_TARGET,
            destination=NODE_APP,
            sources=(PYTHON_APP,),
            routes=names.ROUTES,
            match=names.ROUTE_MATCH,
        )
    }


def smi_objects(policies: Iterable[Policy], apps: Mapping[str, App], route: Route) -> tuple[SmiObject, ...]:
    """The objects of these policies, each route before the TrafficTarget that names it.

    A TrafficTarget has to live where its destination does, and denies everything while its route is not there.

    Args:
        policies: The permissions.
        apps: All apps, by app id.
        route: How calls ride the mesh: as HTTP, or as connections to a port.
    """
    return tuple(made for policy in policies for made in _objects(policy, apps, route))


def _objects(policy: Policy, apps: Mapping[str, App], route: Route) -> tuple[SmiObject, SmiObject]:
    # The walkthrough's are "routes" and "traffic-target", those of a stack's own have the policy's name in front.
    prefix = "" if policy.name == names.TRAFFIC_TARGET else f"{policy.name}-"
    namespace = apps[policy.destination].namespace
    spec: dict[str, Any]
    rule: dict[str, Any]
    if route.by_http:
        # A match without conditions: any path and method.
        match = {"name": policy.match} | ({"pathRegex": policy.path_regex} if policy.path_regex else {})
        kind, spec = "HTTPRouteGroup", {"matches": [match]}
        rule = {"kind": kind, "name": policy.routes, "matches": [policy.match]}
    else:
        # OSM's CRD knows no name in a TCPRoute's matches.
        kind, spec = "TCPRoute", {"matches": {"ports": [DAPR_INTERNAL_GRPC_PORT]}}
        rule = {"kind": kind, "name": policy.routes}
    return (
        SmiObject(
            # Another kind is another object, so it must not be taken for a change of the same one.
            resource_name=f"{prefix}routes" if route.by_http else f"{prefix}tcp-routes",
            api_version="specs.smi-spec.io/v1alpha4",
            kind=kind,
            namespace=namespace,
            name=policy.routes,
            spec=spec,
        ),
        SmiObject(
            resource_name=f"{prefix}traffic-target",
            api_version="access.smi-spec.io/v1alpha3",
            kind="TrafficTarget",
            namespace=namespace,
            name=policy.name,
            spec={
                "destination": _account(apps[policy.destination]),
                "rules": [rule],
                "sources": [_account(apps[source]) for source in policy.sources],
            },
        ),
    )


def _account(app: App) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": app.name, "namespace": app.namespace}


class Callable(Protocol):
    """What matters of an app to who may call whom."""

    @property
    def name(self) -> str:
        """Its app id."""

    @property
    def namespace(self) -> str:
        """Where it runs."""

    @property
    def port(self) -> int | None:
        """Where it listens; None where it only calls."""


def named_calls(policies: Iterable[Policy]) -> dict[Call, str]:
    """The calls that policies speak of, each with the name of the first one that does."""
    named: dict[Call, str] = {}
    for policy in policies:
        for source in policy.sources:
            named.setdefault(Call(source=source, destination=policy.destination), policy.name)
    return named


def possible_calls(apps: Collection[Callable], named: Collection[Call]) -> Iterator[Call]:
    """Every call that could be made between the apps of a stack.

    Apps that listen nowhere can't be called. Apps of different namespaces count only where a policy speaks of them.
    """
    for source in apps:
        for destination in apps:
            if source.name == destination.name or destination.port is None:
                continue
            call = Call(source=source.name, destination=destination.name)
            if source.namespace == destination.namespace or call in named:
                yield call

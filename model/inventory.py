"""Every object of a stack that is not a chart's, by kind, namespace and name, before any of them is made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from model import names
from model.apps import App
from model.names import Namespaces
from model.policies import Policy, smi_objects
from model.route import CONFIGURATION, Route
from model.stage import Stage


@dataclass(frozen=True, kw_only=True)
class Named:
    """An object by name.

    Attributes:
        api_version: Its API group and version.
        kind: Its kind.
        namespace: Its namespace, or None.
        name: Its name.
    """

    api_version: str
    kind: str
    namespace: str | None
    name: str


def namespaces(stage: Stage, where: Namespaces, apps: Mapping[str, App], existing: Collection[str]) -> list[str]:
    """The namespaces that the stack makes itself."""
    used = [where.dapr, *([where.osm] if stage.meshed else []), where.apps, *(app.namespace for app in apps.values())]
    return [name for name in dict.fromkeys(used) if name not in existing]


def own_objects(
    stage: Stage,
    *,
    where: Namespaces,
    apps: Mapping[str, App],
    policies: Iterable[Policy],
    route: Route,
    existing: Collection[str],
    registry_credentials: bool,
) -> Iterator[Named]:
    """The stack's own objects, those whose names Pulumi makes up left out.

    Args:
        stage: How far along the walkthrough it is.
        where: Where everything lives.
        apps: All apps, by app id.
        policies: Who may call whom at the last stage.
        route: How calls ride the mesh.
        existing: Namespaces that a team brings.
        registry_credentials: Whether there are credentials for a private registry.
    """
    used = [where.dapr, *([where.osm] if stage.meshed else []), where.apps, *(app.namespace for app in apps.values())]
    for name in dict.fromkeys(used):
        if name not in existing:
            yield Named(api_version="v1", kind="Namespace", namespace=None, name=name)
        if registry_credentials:
            yield Named(api_version="v1", kind="Secret", namespace=name, name=names.REGISTRY_CREDENTIALS)
    yield from _state_store(where.apps)
    for app in apps.values():
        yield from _app(app, stage)
    for namespace in dict.fromkeys([where.apps, *(app.namespace for app in apps.values())]):
        if route.configuration(namespace) is not None:
            yield Named(api_version="dapr.io/v1alpha1", kind="Configuration", namespace=namespace, name=CONFIGURATION)
    if stage.policies:
        for item in smi_objects(policies, apps, route):
            yield Named(api_version=item.api_version, kind=item.kind, namespace=item.namespace, name=item.name)


def _state_store(namespace: str) -> Iterator[Named]:
    rbac = "rbac.authorization.k8s.io/v1"
    for api_version, kind, name in (
        ("apps/v1", "Deployment", names.REDIS),
        ("v1", "Service", names.REDIS),
        ("dapr.io/v1alpha1", "Component", names.STATE_STORE),
        (rbac, "Role", names.SECRET_READER_ROLE),
        (rbac, "RoleBinding", names.SECRET_READER_BINDING),
    ):
        yield Named(api_version=api_version, kind=kind, namespace=namespace, name=name)


def _app(app: App, stage: Stage) -> Iterator[Named]:
    yield Named(api_version="apps/v1", kind="Deployment", namespace=app.namespace, name=app.name)
    if app.service_port is not None:
        yield Named(api_version="v1", kind="Service", namespace=app.namespace, name=app.name)
    if stage.own_service_accounts:
        yield Named(api_version="v1", kind="ServiceAccount", namespace=app.namespace, name=app.name)
    # The <app>-dapr Service may be Dapr's operator's, which hands it over to a release that wants it to be the stack's.

"""What a stage promises, as data that the verification can be handed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from model import names
from model.apps import APPS
from model.policies import walkthrough
from model.stage import Stage
from model.versions import DaprRelease, OsmRelease


@dataclass(frozen=True, kw_only=True)
class ExpectedApp:
    """One app's pods.

    Attributes:
        name: The app's Deployment.
        container: The app's own container.
        containers: The names of all containers of a pod, sorted.
        init_containers: The names of all init containers, sorted.
        service_account: Who the pods run as.
    """

    name: str
    container: str
    containers: tuple[str, ...]
    init_containers: tuple[str, ...]
    service_account: str


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What has to be seen on the cluster.

    Attributes:
        stage: The stage that promises it.
        namespace: Where the apps are.
        apps: Their pods.
        orders_flow: Whether orders must be persisted, or must stop.
        through_envoys: Whether calls must cross both Envoys.
        policies: The SMI objects that must be there, as ``Kind/name``; none others of this stack's may be. None
            where they don't matter, and may still be there: Pulumi deletes them after everything else.
        seconds: How long to wait for all of it.
    """

    stage: str
    namespace: str
    apps: tuple[ExpectedApp, ...]
    orders_flow: bool
    through_envoys: bool
    policies: tuple[str, ...] | None
    seconds: int

    def to_json(self) -> str:
        """As text that :meth:`from_json` reads back."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Expectation:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        fields["apps"] = tuple(
            ExpectedApp(
                name=app["name"],
                container=app["container"],
                containers=tuple(app["containers"]),
                init_containers=tuple(app["init_containers"]),
                service_account=app["service_account"],
            )
            for app in fields["apps"]
        )
        fields["policies"] = None if fields["policies"] is None else tuple(fields["policies"])
        return cls(**fields)


def expectation(stage: Stage, dapr: DaprRelease, osm: OsmRelease, seconds: int) -> Expectation:
    """What this stage promises with these releases."""
    sidecars = dapr.containers + (osm.containers + dapr.mesh_containers if stage.meshed else ())
    return Expectation(
        stage=stage.value,
        namespace=names.APPS_NAMESPACE,
        apps=tuple(
            ExpectedApp(
                name=app.name,
                container=app.container,
                containers=tuple(sorted((app.container, *sidecars))),
                init_containers=tuple(sorted(osm.init_containers if stage.meshed else ())),
                service_account=app.name if stage.own_service_accounts else "default",
            )
            for app in APPS
        ),
        orders_flow=stage.orders_flow,
        through_envoys=stage.meshed,
        policies=_policies(stage),
        seconds=seconds,
    )


def _policies(stage: Stage) -> tuple[str, ...] | None:
    if stage.permissive or not stage.meshed:
        return None
    return tuple(f"{policy.kind}/{policy.name}" for policy in walkthrough()) if stage.policies else ()

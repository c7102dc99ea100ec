"""The running stack: its settings and secrets, its cluster, and both charts, all looked at before anything is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as k8s
from pulumi.runtime import config as runtime_config

import deployed
from charts import ChartError, Renderer
from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kinds import CRDS
from cluster.kubeconfig import check_context, check_reachable
from components.connection import provider
from components.control_plane import InstalledChart
from deployed import Deployed
from model import helm_values, inventory, names
from model.chart import ChartObject, UnknownHookError, marked_as_kept
from model.inventory import Named
from model.owner import Owner
from model.versions import DAPR_RELEASES, OSM_RELEASE
from preflight import needs, ownership, preconditions, rights
from settings import PROJECT, Settings, SettingsError, load
from steps import identity
from steps.teardown import Stack as TeardownStack

OSM_RUNTIME = "osm-runtime"
# Set to the stack's name where what carries its mark is its own, although its state does not know: the state was lost,
# or comes from an earlier version (`make bring-over`). Once, so it is no setting.
TAKE_OVER = "DAPR_OSM_TAKE_OVER"


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The settings that never leave Pulumi's encryption.

    Attributes:
        redis_password: Redis's password.
        registry_credentials: Credentials for a private registry, or None.
        environments: By app id, the environment variables that were given as secret.
    """

    redis_password: pulumi.Output[str]
    registry_credentials: pulumi.Output[str] | None
    environments: Mapping[str, Mapping[str, pulumi.Output[str]]]


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What the program builds its components from.

    Attributes:
        settings: The config, checked.
        secrets: Its secret part.
        owner: Whose everything is.
        provider: The Kubernetes provider.
        dapr: Dapr's chart.
        osm: OSM's chart; of no object where the stage has no mesh.
        teardown: What of the stack matters to others when it goes, as JSON.
    """

    settings: Settings
    secrets: Secrets
    owner: Owner
    provider: k8s.Provider
    dapr: InstalledChart
    osm: InstalledChart
    teardown: str


def stack() -> Stack:
    """Read the stack's config and check it, and the cluster that it is for, before anything is made.

    Raises:
        pulumi.RunError: The config or the kubeconfig can't be used, the cluster is another one than the stack's, lacks
            what the stack needs, or has something in its place that is not its own. Pulumi prints it without a
            traceback.
    """
    try:
        return _stack()
    except (SettingsError, OperationError, ChartError, UnknownHookError) as error:
        raise pulumi.RunError(str(error)) from error


def _stack() -> Stack:
    settings = load(_all_config(), runtime_config.is_config_secret)
    context = check_context(settings.kube_context, os.environ)
    check_reachable(os.environ, context)
    cluster = Cluster.connect(context)
    owner = Owner(stack=pulumi.get_stack())
    state = deployed.read()
    if state.releases:
        raise OperationError(
            f"this stack was made by an earlier version of this program: its state has the Helm releases "
            f"{', '.join(state.releases)}. Nothing was touched. Run `make bring-over` once, and what it says. "
            "Nothing is uninstalled: every object gets this stack's mark, and Helm's records of the releases go."
        )
    if state.cluster is not None and state.cluster != (found := cluster.uid()):
        raise OperationError(identity.other_cluster(state.cluster, found, cluster.server))
    preconditions.check(
        cluster,
        release=settings.dapr,
        namespaces=settings.namespaces,
        scheduler_storage=helm_values.scheduler_storage(settings.dapr_values),
        owner=owner,
    )
    _warn(settings)
    reached = provider(settings.kube_context)
    renderer = Renderer(
        provider=reached,
        owner=owner,
        pull_secret=names.REGISTRY_CREDENTIALS if settings.registry_credentials else None,
        credentials=_chart_credentials(settings),
    )
    dapr = renderer.dapr(settings)
    osm = renderer.osm(settings) if settings.stage.meshed else ()
    verdict = ownership.check(cluster, _claim(settings, owner, state, [*dapr, *osm]))
    installed = InstalledChart(
        objects=marked_as_kept((item for item in dapr if item.name not in verdict.left_alone), verdict.kept),
        kept=verdict.kept,
        secret=settings.secret_dapr_values,
    )
    _check_rights(cluster, settings, [*installed.objects, *osm])
    return Stack(
        settings=settings,
        secrets=_secrets(settings),
        owner=owner,
        provider=reached,
        dapr=installed,
        osm=InstalledChart(objects=osm, secret=settings.secret_osm_values),
        teardown=_teardown(settings, owner, installed),
    )


def _warn(settings: Settings) -> None:
    if settings.password_in_component:
        pulumi.log.warn(
            f"{PROJECT}:redisPasswordIn is component: whoever may read Components reads Redis's password there."
        )
    if settings.dapr.version not in DAPR_RELEASES:
        pulumi.log.warn(
            f"{PROJECT}:daprVersion {settings.dapr.version} was not tried here: it is taken to be like the release "
            "before it. Try it where nobody depends on it first."
        )


def _secrets(settings: Settings) -> Secrets:
    config = pulumi.Config(PROJECT)
    return Secrets(
        redis_password=config.require_secret("redisPassword"),
        registry_credentials=config.require_secret("registryCredentials") if settings.registry_credentials else None,
        environments={
            app.name: {name: _variable(config, app.name, name) for name in sorted(app.secret_environment)}
            for app in settings.apps.values()
            if app.secret_environment
        },
    )


def _variable(config: pulumi.Config, app: str, name: str) -> pulumi.Output[str]:
    return config.require_secret_object("apps").apply(lambda apps: str(apps[app]["env"][name]))


def _chart_credentials(settings: Settings) -> dict[str, str]:
    """What charts are fetched with. They go to the provider alone, for the one call, and into no resource."""
    if not settings.chart_credentials:
        return {}
    given: Mapping[str, Any] = pulumi.Config(PROJECT).require_object("chartCredentials")
    return {key: str(value) for key, value in given.items() if value not in (None, "")}


def _own_objects(settings: Settings) -> Iterator[Named]:
    return inventory.own_objects(
        settings.stage,
        where=settings.namespaces,
        apps=settings.apps,
        policies=settings.policies.values(),
        route=settings.dapr.route,
        existing=settings.existing_namespaces,
        registry_credentials=settings.registry_credentials,
    )


def _claim(settings: Settings, owner: Owner, state: Deployed, charts: Iterable[ChartObject]) -> ownership.Claim:
    """Everything that the stack wants to be its own."""
    wanted = [
        ownership.Wanted(api_version=item.api_version, kind=item.kind, namespace=item.namespace, name=item.name)
        for item in _own_objects(settings)
    ]
    return ownership.Claim(
        owner=owner,
        wanted=[*wanted, *(ownership.Wanted.of(item) for item in charts)],
        runtime={**names.OSM_WEBHOOKS, CRDS: OSM_RELEASE.crds} if settings.stage.meshed else {},
        begun=OSM_RUNTIME in state.commands,
        # The note comes before everything else: where it is missing, nothing here was made by this state.
        noted=state.cluster is not None or os.environ.get(TAKE_OVER) == owner.stack,
        known=state.objects,
        namespaces=_namespaces(settings),
        take_over_definitions=settings.take_over_crds,
        existing_namespaces=settings.existing_namespaces,
    )


def _check_rights(cluster: Cluster, settings: Settings, charts: Iterable[ChartObject]) -> None:
    """Whoever may only look may still have a preview, with what he lacks as a warning."""
    problem = rights.problem(cluster, needs.needed(_plan(settings, charts)))
    if problem is None:
        return
    if not pulumi.runtime.is_dry_run():
        raise OperationError(problem)
    pulumi.log.warn(problem)


def _plan(settings: Settings, charts: Iterable[ChartObject]) -> needs.Plan:
    where = settings.namespaces
    storage = helm_values.scheduler_storage(settings.dapr_values)
    return needs.Plan(
        stage=settings.stage,
        where=where,
        apps=tuple(dict.fromkeys([where.apps, *(app.namespace for app in settings.apps.values())])),
        own=tuple(_namespaces(settings)),
        existing=tuple(sorted(settings.existing_namespaces)),
        release=settings.dapr,
        volumes=bool(settings.dapr.scheduler) and not storage.in_memory,
        verify=settings.verify,
        read_all_secrets=settings.read_all_secrets,
        objects=[*map(needs.Made.of, _own_objects(settings)), *map(needs.Made.of, charts)],
    )


def _teardown(settings: Settings, owner: Owner, dapr: InstalledChart) -> str:
    meshed = settings.stage.meshed
    return TeardownStack(
        owner=owner,
        dapr_namespace=settings.namespaces.dapr,
        osm_namespace=settings.namespaces.osm if meshed else None,
        definitions={
            settings.namespaces.dapr: [name for name in dapr.definitions if name not in dapr.kept],
            **({settings.namespaces.osm: OSM_RELEASE.crds} if meshed else {}),
        },
        namespaces=_namespaces(settings),
    ).to_json()


def _namespaces(settings: Settings) -> list[str]:
    return inventory.namespaces(settings.stage, settings.namespaces, settings.apps, settings.existing_namespaces)


def _all_config() -> dict[str, str]:
    # pulumi.Config reads single keys only; a misspelt one shows only among all of them.
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}

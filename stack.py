"""The running stack: its settings and secrets, its cluster, and both charts, all looked at before anything is made."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s
from pulumi.runtime import config as runtime_config

import deployed
from charts import ChartError, Renderer
from cluster.client import Cluster
from cluster.errors import OperationError
from cluster.kubeconfig import check_context, check_reachable
from components.connection import provider
from components.control_plane import InstalledChart
from components.digest import digest
from components.verification import BARE
from deployed import Deployed
from model import names
from model.arguments import Teardown
from model.chart import UnknownHookError, marked_as_kept
from model.expectation import Expectation, expectation
from model.owner import Owner
from model.versions import DAPR_RELEASES, OSM_RELEASE
from preflight import report
from preflight.checks import examine
from preflight.subject import State, Subject
from settings import PROJECT, Settings, SettingsError, kubelet, load
from steps import identity
from verification.pods import bare

OSM_RUNTIME = "osm-runtime"
VERIFICATION = "verification-run"
TEMPLATE = "kubernetes:helm:template"
# What stops an update stops a destroy that runs the program; without it the Commands still guard the cluster.
DESTROY = "To destroy the stack all the same: pulumi destroy --run-program=false"
# Set to the stack's name where what carries its mark is its own, although its state does not know: the state was lost,
# or comes from an earlier version (`make bring-over`). Once, so it is no setting.
TAKE_OVER = "DAPR_OSM_TAKE_OVER"

# The exit code of a program that a signal has ended, as shells have it.
INTERRUPTED: Final = 130


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
        expectation: What has to be seen of it on the cluster.
        bare: Fingerprint of the pods that lack a sidecar, else of those that the last verification was about, or "".
        teardown: What of the stack matters to others when it goes.
    """

    settings: Settings
    secrets: Secrets
    owner: Owner
    provider: k8s.Provider
    dapr: InstalledChart
    osm: InstalledChart
    expectation: Expectation
    bare: str
    teardown: Teardown


def stack() -> Stack:
    """Read the stack's config and check it, and the cluster that it is for, before anything is made.

    Raises:
        pulumi.RunError: The config or the kubeconfig can't be used, the cluster is another one than the stack's, lacks
            what the stack needs, or has something in its place that is not its own. Pulumi prints it without a
            traceback.
    """
    _end_quietly()
    try:
        return _stack()
    except (SettingsError, OperationError, ChartError, UnknownHookError) as error:
        raise pulumi.RunError(str(error)) from error


def _end_quietly() -> None:
    """Let the program end without a traceback where it is told to: by then the engine has said why.

    Where an update fails, Pulumi's Python host ends the program with the signal of Ctrl-C, amid whatever it does.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: sys.exit(INTERRUPTED))


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
    _warn(settings)
    reached = provider(settings.kube_context)
    renderer = Renderer(
        render=partial(_rendered, reached),
        owner=owner,
        pull_secret=names.REGISTRY_CREDENTIALS if settings.registry_credentials else None,
        credentials=_chart_credentials(settings),
    )
    known = _known(state, owner)
    try:
        dapr = renderer.dapr(settings)
        osm = renderer.osm(settings) if settings.stage.meshed else ()
    except (ChartError, UnknownHookError) as error:
        # What is wrong with the cluster may be why, and is told as well.
        _examine(Subject(cluster=cluster, settings=settings, owner=owner, state=known), str(error))
        raise
    subject = Subject(cluster=cluster, settings=settings, owner=owner, state=known, dapr=dapr, osm=osm)
    _examine(subject)
    verdict = subject.judged.verdict
    installed = InstalledChart(
        objects=marked_as_kept((item for item in dapr if item.name not in verdict.left_alone), verdict.kept),
        kept=verdict.kept,
        secret=settings.secret_dapr_values,
    )
    expected = _expectation(settings, owner)
    return Stack(
        settings=settings,
        secrets=_secrets(settings),
        owner=owner,
        provider=reached,
        dapr=installed,
        osm=InstalledChart(objects=osm, secret=settings.secret_osm_values),
        expectation=expected,
        bare=_bare(cluster, expected, state),
        teardown=_teardown(subject, installed),
    )


def _expectation(settings: Settings, owner: Owner) -> Expectation:
    return expectation(
        settings.stage,
        stack=owner.stack,
        dapr=settings.dapr,
        osm=OSM_RELEASE,
        apps=settings.apps,
        policies=list(settings.policies.values()),
        seconds=settings.verify_seconds,
        level=settings.verify,
    )


def _bare(cluster: Cluster, expected: Expectation, state: Deployed) -> str:
    last = state.steps.get(VERIFICATION, {})
    before = str((last.get("environment") or {}).get(BARE, ""))
    # Where something else is expected now than was verified last, pods come and a verification anyway.
    found = bare(cluster, expected) if last.get("stdin") == expected.to_json() else {}
    if not found:
        return before
    pulumi.log.warn(
        "an `up` replaces these pods and verifies anew, since each was made without its sidecars: "
        + "; ".join(f"{pod.partition(' ')[0]} lacks {lacking}" for pod, lacking in found.items())
    )
    return digest(sorted(found))


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

    for app in settings.apps.values() if settings.stage.meshed else ():
        for key in kubelet.answered_by_daprd(app, settings.dapr):
            pulumi.log.warn(
                f"{PROJECT}:{key} is answered by daprd in the mesh, which gives a pod one answer for each kind of "
                "probe by HTTP: it says nothing of the app. Ask by TCP (tcpSocket) or by a command (exec)."
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


def _rendered(reached: k8s.Provider, options: str) -> Any:
    """What a chart renders to, as the provider has it."""
    answer = pulumi.runtime.invoke(TEMPLATE, {"jsonOpts": options}, opts=pulumi.InvokeOptions(provider=reached)).value
    return (answer or {}).get("result")


def _known(state: Deployed, owner: Owner) -> State:
    """What the stack's own state knows that matters to the checks."""
    return State(
        begun=OSM_RUNTIME in state.commands,
        # The note comes before everything else: where it is missing, nothing here was made by this state.
        noted=state.cluster is not None or os.environ.get(TAKE_OVER) == owner.stack,
        objects=state.objects,
        joined=state.joined,
    )


def _examine(subject: Subject, *wrong: str) -> None:
    """Look at the cluster. Whoever may only look may still have a preview, with what he lacks as a warning.

    Args:
        subject: The stack.
        wrong: What is known to be wrong already.

    Raises:
        OperationError: Something is; says all of it.
    """
    found, preview = examine(subject), pulumi.runtime.is_dry_run()
    refused = report.refusal(found, subject.owner.stack, preview=preview)
    if wrong or refused:
        refusal = "\n".join([*wrong, *([refused] if refused else [])])
        raise OperationError(f"{refusal}\n{DESTROY}" if subject.state.objects else refusal)
    warning = report.warning(found, preview=preview)
    if warning is not None:
        pulumi.log.warn(warning)


def _teardown(subject: Subject, dapr: InstalledChart) -> Teardown:
    where, meshed = subject.settings.namespaces, subject.meshed
    return Teardown(
        dapr_namespace=where.dapr,
        osm_namespace=where.osm if meshed else None,
        definitions={
            where.dapr: tuple(name for name in dapr.definitions if name not in dapr.kept),
            **({where.osm: OSM_RELEASE.crds} if meshed else {}),
        },
        namespaces=tuple(subject.namespaces),
        existing=tuple(sorted(subject.settings.existing_namespaces)),
        keep=subject.settings.keep_shared,
    )


def _all_config() -> dict[str, str]:
    # pulumi.Config reads single keys only; a misspelt one shows only among all of them.
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}

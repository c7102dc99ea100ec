"""Every key of the config, declared once: type with its rules and mends, default, description.

``Pulumi.yaml``'s schema and the tables of ``docs/settings.md`` are made from it (``make docs``). A class is a table.

A new key is a line here, an attribute of :class:`~settings.result.Settings` with its line in ``read.settled``, and
three bad inputs in ``tests/unit/bad_inputs.py`` for each rule that is new.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import Field

from model import versions
from model.exclusions import ExclusionSet, PortScope
from model.names import Namespaces
from model.stage import Stage
from model.verify_level import VerifyLevel
from settings.charts import Location
from settings.declaration import Keys, Kind, Refusal, Rule, Secrecy, key, key_names, one_of
from settings.environment import Environment
from settings.expressions import Expression
from settings.images import GivenImage, Image, Registry
from settings.names import Label, OwnNamespace, Text
from settings.networks import AppPort, IpRanges, Ports
from settings.numbers import HPA, Flag, Port, Replicas, Seconds
from settings.pods import Pod
from settings.quantities import Resources
from settings.releases import DaprVersion
from settings.secret_values import ChartCredentials, GivenChartCredentials, Password, RegistryCredentials
from settings.values import DaprValues, OsmValues

_AS_YAML: Final = "Set it in the stack file, as YAML."
_NAMESPACES: Final = Namespaces()
RedisPasswordIn = Annotated[Text, Field(pattern="^(secret|component)$"), one_of(["secret", "component"])]
Names = Annotated[list[Label], Kind("a list of namespaces", _AS_YAML)]
MarksByNamespace = Annotated[
    dict[str, Annotated[dict[str, Any], Kind("an object of texts by key", "Write it as key: value.")]],
    Kind("an object of namespaces", _AS_YAML),
]


def _app_ids(given: list[Any]) -> Iterator[Refusal]:
    if not given or not all(isinstance(source, str) for source in given):
        yield Refusal(rule=f"is not {_APP_IDS.what}", mend=_APP_IDS.mend)


_APP_IDS: Final = Kind("a list of app ids", "Name the apps that may call.")
Sources = Annotated[list[Any], _APP_IDS, Rule("sources", _app_ids)]


def _switched_off(given: Any) -> str | None:
    # To YAML 1.1 the word is false.
    return '"off", in quotes' if given in (False, "false", "False") else None


_LEVELS: Final = one_of(VerifyLevel)


class AppKeys(Keys):
    """What is said of one app."""

    namespace: Label | None = key(
        None,
        "Where it runs: a namespace that the stack makes and joins to the mesh, or one of `existingNamespaces`. It is "
        "`appsNamespace` where nothing is said.",
    )
    image: Image | None = key(None, "Its image. It runs as user 1000 with a read-only root file system.")
    port: AppPort | None = key(
        None, "Where it listens. Without one it can't be called. Below 1024 only root may, and sidecars have ports too."
    )
    service_port: Port | None = key(None, "The port of a Service of its own, for callers beside Dapr.")
    replicas: Replicas | None = key(
        None, f"How many pods it has: 1, unless said otherwise. `{HPA}` leaves it to a HorizontalPodAutoscaler."
    )
    env: Environment | None = key(
        None,
        "Environment variables. Where one of them is given with `--secret --path`, all of them reach the pods by a "
        "Kubernetes Secret.",
        secrecy=Secrecy.KEPT,
    )
    resources: Resources | None = key(
        None, "Requests and limits, as Kubernetes writes them, instead of our small ones."
    )
    pod: Pod | None = key(
        None,
        "Anything else of its pods: a pod template's `metadata` and `spec`, merged over ours like Helm values; "
        "containers, volumes and variables by name, null removes. What the mesh depends on can't be set.",
        secrecy=Secrecy.KEPT,
    )


class PolicyKeys(Keys):
    """What is said of one policy."""

    destination: Text | None = key(None, "The app that may be called.")
    sources: Sources | None = key(None, "The apps that may call it.")
    path_regex: Expression | None = key(
        None,
        "What a call's path must match, all of it. What Envoy sees is Dapr's gRPC method, "
        "`/dapr.proto.internals.v1.ServiceInvocation/CallLocalStream` or `CallLocal`, never the app's own.",
    )


def _its_keys(model: type[Keys]) -> str:
    return f"It has the keys {', '.join(key_names(model))}."


GivenApp = Annotated[AppKeys, Kind("an object with an app's keys", _its_keys(AppKeys))]
GivenPolicy = Annotated[PolicyKeys, Kind("an object with a policy's keys", _its_keys(PolicyKeys))]


class EnvironmentKeys(Keys):
    """The environment."""

    stage: Annotated[Stage, one_of(Stage)] = key(
        Stage.SMI, "How far along the walkthrough this environment is: `dapr`, `permissive`, `locked` or `smi`."
    )
    redis_password: Password | None = key(None, "Redis's password. Set it with `--secret`.", secrecy=Secrecy.REQUIRED)
    kube_context: Text = key(
        "",
        "The context of `KUBECONFIG` (or `~/.kube/config`) that everything uses, whichever is current. Empty for the "
        "current one. `kubernetes:context` says the same.",
    )
    dapr_version: DaprVersion = key(
        versions.DEFAULT_DAPR_VERSION,
        "The Dapr release to install, one of [those that are known to work](dapr-releases.md).",
    )
    allow_untried_dapr: Flag = key(
        False, "Whether `daprVersion` may be a newer patch release of a known minor: not tried here, so try it first."
    )
    dapr_namespace: OwnNamespace = key(
        _NAMESPACES.dapr,
        "The namespace of Dapr's control plane. Choose it before the first `pulumi up`: a control plane can't move.",
    )
    osm_namespace: OwnNamespace = key(_NAMESPACES.osm, "The namespace of OSM's control plane, likewise.")
    apps_namespace: OwnNamespace = key(
        _NAMESPACES.apps,
        "The namespace of the state store and of every app that names none of its own. Another one has them made anew "
        "there, and the state store begins empty.",
    )
    existing_namespaces: Names = key(
        [],
        "Which of the namespaces are there already: they are joined to the mesh, and left on destroy as they were. All "
        "others are made, and deleted again.",
    )
    namespace_labels: MarksByNamespace = key({}, "Labels of namespaces, by namespace.")
    namespace_annotations: MarksByNamespace = key({}, "Annotations of namespaces, by namespace.")
    timeout_seconds: Seconds = key(
        300,
        "How long a control plane's pods, Redis's or the apps' may take until they are ready, in seconds (30-3600).",
    )
    verify: Annotated[VerifyLevel, Kind(_LEVELS.what, _LEVELS.mend, _LEVELS.choices, _switched_off)] = key(
        VerifyLevel.CALLS,
        "What a verification looks at: `calls` between apps, as each Envoy sees them (needs `pods/portforward`), only "
        "`pods` with their sidecars, or `off`.",
    )
    verify_seconds: Seconds = key(
        120, "How long a verification may wait for what it wants to see, in seconds (30-3600)."
    )


class SharingKeys(Keys):
    """What is shared with others."""

    protect: Flag = key(
        False,
        "Whether namespaces and control planes are protected: a destroy is then refused at its first step. Set it to "
        "false, and run `pulumi up`, before one.",
    )
    take_over_crds: Flag = key(
        False,
        "Whether CRDs that are there already, with other content, may be taken over: upgraded, and kept on destroy.",
    )
    keep_shared: Flag = key(
        False,
        "Whether a destroy leaves what others use (control planes, CRDs) and removes the rest, instead of refusing. "
        "What others have in the apps' namespaces, which go, still refuses it.",
    )


class AppsKeys(Keys):
    """Apps and policies."""

    apps: Annotated[dict[str, GivenApp | None], Kind("an object of apps by app id", _AS_YAML)] = key(
        {},
        "Apps by app id, beside the walkthrough's `nodeapp` and `pythonapp`; what is said of these two changes them, "
        "null removes them.",
        secrecy=Secrecy.KEPT,
    )
    policies: Annotated[dict[str, GivenPolicy | None], Kind("an object of policies by name", _AS_YAML)] = key(
        {},
        "Who may call whom at the last stage, by name, beside the walkthrough's `pythodapp-traffic-target`; null "
        "removes that.",
    )


class SourcesKeys(Keys):
    """Where charts and images come from."""

    dapr_chart: Location = key(
        versions.DAPR_CHART_REPOSITORY,
        "Where Dapr's chart comes from: a repository's URL, an `oci://` URL, or a path relative to the project. "
        "`{version}` in it stands for `daprVersion`.",
    )
    osm_chart: Location = key(versions.OSM_CHART_REPOSITORY, "Where OSM's chart comes from, likewise.")
    chart_credentials: GivenChartCredentials = key(
        ChartCredentials(),
        "User and password for charts of your own (`username`, `password`, `caCert`), never sent to the public "
        "repositories. Set each with `--secret --path`.",
        secrecy=Secrecy.REQUIRED,
    )
    dapr_values: DaprValues = key(
        {},
        "Further values for Dapr's chart, merged deeply. What the mesh depends on can't be set.",
        secrecy=Secrecy.KEPT,
    )
    osm_values: OsmValues = key({}, "Further values for OSM's chart, likewise.", secrecy=Secrecy.KEPT)
    dapr_registry: Registry = key("", "Registry and path in front of Dapr's image names. Empty for the chart's own.")
    osm_registry: Registry = key("", "Registry and path in front of OSM's image names. Empty for the chart's own.")
    envoy_image: Image = key("", "Image of OSM's sidecar. Empty for the chart's own.")
    curl_image: Image = key("", "Image that OSM's control plane waits with at its start. Empty for the chart's own.")
    redis_image: GivenImage = key(versions.REDIS_IMAGE, "The official Redis image, or a copy of it.")
    node_app_image: GivenImage = key(versions.NODE_APP_IMAGE, "Image of the quickstart's node app.")
    python_app_image: GivenImage = key(versions.PYTHON_APP_IMAGE, "Image of the quickstart's python app.")
    registry_credentials: RegistryCredentials = key(
        "",
        "Credentials for a private registry, as the content of a container client's `config.json`. Set it with "
        "`--secret`. It becomes a pull Secret in each namespace, used by every pod.",
        secrecy=Secrecy.REQUIRED,
    )


class AlternativesKeys(Keys):
    """The page's alternatives."""

    redis_password_in: RedisPasswordIn = key(
        "secret",
        "Where Dapr's Component has Redis's password from: `secret` (a Kubernetes Secret), or `component` (in the "
        "clear, readable by whoever reads Components).",
    )
    dapr_mtls: Flag = key(
        False,
        "Whether Dapr's own mTLS is on beside OSM's (step 1 turns it off). Only releases that call by address "
        "[can have both](dapr-releases.md).",
    )
    enable_egress: Flag = key(
        True,
        "Whether Envoy sends on traffic to places that it knows nothing of (OSM's default), or drops it: then only "
        "exclusions and policies let traffic out.",
    )
    exclusions: Annotated[ExclusionSet, one_of(ExclusionSet)] = key(
        ExclusionSet.PAGE,
        "What bypasses Envoy: `page` (all that the walkthrough names, steps 4 to 6) or `minimal` ([what pods and "
        "orders need](design.md#exclusions); it depends on `enableEgress`).",
    )
    exclude_api_server: Flag = key(
        True,
        "Whether the page's exclusions have the API server (step 4). May be false only where `redisPasswordIn` is "
        "`component`.",
    )
    port_scope: Annotated[PortScope, one_of(PortScope)] = key(
        PortScope.MESH,
        "Where placement's and Redis's ports are excluded (step 5): `mesh` (every pod of the mesh) or `pod` (only the "
        "apps' pods).",
    )
    extra_port_exclusions: Ports = key(
        [],
        "Further TCP ports that bypass Envoy, for every pod of the mesh. 50002 is refused: it carries the calls "
        "between sidecars.",
    )
    extra_ip_range_exclusions: IpRanges = key([], "Further IPv4 CIDRs that bypass Envoy, for every pod of the mesh.")
    read_all_secrets: Flag = key(
        False,
        "Whether the apps may read every Secret of their namespace, as the page's Role lets them, and not only those "
        "that Components name.",
    )


# In the order of documents.
TOPICS: Final[tuple[type[Keys], ...]] = (EnvironmentKeys, SharingKeys, AppsKeys, SourcesKeys, AlternativesKeys)


class Config(AlternativesKeys, SourcesKeys, AppsKeys, SharingKeys, EnvironmentKeys):
    """A stack's whole config."""

"""The stack's settings: every key of its config, checked all at once before anything is touched.

:func:`parse` is pure and takes plain strings, as Pulumi hands config over (objects and lists as JSON).
:func:`load` is its only caller that knows Pulumi. Keys, types, descriptions and defaults stand in
``Pulumi.yaml``; a test holds the two against each other.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import re2
import yaml

from config_reader import PROJECT, Reader, SettingsError, is_label, label_rule
from model import apps as model_apps
from model import exclusions, helm_values
from model import policies as model_policies
from model.apps import NODE_APP, PYTHON_APP, App
from model.exclusions import ExclusionSet, PortScope
from model.names import REDIS, Namespaces
from model.policies import Policy
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, OSM_RELEASE, DaprRelease

ROOT: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Where a Helm chart comes from.

    Attributes:
        source: URL of a chart repository (``https://``, ``http://``), of a chart in a registry (``oci://``),
            or the path of a chart folder or archive, relative to the project.
        version: The chart's version.
    """

    source: str
    version: str

    @property
    def repository(self) -> str | None:
        """The repository's URL, or None where the source names the chart itself."""
        return self.source if self.source.startswith(("https://", "http://")) else None


@dataclass(frozen=True, kw_only=True)
class Images:
    """Where images come from; None means the chart's own default.

    Attributes:
        dapr_registry: Registry and path in front of Dapr's image names.
        osm_registry: Registry and path in front of OSM's image names.
        envoy: Image of OSM's sidecar.
        curl: Image that OSM's control plane waits with.
        redis: The official Redis image or a copy of it.
        node_app: The quickstart's node app.
        python_app: The quickstart's python app.
    """

    dapr_registry: str | None
    osm_registry: str | None
    envoy: str | None
    curl: str | None
    redis: str
    node_app: str
    python_app: str


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A stack's config, checked.

    Secrets are not in here: they stay inside Pulumi's outputs (see :func:`load`).

    Attributes:
        stage: How far along the walkthrough this environment is.
        namespaces: Where everything lives.
        apps: All apps, by app id.
        policies: Who may call whom at the last stage, by name.
        kube_context: The kubeconfig context that must be the current one, or None for any.
        dapr: The Dapr release.
        dapr_chart: Its chart.
        osm_chart: OSM's chart.
        dapr_mtls: Whether Dapr's own mTLS is on as well.
        dapr_values: Further values for Dapr's chart.
        osm_values: Further values for OSM's chart.
        images: Where images come from.
        registry_credentials: Whether credentials for a private registry were given.
        password_in_component: Whether Redis's password stands in the Component instead of a Secret.
        enable_egress: Whether Envoy sends on what it knows nothing of.
        exclusion_set: All that the page excludes, or only what is needed.
        exclude_api_server: Whether the page's set has the API server (step 4).
        port_scope: Where step 5's ports are excluded.
        extra_ports: Further ports to exclude for every pod of the mesh.
        extra_ip_ranges: Further IPv4 CIDRs to exclude for every pod of the mesh.
        read_all_secrets: Whether the apps' Role reads every Secret of the namespace, as the page's does.
        timeout_seconds: How long a chart's installation may take, in seconds.
        verify_seconds: How long a verification may wait for what it wants to see, in seconds.
    """

    stage: Stage
    namespaces: Namespaces
    apps: Mapping[str, App]
    policies: Mapping[str, Policy]
    kube_context: str | None
    dapr: DaprRelease
    dapr_chart: Chart
    osm_chart: Chart
    dapr_mtls: bool
    dapr_values: Mapping[str, Any]
    osm_values: Mapping[str, Any]
    images: Images
    registry_credentials: bool
    password_in_component: bool
    enable_egress: bool
    exclusion_set: ExclusionSet
    exclude_api_server: bool
    port_scope: PortScope
    extra_ports: tuple[int, ...]
    extra_ip_ranges: tuple[str, ...]
    read_all_secrets: bool
    timeout_seconds: int
    verify_seconds: int


# Every key, so that a misspelt one is an error and not silently a default.
KEYS: Final = (
    "stage",
    "kubeContext",
    "daprNamespace",
    "osmNamespace",
    "appsNamespace",
    "apps",
    "policies",
    "daprVersion",
    "daprMtls",
    "daprChart",
    "osmChart",
    "daprValues",
    "osmValues",
    "daprRegistry",
    "osmRegistry",
    "envoyImage",
    "curlImage",
    "redisImage",
    "nodeAppImage",
    "pythonAppImage",
    "registryCredentials",
    "redisPassword",
    "redisPasswordIn",
    "enableEgress",
    "exclusions",
    "excludeApiServer",
    "portScope",
    "extraPortExclusions",
    "extraIpRangeExclusions",
    "readAllSecrets",
    "timeoutSeconds",
    "verifySeconds",
)
APP_KEYS: Final = ("namespace", "image", "port", "servicePort", "replicas", "env", "resources")
POLICY_KEYS: Final = ("destination", "sources", "pathRegex")
# Dapr's Service of an app is called <app id>-dapr, and a Service's name has at most 63 characters.
LONGEST_APP_ID: Final = 58
# Not a limit of Kubernetes', but of what a verification can watch.
MOST_REPLICAS: Final = 20
# An app's id is also the name of its container, of its label and of its ServiceAccount.
TAKEN: Final[Mapping[str, str]] = {
    REDIS: "the state store's",
    "node": "nodeapp's label",
    "python": "pythonapp's label",
    "default": "the ServiceAccount of pods without one of their own",
    **{
        container: "a container that Dapr's or OSM's injector adds to pods"
        for release in DAPR_RELEASES.values()
        for container in (
            *release.containers,
            *release.mesh_containers,
            *OSM_RELEASE.containers,
            *OSM_RELEASE.init_containers,
        )
    },
}
SECRET_KEYS: Final = ("redisPassword", "registryCredentials")


def declared_defaults(project_file: Path = ROOT / "Pulumi.yaml") -> dict[str, Any]:
    """The defaults that ``Pulumi.yaml`` declares, by key. Keys without one are absent."""
    declared = yaml.safe_load(project_file.read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): spec["default"] for key, spec in declared.items() if "default" in spec}


def parse(
    raw: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, in_the_clear: Sequence[str] = ()
) -> Settings:
    """Check a whole config.

    Args:
        raw: Config values by key, without the project's namespace, as Pulumi gives them.
        defaults: Defaults by key; those of ``Pulumi.yaml`` unless given.
        in_the_clear: Secrets that are not encrypted.

    Raises:
        SettingsError: Something is wrong; says everything that is.
    """
    reader = Reader(raw, declared_defaults() if defaults is None else defaults, secret_keys=SECRET_KEYS)
    reader.know(KEYS, "a setting of this project", "Remove it; docs/settings.md lists the settings.")
    stage = reader.choice("stage", {stage.value: stage for stage in Stage}, Stage.SMI)
    dapr = reader.choice("daprVersion", DAPR_RELEASES, DAPR_RELEASES[DEFAULT_DAPR_VERSION])
    dapr_mtls = reader.flag("daprMtls", False)
    if dapr_mtls and not dapr.route.carries_dapr_mtls:
        reader.refuse(
            "daprMtls",
            f"may not be true with Dapr {dapr.version}: Envoy has to read the sidecars' calls to route them",
            "Leave it false; OSM encrypts them. Only 1.13 to 1.17 can have both.",
            True,
        )
    namespaces = _namespaces(reader)
    images = Images(
        dapr_registry=reader.image("daprRegistry") or None,
        osm_registry=reader.image("osmRegistry") or None,
        envoy=reader.image("envoyImage") or None,
        curl=reader.image("curlImage") or None,
        redis=reader.image("redisImage"),
        node_app=reader.image("nodeAppImage"),
        python_app=reader.image("pythonAppImage"),
    )
    apps = _apps(reader, namespaces, images)
    in_component = reader.choice("redisPasswordIn", {"secret": False, "component": True}, False)
    exclude_api_server = reader.flag("excludeApiServer", True)
    if not exclude_api_server and not in_component:
        reader.refuse(
            "excludeApiServer",
            "may be false only where Redis's password stands in the Component",
            f"Set {PROJECT}:redisPasswordIn to component as well, or leave this true.",
            False,
        )
    _check_secrets(reader)
    for key in in_the_clear:
        mend = f"Run `pulumi config set --secret {PROJECT}:{key}` again; without --secret it is readable."
        reader.refuse(key, "stands in the stack file in the clear", mend)
    settings = Settings(
        stage=stage,
        namespaces=namespaces,
        apps=apps,
        policies=_policies(reader, apps, dapr),
        kube_context=reader.text("kubeContext") or None,
        dapr=dapr,
        dapr_chart=_chart(reader, "daprChart", dapr.version),
        osm_chart=_chart(reader, "osmChart", OSM_RELEASE.version),
        dapr_mtls=dapr_mtls,
        dapr_values=_values(reader, "daprValues", helm_values.DAPR_PROTECTED),
        osm_values=_values(reader, "osmValues", helm_values.OSM_PROTECTED),
        images=images,
        registry_credentials=bool(reader.text("registryCredentials")),
        password_in_component=in_component,
        enable_egress=reader.flag("enableEgress", True),
        exclusion_set=reader.choice("exclusions", {which.value: which for which in ExclusionSet}, ExclusionSet.PAGE),
        exclude_api_server=exclude_api_server,
        port_scope=reader.choice("portScope", {scope.value: scope for scope in PortScope}, PortScope.MESH),
        extra_ports=_extra_ports(reader),
        extra_ip_ranges=_extra_ip_ranges(reader),
        read_all_secrets=reader.flag("readAllSecrets", False),
        timeout_seconds=reader.number("timeoutSeconds", 30, 3600, "a number of seconds"),
        verify_seconds=reader.number("verifySeconds", 30, 3600, "a number of seconds"),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _namespaces(reader: Reader) -> Namespaces:
    namespaces = Namespaces(
        dapr=reader.label("daprNamespace"), osm=reader.label("osmNamespace"), apps=reader.label("appsNamespace")
    )
    keys = {"daprNamespace": namespaces.dapr, "osmNamespace": namespaces.osm, "appsNamespace": namespaces.apps}
    for key, name in keys.items():
        if _is_clusters_own(name):
            reader.refuse(key, "is a namespace of the cluster's own", "The stack makes its namespaces itself.", name)
        elif name and list(keys.values()).count(name) > 1:
            reader.refuse(key, "is used for something else too", "Give each of the three a name of its own.", name)
    return namespaces


def _is_clusters_own(namespace: str) -> bool:
    return namespace == "default" or namespace.startswith("kube-")


def _apps(reader: Reader, namespaces: Namespaces, images: Images) -> dict[str, App]:
    """The walkthrough's apps, with what the stack changes of them, and the stack's own."""
    apps = model_apps.walkthrough(namespaces.apps, node_image=images.node_app, python_image=images.python_app)
    for name, fields in reader.json("apps", dict, "an object of apps by app id", {}).items():
        if fields is None and name in apps:
            del apps[name]
        elif app := _app(reader, name, fields, apps.get(name), namespaces):
            apps[name] = app
    for app in apps.values():
        if app.name.removesuffix("-dapr") in apps and app.name.endswith("-dapr"):
            other = app.name.removesuffix("-dapr")
            reader.refuse(f"apps.{app.name}", f"is a name that is taken: Dapr's Service of {other}", "Choose another.")
    if not apps:
        reader.refuse("apps", "leaves no app at all", "Keep one, or add one.")
    return apps


def _app(reader: Reader, name: str, fields: Any, walkthroughs: App | None, namespaces: Namespaces) -> App | None:
    key = f"apps.{name}"
    entry = reader.entry("apps", name, fields, APP_KEYS)
    if entry is None:
        return None
    if not is_label(name, LONGEST_APP_ID):
        reader.refuse(key, f"is not named by {label_rule(LONGEST_APP_ID)}", f"Dapr makes a Service {name}-dapr of it.")
    elif name in TAKEN:
        reader.refuse(key, f"is a name that is taken: {TAKEN[name]}", "Choose another app id.")
    own = walkthroughs is None and entry.value("namespace") is not None
    namespace = entry.label("namespace") if own else namespaces.apps
    if own and namespace and (namespace in (namespaces.dapr, namespaces.osm) or _is_clusters_own(namespace)):
        entry.refuse(
            "namespace",
            "is not a namespace for apps",
            "Choose another; the stack makes it, and joins it to the mesh.",
            namespace,
        )
    environment = entry.json("env", dict, "an object of texts", {})
    if not all(isinstance(value, str) for value in environment.values()):
        entry.refuse("env", "holds something that is not a text", 'Write numbers and true as texts: "1".')
    common: dict[str, Any] = {
        "namespace": namespace,
        "replicas": 1
        if entry.value("replicas") is None
        else entry.number("replicas", 1, MOST_REPLICAS, "a number of pods"),
        "resources": entry.json("resources", dict, "an object with requests and limits", dict(model_apps.RESOURCES)),
    }
    if walkthroughs is not None:
        image_key = {NODE_APP: "nodeAppImage", PYTHON_APP: "pythonAppImage"}[name]
        mends = {
            # The state store is there, and the quickstart's apps look for each other in their own namespace.
            "namespace": f"Set {PROJECT}:appsNamespace.",
            "image": f"Set {PROJECT}:{image_key}.",
            "port": "Remove it; the quickstart's app is fixed.",
            "servicePort": "Remove it; the quickstart's app is fixed.",
        }
        for fixed, mend in mends.items():
            if entry.value(fixed) is not None:
                entry.refuse(fixed, "is not set here for an app of the walkthrough", mend)
        for variable in environment.keys() & walkthroughs.environment.keys():
            entry.refuse("env", f"sets {variable}, which the quickstart's app is fixed to", f"Remove {variable}.")
        return replace(walkthroughs, environment={**walkthroughs.environment, **environment}, **common)
    port = entry.optional_number("port", 1, 65535, "a TCP port")
    service_port = entry.optional_number("servicePort", 1, 65535, "a TCP port")
    if service_port is not None and port is None:
        entry.refuse("servicePort", "is set for an app that listens nowhere", "Set port as well.", service_port)
    image = entry.image("image")
    if not image:
        entry.refuse("image", "is not set", "Every app of a stack's own needs an image.")
    return App(
        name=name,
        image=image,
        label=name,
        container=name,
        port=port,
        service_port=service_port,
        environment=environment,
        **common,
    )


def _policies(reader: Reader, apps: Mapping[str, App], dapr: DaprRelease) -> dict[str, Policy]:
    """The walkthrough's policy, with what the stack changes of it, and the stack's own."""
    policies = model_policies.walkthrough()
    for name, fields in reader.json("policies", dict, "an object of policies by name", {}).items():
        if fields is None and name in policies:
            del policies[name]
        elif policy := _policy(reader, name, fields, policies.get(name)):
            policies[name] = policy
    for policy in policies.values():
        _check_policy(reader, policy, apps, dapr)
    routes = [policy.routes for policy in policies.values()]
    for policy in policies.values():
        if routes.count(policy.routes) > 1 and policy.name not in model_policies.walkthrough():
            reader.refuse(f"policies.{policy.name}", f"would share the route {policy.routes}", "Choose another name.")
    return policies


def _policy(reader: Reader, name: str, fields: Any, walkthroughs: Policy | None) -> Policy | None:
    entry = reader.entry("policies", name, fields, POLICY_KEYS)
    if entry is None:
        return None
    if not is_label(name):
        reader.refuse(f"policies.{name}", f"is not named by {label_rule()}", "It is the name of a TrafficTarget.")
    base = walkthroughs or Policy(name=name, destination="", sources=(), routes=f"{name}-routes")
    sources = entry.json("sources", list, "a list of app ids", list(base.sources))
    if not sources or not all(isinstance(source, str) for source in sources):
        entry.refuse("sources", "is not a list of app ids", "Name the apps that may call.", sources)
        return None
    destination = entry.text("destination") or base.destination
    if not destination:
        entry.refuse("destination", "is not set", "Name the app that may be called.")
        return None
    path_regex = entry.text("pathRegex") or None
    if path_regex and (fault := _fault_of(path_regex)):
        # Envoy would refuse the whole list of routes that it stands in, with everybody's.
        entry.refuse("pathRegex", f"is not a regular expression: {fault}", "Envoy reads it as RE2.", path_regex)
    return replace(base, destination=destination, sources=tuple(dict.fromkeys(sources)), path_regex=path_regex)


def _fault_of(regex: str) -> str | None:
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
    except re2.error as error:
        message = error.args[0]
        return message.decode() if isinstance(message, bytes) else str(message)
    return None


def _check_policy(reader: Reader, policy: Policy, apps: Mapping[str, App], dapr: DaprRelease) -> None:
    key = f"policies.{policy.name}"
    known = f"There are {', '.join(apps)}."
    if missing := [name for name in (policy.destination, *policy.sources) if name not in apps]:
        near = difflib.get_close_matches(missing[0], apps, n=1)
        mend = f"Did you mean {near[0]}?" if near else f"{known} A policy of the walkthrough is removed by null."
        reader.refuse(key, f"names {missing[0]}, which is not an app", mend)
        return
    if apps[policy.destination].port is None:
        reader.refuse(key, f"lets {policy.destination} be called, which listens nowhere", "Give it a port.")
    if policy.destination in policy.sources:
        reader.refuse(key, f"lets {policy.destination} call itself", "Such a call stays in its pod. Remove it.")
    others = {apps[source].namespace for source in policy.sources} - {apps[policy.destination].namespace}
    if others and not dapr.route.across_namespaces:
        reader.refuse(
            key,
            f"crosses namespaces, which Dapr {dapr.version} can't do in the mesh: its sidecars look for each other in "
            "their own",
            "Put the apps into one namespace.",
        )
    if policy.path_regex and not dapr.route.by_http:
        reader.refuse(
            f"{key}.pathRegex",
            f"has no meaning with Dapr {dapr.version}, whose calls the mesh carries as TCP",
            "Remove it, or choose a release whose calls are HTTP to the mesh.",
            policy.path_regex,
        )


def _chart(reader: Reader, key: str, version: str) -> Chart:
    source = reader.text(key).replace("{version}", version)
    if not source.startswith(("https://", "http://", "oci://")):
        _check_local_chart(reader, key, source, version)
    return Chart(source=source, version=version)


def _check_local_chart(reader: Reader, key: str, source: str, version: str) -> None:
    path = ROOT / source
    if Path(source).is_absolute():
        reader.refuse(key, "is an absolute path", "Write it relative to the project.", source)
    elif not source or not path.exists():
        reader.refuse(
            key,
            "is neither a URL (https://, http://, oci://) nor an existing path",
            f"Paths are relative to the project; there is no {source or 'empty path'}.",
            source,
        )
    elif path.is_dir():
        try:
            found = yaml.safe_load((path / "Chart.yaml").read_text())["version"]
        except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
            reader.refuse(key, "is a folder without a chart: no Chart.yaml that says a version", "Mend it.", source)
            return
        if str(found) != version:
            reader.refuse(key, f"holds version {found}, not {version}", f"Point it at a chart of {version}.", source)


def _values(reader: Reader, key: str, protected: Mapping[str, str]) -> Mapping[str, Any]:
    values = reader.json(key, dict, "an object of Helm values", {})
    for path, reason in helm_values.overridden(values, protected).items():
        reader.refuse(key, f"may not set {path}: {reason}", f"Remove {path} from it.")
    return values


def _extra_ports(reader: Reader) -> tuple[int, ...]:
    key = "extraPortExclusions"
    ports: list[int] = []
    for port in reader.json(key, list, "a list of TCP ports", []):
        if isinstance(port, bool) or not isinstance(port, int) or not 1 <= port <= 65535:
            reader.refuse(key, f"holds {port!r}, which is not a TCP port (1-65535)", "OSM knows no ranges.")
        elif port == exclusions.DAPR_INTERNAL_GRPC_PORT:
            reader.refuse(
                key,
                f"holds {port}, the port of calls between Dapr's sidecars",
                "Excluded, they would bypass the mesh and its policies. Remove it.",
            )
        else:
            ports.append(port)
    return tuple(exclusions.unique(ports))


def _extra_ip_ranges(reader: Reader) -> tuple[str, ...]:
    key = "extraIpRangeExclusions"
    ranges: list[str] = []
    for given in reader.json(key, list, "a list of IPv4 CIDRs", []):
        try:
            network = ipaddress.IPv4Network(given if isinstance(given, str) else "")
        except ValueError as error:
            mend = f'Did you mean "{given}/32"?' if _is_address(given) else f"{error}."
            reader.refuse(key, f"holds {given!r}, which is not an IPv4 CIDR", mend)
            continue
        if "/" not in given:
            reader.refuse(key, f"holds {given!r}, which is not an IPv4 CIDR", f'Did you mean "{given}/32"?')
        elif network.prefixlen == 0:
            reader.refuse(key, f"holds {given!r}, which is every address", "Nothing would be left in the mesh.")
        else:
            ranges.append(str(network))
    return tuple(dict.fromkeys(ranges))


def _is_address(given: Any) -> bool:
    try:
        return isinstance(given, str) and bool(ipaddress.IPv4Address(given))
    except ValueError:
        return False


def _check_secrets(reader: Reader) -> None:
    password = reader.value("redisPassword")
    if not password:
        reader.refuse(
            "redisPassword", "is not set", f"Run `pulumi config set --secret {PROJECT}:redisPassword` and type it."
        )
    elif not str(password).isprintable():
        reader.refuse("redisPassword", "holds a character that can't be printed", "Use letters, digits and signs.")
    credentials = reader.text("registryCredentials")
    if credentials:
        try:
            usable = isinstance(json.loads(credentials).get("auths"), dict)
        except (json.JSONDecodeError, AttributeError):
            usable = False
        if not usable:
            reader.refuse(
                "registryCredentials",
                "is not the content of a container client's config.json (an object with auths)",
                f"Run `pulumi config set --secret {PROJECT}:registryCredentials < ~/.docker/config.json`.",
            )


def load(config: Mapping[str, str], is_secret: Callable[[str], bool]) -> Settings:
    """Check the running stack's config.

    Args:
        config: All of the stack's config, keys with their namespace.
        is_secret: Tells whether a key, with its namespace, is encrypted in the stack file.

    Raises:
        SettingsError: Something is wrong with it, or a secret stands there in the clear.
    """
    prefix = f"{PROJECT}:"
    raw = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    return parse(raw, in_the_clear=[key for key in SECRET_KEYS if raw.get(key) and not is_secret(prefix + key)])

"""The stack's settings: every key of its config, checked all at once before anything is touched.

:func:`parse` is pure and takes plain strings, as Pulumi hands config over (objects and lists as JSON).
:func:`load` is its only caller that knows Pulumi. Keys, types, descriptions and defaults stand in
``Pulumi.yaml``; a test holds the two against each other.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from model import exclusions, helm_values
from model.exclusions import PortScope
from model.stage import Stage
from model.versions import DAPR_RELEASES, OSM_RELEASE, DaprRelease

PROJECT: Final = "dapr-osm"
ROOT: Final = Path(__file__).resolve().parent

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the config.

    Attributes:
        key: The config key, without its namespace.
        value: The value as given, or None where it must not be shown or is missing.
        rule: What the value must be.
        mend: What to do about it.
    """

    key: str
    value: Any
    rule: str
    mend: str

    def __str__(self) -> str:
        """Key, value, rule and mend, as one line."""
        shown = "" if self.value is None else f": {json.dumps(self.value, default=str)}"
        return f"{PROJECT}:{self.key}{shown} {self.rule}. {self.mend}"


class SettingsError(ValueError):
    """The config can't be used; says all that is wrong with it, a line each."""

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the problems for callers that want them one by one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(["the stack's config can't be used:", *(f"  {problem}" for problem in problems)]))


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
        kube_context: The kubeconfig context that must be the current one, or None for any.
        dapr: The Dapr release.
        dapr_chart: Its chart.
        osm_chart: OSM's chart.
        dapr_values: Further values for Dapr's chart.
        osm_values: Further values for OSM's chart.
        images: Where images come from.
        registry_credentials: Whether credentials for a private registry were given.
        password_in_component: Whether Redis's password stands in the Component instead of a Secret.
        exclude_api_server: Whether the API server bypasses Envoy (step 4).
        port_scope: Where step 5's ports are excluded.
        extra_ports: Further ports to exclude for every pod of the mesh.
        extra_ip_ranges: Further IPv4 CIDRs to exclude for every pod of the mesh.
        read_all_secrets: Whether the apps' Role reads every Secret of the namespace, as the page's does.
        timeout_seconds: How long a chart's installation may take, in seconds.
        verify_seconds: How long a verification may wait for what it wants to see, in seconds.
    """

    stage: Stage
    kube_context: str | None
    dapr: DaprRelease
    dapr_chart: Chart
    osm_chart: Chart
    dapr_values: Mapping[str, Any]
    osm_values: Mapping[str, Any]
    images: Images
    registry_credentials: bool
    password_in_component: bool
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
    "daprVersion",
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
    "excludeApiServer",
    "portScope",
    "extraPortExclusions",
    "extraIpRangeExclusions",
    "readAllSecrets",
    "timeoutSeconds",
    "verifySeconds",
)
SECRET_KEYS: Final = ("redisPassword", "registryCredentials")


def declared_defaults(project_file: Path = ROOT / "Pulumi.yaml") -> dict[str, Any]:
    """The defaults that ``Pulumi.yaml`` declares, by key. Keys without one are absent."""
    declared = yaml.safe_load(project_file.read_text())["config"]
    return {key.removeprefix(f"{PROJECT}:"): spec["default"] for key, spec in declared.items() if "default" in spec}


class _Reader:
    """Reads raw values one by one and collects what is wrong instead of stopping at the first."""

    def __init__(self, raw: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
        self.raw = raw
        self.defaults = defaults
        self.problems: list[Problem] = []

    def refuse(self, key: str, rule: str, mend: str, value: Any = None) -> None:
        hidden = key in SECRET_KEYS
        self.problems.append(Problem(key=key, value=None if hidden else value, rule=rule, mend=mend))

    def value(self, key: str) -> Any:
        return self.raw.get(key, self.defaults.get(key))

    def text(self, key: str) -> str:
        value = self.value(key)
        return "" if value is None else str(value).strip()

    def choice(self, key: str, choices: Mapping[str, T], fallback: T) -> T:
        value = self.text(key)
        if value in choices:
            return choices[value]
        near = difflib.get_close_matches(value, choices, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else "Set one of them."
        shown = dict.fromkeys(choice.lower() for choice in choices)
        self.refuse(key, f"is not one of {', '.join(shown)}", hint, value)
        return fallback

    def flag(self, key: str, fallback: bool) -> bool:
        # "True" is what a bool looks like that did not come through YAML.
        return self.choice(key, {"true": True, "false": False, "True": True, "False": False}, fallback)

    def number(self, key: str, low: int, high: int, unit: str) -> int:
        value = self.text(key)
        if re.fullmatch(r"\d{1,9}", value) and low <= int(value) <= high:
            return int(value)
        self.refuse(key, f"is not a number of {unit} from {low} to {high}", f"Set for example {low}.", value)
        return low

    def json(self, key: str, kind: type[T], kind_name: str, fallback: T) -> T:
        value = self.value(key)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                self.refuse(key, f"is not {kind_name}", "Set it in the stack file, as YAML.", value)
                return fallback
        if value is None:
            return fallback
        if not isinstance(value, kind):
            self.refuse(key, f"is not {kind_name}", "Set it in the stack file, as YAML.", value)
            return fallback
        return value

    def image(self, key: str) -> str:
        value = self.text(key)
        if not value and self.defaults.get(key):
            self.refuse(key, "is empty", "Remove the key for the default.", value)
        elif value and not re.fullmatch(r"[\w.\-/]+(:\d+)?[\w.\-/]*(:[\w.\-]+)?(@sha256:[0-9a-f]{64})?", value):
            self.refuse(key, "is not an image name", "Write it as registry/name:tag.", value)
        return value

    def chart(self, key: str, version: str) -> Chart:
        source = self.text(key).replace("{version}", version)
        if not source.startswith(("https://", "http://", "oci://")):
            self._check_local_chart(key, source, version)
        return Chart(source=source, version=version)

    def _check_local_chart(self, key: str, source: str, version: str) -> None:
        path = ROOT / source
        if Path(source).is_absolute():
            self.refuse(key, "is an absolute path", "Write it relative to the project.", source)
        elif not source or not path.exists():
            self.refuse(
                key,
                "is neither a URL (https://, http://, oci://) nor an existing path",
                f"Paths are relative to the project; there is no {source or 'empty path'}.",
                source,
            )
        elif path.is_dir():
            try:
                found = yaml.safe_load((path / "Chart.yaml").read_text())["version"]
            except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError):
                self.refuse(key, "is a folder without a chart: no Chart.yaml that says a version", "Mend it.", source)
                return
            if str(found) != version:
                self.refuse(key, f"holds version {found}, not {version}", f"Point it at a chart of {version}.", source)


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
    reader = _Reader(raw, declared_defaults() if defaults is None else defaults)
    for key in raw:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            mend = f"Did you mean {PROJECT}:{near[0]}?" if near else "Remove it; README.md lists the settings."
            reader.refuse(key, "is not a setting of this project", mend)

    stage = reader.choice("stage", {stage.value: stage for stage in Stage}, Stage.SMI)
    dapr = reader.choice("daprVersion", DAPR_RELEASES, next(iter(DAPR_RELEASES.values())))
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
        kube_context=reader.text("kubeContext") or None,
        dapr=dapr,
        dapr_chart=reader.chart("daprChart", dapr.version),
        osm_chart=reader.chart("osmChart", OSM_RELEASE.version),
        dapr_values=_values(reader, "daprValues", helm_values.DAPR_PROTECTED),
        osm_values=_values(reader, "osmValues", helm_values.OSM_PROTECTED),
        images=Images(
            dapr_registry=reader.image("daprRegistry") or None,
            osm_registry=reader.image("osmRegistry") or None,
            envoy=reader.image("envoyImage") or None,
            curl=reader.image("curlImage") or None,
            redis=reader.image("redisImage"),
            node_app=reader.image("nodeAppImage"),
            python_app=reader.image("pythonAppImage"),
        ),
        registry_credentials=bool(reader.text("registryCredentials")),
        password_in_component=in_component,
        exclude_api_server=exclude_api_server,
        port_scope=reader.choice("portScope", {scope.value: scope for scope in PortScope}, PortScope.MESH),
        extra_ports=_extra_ports(reader),
        extra_ip_ranges=_extra_ip_ranges(reader),
        read_all_secrets=reader.flag("readAllSecrets", False),
        timeout_seconds=reader.number("timeoutSeconds", 30, 3600, "seconds"),
        verify_seconds=reader.number("verifySeconds", 30, 3600, "seconds"),
    )
    if reader.problems:
        raise SettingsError(reader.problems)
    return settings


def _values(reader: _Reader, key: str, protected: Mapping[str, str]) -> Mapping[str, Any]:
    values = reader.json(key, dict, "an object of Helm values", {})
    for path, reason in helm_values.overridden(values, protected).items():
        reader.refuse(key, f"may not set {path}: {reason}", f"Remove {path} from it.")
    return values


def _extra_ports(reader: _Reader) -> tuple[int, ...]:
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


def _extra_ip_ranges(reader: _Reader) -> tuple[str, ...]:
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


def _check_secrets(reader: _Reader) -> None:
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

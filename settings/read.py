"""From what Pulumi hands over to :class:`~settings.result.Settings`, or to everything that is wrong with it."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model.versions import OSM_RELEASE
from settings.between import RULES, Finding, has_credentials
from settings.charts import VERSION
from settings.declaration import RefusedError, Secrecy, default_of, fields, key_names, schema_of, secrecy_of
from settings.draft import Draft
from settings.keys import AppKeys, Config, PolicyKeys
from settings.problem import Path, Problem, SettingsError, Words
from settings.project import PROJECT, PROVIDER
from settings.result import Chart, Images, Settings
from settings.secret_values import ChartCredentials

KEYS: Final = key_names(Config)
APP_KEYS: Final = key_names(AppKeys)
POLICY_KEYS: Final = key_names(PolicyKeys)
# The keys of the objects that some keys hold.
_INSIDE: Final = {"apps": APP_KEYS, "policies": POLICY_KEYS, "chartCredentials": key_names(ChartCredentials)}
SECRET_KEYS: Final = tuple(name for name, info in fields(Config) if secrecy_of(info) is Secrecy.REQUIRED)


def declared_defaults() -> dict[str, Any]:
    """The defaults of all keys that have one, as a stack file would write them."""
    defaults = {name: default_of(info) for name, info in fields(Config)}
    return {name: default for name, default in defaults.items() if default is not None}


def load(config: Mapping[str, str], is_secret: Callable[[str], bool], unread: Collection[str] = ()) -> Settings:
    """Check the running stack's config.

    Args:
        config: All of the stack's config, keys with their namespace.
        is_secret: Tells whether a key, with its namespace, holds something encrypted, at any depth. Pulumi says this of
            top-level keys only, and hands over the values as plain text.
        unread: Keys, with their namespace, that say something which nobody has decrypted, and so are not in the config.

    Raises:
        SettingsError: Something is wrong with it, or a secret stands there in the clear.
    """
    raw = _of(PROJECT, config)
    return parse(
        raw,
        secret=[key for key, value in raw.items() if value and is_secret(f"{PROJECT}:{key}")],
        provider=_of(PROVIDER, config),
        unread=[key.removeprefix(f"{PROJECT}:") for key in unread],
    )


def _of(namespace: str, config: Mapping[str, str]) -> dict[str, str]:
    prefix = f"{namespace}:"
    return {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}


def parse(
    raw: Mapping[str, Any],
    *,
    secret: Collection[str] = SECRET_KEYS,
    provider: Mapping[str, str] | None = None,
    unread: Collection[str] = (),
) -> Settings:
    """Check a whole config.

    Args:
        raw: Config values by key, without the project's namespace, as Pulumi gives them: objects and lists as JSON.
        secret: The keys that were given as secret, wholly or in part.
        provider: Config of the Kubernetes provider, which the program has to agree with.
        unread: Keys of which nothing is known: what depends on one of them is not judged.

    Raises:
        SettingsError: Something is wrong; says everything that is.
    """
    config, problems, taken_out = read(raw)
    given = frozenset(key for key, value in raw.items() if value not in (None, "", "{}", {}))
    draft = Draft(config, given, given.intersection(secret), dict(provider or {}))
    bad = [*taken_out, *((key,) for key in unread)]
    told = [
        finding
        for rule in RULES
        for finding in rule.findings(draft)
        if finding.always or not any(_is_under(path, wrong) for path in (finding.path, *finding.needs) for wrong in bad)
    ]
    if problems or told:
        hidden = {*SECRET_KEYS, *secret}
        raise SettingsError([*_shown(problems, hidden), *(_problem(finding, hidden) for finding in told)])
    return settled(draft)


def _is_under(path: Path, other: Path) -> bool:
    return path[: len(other)] == other


def _shown(problems: Collection[Problem], hidden: Collection[str]) -> Iterator[Problem]:
    return (problem.hidden() if problem.path[0] in hidden else problem for problem in problems)


def _problem(finding: Finding, hidden: Collection[str]) -> Problem:
    refusal = finding.refusal
    problem = Problem(
        path=finding.path,
        value=finding.value if refusal.show else None,
        rule=refusal.rule,
        mend=refusal.mend,
        namespace=finding.namespace,
    )
    secret = any(path[0] in hidden for path in (finding.path, *finding.needs))
    return problem.hidden() if secret else problem


# --- single values ----------------------------------------------------------------------------------------------


def read(raw: Mapping[str, Any]) -> tuple[Config, list[Problem], list[Path]]:
    """The config as far as its single values can be used, what is wrong with the others, and where those are.

    A value that can't be used is told and taken out, so that what is left can be looked at as a whole.
    """
    given: dict[str, Any] = {key: _from_json(key, value) for key, value in raw.items()}
    problems: list[Problem] = []
    taken_out: list[Path] = []
    while True:
        try:
            return Config.model_validate(given), problems, taken_out
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            problems += _told(detail)
            taken_out.append(_path(detail["loc"]))
            _take_out(given, detail["loc"])


_STRUCTURED: Final = frozenset(name for name in KEYS if schema_of(Config, name)["type"] in ("object", "array"))


def _from_json(key: str, value: Any) -> Any:
    """A value as an object or a list, where the key wants one; Pulumi hands these over as JSON."""
    if key not in _STRUCTURED:
        return value
    if isinstance(value, str):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            # Also where a number is longer, or it is nested deeper, than anything that means something.
            return value
    # Values are taken out of it, and it belongs to the caller.
    return json.loads(json.dumps(value)) if isinstance(value, dict | list) else value


def _take_out(given: Any, place: tuple[int | str, ...]) -> None:
    for part in place[:-1]:
        inside = given.get(part)
        if not isinstance(inside, dict):
            # The value itself, or a list, of which nothing is left.
            given.pop(part, None)
            return
        given = inside
    given.pop(place[-1], None)


def _path(place: tuple[int | str, ...]) -> Path:
    return tuple(str(part) for part in place if not isinstance(part, int))


def _told(detail: ErrorDetails) -> Iterator[Problem]:
    path = _path(detail["loc"])
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, RefusedError):
        for refusal in error.refusals:
            value = _at(detail["input"], refusal.inside) if refusal.show else None
            yield Problem(path=(*path, *refusal.inside), value=value, rule=refusal.rule, mend=refusal.mend)
    elif detail["type"] == "extra_forbidden":
        yield _unknown(path)
    else:
        # Every key's type says this in words of its own.
        yield Problem(path=path, value=detail["input"], rule="can't be used", mend=Words("{msg}.", msg=detail["msg"]))


def _at(value: Any, inside: Path) -> Any:
    for part in inside:
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list):
            value = next((one for one in value if isinstance(one, Mapping) and one.get("name") == part), None)
        else:
            return value
    return value


def _unknown(path: Path) -> Problem:
    """A key that there is not. Its value isn't shown: it may be a secret under a wrong name."""
    *inside, name = path
    known = _INSIDE[path[0]] if inside else KEYS
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        mend = f"Did you mean {PROJECT}:{'.'.join([*inside, near[0]])}?"
    elif inside:
        mend = f"There are {', '.join(known)}."
    else:
        mend = "Remove it; docs/settings.md lists the settings."
    rule = "is not a key that there is here" if inside else "is not a setting of this project"
    return Problem(path=path, value=None, rule=rule, mend=mend)


# --- all together -----------------------------------------------------------------------------------------------


def settled(draft: Draft) -> Settings:
    """What a config comes to against which no rule has anything."""
    config = draft.config
    credentials = draft.chart_credentials
    return Settings(
        stage=config.stage,
        namespaces=draft.namespaces,
        existing_namespaces=frozenset(config.existing_namespaces),
        namespace_labels=config.namespace_labels,
        namespace_annotations=config.namespace_annotations,
        protect=config.protect,
        take_over_crds=config.take_over_crds,
        keep_shared=config.keep_shared,
        apps=draft.apps,
        policies=draft.policies,
        kube_context=config.kube_context or draft.provider.get("context") or None,
        dapr=draft.dapr,
        dapr_chart=_chart("daprChart", config.dapr_chart, draft.dapr.version, credentials),
        osm_chart=_chart("osmChart", config.osm_chart, OSM_RELEASE.version, credentials),
        chart_credentials=credentials,
        dapr_mtls=config.dapr_mtls,
        dapr_values=config.dapr_values,
        secret_dapr_values="daprValues" in draft.secret,
        osm_values=config.osm_values,
        secret_osm_values="osmValues" in draft.secret,
        images=Images(
            dapr_registry=config.dapr_registry or None,
            osm_registry=config.osm_registry or None,
            envoy=config.envoy_image or None,
            curl=config.curl_image or None,
            redis=config.redis_image,
        ),
        registry_credentials=bool(config.registry_credentials.strip()),
        password_in_component=config.redis_password_in == "component",  # noqa: S105 - a choice
        enable_egress=config.enable_egress,
        exclusion_set=config.exclusions,
        exclude_api_server=config.exclude_api_server,
        port_scope=config.port_scope,
        extra_ports=tuple(config.extra_port_exclusions),
        extra_ip_ranges=tuple(dict.fromkeys(config.extra_ip_range_exclusions)),
        read_all_secrets=config.read_all_secrets,
        timeout_seconds=config.timeout_seconds,
        verify=config.verify,
        verify_seconds=config.verify_seconds,
    )


def _chart(key: str, source: str, version: str, credentials: bool) -> Chart:
    return Chart(
        source=source.replace(VERSION, version),
        version=version,
        credentials=credentials and has_credentials(key, source),
    )

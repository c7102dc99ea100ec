"""Both charts, rendered by the real provider and recorded in ``charts/`` (``python -m tests.support.rendering``)."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Final

from model.route import Route
from model.versions import DEFAULT_DAPR_VERSION, OSM_RELEASE

from .recording import Values

FOLDER: Final = Path(__file__).parent / "charts"
VERSION: Final = "{version}"
# The release that stands for a way of riding the mesh.
DNS_NAME: Final = "1.12.0"
ADDRESS: Final = "1.16.0"
HOOK: Final = "helm.sh/hook"


class NotRecordedError(AssertionError):
    """A test needs a rendering that nobody has recorded."""


@functools.cache
def recorded(name: str) -> Values:
    """A recording: the values that it begins with, what comes of them, and what further values change."""
    found: Values = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def recording_of(chart: str, version: str) -> str:
    """Which recording stands for a release."""
    if chart == "osm":
        return "osm"
    route = {DNS_NAME: Route.DNS_NAME, ADDRESS: Route.ADDRESS}.get(version, Route.NAME_FORMAT)
    return f"dapr-{route.value}"


def rendered(options: Values) -> list[Values]:
    """What a chart renders to, told as the provider is."""
    chart, version, namespace = options["release_name"], options["version"], options["namespace"]
    name = recording_of(chart, version)
    text = json.dumps(_with(recorded(name), options["values"], version))
    found: list[Values] = json.loads(text.replace(VERSION, version).replace(f"{chart}-system", namespace))
    return found


def _with(recording: Values, values: Values, version: str) -> list[Values]:
    """The recording that these values ask for; of several further ones, what each changes."""
    wanted = json.loads(json.dumps(values).replace(version, VERSION))
    held = [one for one in recording["variants"] if _holds(wanted, one["values"])]
    # One that has another's values and more was rendered with both.
    chosen = [
        one for one in held if not any(_holds(other["values"], one["values"]) for other in held if other is not one)
    ]
    given = functools.reduce(merged, (one["values"] for one in chosen), recording["values"])
    if given != wanted:
        raise NotRecordedError(
            f"no rendering with {json.dumps(values)} is recorded: add what is new to tests/support/rendering.py and "
            "run `python -m tests.support.rendering`"
        )
    first = {key_of(item): item for item in recording["objects"]}
    found = dict(first)
    for one in chosen:
        for item in one["changed"]:
            key = key_of(item)
            found[key] = _changed(first[key], item, found[key]) if key in first else item
        for kind, namespace, name in one["gone"]:
            del found[kind, namespace, name]
    return list(found.values())


def key_of(item: Values) -> tuple[str, str, str]:
    """What tells a chart's objects apart."""
    return (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])


def merged(one: Any, other: Any) -> Any:
    """Both, deeply; where both have a value, the second one's."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return other
    return {**one, **{key: merged(one.get(key), value) for key, value in other.items()}}


def _holds(values: Any, part: Any) -> bool:
    if isinstance(values, dict) and isinstance(part, dict):
        return all(key in values and _holds(values[key], inner) for key, inner in part.items())
    return bool(values == part)


def _changed(before: Any, after: Any, now: Any) -> Any:
    """``now``, with what changed from ``before`` to ``after``."""
    if before == after:
        return now
    if isinstance(before, dict) and isinstance(after, dict) and isinstance(now, dict):
        kept = {key: value for key, value in now.items() if key in after or key not in before}
        return kept | {key: _changed(before.get(key), value, now.get(key)) for key, value in after.items()}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after) == len(now):
        return [_changed(*three) for three in zip(before, after, now, strict=True)]
    return after


def own(chart: str, version: str = "") -> list[Values]:
    """A chart's objects with the program's own values, hooks left out; of the default release unless one is named."""
    version = version or {"osm": OSM_RELEASE.version}.get(chart, DEFAULT_DAPR_VERSION)
    objects = json.loads(json.dumps(recorded(recording_of(chart, version))["objects"]).replace(VERSION, version))
    return [item for item in objects if HOOK not in (item["metadata"].get("annotations") or {})]


def token_of(item: Values) -> str:
    """The type token of an object, as the provider's schema has it."""
    version = item["apiVersion"]
    return f"kubernetes:{version if '/' in version else f'core/{version}'}:{item['kind']}"


def resource_of(chart: str, item: Values) -> str:
    """Name of an object's resource."""
    return f"{chart}-chart/{item['kind'].lower()}/{item['metadata']['name']}"

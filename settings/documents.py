"""What is written from the declarations: the config's schema in ``Pulumi.yaml``, the tables of ``docs/settings.md``.

``make docs`` writes them; a test holds them equal to what is committed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

import yaml
from pydantic.fields import FieldInfo

from model import helm_values
from settings import project
from settings.declaration import All, Keys, Kind, Rule, Secrecy, default_of, fields, schema_of, secrecy_of
from settings.keys import TOPICS, AppKeys, Config, PolicyKeys
from settings.networks import HELD_PORTS
from settings.pods import CONTAINER_PROTECTED, OWN_ANNOTATIONS, OWN_LABELS, PROTECTED
from settings.secret_values import ChartCredentials

SCHEMA: Final = project.ROOT / "Pulumi.yaml"
TABLES: Final = project.ROOT / "docs" / "settings.md"
WRITTEN: Final = "# Written by `make docs` from settings/keys.py.\n"


def written() -> dict[Path, str]:
    """Every file that is written from the declarations, as it should be."""
    return {SCHEMA: with_schema(SCHEMA.read_text()), TABLES: with_tables(TABLES.read_text())}


def write() -> list[Path]:
    """Write them; those that were different."""
    changed = [path for path, content in written().items() if path.read_text() != content]
    for path, content in written().items():
        path.write_text(content)
    return changed


# --- Pulumi.yaml ------------------------------------------------------------------------------------------------


def with_schema(content: str) -> str:
    """``Pulumi.yaml`` with the config's schema at its end."""
    head = content.partition(WRITTEN)[0].partition("config:\n")[0]
    schema = {f"{project.PROJECT}:{name}": declared(name, info) for name, info in fields(Config)}
    return f"{head}{WRITTEN}{yaml.safe_dump({'config': schema}, sort_keys=False, width=10_000, allow_unicode=True)}"


def declared(name: str, info: FieldInfo) -> dict[str, Any]:
    """One key as ``Pulumi.yaml`` declares it."""
    schema = schema_of(Config, name)
    result: dict[str, Any] = {"type": schema["type"]}
    if schema["type"] == "array":
        result["items"] = {"type": schema["items"]["type"]}
    default = default_of(info)
    if default is not None:
        result["default"] = default
    elif secrecy_of(info) is Secrecy.REQUIRED:
        # With a default Pulumi would want that encrypted. The program itself refuses any secret in the clear.
        result["secret"] = True
    result["description"] = without_links(str(info.description))
    return result


def without_links(text: str) -> str:
    """Markdown with the texts of its links only."""
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)


# --- docs/settings.md -------------------------------------------------------------------------------------------


def with_tables(content: str) -> str:
    """``docs/settings.md`` with every table between its marks."""
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = content.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"docs/settings.md has no place for the table of {name}: {begin.strip()} ... {end}")
        content = f"{before}{begin}{table}{end}{after}"
    return content


def tables() -> dict[str, str]:
    """Every table, by what it lists."""
    found = {str(topic.__doc__).rstrip("."): keys_table(topic) for topic in TOPICS}
    objects: dict[str, type[Keys]] = {
        "keys of an app": AppKeys,
        "keys of a policy": PolicyKeys,
        "keys of chartCredentials": ChartCredentials,
    }
    found |= {name: keys_table(model) for name, model in objects.items()}
    reasons: dict[str, Mapping[str, str]] = {
        "values of Dapr's chart that are set here": helm_values.DAPR_PROTECTED,
        "values of OSM's chart that are set here": {**helm_values.OSM_PROTECTED, **helm_values.OSM_GONE},
        "fields of a pod that are set here": {
            **{f"spec.{field}": why for field, why in PROTECTED.items()},
            **{
                f"{field} of the app's own container": f"it is set by {where.format(app='<app id>')}"
                for field, where in CONTAINER_PROTECTED.items()
            },
            **{f"label {name}": f"it is {why}" for name, why in OWN_LABELS.items()},
            **{f"annotation {name}": f"it is {why}" for name, why in OWN_ANNOTATIONS.items()},
        },
        "ports that are taken in every pod": {str(port): whose for port, whose in HELD_PORTS.items()},
    }
    heads = dict.fromkeys(reasons, ("what", "why")) | {"ports that are taken in every pod": ("port", "whose")}
    for name, rows in reasons.items():
        # What looks like HTML is taken for it.
        found[name] = _table(heads[name], ((f"`{what}`", why.replace("<", "&lt;")) for what, why in rows.items()))
    return found


def keys_table(model: type[Keys]) -> str:
    """The keys of an object."""
    rows = ((f"`{name}`", may_be(info), default(info), str(info.description)) for name, info in fields(model))
    return _table(("key", "may be", "default", "meaning"), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def default(info: FieldInfo) -> str:
    """A key's default, as it is written in a stack file."""
    value = default_of(info)
    if value is None or value == "":
        return "-"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def may_be(info: FieldInfo) -> str:
    """What a key may be, in the words of its rules."""
    said = [
        one.what
        for part in (*info.metadata, *_metadata(info.annotation))
        for one in (part.rules if isinstance(part, All) else [part])
        if isinstance(one, Kind | Rule) and one.what
    ]
    secret = {Secrecy.REQUIRED: ", secret", Secrecy.KEPT: ""}.get(secrecy_of(info), "")
    # The last says most: it stands after the kind.
    return said[-1] + secret


def _metadata(annotation: Any) -> Iterator[Any]:
    """What is said of a type inside "or nothing"."""
    if get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from getattr(part, "__metadata__", ())

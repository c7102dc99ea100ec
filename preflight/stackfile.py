"""A stack's config as it stands in its file, without Pulumi: what is encrypted stays so, and counts as given."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.errors import OperationError
from settings import PROJECT, ROOT, declared_defaults

# What stands for a secret. None of these is ever sent anywhere.
UNREAD: Final = "not-read-here"
_UNREAD_OF: Final[Mapping[str, str]] = {
    f"{PROJECT}:registryCredentials": '{"auths": {"not-read-here.invalid": {"username": "u", "password": "p"}}}',
}
SECURE: Final = "secure"
APPS: Final = f"{PROJECT}:apps"
POLICIES: Final = f"{PROJECT}:policies"


class _Loader(yaml.SafeLoader):
    """Reads YAML as Pulumi does: only true and false are booleans, and a date is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in listed if tag not in ("tag:yaml.org,2002:timestamp",)]
    for first, listed in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _first in "yYnNoO":
    _Loader.yaml_implicit_resolvers[_first] = [
        (tag, pattern)
        for tag, pattern in _Loader.yaml_implicit_resolvers.get(_first, [])
        if tag != "tag:yaml.org,2002:bool"
    ]


class _Texts(yaml.SafeLoader):
    """Reads every value as the text that it is written as; merges (``<<``) are made, and no key may be there twice."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Look at the keys before merged ones are among them, which others override."""
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        there: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in there:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value} is there twice", problem_mark=key.start_mark
                )
            there.add(key.value)
        return node


_Texts.yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """What a stack file says.

    Attributes:
        config: Its config, keys with their namespace, as Pulumi would hand it over.
        secret: The keys that hold something encrypted, at any depth.
        environments: The ESC environments that it takes values from, which only Pulumi reads.
        unread: The keys that are left out of it: objects and lists that are encrypted as a whole, and what depends on
            them.
    """

    config: Mapping[str, str]
    secret: frozenset[str]
    environments: tuple[str, ...]
    unread: tuple[str, ...] = ()


def path_of(stack: str) -> Path:
    """Where the file of a stack is."""
    return ROOT / f"Pulumi.{stack.rpartition('/')[2]}.yaml"


def read(path: Path) -> StackFile:
    """Read a stack file.

    Raises:
        OperationError: There is none, or it is none.
    """
    if not path.is_file():
        there = ", ".join(sorted(re.sub(r"^Pulumi\.|\.yaml$", "", one.name) for one in ROOT.glob("Pulumi.*.yaml")))
        raise OperationError(
            f"there is no stack file {path}. Name the stack by --stack (there are {there or 'none'}), or its file by "
            "--config-file."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise OperationError(
            f"{path} is no text in UTF-8: byte {error.start} is none of it. Save it as UTF-8"
        ) from None
    return of(text, str(path))


def of(text: str, path: str) -> StackFile:
    """What the text of a stack file says.

    Args:
        text: The text.
        path: What the file is called in errors.

    Raises:
        OperationError: It is none of a stack file.
    """
    try:
        return _of(text, path)
    except RecursionError:
        raise OperationError(f"{path} is no stack file: something in it holds itself, or is nested too deep") from None


def _of(text: str, path: str) -> StackFile:
    try:
        content = yaml.load(text, Loader=_Loader) or {}  # noqa: S506 - a SafeLoader
        texts = yaml.load(text, Loader=_Texts) or {}  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise OperationError(f"{path} is no YAML{line}: {getattr(error, 'problem', error)}") from None
    given = content.get("config") if isinstance(content, dict) else None
    if not isinstance(given or {}, dict) or not isinstance(content, dict):
        raise OperationError(f"{path} is no stack file: it has no config of keys and values")
    given = given or {}
    if odd := [key for key in given if not isinstance(key, str)]:
        raise OperationError(f"{path} has the key {odd[0]}, which is no text: keys are like {PROJECT}:stage")
    unread = _unread(given)
    return StackFile(
        config={
            key: _handed_over(key, value, texts["config"][key]) for key, value in given.items() if key not in unread
        },
        secret=frozenset(key for key, value in given.items() if _holds_secret(value)),
        environments=_environments(content.get("environment")),
        unread=unread,
    )


def _unread(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys for which no text can stand while they are encrypted."""
    found = [f"{PROJECT}:{key}" for key, default in declared_defaults().items() if isinstance(default, dict | list)]
    found = [key for key in found if _is_secret(given.get(key))]
    # Which apps there are is not known then either.
    return (*found, *([POLICIES] if APPS in found and POLICIES in given and POLICIES not in found else []))


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == [SECURE]


def _holds_secret(value: Any) -> bool:
    if isinstance(value, dict):
        return _is_secret(value) or any(map(_holds_secret, value.values()))
    return isinstance(value, list) and any(map(_holds_secret, value))


def _handed_over(key: str, value: Any, text: Any) -> str:
    """A value as Pulumi hands it over: a text, or objects and lists as JSON."""
    if _is_secret(value):
        return _UNREAD_OF.get(key, UNREAD)
    if isinstance(value, dict | list):
        return json.dumps(_without_secrets(value), default=str)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(text)


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        # No text stands for a certificate.
        kept = {key: inner for key, inner in value.items() if not (key == "caCert" and _is_secret(inner))}
        return {key: UNREAD if _is_secret(inner) else _without_secrets(inner) for key, inner in kept.items()}
    if isinstance(value, list):
        return [UNREAD if _is_secret(inner) else _without_secrets(inner) for inner in value]
    return value


def _environments(given: Any) -> tuple[str, ...]:
    if isinstance(given, list):
        return tuple(str(next(iter(one), "")) if isinstance(one, dict) else str(one) for one in given)
    return ("of its own",) if given else ()

"""A stack file as text: some values changed, and comments, order and quotes as they were."""

from __future__ import annotations

import difflib
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError
from ruamel.yaml.util import load_yaml_guess_indent

from environments.promote import DAPR, STAGE, UNTRIED, Move, hidden
from preflight import stackfile
from settings import PROJECT, load

# Where a key comes that was not there: these first, as they are what the file is about.
FIRST: Final = (STAGE, DAPR, UNTRIED)
PASSWORD: Final = f"{PROJECT}:redisPassword"


class StackFileError(ValueError):
    """It is no stack file."""


def config_of(text: str, name: str) -> dict[str, Any]:
    """A stack's config by key, without the project's namespace.

    Args:
        text: The file.
        name: What it is called in errors.
    """
    content = _loaded(text, name)[1]
    prefix = f"{PROJECT}:"
    return {
        str(key).removeprefix(prefix): value
        for key, value in (content.get("config") or {}).items()
        if str(key).startswith(prefix)
    }


def changed(text: str, moves: Sequence[Move], name: str) -> str:
    """The file with these values."""
    yaml, content = _loaded(text, name)
    if content.get("config") is None:
        content["config"] = CommentedMap()
    config = content["config"]
    for move in moves:
        _put(config, move)
    written = io.StringIO()
    yaml.dump(content, written)
    return written.getvalue()


def _put(config: CommentedMap, move: Move) -> None:
    first, *rest = move.path
    key = f"{PROJECT}:{first}"
    if not rest:
        if key in config or first not in FIRST:
            config[key] = move.after
        else:
            before = [f"{PROJECT}:{one}" for one in FIRST[: FIRST.index(first)]]
            config.insert(sum(one in config for one in before), key, move.after)
        return
    inside = config[key]
    for part in rest[:-1]:
        inside = inside[part]
    inside[rest[-1]] = move.after


def check(text: str, name: str) -> None:
    """Whether a file's config could be used, as far as it is not encrypted. Its password may come later.

    Args:
        text: The file.
        name: What it is called in errors.

    Raises:
        SettingsError: It could not.
        OperationError: It is no stack file to Pulumi.
    """
    said = stackfile.of(text, name)
    secret = said.secret if PASSWORD in said.config else {*said.secret, PASSWORD}
    load({PASSWORD: stackfile.UNREAD, **said.config}, secret.__contains__, said.unread)


def difference(before: str, after: str, name: str) -> str:
    """What changes, as a diff; nothing that is encrypted."""
    lines = difflib.unified_diff(
        [hidden(line) for line in before.splitlines()],
        [hidden(line) for line in after.splitlines()],
        fromfile=name,
        tofile=name,
        n=1,
        lineterm="",
    )
    return "\n".join(lines)


def _loaded(text: str, name: str) -> tuple[YAML, CommentedMap]:
    yaml = YAML()
    yaml.preserve_quotes = True
    # No line is broken that was none.
    yaml.width = 1 << 16
    try:
        _, indent, offset = load_yaml_guess_indent(text)
        content = yaml.load(text)
    except YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where is not None else ""
        raise StackFileError(f"{name} is no YAML{line}: {getattr(error, 'problem', None) or 'it breaks off'}") from None
    if content is None:
        content = CommentedMap()
    if not isinstance(content, CommentedMap) or not isinstance(content.get("config", {}), Mapping | None):
        raise StackFileError(f"{name} is no stack file: it has no object of settings under config")
    yaml.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    return yaml, content

"""What is wrong with a config, in words: key, value, rule and mend, everything at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from settings.project import PROJECT

SECRET: Final = "[secret]"  # noqa: S105 - what is shown instead of one
# Longer values say no more.
LONGEST_VALUE: Final = 200

Path = tuple[str, ...]
"""Where in the config: ``("apps", "shop", "port")``."""


class Words(str):
    """A sentence that quotes what was given, and knows how it reads where that must not be shown.

    Attributes:
        masked: The same sentence without what was given.
    """

    masked: str

    def __new__(cls, template: str, **given: object) -> Self:
        """Fill in a template."""
        said = super().__new__(cls, template.format(**given))
        said.masked = template.format(**dict.fromkeys(given, SECRET))
        return said

    @classmethod
    def quoting(cls, given: str, otherwise: str) -> Self:
        """Something given, and what to say where it must not be shown."""
        said = cls("{given}", given=given)
        said.masked = otherwise
        return said


def masked(said: str) -> str:
    """A sentence without what it quotes."""
    return said.masked if isinstance(said, Words) else said


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong with the config.

    Attributes:
        path: Where it is, from the top-level key on.
        value: The value as given, or None where it must not be shown or is missing.
        rule: What the value must be.
        mend: What to do about it.
        namespace: The key's namespace.
    """

    path: Path
    value: Any
    rule: str
    mend: str
    namespace: str = PROJECT

    @property
    def key(self) -> str:
        """The config key, without its namespace, as one text."""
        return _printable(".".join(self.path))

    def hidden(self) -> Problem:
        """The same without anything that was given."""
        path = tuple(masked(part) for part in self.path)
        return replace(self, path=path, value=None, rule=masked(self.rule), mend=masked(self.mend))

    def __str__(self) -> str:
        """Key, value, rule and mend, as one line."""
        return _printable(f"{self.namespace}:{self.key}{_shown(self.value)} {self.rule}. {self.mend}")


def _printable(text: str) -> str:
    """A text as one line that can be written anywhere, whatever it quotes."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = json.dumps(value, default=str)
    return f": {text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}"


class SettingsError(ValueError):
    """The config can't be used; says all that is wrong with it, a line each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems for callers that want them one by one."""
        self.problems = tuple(problems)
        super().__init__("\n".join(["the stack's config can't be used:", *(f"  {problem}" for problem in problems)]))

"""Names that say that their value is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_WORDS: Final = r"(password|passwd|passphrase|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key)s?"

TELLING: Final = re.compile(f"{_WORDS}$", re.IGNORECASE)
"""Matches names whose values nobody has to read, whoever declared them."""

_GIVEN: Final = re.compile(
    rf"(?<![\w.])(?P<name>[\w.-]*{_WORDS})[\"']?\s*[:=][ \t]*"
    r"""(?:"(?P<double>(?:\\.|[^"\\])+)"|'(?P<single>[^']+)'|(?P<bare>[^\s"',;&}][^"',;&}\n]*))""",
    re.IGNORECASE,
)
# A reference to a secret, a placeholder, a file, a switch, a number.
_NONE: Final = re.compile(r"[$<%{|>*!\[/].*|true|false|null|none|nil|[\d.]+", re.IGNORECASE)

PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
"""Finds where a private key begins."""


def is_value(text: str) -> bool:
    """Whether what stands behind such a name may be a secret."""
    return _NONE.fullmatch(text.strip()) is None


def given(text: str) -> Iterator[str]:
    """Such names in a text that are given a value there, as files and arguments give them."""
    return (found["name"].lstrip("-") for found in _GIVEN.finditer(text) if is_value(_value(found)))


def blinded(text: str, instead: str) -> str:
    """The text with something else in place of those values."""

    def blind(found: re.Match[str]) -> str:
        value = _value(found)
        before, _, after = found[0].rpartition(value)
        return f"{before}{instead}{after}" if is_value(value) else found[0]

    return _GIVEN.sub(blind, text)


def _value(found: re.Match[str]) -> str:
    return str(found["double"] or found["single"] or found["bare"])

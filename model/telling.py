"""Names that say that their value is secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_WORDS: Final = r"(password|passwd|passphrase|secret|token|credential|api[-_]?key|private[-_]?key|access[-_]?key)s?"

TELLING: Final = re.compile(f"{_WORDS}$", re.IGNORECASE)
"""Matches names whose values nobody has to read, whoever declared them."""

_GIVEN: Final = re.compile(
    rf"(?<![\w.])(?P<name>[\w.-]*{_WORDS})[\"']?\s*(?P<sign>[:=])[ \t]*"
    r"""(?:"(?P<double>(?:\\.|[^"\\])+)"|'(?P<single>[^']+)'|(?P<bare>[^\s"',;&}][^"',;&}\n]*))""",
    re.IGNORECASE,
)
# A reference to a secret, a placeholder, a file, a switch, a number.
_NONE: Final = re.compile(r"[$<%{|>*!\[/].*|true|false|null|none|nil|[\d.]+", re.IGNORECASE)

PRIVATE_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
"""Finds where a private key begins."""

WHOLE_PRIVATE_KEY: Final = re.compile(
    rf"{PRIVATE_KEY.pattern}.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.IGNORECASE | re.DOTALL
)
"""Matches a private key, also one that is cut off."""

# YAML's way of writing a text of lines: all that is further to the right.
_BLOCK: Final = re.compile(
    rf"^(?P<head>(?P<margin>[ \t]*)(?:- +)?[\"']?(?P<name>[\w.-]*{_WORDS})[\"']?:[ \t]*[|>][-+\d]*[ \t]*\n)"
    r"(?P<value>(?:(?P=margin)[ \t]+\S.*(?:\n|\Z)|[ \t]*\n)+)",
    re.IGNORECASE | re.MULTILINE,
)
# scheme://user:password@host
_ADDRESS: Final = re.compile(r"(?P<head>://[^\s/:@\"']*:)(?P<value>[^\s/@\"']+)(?=@)")
# A command's option; in prose, what follows one is just the next word.
_OPTION: Final = re.compile(rf"(?P<head>(?<!\S)--?[\w.-]*{_WORDS}[ \t]+)(?P<value>[^\s-]\S*)", re.IGNORECASE)


def is_value(text: str) -> bool:
    """Whether what stands behind such a name may be a secret."""
    return _NONE.fullmatch(text.strip()) is None


def is_handed(option: object, following: object) -> bool:
    """Whether a word of a command's is an option that tells of a secret, and the next one is what it is given."""
    return (
        isinstance(option, str)
        and len(option.split()) == 1
        and option.startswith("-")
        and TELLING.search(option) is not None
        and isinstance(following, str)
        and following[:1] not in ("", "-")
        and is_value(following)
    )


def given(text: str) -> Iterator[str]:
    """Such names in a text that are given a value there, as files and arguments give them."""
    yield from (found["name"].lstrip("-") for found in _GIVEN.finditer(text) if is_value(_value(found)))
    yield from (found["name"] for found in _BLOCK.finditer(text) if is_value(found["value"]))
    if any(is_value(found["value"]) for found in _ADDRESS.finditer(text)):
        yield "an address's password"


def blinded(text: str, instead: str, *, prose: bool = False) -> str:
    """The text with something else in place of those values.

    Args:
        text: It.
        instead: What is put there.
        prose: Whether it is somebody's sentence, where what follows a colon says what is wrong.
    """

    def blind(found: re.Match[str]) -> str:
        value = _value(found)
        before, _, after = found[0].rpartition(value)
        is_said = prose and found["sign"] == ":" and found["bare"] is not None
        return f"{before}{instead}{after}" if is_value(value) and not is_said else found[0]

    def blind_headed(found: re.Match[str]) -> str:
        end = "\n" if found["value"].endswith("\n") else ""
        return f"{found['head']}{instead}{end}" if is_value(found["value"]) else found[0]

    text = WHOLE_PRIVATE_KEY.sub(instead, text)
    for pattern in (_ADDRESS,) if prose else (_BLOCK, _ADDRESS, _OPTION):
        text = pattern.sub(blind_headed, text)
    return _GIVEN.sub(blind, text)


def _value(found: re.Match[str]) -> str:
    return str(found["double"] or found["single"] or found["bare"])

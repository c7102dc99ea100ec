"""Regular expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Final

import re2

from settings.declaration import All, Refusal, Rule
from settings.names import Text
from settings.problem import Words

# What a compiled expression may come to for Envoy, where nobody tells it otherwise, and OSM does not. Seen with Envoy
# 1.36.2; source: its docs, type.matcher.v3.RegexMatcher.GoogleRE2 (re2.max_program_size.error_level).
MOST_PARTS: Final = 100


def _compiled(regex: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(regex, options)


def fault_of(regex: str) -> str | None:
    """Why Envoy would not take this as a regular expression, or None."""
    try:
        _compiled(regex)
    except re2.error as error:
        message = error.args[0]
        return message.decode() if isinstance(message, bytes) else str(message)
    return None


def matches(regex: str, path: str) -> bool:
    """Whether an expression is about a path, as Envoy sees it: about all of it."""
    return fault_of(regex) is None and _compiled(regex).fullmatch(path) is not None


# What is wrong with one, Envoy refuses with the whole list of routes that it stands in, everybody's.


def regular(value: str) -> Iterator[Refusal]:
    """What keeps a text from being an expression."""
    if value and (fault := fault_of(value)):
        yield Refusal(rule=Words("is not a regular expression: {fault}", fault=fault), mend="Envoy reads it as RE2.")


def small(value: str) -> Iterator[Refusal]:
    """What makes an expression too large for Envoy."""
    size = 0 if fault_of(value) else _compiled(value).programsize
    if size > MOST_PARTS:
        yield Refusal(
            rule=f"is too large for Envoy: it compiles to {size} parts, and {MOST_PARTS} are the most",
            mend="Each letter is one, a repetition counts as often as it may repeat. Shorten it, with .* say.",
        )


Expression = Annotated[
    Text, All(Rule("expression", regular, "a regular expression (RE2)"), Rule("expression-size", small))
]

"""Regular expressions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import re2

from settings.declaration import Refusal, Rule
from settings.names import Text
from settings.problem import Words


def fault_of(regex: str) -> str | None:
    """Why Envoy would not take this as a regular expression, or None."""
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
    except re2.error as error:
        message = error.args[0]
        return message.decode() if isinstance(message, bytes) else str(message)
    return None


def regular(value: str) -> Iterator[Refusal]:
    """What keeps a text from being one; Envoy would refuse the whole list of routes that it stands in, everybody's."""
    if value and (fault := fault_of(value)):
        yield Refusal(rule=Words("is not a regular expression: {fault}", fault=fault), mend="Envoy reads it as RE2.")


Expression = Annotated[Text, Rule("expression", regular, "a regular expression (RE2)")]

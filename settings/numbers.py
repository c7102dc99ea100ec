"""Whole numbers and switches."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from annotated_types import Ge, Le
from pydantic import BeforeValidator, Strict

from settings.declaration import Kind

# Not a limit of Kubernetes', but of what a verification can watch.
MOST_REPLICAS: Final = 20
UNITS: Final = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def _not_a_flag(value: Any) -> Any:
    # To Python true is 1.
    return "" if isinstance(value, bool) else value


def _flag(value: Any) -> Any:
    # "True" is what a bool looks like that did not come through YAML.
    words = {"true": True, "True": True, "false": False, "False": False}
    return words.get(value.strip(), value) if isinstance(value, str) else value


def _with_unit(value: Any) -> str | None:
    """The seconds of a duration like ``5m``, which is easily meant."""
    found = re.fullmatch(r"([0-9]{1,6}) ?([a-z]+)", value.strip()) if isinstance(value, str) else None
    seconds = int(found[1]) * UNITS.get(found[2], 0) if found else 0
    return str(seconds) if 30 <= seconds <= 3600 else None


Flag = Annotated[bool, Strict(), BeforeValidator(_flag), Kind("one of true, false", "Set one of them.")]
Seconds = Annotated[
    int,
    Ge(30),
    Le(3600),
    BeforeValidator(_not_a_flag),
    Kind("a number of seconds from 30 to 3600", "Set for example 30.", meant=_with_unit),
]
Port = Annotated[
    int,
    Ge(1),
    Le(65535),
    BeforeValidator(_not_a_flag),
    Kind("a TCP port from 1 to 65535", "Set for example 8080."),
]
HPA: Final = "hpa"


def _replicas(value: Any) -> Any:
    if value == HPA:
        return 0
    # As a text, 0 is not the word either.
    return "" if str(value).strip("+-_0. ") == "" else _not_a_flag(value)


Replicas = Annotated[
    int,
    Ge(0),
    Le(MOST_REPLICAS),
    # 0 stands for HPA from here on, so that a number stays one.
    BeforeValidator(_replicas),
    Kind(
        f'a number of pods from 1 to {MOST_REPLICAS}, or the word "{HPA}"',
        f'Set for example 1, or "{HPA}" where a HorizontalPodAutoscaler decides.',
    ),
]

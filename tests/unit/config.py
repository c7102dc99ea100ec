"""Configs as the tests of the settings give them."""

from __future__ import annotations

from typing import Any, Final

import pytest

from settings import Settings, SettingsError, parse

PASSWORD: Final = "correct-horse"  # noqa: S105 - the tests' own


def parsed(**raw: Any) -> Settings:
    """The settings of a config that also sets a password."""
    return parse({"redisPassword": PASSWORD, **raw})


def refused(**raw: Any) -> SettingsError:
    """The error of such a config."""
    with pytest.raises(SettingsError) as caught:
        parsed(**raw)
    return caught.value


def only_problem(**raw: Any) -> str:
    """The one line about the one bad value."""
    problems = refused(**raw).problems
    assert len(problems) == 1, f"one bad value is one problem, not {[str(p) for p in problems]}"
    return str(problems[0])

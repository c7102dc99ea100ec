"""Every rule refuses what it is there for, under the key to blame and nothing else; without it that would pass."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, get_args

import pytest

from settings import SettingsError, parse
from settings.between import RULES, Between
from settings.declaration import All, Keys, Kind, Rule
from settings.keys import Config
from settings.problem import Problem

from .bad_inputs import BAD, Bad
from .config import PASSWORD

# Refused by pydantic itself: no rule of ours to switch off.
UNKNOWN_KEY: Final = "unknown-key"


def problems(bad: Bad) -> list[Problem]:
    """What is told of a config."""
    raw = {"redisPassword": PASSWORD, **bad.config}
    try:
        parse({key: value for key, value in raw.items() if value is not None}, secret=bad.secret, provider=bad.provider)
    except SettingsError as error:
        return list(error.problems)
    return []


def parts(annotation: Any) -> Iterator[Any]:
    """Everything that is said of a type, at any depth."""
    for one in (*getattr(annotation, "__metadata__", ()), *get_args(annotation)):
        yield one
        yield from parts(one)
    if isinstance(annotation, type) and issubclass(annotation, Keys):
        for info in annotation.model_fields.values():
            yield from info.metadata
            yield from parts(info.annotation)


def declared() -> set[str]:
    """The names of all rules that there are."""
    found = list(parts(Config))
    rules = [rule for one in found for rule in (one.rules if isinstance(one, All) else [one]) if isinstance(rule, Rule)]
    return {
        *(rule.name for rule in rules),
        *(kind.what for kind in found if isinstance(kind, Kind)),
        *(rule.name for rule in RULES),
    }


NAMES: Final = sorted(declared())


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_a_bad_input_is_told_under_its_key_and_nothing_else_is(bad: Bad) -> None:
    told = problems(bad)
    assert sorted({problem.key for problem in told}) == sorted(bad.keys), [str(problem) for problem in told]
    for problem in told:
        assert len(str(problem).splitlines()) == 1, "a line each"
        assert problem.mend.strip(), "each says what to do"


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_has_three_cases_at_least(name: str) -> None:
    assert Counter(bad.rule for bad in BAD)[name] >= 3


def test_every_case_is_one_of_a_rule_that_there_is() -> None:
    assert {bad.rule for bad in BAD} - {*NAMES, UNKNOWN_KEY} == set()
    assert len(BAD) >= 250


@pytest.mark.parametrize("name", NAMES)
def test_without_the_rule_its_cases_would_pass_or_be_told_otherwise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [bad for bad in BAD if bad.rule == name]
    before = [[str(problem) for problem in problems(bad)] for bad in cases]
    rule, kind, between = Rule.refusals, Kind.refusals, Between.findings
    monkeypatch.setattr(Rule, "refusals", lambda self, value: () if self.name == name else rule(self, value))
    monkeypatch.setattr(Kind, "refusals", lambda self, value: () if self.what == name else kind(self, value))
    monkeypatch.setattr(Between, "findings", lambda self, draft: () if self.name == name else between(self, draft))
    for bad, told in zip(cases, before, strict=True):
        try:
            after = [str(problem) for problem in problems(bad)]
        except (AttributeError, TypeError, KeyError, ValueError):
            continue  # what the rule keeps out is met where nobody expects it
        assert after != told, f"{name} has nothing to do with {bad}"


@pytest.mark.parametrize("bad", [bad for bad in BAD if not bad.provider and bad.config], ids=str)
def test_as_json_a_bad_input_is_told_in_the_same_words(bad: Bad) -> None:
    as_json = {key: json.dumps(value) if isinstance(value, dict | list) else value for key, value in bad.config.items()}
    there = Bad(rule=bad.rule, keys=bad.keys, config=as_json, secret=bad.secret, provider=bad.provider)
    assert [str(problem) for problem in problems(there)] == [str(problem) for problem in problems(bad)]

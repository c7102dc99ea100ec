"""An environment's file: the level of each rule, its parameters, and its exceptions.

It is what Pulumi takes as ``--policy-pack-config``. The engine holds it against :func:`schema` and drops what it does
not know; :func:`read` refuses that as well, and is what the review and the tests read it with.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from policy.found import Found
from policy.objects import is_called
from policy.rules import RULES, Rule

EXCEPTIONS: Final = "exceptions"
LEVEL: Final = "enforcementLevel"
ALL: Final = "all"
DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
OBJECT_EXAMPLE: Final = "Deployment dapr-test/nodeapp"


class Level(StrEnum):
    """What a rule that is not kept means."""

    ADVISORY = "advisory"
    """It is told, and stops nothing."""

    MANDATORY = "mandatory"
    """Nothing is deployed."""

    DISABLED = "disabled"
    """It is not asked."""


class PolicyConfigError(ValueError):
    """A file says what can't be; the message has a line for each problem."""


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """An exception of a rule.

    Attributes:
        rule: The rule's name.
        object: The one object that it is for, as messages name it.
        reason: Why.
        until: The last day on which it holds, or None.
    """

    rule: str
    object: str
    reason: str
    until: date | None = None

    def holds(self, today: date) -> bool:
        """Whether it still does."""
        return self.until is None or today <= self.until


@dataclass(frozen=True, kw_only=True)
class RuleConfig:
    """What a file says of one rule.

    Attributes:
        rule: The rule.
        level: Its level.
        parameters: Its parameters, with defaults for what the file leaves out.
        exemptions: Its exceptions.
    """

    rule: Rule
    level: Level = Level.ADVISORY
    parameters: Mapping[str, Any] = field(default_factory=dict)
    exemptions: tuple[Exemption, ...] = ()


Config = Mapping[str, RuleConfig]
"""What a file says, by rule; all rules are there."""


def schema(rule: Rule) -> dict[str, dict[str, Any]]:
    """JSON schemas of what may stand under a rule's name in a file, beside its level."""
    exception = {
        "type": "object",
        "properties": {
            "object": {"type": "string", "pattern": r"^\S+ \S+$"},
            "reason": {"type": "string", "pattern": r"\S"},
            "until": {"type": "string", "pattern": f"^{DAY.pattern}$"},
        },
        "required": ["object", "reason"],
        "additionalProperties": False,
    }
    parameters = {
        name: {key: value for key, value in schema.items() if key != "description"}
        for name, schema in rule.parameters.items()
    }
    return {**parameters, EXCEPTIONS: {"type": "array", "items": exception, "default": []}}


def read(text: str, *, name: str) -> Config:
    """Read a file.

    Args:
        text: Its content.
        name: What it is called in errors.

    Raises:
        PolicyConfigError: Something of it can't be.
    """
    try:
        given = json.loads(text, object_pairs_hook=_once)
    except TwiceError as error:
        raise PolicyConfigError(f"{name}: {error}") from None
    except ValueError as error:
        raise PolicyConfigError(f"{name} is no JSON: {error}") from None
    if not isinstance(given, dict):
        raise PolicyConfigError(f"{name} is no JSON object with a rule's name as each key")
    problems: list[str] = []
    default = _level(given.pop(ALL, Level.ADVISORY.value), ALL, problems)
    for key in given.keys() - RULES.keys():
        problems.append(f"{key}: there is no such rule{_near(key, RULES)}")
    config = {rule.name: _rule(rule, given.get(rule.name, {}), default, problems) for rule in RULES.values()}
    if problems:
        raise PolicyConfigError("\n".join(f"{name}: {problem}" for problem in problems))
    return config


class TwiceError(ValueError):
    """A key stands twice in an object, of which JSON would take the last one and say nothing."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise TwiceError(f"{next(key for key in keys if keys.count(key) > 1)} stands there twice")
    return found


def _rule(rule: Rule, given: Any, default: Level, problems: list[str]) -> RuleConfig:
    if isinstance(given, str):
        given = {LEVEL: given}
    if not isinstance(given, dict):
        problems.append(f"{rule.name}: {given!r} is neither a level nor an object with parameters")
        return RuleConfig(rule=rule)
    level = _level(given[LEVEL], rule.name, problems) if LEVEL in given else default
    for key in given.keys() - {LEVEL, EXCEPTIONS} - rule.parameters.keys():
        problems.append(
            f"{rule.name}.{key}: the rule has no such parameter{_near(key, [*rule.parameters, EXCEPTIONS])}"
        )
    for key, spec in rule.parameters.items():
        if key in given and not _fits(given[key], spec):
            problems.append(f"{rule.name}.{key}: {given[key]!r} is not what it takes: {spec['description']}")
    return of_rule(rule, given, level=level, problems=problems)


def of_rule(
    rule: Rule, given: Mapping[str, Any], *, level: Level = Level.ADVISORY, problems: list[str] | None = None
) -> RuleConfig:
    """What is said of one rule.

    Args:
        rule: The rule.
        given: Parameters and exceptions, as the file or the engine has them.
        level: Its level.
        problems: Takes up what can't be.

    Raises:
        PolicyConfigError: Something can't be, and there is nothing that takes it up.
    """
    taken: list[str] = [] if problems is None else problems
    parameters = {**rule.defaults, **{key: given[key] for key in rule.parameters if key in given}}
    exemptions = tuple(_exemptions(rule, given.get(EXCEPTIONS, []), taken))
    if taken and problems is None:
        raise PolicyConfigError("\n".join(taken))
    return RuleConfig(rule=rule, level=level, parameters=parameters, exemptions=exemptions)


def _exemptions(rule: Rule, given: Any, problems: list[str]) -> Iterator[Exemption]:
    if not isinstance(given, list):
        problems.append(f"{rule.name}.{EXCEPTIONS}: {given!r} is no list")
        return
    for number, entry in enumerate(given):
        where = f"{rule.name}.{EXCEPTIONS}[{number}]"
        if not isinstance(entry, Mapping):
            problems.append(f"{where}: {entry!r} is no object with object, reason and perhaps until")
            continue
        for key in entry.keys() - {"object", "reason", "until"}:
            problems.append(f"{where}.{key}: an exception has object, reason and until, nothing else")
        named, reason = entry.get("object"), entry.get("reason")
        if not isinstance(named, str) or len(named.split()) != 2 or named != named.strip():
            problems.append(
                f'{where}.object: {named!r} is no object; write it as the message does ("{OBJECT_EXAMPLE}")'
            )
        if not isinstance(reason, str) or not reason.strip():
            problems.append(f"{where}.reason: it has none. Say why, for whoever reads it next year")
        until = _date(entry.get("until"), where, problems)
        yield Exemption(rule=rule.name, object=str(named), reason=str(reason), until=until)


def _date(given: Any, where: str, problems: list[str]) -> date | None:
    if given is None:
        return None
    try:
        # Python takes more than Pulumi does, to which the file's schema goes.
        if not DAY.fullmatch(given):
            raise ValueError
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        problems.append(f'{where}.until: {given!r} is no day, as in "2027-01-31"')
        return None


def _level(given: Any, where: str, problems: list[str]) -> Level:
    if given in set(Level):
        return Level(given)
    problems.append(f"{where}: {given!r} is not one of {', '.join(Level)}")
    return Level.MANDATORY


def _fits(value: Any, spec: Mapping[str, Any]) -> bool:
    if spec["type"] == "array":
        return isinstance(value, list) and all(isinstance(item, str) and item.strip() == item != "" for item in value)
    return isinstance(value, int) and not isinstance(value, bool) and spec["minimum"] <= value <= spec["maximum"]


def _near(key: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(key, list(known), n=1)
    return f'. Did you mean "{close[0]}"?' if close else f"; there are {', '.join(known)}"


# --- Exceptions, applied ----------------------------------------------------------------------------------------


def excepted(found: Found, config: RuleConfig) -> Exemption | None:
    """The exception for something that a rule found, whether it still holds or not; None where there is none."""
    mine = [exemption for exemption in config.exemptions if is_called(exemption.object, found.object)]
    return max(mine, key=lambda exemption: exemption.until or date.max, default=None)


def message(found: Found, exemption: Exemption | None) -> str:
    """What is told of something that is not excepted."""
    ended = f" (its exception ended with {exemption.until})" if exemption is not None else ""
    return f"{found.object}: {found.wrong}.{ended}"


def unused(exemption: Exemption) -> str:
    """What is told of an exception that nothing needs."""
    return (
        f"{exemption.rule}: nothing needs the exception for {exemption.object} ({exemption.reason}). "
        "Take it out of the environment's file."
    )

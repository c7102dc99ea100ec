"""The rules, asked of one deploy, object by object and then of the whole stack, and their exceptions applied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from policy import config as configs
from policy.config import Exemption, RuleConfig
from policy.found import Asked, Found, NotKnown
from policy.objects import Object
from policy.rules import UNUSED, Rule


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """Something that a rule forbids and no exception allows.

    Attributes:
        message: What is told of it.
        urn: Its resource's URN, or empty.
    """

    message: str
    urn: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What comes of asking a rule.

    Attributes:
        wrong: What it forbids.
        unknown: What it could not ask, since a preview does not know it yet.
    """

    wrong: tuple[Wrong, ...] = ()
    unknown: tuple[NotKnown, ...] = ()


def today() -> date:
    """The day by which exceptions end."""
    return datetime.now(UTC).date()


@dataclass
class Asking:
    """One deploy.

    Attributes:
        day: The day by which exceptions end.
        seen: The objects that were asked about, in order, by URN.
        needed: Exceptions that something needed.
        known: What each rule that was asked has been told.
    """

    day: date = field(default_factory=today)
    seen: dict[str, Object] = field(default_factory=dict)
    needed: set[Exemption] = field(default_factory=set)
    known: dict[str, RuleConfig] = field(default_factory=dict)

    def of_object(self, rule: Rule, item: Object, given: Mapping[str, Any]) -> Verdict:
        """Ask a rule of one object."""
        return self.asked(rule, item, self._config(rule, given))

    def asked(self, rule: Rule, item: Object, config: RuleConfig) -> Verdict:
        """The same, with a file that has been read."""
        self.known[rule.name] = config
        before = [other for urn, other in self.seen.items() if urn != item.urn]
        self.seen[item.urn] = item
        return self._verdict(rule.of_object(Asked(item=item, before=before, parameters=config.parameters)), config)

    def of_stack(self, rule: Rule, given: Mapping[str, Any]) -> Verdict:
        """Ask a rule of all objects together."""
        config = self._config(rule, given)
        if rule.name == UNUSED:
            return Verdict(wrong=tuple(Wrong(message=configs.unused(exemption)) for exemption in self.unneeded()))
        return self._verdict(rule.of_stack(self.seen.values()), config)

    def unneeded(self) -> list[Exemption]:
        """Exceptions of rules that were asked, which nothing needed."""
        return [one for config in self.known.values() for one in config.exemptions if one not in self.needed]

    def judged(self, results: Iterable[Found], config: RuleConfig) -> Verdict:
        """What of these no exception allows."""
        self.known[config.rule.name] = config
        return self._verdict(results, config)

    def _config(self, rule: Rule, given: Mapping[str, Any]) -> RuleConfig:
        if rule.name not in self.known:
            self.known[rule.name] = configs.of_rule(rule, given)
        return self.known[rule.name]

    def _verdict(self, results: Iterable[Found | NotKnown], config: RuleConfig) -> Verdict:
        wrong, unknown = [], []
        for result in results:
            if isinstance(result, NotKnown):
                unknown.append(result)
                continue
            exemption = configs.excepted(result, config)
            if exemption is not None:
                self.needed.add(exemption)
            if exemption is None or not exemption.holds(self.day):
                wrong.append(Wrong(message=configs.message(result, exemption), urn=result.urn))
        return Verdict(wrong=tuple(wrong), unknown=tuple(unknown))

"""The policies that no policy pack sees: what a plan takes away, asked of the engine's events."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from policy import NAME, objects
from policy.asking import Asking, today
from policy.config import Config, Exemption, Level, PolicyConfigError, RuleConfig, read, unused
from policy.found import Gone, Plan
from policy.objects import Object, Path
from policy.rules import RULES, UNUSED, Asks, of_plans
from review.changes import STACK, Change, Op, World
from review.events import Preview, Violation
from review.secrets import SECRET, UNKNOWN

PACK_NOT_ASKED = (
    f"the rules about objects were not asked: the events were made without the policy pack {NAME}. "
    "Make them with --policy-pack policy/pack and --policy-pack-config"
)

NOT_TOLD = "(The pack was asked without the environment's file, by which it is mandatory: give --policy-pack-config.)"


def load(path: pathlib.Path, stack: str) -> Config:
    """What a file says, or a folder's file of that stack.

    Raises:
        PolicyConfigError: It is not there, or says what can't be.
    """
    file = path / f"{stack}.json" if path.is_dir() else path
    if not file.is_file():
        raise PolicyConfigError(
            f"{file} is not there. Every stack has its policies in a file: copy that of the environment it is most like"
        )
    return read(file.read_text(encoding="utf-8"), name=str(file))


def plan(changed: Iterable[Change], before: World, after: World) -> Plan:
    """What of a preview no policy pack sees."""
    return Plan(
        gone=tuple(
            Gone(object=change.title, kind=change.kind, replaced=change.op is Op.REPLACE)
            for change in changed
            if change.op in (Op.DELETE, Op.REPLACE)
        ),
        stage_before=_stage(before),
        stage_after=_stage(after),
    )


def violations(
    preview: Preview, asked: Plan, config: Config, *, edited: Iterable[Object] = (), day: date | None = None
) -> tuple[Violation, ...]:
    """All that is not as the policies want it: what the pack has told, and what the plan says.

    Args:
        preview: The preview.
        asked: What it takes away.
        config: What the environment's file says.
        edited: Objects that were edited by hand, as they are on the cluster.
        day: The day by which exceptions end; today where not given.
    """
    day = day or today()
    told = [_levelled(violation, config) for violation in preview.violations]
    return (
        *told,
        *_pack(preview),
        *_plans(asked, config, day),
        *_edits(edited, config, day),
        *_allowed(preview, config, day),
    )


def _levelled(violation: Violation, config: Config) -> Violation:
    """What the pack has told, at the level that the file has: it may have been asked without the file."""
    said = config.get(violation.policy) if violation.pack == NAME else None
    if said is None or said.level is not Level.MANDATORY or violation.mandatory or not violation.asked:
        return violation
    return replace(violation, mandatory=True, message=f"{violation.message} {NOT_TOLD}")


def _allowed(preview: Preview, config: Config, day: date) -> Iterator[Violation]:
    """What the pack let pass by an exception: it tells of those only that nothing needed."""
    if NAME not in preview.packs:
        return
    unneeded = {violation.message for violation in preview.violations if violation.policy == UNUSED}
    for said in config.values():
        for exemption in said.exemptions if said.rule.asks is not Asks.PLAN else ():
            if exemption.holds(day) and unused(exemption) not in unneeded and said.level is not Level.DISABLED:
                yield _excepted(exemption, said)


def _excepted(exemption: Exemption, said: RuleConfig) -> Violation:
    until = f" until {exemption.until}" if exemption.until else ""
    return Violation(
        policy=said.rule.name,
        mandatory=said.level is Level.MANDATORY,
        message=f"{exemption.object}: allowed{until}",
        excepted=exemption.reason,
    )


def edited(preview: Preview, changed: Iterable[Change]) -> Iterator[Object]:
    """What was edited by hand, as a refresh has found it."""
    urns = {change.urn for change in changed if change.op is Op.DRIFT}
    for step in preview.steps:
        if step.op == "refresh" and step.urn in urns and step.new is not None:
            marks: set[Path] = set()
            body = {key: value for key, value in step.new.outputs.items() if not key.startswith("__")}
            yield Object(body=_plain(body, (), marks), marked=frozenset(marks), urn=step.urn)


def _pack(preview: Preview) -> Iterator[Violation]:
    if NAME not in preview.packs and _wants_objects(preview):
        yield Violation(policy=NAME, mandatory=True, message=PACK_NOT_ASKED)


def _wants_objects(preview: Preview) -> bool:
    """Whether there was something to ask the pack: a destroy and a refresh take none, even if they run the program."""
    if any(step.type == STACK and step.op == "delete" for step in preview.steps):
        return False
    return any(step.type.startswith("kubernetes:") and step.op not in ("refresh", "delete") for step in preview.steps)


def _plans(asked: Plan, config: Config, day: date) -> Iterator[Violation]:
    asking = Asking(day=day)
    for rule in of_plans():
        said = config[rule.name]
        if said.level is not Level.DISABLED:
            for wrong in asking.judged(rule.of_plan(asked), said).wrong:
                yield Violation(policy=rule.name, mandatory=said.level is Level.MANDATORY, message=wrong.message)
            for exemption in said.exemptions:
                if exemption in asking.needed and exemption.holds(day):
                    yield _excepted(exemption, said)
    if config[UNUSED].level is not Level.DISABLED:
        for exemption in asking.unneeded():
            mandatory = config[UNUSED].level is Level.MANDATORY
            yield Violation(policy=UNUSED, mandatory=mandatory, message=unused(exemption))


def _edits(items: Iterable[Object], config: Config, day: date) -> Iterator[Violation]:
    asking = Asking(day=day)
    for item in items:
        for rule in RULES.values():
            said = config[rule.name]
            if rule.asks is Asks.OBJECT and said.level is not Level.DISABLED:
                for wrong in asking.asked(rule, item, said).wrong:
                    mandatory = said.level is Level.MANDATORY
                    yield Violation(policy=rule.name, mandatory=mandatory, message=wrong.message, urn=wrong.urn)


def _plain(value: Any, path: Path, marks: set[Path]) -> Any:
    """A value of the review's as the rules have it."""
    if value is UNKNOWN:
        return objects.UNKNOWN
    if value is SECRET:
        marks.add(path)
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(inner, (*path, key), marks) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, (*path, number), marks) for number, inner in enumerate(value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stage(world: World) -> str | None:
    stage: Any = world.outputs.get("stage")
    return stage if isinstance(stage, str) else None

"""Promotion: an environment gets the versions and the stage of the one before it, and nothing else.

What is moved stands in one config and goes into the other; registries, sizes, apps, policies and secrets are each
environment's own. A promotion only goes forward, and one environment at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from environments import ORDER
from model.helm_values import at
from model.stage import Stage
from model.versions import DAPR_RELEASES
from settings import PROJECT, declared_defaults
from settings.releases import numbers

Path = tuple[str, ...]
"""Where in a config, without the project's namespace: ``("apps", "shop", "image")``."""

Values = Mapping[str, Any]
"""A config by key, without the project's namespace."""

STAGE: Final = "stage"
DAPR: Final = "daprVersion"
UNTRIED: Final = "allowUntriedDapr"
IMAGES: Final = ("redisImage", "nodeAppImage", "pythonAppImage", "envoyImage", "curlImage")
# What names no version.
MOVING: Final = "latest"
STAGES: Final = tuple(Stage)


class PromotionError(ValueError):
    """It can't be promoted; says all that is in the way, a line each."""

    def __init__(self, target: str, reasons: Sequence[str]) -> None:
        """Keep the reasons for callers that want them one by one."""
        self.reasons = tuple(reasons)
        super().__init__(
            "\n".join([f"there is no promotion, because of {target}:", *(f"  {reason}" for reason in reasons)])
        )


@dataclass(frozen=True, kw_only=True)
class Move:
    """A value that the target gets.

    Attributes:
        path: Where.
        before: What it has in effect, or None where it has none.
        after: What it gets.
    """

    path: Path
    before: Any
    after: Any


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """What a promotion does.

    Attributes:
        moves: What changes, in the order in which it is told.
        notes: What does not, and could be expected to.
    """

    moves: tuple[Move, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image's two parts.

    Attributes:
        name: Registry and name.
        version: Tag and digest, with their signs in front; empty for none.
    """

    name: str
    version: str

    @classmethod
    def of(cls, text: str) -> Image:
        """Take an image apart."""
        rest, at, digest = text.partition("@")
        colon = rest.rfind(":")
        name = rest[:colon] if colon > rest.rfind("/") else rest
        return cls(name=name, version=rest[len(name) :] + at + digest)

    @property
    def is_pinned(self) -> bool:
        """Whether it names a version at all."""
        return self.version not in ("", f":{MOVING}")


def promotion(source: Values, target: Values, *, names: tuple[str, str], stage: Stage | None = None) -> Promotion:
    """What the target gets from the source.

    Args:
        source: The config of the environment before.
        target: The config of the one that is promoted.
        names: Both environments' names.
        stage: How far to go, where it is not as far as the source; for one that must go step by step.

    Raises:
        PromotionError: It would go back, or skip something.
    """
    refused = [*_neighbours(*names)]
    moves: list[Move] = []
    notes: list[str] = []
    for part in (_stage(source, target, names, stage), _dapr(source, target, names), _images(source, target, names)):
        for found in part:
            if isinstance(found, Move):
                moves.append(found)
            elif isinstance(found, _Refused):
                refused.append(found.reason)
            else:
                notes.append(found)
    if refused:
        raise PromotionError(names[1], refused)
    return Promotion(moves=tuple(moves), notes=(*notes, *_differences(source, target, moves)))


@dataclass(frozen=True)
class _Refused:
    reason: str


def _neighbours(source: str, target: str) -> Iterator[str]:
    unknown = [name for name in (source, target) if name not in ORDER]
    if unknown:
        yield f"{', '.join(unknown)} is no environment; there are {', '.join(ORDER)}, in this order"
    elif ORDER.index(target) != ORDER.index(source) + 1:
        before = ORDER[max(ORDER.index(target) - 1, 0)]
        mend = f"promote {before} {target}" if before != target else f"nothing comes before {target}: edit its file"
        yield f"{source} is not the environment before it ({' -> '.join(ORDER)}): {mend}"


def _is_gated(name: str) -> bool:
    """Whether each stage must have been seen working there before the next: where nothing comes after."""
    return name == ORDER[-1]


def _effective(config: Values, key: str) -> Any:
    given = config.get(key)
    return declared_defaults().get(key) if given is None else given


def _release(config: Values) -> str:
    # Spaces around it matter to nobody else either.
    return str(_effective(config, DAPR)).strip()


def _is_on(flag: Any) -> bool:
    # `pulumi config set` writes it as a text.
    return str(flag).strip().lower() == "true"


def _stage(
    source: Values, target: Values, names: tuple[str, str], wanted: Stage | None
) -> Iterator[Move | _Refused | str]:
    ahead, now = (_stage_of(config, name) for config, name in zip((source, target), names, strict=True))
    if isinstance(ahead, _Refused) or isinstance(now, _Refused):
        yield from (one for one in (ahead, now) if isinstance(one, _Refused))
        return
    after = wanted or ahead
    places = {stage: number for number, stage in enumerate(STAGES)}
    if places[after] > places[ahead]:
        yield _Refused(f"{names[0]} is at stage {ahead} and not yet at {after}: bring it there first")
    elif places[after] < places[now]:
        yield _Refused(
            f"stage {now} would go back to {after}: a promotion goes forward. To go back, edit the file of {names[1]}"
        )
    elif _is_gated(names[1]) and places[after] > places[now] + 1:
        step = STAGES[places[now] + 1]
        yield _Refused(
            f"from stage {now} to {after}, {_skipped(now, after)} would be skipped, and {names[1]} goes a stage at a "
            f"time, each verified there: promote with --stage {step} first"
        )
    elif after is not now:
        yield Move(path=(STAGE,), before=str(now), after=str(after))
        if after is not ahead:
            yield f"stage: {names[0]} is further, at {ahead}"


def _stage_of(config: Values, name: str) -> Stage | _Refused:
    given = _effective(config, STAGE)
    try:
        return Stage(given)
    except ValueError:
        return _Refused(f"{PROJECT}:{STAGE} of {name} is {given!r}, which is none of {', '.join(STAGES)}")


def _skipped(now: Stage, after: Stage) -> str:
    return " and ".join(STAGES[STAGES.index(now) + 1 : STAGES.index(after)])


def _dapr(source: Values, target: Values, names: tuple[str, str]) -> Iterator[Move | _Refused | str]:
    after, now = _release(source), _release(target)
    newer, older = numbers(after), numbers(now)
    if newer is None or older is None:
        yield _Refused(f"{PROJECT}:{DAPR} is {after!r} in {names[0]} and {now!r} in {names[1]}: not both are versions")
    elif newer < older:
        yield _Refused(
            f"Dapr {now} would go back to {after}: a promotion goes forward. Bring {names[0]} to {now} first, or edit "
            f"the file of {names[1]}"
        )
    elif newer > older:
        yield Move(path=(DAPR,), before=now, after=after)
    if newer != older and after not in DAPR_RELEASES and not _is_on(_effective(target, UNTRIED)):
        yield Move(path=(UNTRIED,), before=False, after=_effective(source, UNTRIED))


def _images(source: Values, target: Values, names: tuple[str, str]) -> Iterator[Move | _Refused | str]:
    for path, given in _named(source):
        image = Image.of(given)
        told = ".".join(path)
        if not image.is_pinned:
            yield f"{told}: {names[0]} names no version ({given}), so none is moved"
            continue
        there = at(target, path)
        if there is None and path[0] == "apps":
            yield f"{told}: {names[1]} does not name it"
            continue
        own = there if there is not None else declared_defaults().get(path[0]) or ""
        if not isinstance(own, str):
            yield f"{told}: encrypted in {names[1]}, so it is left"
        elif own and (there is not None or Image.of(own).name == image.name):
            after = Image.of(own).name + image.version
            if after != own:
                yield Move(path=path, before=own, after=after)
        else:
            yield f"{told}: {names[1]} takes the default, {names[0]} an image of its own ({given})"


def _named(config: Values) -> Iterator[tuple[Path, str]]:
    """Every image that a config names in the clear."""
    paths: list[Path] = [(key,) for key in IMAGES]
    apps = config.get("apps")
    if isinstance(apps, Mapping):
        paths += [("apps", str(app), "image") for app in apps]
    for path in paths:
        found = at(config, path)
        if isinstance(found, str) and found:
            yield path, found


def _differences(source: Values, target: Values, moves: Sequence[Move]) -> Iterator[str]:
    """Keys that differ and stay, so that nobody believes they had been moved. Values are not told: some are secret."""
    moved = {move.path[0] for move in moves}
    others = sorted(key for key in {*source, *target} if key not in moved and source.get(key) != target.get(key))
    kept = [key for key in others if key not in (STAGE, DAPR)]
    if kept:
        yield f"each environment's own, and not moved: {', '.join(kept)}"


def check_verified(source: Values, outputs: Values, *, name: str, result: str, deployed: Values) -> None:
    """Whether what is promoted was deployed and seen working.

    Args:
        source: The config that is promoted from.
        outputs: The outputs of its stack.
        name: Its name.
        result: How its last deploy ended, in Pulumi's word.
        deployed: The config of that, without what is secret.

    Raises:
        PromotionError: It was not.
    """
    if not outputs:
        raise PromotionError(name, [f"nothing of {name} is deployed, so nothing is known to work. Deploy it first"])
    wanted = {STAGE: str(_effective(source, STAGE)), DAPR: _release(source)}
    there = {STAGE: outputs.get("stage"), DAPR: (outputs.get("versions") or {}).get("dapr")}
    reasons = [
        f"{name} is deployed with {key} {there[key]}, and its file says {value}. Deploy it first"
        for key, value in wanted.items()
        if there[key] != value
    ]
    reasons += [
        f"{name} is deployed with {'.'.join(path)} {at(deployed, path)}, and its file says {image}. Deploy it first"
        for path, image in _named(source)
        # Of settings with a secret in them Pulumi's history says nothing.
        if path[0] in deployed and at(deployed, path) != image
    ]
    findings = outputs.get("verification")
    if result != "succeeded":
        ended = f"has ended as {result!r}" if result else "is not to be found"
        reasons.append(f"the last deploy of {name} {ended}: deploy it again until it is verified")
    # When that was, or "no" and why.
    if not isinstance(findings, Mapping) or str(findings.get("verified", "no")).startswith("no"):
        reasons.append(f"{name} is not verified: set {PROJECT}:verify to calls or pods there, and deploy it")
    if reasons:
        raise PromotionError(name, reasons)


SECURE: Final = re.compile(r"(secure:\s*)\S+")


def hidden(line: str) -> str:
    """A line of a stack file, without what is encrypted in it: nobody has to read that either."""
    return SECURE.sub(r"\1[secret]", line)

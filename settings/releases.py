"""Which Dapr releases may be asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from model.versions import DAPR_RELEASES, DaprRelease
from settings.declaration import Refusal, Rule, did_you_mean
from settings.names import Text

Version = tuple[int, int, int]


def numbers(version: str) -> Version | None:
    """A version's three numbers, or None where it has others."""
    found = re.fullmatch(r"\.".join(["(0|[1-9][0-9]{0,5})"] * 3), version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def release(version: str) -> DaprRelease | None:
    """What is known of a release: its own row, or for a newer patch release that of the newest known one before it."""
    if known := DAPR_RELEASES.get(version):
        return known
    wanted = numbers(version)
    if wanted is None:
        return None
    minor = [one for one in map(numbers, DAPR_RELEASES) if one is not None and one[:2] == wanted[:2]]
    if not minor or wanted <= max(minor):
        return None
    return replace(DAPR_RELEASES[".".join(map(str, max(minor)))], version=version)


def rule() -> str:
    """What a version must be, in words."""
    return f"is not one of {', '.join(DAPR_RELEASES)}"


def known(version: str) -> Iterator[Refusal]:
    """What keeps a text from being a release that something is known of."""
    if release(version) is None:
        yield Refusal(rule=rule(), mend=did_you_mean(version, alike(version), "Set one of them."))


def alike(version: str) -> list[str]:
    """The releases that a text may mean: those of its minor alone, where there are any."""
    minor = re.match(r"v?(\d+\.\d+)(?=\.|$)", version)
    return [one for one in DAPR_RELEASES if minor and one.startswith(f"{minor[1]}.")] or list(DAPR_RELEASES)


DaprVersion = Annotated[Text, Rule("dapr-version", known, "one of " + ", ".join(DAPR_RELEASES))]

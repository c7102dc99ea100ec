"""What a run of the program says of what a preflight has found: what refuses it, and what warns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cluster.errors import lines
from preflight.finding import Finding, Found, Level, sentence

LACKING = (Level.LACKS, Level.ONLY_LOOKS)


def refusal(found: Sequence[Found], stack: str, *, preview: bool) -> str | None:
    """Why a run ends before anything is touched, everything at once; None where it may go on.

    Args:
        found: What was found.
        stack: The stack's name.
        preview: Whether this is a preview, which whoever lacks rights may still have.
    """
    stopping = [Level.BREAKS, *(() if preview else LACKING)]
    chosen = [one for one in found if one.finding.level in stopping]
    parts: dict[str, list[str]] = {}
    for one in chosen:
        if one.finding.details:
            parts[_head(one.finding)] = list(one.finding.details)
        else:
            parts.setdefault(one.check.head.format(stack=stack), []).append(str(one.finding))
    return "\n".join(lines(head, details) for head, details in parts.items()) or None


def warning(found: Sequence[Found], *, preview: bool) -> str | None:
    """What a run that goes on is warned of; None where there is nothing."""
    told = [one.finding for one in found if one.finding.level is Level.WARNS]
    lacking = [one.finding for one in found if one.finding.level in LACKING] if preview else []
    unseen = [one.finding for one in found if one.finding.level is Level.UNSEEN]
    parts = [*map(_whole, lacking), *_listed("this may not work:", told)]
    if unseen and not lacking:
        parts += _listed("not looked at:", unseen)
    return "\n".join(parts) or None


def _head(finding: Finding) -> str:
    mend = f" {finding.mend}:" if finding.mend else ""
    why = f" {sentence(finding.why)}" if finding.why else ""
    return f"{finding.what}. Nothing was touched.{why}{mend}"


def _whole(finding: Finding) -> str:
    return lines(_head(finding), finding.details)


def _listed(head: str, findings: Iterable[Finding]) -> list[str]:
    told = [str(finding) for finding in findings]
    return [lines(head, told)] if told else []

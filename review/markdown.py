"""The comment: one for all stacks, in as much detail as fits."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final

from model.leaks import guard, visible
from review import diagram, digest
from review.changes import Change, Op
from review.diff import lines_of
from review.report import Review, worst
from review.verdict import HEADLINES, POLICY_KINDS
from review.words import counted, listed

# Begins the comment and finds it again; nobody sees it.
MARKER: Final = "<!-- dapr-osm review -->"
# GitHub takes 65,536 characters; counted in bytes, no way of counting characters comes to more.
GITHUB_LIMIT: Final = 65_536
GITLAB_LIMIT: Final = 1_000_000
# A job's summary on GitHub takes 1 MiB.
SUMMARY_LIMIT: Final = 1_048_576


PLAIN: Final = re.compile(r"[\w\s.,:;()'/-]*")


class Level(IntEnum):
    """How much is told. What one level leaves out it counts, and says where it is."""

    EVERYTHING = 0
    """Each object's diff, also those that are created."""
    NO_CREATED = 1
    """Diffs of what is there already; of what is created only a row."""
    WHAT_MATTERS = 2
    """Diffs of what is replaced or edited by hand, of policies, of the MeshConfig and of pods; of all else a row."""
    TABLES = 3
    """No diffs."""
    VERDICT = 4
    """Verdict, pictures and counts."""
    COUNTS = 5
    """A line for each stack."""


def fitting(reviews: Sequence[Review], limit: int, *, known: Iterable[str], where: str = "") -> str:
    """The comment in the most detailed level that has no more bytes than the limit.

    Args:
        reviews: Each stack's.
        limit: Bytes.
        known: Secrets that it must not have.
        where: What is said of where the whole is; a link, say.

    Raises:
        LeakError: It would have a secret.
        ValueError: Not even a line for each stack fits.
    """
    secrets = frozenset(known)
    for level in Level:
        text = rendered(reviews, level, where=where)
        if len(text.encode()) <= limit:
            return guard(text, secrets)
    raise ValueError(f"{counted(len(reviews), 'stack')} can't be told in {limit} bytes: review fewer at once")


def rendered(reviews: Sequence[Review], level: Level, *, where: str = "") -> str:
    """The comment in one level of detail. Whoever writes it out guards it first (``model.leaks.guard``)."""
    ordered = sorted(reviews, key=lambda one: (-one.verdict.severity, one.stack))
    parts = [MARKER, *_head(ordered)]
    if level is not Level.COUNTS:
        for one in ordered:
            parts += _stack(one, level, alone=len(ordered) == 1)
    left = _left_out(ordered, level)
    if left:
        parts.append(f"_{left}{f' {where}' if where else ''}_")
    if ordered:
        parts.append(f"<sub>Plan `{digest.digest([one.preview for one in ordered])}`</sub>")
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(reviews: Sequence[Review]) -> Iterator[str]:
    severity = worst(reviews)
    if not reviews:
        yield f"## {severity.sign} No stack is touched."
        return
    if len(reviews) == 1:
        yield f"## {severity.sign} {_code(reviews[0].stack)}: {HEADLINES[severity]}"
        return
    yield f"## {severity.sign} {len(reviews)} stacks: {HEADLINES[severity]}"
    rows = ["| stack | | created | changed | replaced | deleted |", "| --- | --- | --: | --: | --: | --: |"]
    for one in reviews:
        counts = [str(sum(change.op is op for change in one.objects) or "") for op in _COUNTED]
        rows.append(
            f"| {_cell(one.stack)} | {one.verdict.severity.sign} {one.verdict.headline} | {' | '.join(counts)} |"
        )
    yield "\n".join(rows)


_COUNTED: Final = (Op.CREATE, Op.UPDATE, Op.REPLACE, Op.DELETE)


def _stack(one: Review, level: Level, *, alone: bool) -> Iterator[str]:
    if not alone:
        yield f"### {one.verdict.severity.sign} {_code(one.stack)}"
    if one.verdict.findings:
        yield "\n".join(f"- {finding.severity.sign} {visible(finding.what)}" for finding in one.verdict.findings)
    yield from _said(one)
    if diagram.is_needed(one.before, one.after):
        yield f"{diagram.caption(one.before, one.after)}"
        yield _fenced("mermaid", diagram.diagram(one.before, one.after))
    yield from _exclusions(one)
    if level >= Level.VERDICT:
        return
    yield from _table(one)
    if level < Level.TABLES:
        yield from _diffs(one, level)


def _said(one: Review) -> Iterator[str]:
    if one.preview.errors:
        yield _fenced("text", "\n".join(one.preview.errors))
    if one.preview.warnings:
        count = len(one.preview.warnings)
        yield _details(counted(count, "warning"), _fenced("text", "\n".join(one.preview.warnings)))


def _exclusions(one: Review) -> Iterator[str]:
    before, after = one.before.bypasses, one.after.bypasses
    if not (one.before.bypasses_known and one.after.bypasses_known) or before.keys() == after.keys():
        return
    rows = ["| bypasses Envoy | whose traffic | before | after | why |", "| --- | --- | :-: | :-: | --- |"]
    everything = [*before, *(bypass for bypass in after if bypass not in before)]
    for bypass in sorted(everything, key=lambda bypass: (bypass in before) is (bypass in after)):
        reason = after.get(bypass) or before.get(bypass) or ""
        marks = " | ".join("yes" if bypass in some else "**no**" for some in (before, after))
        rows.append(f"| {_cell(bypass.what)} | {_plain(bypass.whose)} | {marks} | {_plain(reason)} |")
    yield _details(f"What bypasses the mesh: {len(before)} before, {len(after)} after", "\n".join(rows))


def _table(one: Review) -> Iterator[str]:
    if one.objects:
        rows = ["| | of | object | |", "| --- | --- | --- | --- |"]
        rows += [
            f"| {change.done} | {change.part} | {_cell(change.title)} | {_remark(one, change)} |"
            for change in one.objects
        ]
        yield _details(counted(len(one.objects), "object"), "\n".join(rows))
    if one.steps:
        done = ", ".join(_code(change.name) for change in one.steps if change.op is not Op.DELETE)
        undone = ", ".join(_code(change.name) for change in one.steps if change.op is Op.DELETE)
        yield "\n\n".join(
            f"<sub>{words}: {steps}</sub>" for words, steps in (("Runs", done), ("Undoes", undone)) if steps
        )


def _remark(one: Review, change: Change) -> str:
    found = one.diffs[change.urn]
    said = []
    if change.replaced_for:
        said.append(f"because of {', '.join(map(_code, change.replaced_for))}")
    if change.secret_paths:
        said.append(f"secret, not shown: {', '.join(map(_code, change.secret_paths))}")
    if found.unknown:
        said.append(f"{found.unknown} not known yet")
    if change.op is Op.UPDATE:
        if found.is_empty and found.folded:
            said.append("only checksums of what is shown elsewhere")
        elif found.is_empty and not change.secret_paths:
            said.append("nothing that the program says")
    return _pipes("; ".join(said))


def _diffs(one: Review, level: Level) -> Iterator[str]:
    # Many objects of a chart change by the same line, their version's: it is told once.
    alike: dict[tuple[str, str], list[Change]] = {}
    for change in one.changes:
        if _is_shown(one, change, level):
            found = one.diffs[change.urn]
            lines = [*lines_of(found), *(f"! {path}: [secret], another one" for path in change.secret_paths)]
            alike.setdefault((change.done, "\n".join(lines)), []).append(change)
    for (done, text), changes in alike.items():
        block = _fenced("diff", text)
        if len(changes) == 1:
            summary = f"{done}: <code>{html.escape(_line(changes[0].title))}</code>"
            yield _details(summary, block, escaped=True)
        else:
            named = ", ".join(_code(change.title) for change in changes)
            yield _details(f"{done}, each alike: {counted(len(changes), 'object')}", f"{named}\n\n{block}")


def _is_shown(one: Review, change: Change, level: Level) -> bool:
    if one.diffs[change.urn].is_empty and not change.secret_paths:
        return False
    if level is Level.EVERYTHING:
        return True
    if change.op is Op.CREATE or change.is_step:
        return False
    return level is Level.NO_CREATED or _matters(change)


def _matters(change: Change) -> bool:
    return (
        change.op in (Op.REPLACE, Op.DRIFT)
        or change.kind in (*POLICY_KINDS, "MeshConfig")
        or (change.op is Op.UPDATE and change.pods_before != change.pods_after)
    )


def _left_out(reviews: Sequence[Review], level: Level) -> str:
    diffs = sum(_is_shown(one, change, Level.EVERYTHING) for one in reviews for change in one.changes)
    if level < Level.TABLES:
        diffs -= sum(_is_shown(one, change, level) for one in reviews for change in one.changes)
    said = [counted(diffs, "diff")] if diffs else []
    if diffs and level >= Level.VERDICT:
        said.append("the tables")
    if level is Level.COUNTS:
        said.append("the verdicts' reasons")
        said += ["errors"] if any(one.preview.errors for one in reviews) else []
    return f"Left out here to fit: {listed(said)}." if said else ""


def _details(summary: str, content: str, *, escaped: bool = False) -> str:
    return f"<details><summary>{summary if escaped else html.escape(summary)}</summary>\n\n{content}\n\n</details>"


def _fenced(language: str, content: str) -> str:
    """A block that nothing in it can end."""
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{visible(content)}\n{fence}"


def _code(text: str) -> str:
    return f"`{_line(text).replace('`', chr(39))}`"


def _line(text: str) -> str:
    return " ".join(visible(text).split())


def _cell(text: str) -> str:
    return _pipes(_code(text))


def _pipes(text: str) -> str:
    return re.sub(r"(?<!\\)\|", r"\\|", text)


def _plain(text: str) -> str:
    """Somebody's words in a cell: as they are where nothing in them could be markup or a mention, else as code.

    A backslash before an @ does not keep a forge from telling whom it names: it looks at the text that comes out.
    """
    return _line(text) if PLAIN.fullmatch(text) else _cell(text)

"""A report as one archive or as a folder, with a first page that says what is in it and what is not."""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

from bugreport.gather import Report
from model.leaks import LeakError
from settings import VERSION

FIRST_PAGE = "README.md"


def first_page(report: Report, *, name: str, at: str) -> str:
    """What a reader should know of a report."""
    try:
        return report.redaction.check(report.redaction.scrub("\n".join([*_first_page(report, name, at), ""])))
    except LeakError:
        # Its words are like somebody's secret; that takes nothing away from the rest.
        return "# Report on a stack\n\nThis page is left out, because a secret would have been left in it.\n"


def _first_page(report: Report, name: str, at: str) -> Iterator[str]:
    yield f"# Report on the stack {name}, {at}"
    yield ""
    yield f"Made by version {VERSION} of the program, which read the cluster and changed nothing there."
    yield ""
    yield "## What is in it"
    yield ""
    for folder, count, size in contents(report):
        yield f"- {folder}: {count} files, {size // 1024 + 1} KiB"
    yield ""
    yield "## What was taken out"
    yield ""
    if not report.redaction.removed:
        yield "- nothing: no secret was seen"
    for what, count in sorted(report.redaction.removed.items()):
        yield f"- {what}: {count}"
    yield "- who wrote which field of an object, and the schemas of definitions, for shortness"
    yield ""
    yield "In their place stands `[secret]`. Names of Secrets and of their keys are left. Read it before you give it"
    yield "away: what an app logs that no Secret holds and no name speaks of can't be known to be secret."
    if any(name.startswith("secrets in") for name in report.missing):
        yield "This user may not read all Secrets, so their values could not be looked for in logs."
    if report.left_out:
        yield ""
        yield "## Left out, because a secret would have been left in it"
        yield ""
        yield from (f"- {name}" for name in report.left_out)
    if report.missing:
        yield ""
        yield "## What could not be read"
        yield ""
        yield from (f"- {what}: {report.redaction.text(why)}" for what, why in sorted(report.missing.items()))


def contents(report: Report) -> list[tuple[str, int, int]]:
    """By folder, how many files there are and how many bytes."""
    folders: dict[str, list[int]] = {}
    for name, text in report.files.items():
        folders.setdefault(name.partition("/")[0], []).append(len(text.encode()))
    return [(folder, len(sizes), sum(sizes)) for folder, sizes in sorted(folders.items())]


def archive(report: Report, page: str, file: Path) -> None:
    """Write an archive that only this user may read."""
    _for_this_user(file)
    top = file.name.removesuffix(".tar.gz")
    with tarfile.open(file, "w:gz") as packed:
        for name, text in {FIRST_PAGE: page, **report.files}.items():
            data = text.encode()
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size, info.mode, info.mtime = len(data), 0o600, int(time.time())
            packed.addfile(info, io.BytesIO(data))


def folder(report: Report, page: str, where: Path) -> None:
    """Write a folder that only this user may read."""
    where.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, text in {FIRST_PAGE: page, **report.files}.items():
        file = where / name
        file.parent.mkdir(parents=True, exist_ok=True)
        _for_this_user(file)
        file.write_text(text)


def _for_this_user(file: Path) -> None:
    """Make a file that others can't read, also where one of that name is there already."""
    file.touch(mode=0o600)
    file.chmod(0o600)

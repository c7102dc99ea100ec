"""How long a review takes and how large it is, for one stack and for three: ``python -m tests.review.size EVENTS...``.

It prints a table for docs/review.md. An argument is a real preview's event stream of one stack; of three stacks it is
the same under three names. A time is the shortest of five.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from review.digest import digest
from review.events import parse
from review.markdown import GITHUB_LIMIT, SUMMARY_LIMIT, Level, fitting, rendered
from review.report import Review, known, review

NAMES = ("dev", "staging", "prod")
TRIES = 5


def streams(text: str, count: int) -> list[list[str]]:
    """The stream under so many stacks' names."""
    return [re.sub(r"urn:pulumi:[^:]+::", f"urn:pulumi:{name}::", text).splitlines() for name in NAMES[:count]]


def worked_out(given: Sequence[Sequence[str]]) -> tuple[list[Review], str]:
    """All that a job does between the preview and the request to the forge."""
    reviews = [review(parse(lines)) for lines in given]
    body = fitting(reviews, GITHUB_LIMIT, known=known(reviews))
    fitting(reviews, SUMMARY_LIMIT, known=known(reviews))
    digest([one.preview for one in reviews])
    return reviews, body


def row(path: Path, count: int) -> str:
    """A table's row."""
    given = streams(path.read_text(), count)
    seconds = []
    for _ in range(TRIES):
        begin = time.perf_counter()
        reviews, body = worked_out(given)
        seconds.append(time.perf_counter() - begin)
    level = next(level for level in Level if rendered(reviews, level) == body)
    changes = sum(len(one.objects) for one in reviews)
    cells = (
        path.stem,
        count,
        changes,
        _kib(sum(len("\n".join(lines).encode()) for lines in given)),
        f"{min(seconds):.1f}",
        _kib(len(body.encode())),
        level.name.lower().replace("_", " "),
        _kib(len(rendered(reviews, Level.EVERYTHING).encode())),
    )
    return f"| {' | '.join(map(str, cells))} |"


def _kib(count: int) -> str:
    return f"{count / 1024:.0f} KiB"


def main(paths: Sequence[str]) -> None:
    """Print the table."""
    print("| preview | stacks | objects that change | events | seconds | comment | its detail | the whole |")
    print("| --- | --: | --: | --: | --: | --: | --- | --: |")
    for path in paths:
        for count in (1, len(NAMES)):
            print(row(Path(path), count))


if __name__ == "__main__":
    main(sys.argv[1:])

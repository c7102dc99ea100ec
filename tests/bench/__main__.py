"""``python -m tests.bench``: verify stacks of 2, 12 and 50 apps of three pods on a fake API, and write what it took.

The fake answers each question to a pod after some milliseconds, as a cluster at some distance does. Seconds stand in
the table as ratios to those of two apps in the same run, since they say something of this machine otherwise.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from dataclasses import dataclass
from typing import Final

from cluster.client import Answer
from model.expectation import Expectation
from model.policies import Policy
from model.stage import Stage
from settings import ROOT
from tests.bench import on_lab
from tests.unit.live_cluster import LiveCluster
from tests.unit.test_stages import expected_at, further
from verification import verify
from verification.sample import sample

APPS: Final = (2, 12, 50)
REPLICAS: Final = 3
ANSWER_SECONDS: Final = 0.01
ON_LAB: Final = "On the lab, made by `make bench ARGS=--lab`; ten apps more call each other in a ring:"
PAGE: Final = ROOT / "docs" / "verification.md"
# What was asked before, for each pair of apps and pod of the caller: four counters of all pods, before and after.
QUESTIONS_PER_TRY: Final = 8 * REPLICAS + 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one verification took.

    Attributes:
        apps: How many apps.
        pairs: How many calls could be made between them.
        tried: How many were.
        questions: How often a pod was asked.
        seconds: How long it took.
    """

    apps: int
    pairs: int
    tried: int
    questions: int
    seconds: float

    @property
    def before(self) -> int:
        """How often pods were asked when every pair was tried from every pod."""
        return self.pairs * REPLICAS * QUESTIONS_PER_TRY


class Distant(LiveCluster):
    """A cluster whose pods take a while to answer."""

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        """Answer, a little later."""
        time.sleep(ANSWER_SECONDS)
        return super().http_from_pod(namespace, pod, port, path)


def ring(apps: int) -> Expectation:
    """A stack of so many apps at the stage ``smi``, each of which a policy lets call the next one."""
    names = [f"app-{number}" for number in range(apps)]
    policies = [
        Policy(name=f"policy-{name}", destination=name, sources=(names[number - 1],), routes=f"routes-{name}")
        for number, name in enumerate(names)
    ]
    return expected_at(Stage.SMI, apps={name: further(name) for name in names}, policies=tuple(policies), seconds=600)


def measured(apps: int) -> Row:
    """Verify a stack of so many apps."""
    expected = ring(apps)
    cluster = Distant(expected, replicas=REPLICAS)
    cluster.allow()
    began = time.monotonic()
    with contextlib.redirect_stderr(io.StringIO()):
        verify.verify(cluster, expected)
    return Row(
        apps=apps,
        pairs=len(expected.calls),
        tried=len(sample(expected)),
        questions=cluster.asked,
        seconds=time.monotonic() - began,
    )


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    first = rows[0]
    lines = [
        "| apps of three pods | possible calls | tried | questions to pods | when every pair was tried | seconds, as a "
        "ratio |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row.apps} | {row.pairs:,} | {row.tried} | {row.questions:,} | {row.before:,} | "
            f"{row.seconds / first.seconds:.1f} |"
        )
    return "\n".join(lines)


def write(block: str, content: str) -> None:
    """Put a table where the page has a place for it."""
    begin, end = f"<!-- {block}: begin -->", f"<!-- {block}: end -->"
    head, _, rest = PAGE.read_text().partition(begin)
    PAGE.write_text(f"{head}{begin}\n{content}\n{end}{rest.partition(end)[2]}")


def main(arguments: list[str]) -> int:
    """Measure, and write the tables: that of the fake API, and with ``--lab`` that of the lab alone."""
    if arguments == ["--lab"]:
        write("bench on the lab", f"{ON_LAB}\n\n{on_lab.table()}")
        return 0
    rows = []
    for apps in APPS:
        rows.append(measured(apps))
        print(f"{apps} apps: {rows[-1].questions} questions, {rows[-1].seconds:.1f} s", flush=True)
    write("bench", table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

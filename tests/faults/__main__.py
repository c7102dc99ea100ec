"""``python -m tests.faults``: make each fault that is missing in ``results.json``, then write the table.

``--again ROW`` makes one anew, ``--only ROW`` no other (both by the beginning of its name), ``--table`` writes the
table alone.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from settings import ROOT
from tests.faults import breaking, rows, sharing
from tests.support import matrix

ROWS: Final = {**rows.ROWS, **breaking.ROWS, **sharing.ROWS}

RESULTS: Final = Path(__file__).with_name("results.json")
TABLE: Final = ROOT / "docs" / "faults.md"
HEAD: Final = """# What survives what

Made by `make faults` on the lab, a row at a time: each begins and ends with an inventory of the whole cluster.
*Survived* means: the recovery (`make recover`) ended in a verified stack, a preview showed no change, every object with
the stack's mark was in its state, and after a destroy the cluster was what it had been. Where a row says *then
destroy*, there was no `up` in between. Beside the stack are other people's objects of every kind that it has; none was
changed or deleted in a row that survived. Seconds are of the recovery or the destroy, on two cores.

| fault | runs | survived | seconds | last run | and |
|---|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Make faults and write the table; fails where something did not hold."""
    given = matrix.asked("python -m tests.faults", __doc__, arguments)
    results = matrix.Results.load(RESULTS)
    failed = 0
    for name in results.wanted(ROWS, given):
        print(f"{name} ...", flush=True)
        before = results.rows.get(name, {})
        row: dict[str, Any] = {"runs": before.get("runs", 0) + 1, "survived": before.get("survived", 0)}
        row["at"] = datetime.now(UTC).isoformat(timespec="minutes")
        began = time.monotonic()
        try:
            row |= {"held": True, **ROWS[name]()}
            row["survived"] += 1
        except AssertionError as error:
            failed += 1
            row |= {"held": False, "why": matrix.told(str(error))}
        results.note(name, row)
        print(
            f"{name}: {'held' if row['held'] else 'FAILED: ' + row['why']}, {time.monotonic() - began:.0f} s",
            flush=True,
        )
    TABLE.write_text(table(results.rows))
    held = [bool(results.rows[name]["held"]) for name in ROWS if name in results.rows]
    print(f"{held.count(True)} passed, {held.count(False)} failed")
    return 1 if failed else 0


def table(results: dict[str, Any]) -> str:
    """The table, as Markdown."""
    lines = [
        f"| {name} | {row['runs']} | {row['survived']} of {row['runs']} | "
        f"{row.get('recovered', row.get('destroyed', '-'))} | {row['at'][:10]} | {matrix.cell(row.get('note', ''))} |"
        for name, row in ((name, results[name]) for name in ROWS if name in results)
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.faults``: make each fault that is missing in ``results.json``, then write the table.

``--again ROW`` makes one anew, ``--only ROW`` no other (both by the beginning of its name), ``--table`` writes the
table alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from settings import ROOT
from tests.faults import breaking, rows, sharing
from tests.faults.rows import Group
from tests.support import matrix

GROUPS: Final = (*rows.ROWS, *breaking.ROWS, *sharing.ROWS)
ROWS: Final = {name: part for group in GROUPS for name, part in group.rows.items()}

RESULTS: Final = Path(__file__).with_name("results.json")
TABLE: Final = ROOT / "docs" / "faults.md"
HEAD: Final = """# What survives what

Made by `make faults` on the lab. Each begins and ends with an inventory of the whole cluster, alone or with a few more
on the same stack (what was brought up after a kill is destroyed with a kill, and what heals by itself shares a stack).
*Survived* means: the recovery (`make recover`) ended in a verified stack, a preview showed no change, every object with
the stack's mark was in its state, and after a destroy the cluster was what it had been. Where a row says *then
destroy*, there was no `up` in between. Beside the stack are other people's objects of every kind that it has; none was
changed or deleted in a row that survived. Of one that did not, the first thing that was wrong is told. Seconds are of
the recovery or the destroy, on two cores, with other work beside most of them.

| fault | runs | survived | seconds | last run | and |
|---|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Make faults and write the table; fails where something did not hold."""
    given = matrix.asked("python -m tests.faults", __doc__, arguments)
    results = matrix.Results.load(RESULTS)
    wanted = results.wanted(ROWS, given)
    done = [
        _noted(results, name, row)
        for group in GROUPS
        if (names := [name for name in group.rows if name in wanted])
        for name, row in made(group, names)
    ]
    TABLE.write_text(table(results.rows))
    print(f"{done.count(True)} passed, {done.count(False)} failed")
    return 0 if all(done) else 1


def made(group: Group, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Make the faults of a group, one after the other until one does not hold; what came of each.

    What is found at the end of the group, with the stack gone, is told of its last row.
    """
    name, row = names[0], dict[str, Any]()
    try:
        with group.around() as stack:
            for following in names:
                if row:
                    yield name, row
                name, row = following, {}
                print(f"{name} ...", flush=True)
                row = {"held": True, **group.rows[name](stack)}
    except AssertionError as error:
        row = {"held": False, "why": matrix.told(str(error))}
    yield name, row


def _noted(results: matrix.Results, name: str, row: dict[str, Any]) -> bool:
    before, held = results.rows.get(name, {}), bool(row["held"])
    row["runs"] = before.get("runs", 0) + 1
    row["survived"] = before.get("survived", 0) + held
    row["at"] = datetime.now(UTC).isoformat(timespec="minutes")
    results.note(name, row)
    print(f"{row['at']} {name}: {'held' if held else 'FAILED: ' + row['why']}", flush=True)
    return held


def table(results: dict[str, Any]) -> str:
    """The table, as Markdown."""
    lines = [
        f"| {name} | {row['runs']} | {row['survived']} of {row['runs']} | "
        f"{row.get('recovered', row.get('destroyed', '-'))} | {row['at'][:10]} | {matrix.cell(_and(row))} |"
        for name, row in ((name, results[name]) for name in ROWS if name in results)
    ]
    return HEAD + "\n".join(lines) + "\n"


def _and(row: dict[str, Any]) -> str:
    if row["held"]:
        return str(row.get("note", ""))
    # Of a difference, the object.
    return f"did not survive: {row['why'].splitlines()[0].partition(': - ')[0]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.causes``: try each broken setup that is missing in ``results.json``, then write docs/causes.md.

``--again ROW`` tries one anew, ``--only ROW`` no other (both by the beginning of its name), ``--table`` writes the
table alone.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from settings import ROOT
from tests.causes.rows import ROWS, SHORT, TIMEOUT, Base
from tests.support import matrix

RESULTS: Final = Path(__file__).with_name("results.json")
TABLE: Final = ROOT / "docs" / "causes.md"
HEAD: Final = f"""# What `up` says of what can't work, and when

`up` waits for pods by steps of its own (`dapr-chart/ready/...`, `hello-ready` and so on), which ask the cluster for
causes. A wait ends as soon as a cause is certain; what may heal by itself is waited for until `timeoutSeconds`, and
then told. It was {TIMEOUT} here, and {SHORT} where it was sat out. Each row was tried on the lab by `make causes`: a
stack that works is given the setup, `up` must fail with that message, and once the setup is mended the next `up` must
succeed. Seconds are from the start of `up`, of which a run that changes nothing takes a few.

| setup | ends | seconds | what is said | last run |
|---|---|---|---|---|
"""


def main(arguments: list[str]) -> int:
    """Try setups and write the table; fails where a message did not come, or came too late."""
    given = matrix.asked("python -m tests.causes", __doc__, arguments)
    results = matrix.Results.load(RESULTS)
    wanted = results.wanted(ROWS, given)
    failed = 0
    if wanted:
        with Base() as base:
            for name in wanted:
                print(f"{name} ...", flush=True)
                row: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="minutes")}
                try:
                    row |= {"held": True, **ROWS[name].tried(base)}
                except AssertionError as error:
                    failed += 1
                    row |= {"held": False, "why": matrix.told(str(error))}
                results.note(name, row)
                print(f"{name}: {row}", flush=True)
    TABLE.write_text(table(results.rows))
    return 1 if failed else 0


def table(results: dict[str, Any]) -> str:
    """The table, as Markdown."""
    lines = [
        f"| {name} | {'by its cause' if row['early'] else 'at its time-out'} | {row['seconds']} "
        f"| {matrix.cell(row['said'])} | {row['at'][:10]} |"
        for name, row in ((name, results[name]) for name in ROWS if results.get(name, {}).get("held"))
    ]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

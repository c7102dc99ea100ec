"""``python -m tests.last_run NAME PYTEST_ARGS...``: run slow tests, and note in docs/ when they were last run, and how.

They are not part of `make test`, so that says whether anybody looked lately.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from settings import ROOT

NOTES: Final = Path(__file__).with_name("last_run.json")
TABLE: Final = ROOT / "docs" / "last-runs.md"
HEAD: Final = """# When the slow tests were last run

Each has a target of its own, beside `make test`, which notes its run here.

| target | last run | result | seconds |
|---|---|---|---|
"""
# The last line of pytest's, without its frame.
SUMMARY: Final = re.compile(r"^=*\s*((?:\d+ \w+(?:, )?)+) in [\d.]+s", re.MULTILINE)


def table(notes: dict[str, Any]) -> str:
    """The table, as Markdown."""
    rows = [
        f"| `make {name}` | {note['at']} | {note['result']} | {note['seconds']} |"
        for name, note in sorted(notes.items())
    ]
    return HEAD + "\n".join(rows) + "\n"


def result_of(printed: str) -> str:
    """What pytest says of a run in its last line."""
    found = SUMMARY.findall(printed)
    return str(found[-1]) if found else "ran no test"


def main(arguments: list[str]) -> int:
    """Run pytest and note it; its exit code."""
    name, *rest = arguments
    began = time.monotonic()
    lines: list[str] = []
    command = [sys.executable, "-m", "pytest", *rest]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own tests
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
        code = process.wait()
    notes: dict[str, Any] = json.loads(NOTES.read_text()) if NOTES.exists() else {}
    notes[name] = {
        "at": f"{datetime.now(UTC):%Y-%m-%d}",
        "result": result_of("".join(lines)),
        "seconds": round(time.monotonic() - began),
    }
    NOTES.write_text(json.dumps(notes, indent=1, sort_keys=True) + "\n")
    TABLE.write_text(table(notes))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

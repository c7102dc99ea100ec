"""Rows that are tried one by one on the lab, each noted at once: another run goes on where this one broke off."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.commands import heed_interrupts

Row = dict[str, Any]


def asked(prog: str, description: str | None, arguments: list[str]) -> argparse.Namespace:
    """Which rows are asked for: ``--again``, ``--only``, both by the beginning of a name, or the ``--table`` alone."""
    heed_interrupts()
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--again", action="append", default=[], metavar="ROW")
    parser.add_argument("--only", action="append", default=[], metavar="ROW")
    parser.add_argument("--table", action="store_true")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class Results:
    """What came of the rows so far, in a file.

    Attributes:
        path: The file.
        rows: By name, what came of each; ``held`` says whether it need not be tried again.
    """

    path: Path
    rows: dict[str, Row]

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read the file; nothing where there is none yet."""
        return cls(path, json.loads(path.read_text()) if path.exists() else {})

    def wanted(self, names: Collection[str], given: argparse.Namespace) -> list[str]:
        """The rows to try."""
        return [
            name
            for name in names
            if not given.table
            and (not given.only or name.startswith(tuple(given.only)))
            and (not self.rows.get(name, {}).get("held") or name.startswith(tuple(given.again)))
        ]

    def note(self, name: str, row: Row) -> None:
        """Write at once what came of a row, so that nothing is tried twice when a later one breaks off."""
        self.rows[name] = row
        self.path.write_text(json.dumps(self.rows, indent=1, ensure_ascii=False) + "\n")


def told(failure: str) -> str:
    """What went wrong: from the first error on, and not the whole output of a run."""
    lines = failure.splitlines()
    first = next((number for number, line in enumerate(lines) if "Diagnostics:" in line or "error:" in line), 0)
    return "\n".join([*lines[:1], *lines[first : first + 30]])[:4000]


def cell(text: str) -> str:
    """A text as it stands in a Markdown table."""
    return text.replace("|", "\\|").replace("\n", " ")

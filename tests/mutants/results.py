"""What was found: kept as it is found, summed up in ``results.json``, told in docs/mutations.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

RESULTS: Final = "tests/mutants/results.json"
EXPLAINED: Final = "tests/mutants/explained.yaml"
TABLE: Final = "docs/mutations.md"
# Of a hundred mutants that were tried.
GOAL: Final = 85
NOTICED: Final = ("killed", "timeout")
HEAD: Final = """# Whether the tests notice

Made by `make mutants`: a module is changed in one place (a comparison turned round, a row of a table gone, only the
first of several pods looked at, a step left out, an argument not handed over), and the fast tests that run this place
are run.

- *killed*: a test failed, or no longer ended
- *refused*: no test did, but mypy, which runs before them, refuses the change
- *explained*: it survived, and why nothing is lost by it stands in
  [explained.yaml](../tests/mutants/explained.yaml)

The goal is {goal} % killed, refused or explained. Where fewer were tried than there are, they are a sample by a fixed
seed: a later run tries the same ones, and one with a larger `--sample` goes on from there. A module that is not listed
has not been tried. Prose, docstrings, types and imports are not changed. A mutant counts as survived when all tests
that may notice it have passed, or {seconds:g} seconds of them. Survivors were met by better tests: the share says how
well the tests do now, on mutants that they were partly written for.

"""


@dataclass
class Module:
    """What was found of one module.

    Attributes:
        digest: The module's own; what was found of another one says nothing.
        mutants: How many there are.
        outcomes: By mutant, what became of it.
    """

    digest: str
    mutants: int = 0
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, digest: str) -> Module:
        """What is kept of it, or nothing where the module has changed since."""
        fields: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return cls(**fields) if fields.get("digest") == digest else cls(digest=digest)

    def save(self, path: Path) -> None:
        """Keep it; whole at any moment."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(self.__dict__, indent=1))
        new.replace(path)

    def summary(self) -> dict[str, Any]:
        """What of it is committed."""
        outcomes = [one["outcome"] for one in self.outcomes.values()]
        return {
            "at": f"{datetime.now(UTC):%Y-%m-%d}",
            "digest": self.digest,
            "mutants": self.mutants,
            "seconds": min((one["given"] for one in self.outcomes.values()), default=0),
            "tried": len(outcomes),
            "killed": sum(outcome in NOTICED for outcome in outcomes),
            "refused": outcomes.count("types"),
            "survived": sorted(key for key, one in self.outcomes.items() if one["outcome"] == "survived"),
        }


def explanations(root: Path) -> dict[str, str]:
    """Why a survivor is no loss, by mutant."""
    path = root / EXPLAINED
    found: list[dict[str, str]] = (yaml.safe_load(path.read_text()) or []) if path.exists() else []
    return {one["mutant"]: one["why"] for one in found}


def summed_up(root: Path) -> dict[str, Any]:
    """What is committed of all modules."""
    path = root / RESULTS
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def note(root: Path, name: str, module: Module) -> None:
    """Sum up a module, and write the table."""
    found = summed_up(root) | {name: module.summary()}
    there = {path: found[path] for path in sorted(found) if (root / path).exists()}
    (root / RESULTS).write_text(json.dumps(there, indent=1, ensure_ascii=False) + "\n")
    (root / TABLE).write_text(table(there, explanations(root)))


def _row(name: str, rows: list[Mapping[str, Any]], explained: Mapping[str, str]) -> str:
    mutants, tried, killed, refused = (
        sum(row[key] for row in rows) for key in ("mutants", "tried", "killed", "refused")
    )
    survivors = [key for row in rows for key in row["survived"]]
    known = sum(key in explained for key in survivors)
    share = f"{100 * (killed + refused + known) / tried:.0f} %" if tried else "-"
    at = max(row["at"] for row in rows)
    cells = (name, mutants, tried, killed, refused, len(survivors), known, share, at)
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def table(found: Mapping[str, Any], explained: Mapping[str, str]) -> str:
    """The page, as Markdown."""
    columns = "| {} | mutants | tried | killed | refused | survived | of these explained | of all tried | last run |\n"
    line = "|---|---|---|---|---|---|---|---|---|\n"
    folders: dict[str, list[Mapping[str, Any]]] = {}
    for path, row in found.items():
        folders.setdefault(path.partition("/")[0], []).append(row)
    parts = [_row(f"`{folder}/`", rows, explained) for folder, rows in folders.items()]
    if found:
        parts.append(_row("all", list(found.values()), explained))
    modules = [_row(f"`{path}`", [row], explained) for path, row in found.items()]
    return (
        HEAD.format(goal=GOAL, seconds=min((row["seconds"] for row in found.values()), default=0))
        + columns.format("folder")
        + line
        + "\n".join(parts)
        + "\n\n"
        + columns.format("module")
        + line
        + "\n".join(modules)
        + "\n"
    )


def told(root: Path, *, survivors: bool) -> int:
    """Write the table anew, or name the survivors that nobody has explained; the exit code."""
    found, explained = summed_up(root), explanations(root)
    if survivors:
        for row in found.values():
            for key in row["survived"]:
                if key not in explained:
                    print(key)
        return 0
    (root / TABLE).write_text(table(found, explained))
    return 0

"""`python -m lab.align`: raises what the lab's own parts share to one version, in every go.mod that requires it.

Go compiles a package once for all parts that have it, and all it imports, in one version. Run this after a part was
raised; `tests/lab/test_go_modules.py` says whether it is needed. Dapr and OSM keep what their releases ask for.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from lab.build import GO_ENVIRONMENT
from lab.commands import output
from lab.console import say
from lab.errors import LabError
from lab.parts import GoPart, parts

AS_RELEASED = ("dapr-", "osm")
"""Parts that the product is about; they are compiled from the versions that their releases ask for."""

OLDER = {"pulumi-language-python": frozenset({"github.com/pulumi/pulumi/sdk/v3"})}
"""The language host is of the last release that can be fetched, so it takes no part in choosing the versions."""

# What a pseudo-version or an older release asks for may be missing from the checksum database; go.sum then pins it.
WRITING = {**GO_ENVIRONMENT, "GOFLAGS": "-mod=mod", "GONOSUMDB": "*"}


def aligned() -> list[GoPart]:
    """Return the parts that are held to one version of what they share."""
    return [row for row in parts() if isinstance(row, GoPart) and not row.folder.startswith(AS_RELEASED)]


def raised(go_mod: Mapping[str, Any], chosen: Mapping[str, str], older: Collection[str] = ()) -> dict[str, str]:
    """Return the requirements of a go.mod, as `go mod edit -json` gives it, that are not in the chosen version."""
    replaced = {row["Old"]["Path"] for row in go_mod.get("Replace") or []}
    return {
        row["Path"]: chosen[row["Path"]]
        for row in go_mod.get("Require") or []
        if row["Path"] in chosen and row["Path"] not in replaced | set(older) and chosen[row["Path"]] != row["Version"]
    }


def choose(rows: list[GoPart], scratch: Path) -> dict[str, str]:
    """Return the version of each module that Go chooses where all the parts are one workspace."""
    work = scratch / "go.work"
    uses = "".join(f"use {row.path}\n" for row in rows if row.folder not in OLDER)
    directive = output(["go", "env", "GOVERSION"], what="Asking Go for its version", cwd=rows[0].path).strip()
    work.write_text(f"go {directive.removeprefix('go')}\n{uses}")
    env = {**WRITING, "GOWORK": str(work), "GOFLAGS": ""}
    listed = output(["go", "list", "-m", "all"], what="Choosing versions", cwd=rows[0].path, env=env)
    return dict(line.split()[:2] for line in listed.splitlines() if len(line.split()) > 1)


def align(rows: list[GoPart]) -> int:
    """Raise what is lower in one part than in another, until nothing is; return how many lines were changed."""
    changes = 0
    with tempfile.TemporaryDirectory() as scratch:
        while True:
            chosen, before = choose(rows, Path(scratch)), changes
            for row in rows:
                go_mod = json.loads(output(["go", "mod", "edit", "-json"], what=f"Reading {row.name}", cwd=row.path))
                wanted = raised(go_mod, chosen, OLDER.get(row.folder, ()))
                changes += len(wanted)
                if wanted:
                    edits = [f"-require={module}@{version}" for module, version in wanted.items()]
                    output(["go", "mod", "edit", *edits], what=f"Raising {row.name}", cwd=row.path)
                    argv = ["go", "list", "-deps", "-e", row.package]
                    output(argv, what=f"Completing {row.name}", cwd=row.path, env=WRITING)
            if changes == before:
                return changes


def main() -> int:
    """Align, and say what was done."""
    try:
        changes = align(aligned())
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    say(f"{changes} requirements were raised. Build, and run the lab's tests." if changes else "All agree already.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

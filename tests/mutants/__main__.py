"""``python -m tests.mutants [MODULE...]``: see ``--help``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.mutants import options, results

ROOT: Final = Path(__file__).parent.parent.parent
TREE: Final = ROOT / ".mutants" / "tree"
# Where tests look for tools and charts.
LINKED: Final = (".venv", ".lab")


def copied() -> Path:
    """The project as it is now, in a folder of its own, where it can be changed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    wanted = {Path(name) for name in listed if name and (ROOT / name).is_file()}
    for name in wanted:
        old, new = TREE / name, ROOT / name
        if not old.exists() or old.read_bytes() != new.read_bytes():
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(new, old)
    for folder, _, names in os.walk(TREE):
        for path in (Path(folder, name) for name in names if name.endswith(".py")):
            if path.relative_to(TREE) not in wanted:
                path.unlink()
    for linked in LINKED:
        if (ROOT / linked).exists() and not (TREE / linked).exists():
            (TREE / linked).symlink_to(ROOT / linked)
    return TREE


def main(arguments: list[str]) -> int:
    """Run it; the exit code."""
    given = options.parsed(arguments)
    if given.list or given.table:
        return results.told(ROOT, survivors=given.list)
    # In the copy all modules are those of the copy, also the runner's own: it forks what runs the tests.
    os.chdir(copied())
    os.execv(sys.executable, [sys.executable, "-m", "tests.mutants.session", str(ROOT), *arguments])  # noqa: S606 - ours


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

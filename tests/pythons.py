"""``python -m tests.pythons [VERSION...] -- PYTEST_ARGS...``: run tests with each Python that the program supports.

Which these are stands in pyproject.toml. One that this machine lacks is named and left out, unless it was asked for.
What came of each is noted in docs/last-runs.md.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from settings import ROOT

CLASSIFIER: Final = re.compile(r"Programming Language :: Python :: (3\.\d+)")


def supported() -> list[str]:
    """The versions that the project's metadata names, oldest first."""
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [found[1] for line in metadata["classifiers"] if (found := CLASSIFIER.fullmatch(line))]


def interpreter(version: str) -> str | None:
    """A Python of this version: one of that name, or one of pyenv's."""
    by_name = shutil.which(f"python{version}")
    by_pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    for candidate in ([by_name] if by_name else []) + [str(path) for path in by_pyenv]:
        # Pyenv has names for all that it could run, and refuses most of them.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603 - Python
            return candidate
    return None


def run(version: str, python: str, tests: Sequence[str]) -> int:
    """Run tests in a virtual environment of this Python, which is kept; pytest's exit code."""
    own = ROOT / f".venv-{version}"
    inside = str(own / "bin" / "python")
    requirements = ["-r", str(ROOT / "requirements-dev.txt")]
    for command in (
        [python, "-m", "venv", str(own)],
        [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements],
    ):
        subprocess.run(command, check=True)  # noqa: S603 - Python's own tools
    # What is noted is the command that runs it again.
    noted = [inside, "-m", "tests.last_run", f"pythons ARGS={version}", *tests]
    return subprocess.run(noted, cwd=ROOT, check=False).returncode  # noqa: S603 - our own tests


def main(arguments: list[str]) -> int:
    """Run them all; fails where one fails, or is not here although it was asked for."""
    split = arguments.index("--")
    asked, tests = arguments[:split], arguments[split + 1 :]
    failed = []
    for version in asked or supported():
        python = interpreter(version)
        if python is None:
            print(f"Python {version} is not on this machine (looked for python{version}, and for pyenv's).", flush=True)
            failed += [version] if asked else []
            continue
        print(f"Python {version}: {python}", flush=True)
        failed += [version] if run(version, python, tests) else []
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

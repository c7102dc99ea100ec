"""Runs a step with the interpreter that the project's packages are installed for: ``python3 launch.py STEP``.

A Command's line stands in the state, and a destroy may run it in another checkout, on another machine, in a container
that has the packages in its system's Python. So the line says no more than ``python3 launch.py``, and this finds the
rest. Nothing but the standard library is used here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# An interpreter with all of these is the project's own; one of a system may have some, and older ones.
NEEDED = ("pulumi_command", "pydantic", "urllib3", "yaml")
OLDEST = (3, 11)
PROBE = f"""
import sys
from importlib.util import find_spec
sys.exit(sys.version_info < {OLDEST} or any(find_spec(name) is None for name in {NEEDED}))
"""
RUN = ("-m", "steps")


def folders(project: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    """The virtual environments that may hold the packages: the project's, then the one that is active."""
    yield project / ".venv"
    yield project / "venv"
    for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if environ.get(variable):
            yield Path(environ[variable])


def interpreters(project: Path, environ: Mapping[str, str]) -> Iterator[list[str]]:
    """Every interpreter that there may be, the likeliest first, as the beginning of a command line."""
    for folder in folders(project, environ):
        for place in (folder / "bin" / "python", folder / "Scripts" / "python.exe"):
            if place.is_file():
                yield [str(place)]
    yield [sys.executable]
    for name in ("poetry", "uv"):
        tool = shutil.which(name, path=environ.get("PATH"))
        lock = project / f"{name}.lock"
        if tool and lock.is_file():
            yield [tool, "run", "python"]


def has_packages(interpreter: list[str], project: Path) -> bool:
    """Whether the project's packages are installed for an interpreter."""
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter of this project
            [*interpreter, "-c", PROBE], cwd=project, capture_output=True, check=False, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """Run the step with the first interpreter that can; its exit code."""
    project = Path(__file__).resolve().parent
    for interpreter in interpreters(project, os.environ):
        if has_packages(interpreter, project):
            argv = [*interpreter, *RUN, *arguments]
            if os.name == "nt":
                return subprocess.run(argv, cwd=project, check=False).returncode  # noqa: S603 - likewise
            os.chdir(project)
            os.execvp(argv[0], argv)  # noqa: S606 - likewise
    print(
        f"error: no Python here has this project's packages ({', '.join(NEEDED)} among them): looked at "
        f"{project}/.venv, the active virtual environment and {sys.executable}. Nothing was done. Run `pulumi install` "
        f"in {project} (or `pip install -r requirements.txt`), then run the same command again.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

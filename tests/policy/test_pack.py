"""``policy/pack`` finds its packages, or says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from settings import ROOT


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    """A copy in a project of its own, in a folder that shells stumble over."""
    folder = tmp_path / "my project" / "policy"
    folder.mkdir(parents=True)
    return Path(shutil.copy(ROOT / "policy" / "pack", folder))


def python(path: Path, *, has_packages: bool) -> None:
    """A stand-in for an interpreter: it says whether it has the packages, and with what it was run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = 0 if has_packages else 1
    path.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit {code}\necho "{path} in $PWD: $*"\n')
    path.chmod(0o755)


def run(pack: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(pack.parent.parent / "system"), "/usr/bin", "/bin"])
    return subprocess.run(  # noqa: S603 - the project's own
        [str(pack), "127.0.0.1:1"],
        env={"PATH": path, **environment},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_its_packages_it_says_how_to_get_them(pack: Path) -> None:
    python(pack.parent.parent / "system" / "python3", has_packages=False)
    done = run(pack)
    assert done.returncode == 1
    assert "policy/.venv/bin/pip install -r policy/requirements.txt" in done.stderr
    assert done.stdout == "", "Pulumi reads a port there"


def test_its_own_environment_is_the_first_that_is_asked(pack: Path) -> None:
    project = pack.parent.parent
    places = [folder / ".venv" / "bin" / "python" for folder in (pack.parent, project)]
    places.append(project / "system" / "python3")
    for place in places:
        python(place, has_packages=True)
    for place in places:
        assert run(pack).stdout.startswith(f"{place} in ")
        place.unlink()


def test_an_environment_without_them_is_passed_over(pack: Path) -> None:
    python(pack.parent / ".venv" / "bin" / "python", has_packages=False)
    other = pack.parent.parent / ".venv" / "bin" / "python"
    python(other, has_packages=True)
    assert run(pack).stdout.startswith(f"{other} in ")


def test_it_runs_in_the_project_whichever_folder_pulumi_is_in(pack: Path) -> None:
    active = pack.parent.parent / "active"
    python(active / "bin" / "python", has_packages=True)
    done = run(pack, VIRTUAL_ENV=str(active))
    assert done.stdout == f"{active}/bin/python in {pack.parent.parent}: -u -m policy 127.0.0.1:1\n"

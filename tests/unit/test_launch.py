"""``python3 launch.py STEP`` finds the interpreter that the project's packages are installed for."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import launch
from launch import has_packages, interpreters
from settings import ROOT

# Says which interpreter it is and what it was asked for; a real one would run the step.
STAND_IN = """#!/bin/sh
if [ "$1" = -c ]; then exit {has_not_packages}; fi
echo "$0 $* in $(pwd)"
exit 7
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def stand_in(path: Path, *, has_packages: bool = True) -> Path:
    return executable(path, STAND_IN.format(has_not_packages=int(not has_packages)))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout without a virtual environment, whose packages the running interpreter lacks."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    text = (ROOT / "launch.py").read_text()
    needed = f"NEEDED = {launch.NEEDED}".replace("'", '"')
    assert needed in text
    (folder / "launch.py").write_text(text.replace(needed, 'NEEDED = ("a_package_that_nobody_has",)'))
    return folder


def run(
    project: Path, *arguments: str, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it as a Command does, with nothing in the environment but this."""
    return subprocess.run(  # noqa: S603 - this project's own code
        [sys.executable, str(project / "launch.py"), *arguments],
        cwd=cwd or project,
        env={"PATH": os.environ["PATH"], **(environ or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# --- which there may be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".venv/bin/python", ".venv/Scripts/python.exe", "venv/bin/python"])
def test_a_virtual_environment_of_the_project_is_found_on_every_system(project: Path, place: str) -> None:
    found = stand_in(project / place)
    result = run(project, "await-mesh")
    assert result.stdout == f"{found} -m steps await-mesh in {project}\n", result.stderr
    assert result.returncode == 7, "the step's own"


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_the_active_virtual_environment_is_found_where_the_project_has_none(
    project: Path, tmp_path: Path, variable: str
) -> None:
    found = stand_in(tmp_path / "elsewhere" / "bin" / "python")
    result = run(project, "sweep", environ={variable: str(tmp_path / "elsewhere")})
    assert result.stdout == f"{found} -m steps sweep in {project}\n", result.stderr


@pytest.mark.parametrize("tool", ["poetry", "uv"])
def test_a_tool_that_the_project_has_a_lock_of_is_asked(project: Path, tmp_path: Path, tool: str) -> None:
    found = executable(
        tmp_path / "tools" / tool,
        '#!/bin/sh\n[ "$1 $2" = "run python" ] || exit 9\nshift 2\n[ "$1" = -c ] && exit 0\necho "$0 $*"\n',
    )
    environ = {"PATH": f"{found.parent}:{os.environ['PATH']}"}
    assert run(project, "sweep", environ=environ).returncode == 1, "without its lock the project is not its"
    (project / f"{tool}.lock").touch()
    assert run(project, "sweep", environ=environ).stdout == f"{found} -m steps sweep\n"


def test_a_lock_without_its_tool_is_no_interpreter(project: Path, tmp_path: Path) -> None:
    (project / "poetry.lock").touch()
    (project / "uv.lock").touch()
    assert list(interpreters(project, {"PATH": str(tmp_path)})) == [[sys.executable]]


def test_the_likeliest_is_asked_first(project: Path, tmp_path: Path) -> None:
    active = stand_in(tmp_path / "active" / "bin" / "python")
    own = stand_in(project / ".venv" / "bin" / "python")
    uv = executable(tmp_path / "tools" / "uv", "")
    (project / "uv.lock").touch()
    environ = {"VIRTUAL_ENV": str(tmp_path / "active"), "PATH": str(uv.parent)}
    assert list(interpreters(project, environ)) == [
        [str(own)],
        [str(active)],
        [sys.executable],
        [str(uv), "run", "python"],
    ]


def test_an_interpreter_without_the_packages_is_passed_over(project: Path, tmp_path: Path) -> None:
    stand_in(project / ".venv" / "bin" / "python", has_packages=False)
    found = stand_in(tmp_path / "active" / "bin" / "python")
    result = run(project, "sweep", environ={"VIRTUAL_ENV": str(tmp_path / "active")})
    assert result.stdout.startswith(f"{found} -m steps sweep"), result.stderr


def test_a_broken_interpreter_is_passed_over(project: Path, tmp_path: Path) -> None:
    executable(project / ".venv" / "bin" / "python", "#!/no/such/interpreter\n")
    found = stand_in(tmp_path / "active" / "bin" / "python")
    assert run(project, "sweep", environ={"VIRTUAL_ENV": str(tmp_path / "active")}).stdout.startswith(str(found))


def test_a_container_needs_no_virtual_environment_where_its_own_python_has_the_packages(tmp_path: Path) -> None:
    shutil.copy(ROOT / "launch.py", tmp_path / "launch.py")
    steps = tmp_path / "steps"
    steps.mkdir()
    (steps / "__init__.py").touch()
    (steps / "__main__.py").write_text("import sys; print(sys.executable, sys.argv[1:])")
    result = run(tmp_path, "sweep")
    assert result.stdout == f"{sys.executable} ['sweep']\n", result.stderr


def test_it_works_from_any_folder(project: Path, tmp_path: Path) -> None:
    found = stand_in(project / ".venv" / "bin" / "python")
    assert run(project, "sweep", cwd=tmp_path).stdout == f"{found} -m steps sweep in {project}\n"


def test_the_environment_is_handed_on(project: Path) -> None:
    executable(project / ".venv" / "bin" / "python", '#!/bin/sh\n[ "$1" = -c ] || echo "$OPERATION_STACK"\n')
    assert run(project, "sweep", environ={"OPERATION_STACK": "dev"}).stdout == "dev\n"


# --- which will do ----------------------------------------------------------------------------------------------


def test_the_interpreter_of_these_tests_has_the_packages() -> None:
    assert has_packages([sys.executable], ROOT)


def test_packages_are_looked_for_in_the_interpreter_that_is_asked(tmp_path: Path) -> None:
    assert not has_packages([sys.executable, "-S"], tmp_path), "without site-packages there are none"
    assert not has_packages([str(tmp_path / "none")], tmp_path)


def test_some_of_the_packages_are_not_all(tmp_path: Path) -> None:
    *some, last = launch.NEEDED
    for name in some:
        (tmp_path / f"{name}.py").touch()
    assert not has_packages([sys.executable, "-S"], tmp_path), "a system's own Python may have some of them"
    (tmp_path / f"{last}.py").touch()
    assert has_packages([sys.executable, "-S"], tmp_path)


def test_an_interpreter_that_is_too_old_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = (sys.version_info.major, sys.version_info.minor + 1)
    assert f"sys.version_info < {launch.OLDEST}" in launch.PROBE
    monkeypatch.setattr(launch, "PROBE", launch.PROBE.replace(str(launch.OLDEST), str(newer)))
    assert not has_packages([sys.executable], ROOT)


# --- none at all ------------------------------------------------------------------------------------------------


def test_without_any_nothing_is_done_and_the_mend_is_told(project: Path) -> None:
    result = run(project, "sweep")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: no Python here has this project's packages (a_package_that_nobody_has")
    for part in (f"{project}/.venv", sys.executable, "Nothing was done", "`pulumi install`", "requirements.txt"):
        assert part in result.stderr
    assert result.stderr.count("\n") == 1, "no traceback"


def test_nothing_but_the_standard_library_is_imported() -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse((ROOT / "launch.py").read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= set(sys.stdlib_module_names), "it runs where the packages are not installed"

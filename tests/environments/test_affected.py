"""Which stacks a change touches."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from environments import ORDER
from environments.affected import affected, changed_files
from review.tools import ToolError


def test_a_stack_file_touches_its_stack() -> None:
    assert affected(["Pulumi.prod.yaml"], ORDER) == ["prod"]
    assert affected(["Pulumi.prod.yaml", "Pulumi.dev.yaml"], ORDER) == ["dev", "prod"], "in the environments' order"


def test_a_stack_that_is_no_environment_touches_none() -> None:
    assert affected(["Pulumi.lab.yaml"], ORDER) == []


@pytest.mark.parametrize(
    "path",
    ["Pulumi.yaml", "__main__.py", "model/versions.py", "steps/sweep.py", "requirements.txt", "policy/rules.py", "a/b"],
)
def test_what_a_program_reads_touches_all_and_so_does_what_nobody_knows(path: str) -> None:
    assert affected([path], ORDER) == list(ORDER)


@pytest.mark.parametrize("path", ["README.md", "docs/ci.md", "tests/unit/test_x.py", "lab/cli.py", ".github/x/y.yml"])
def test_what_no_preview_reads_touches_none(path: str) -> None:
    assert affected([path], ORDER) == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@t.example", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)  # noqa: S603, S607

    git("init", "--initial-branch=main")
    (tmp_path / "README.md").write_text("one\n")
    (tmp_path / "old name.py").write_text("a = 1\n" * 20)
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "change")
    (tmp_path / "docs").mkdir()
    (tmp_path / "old name.py").rename(tmp_path / "docs" / "new name.py")
    git("add", ".")
    git("commit", "-m", "two")
    git("checkout", "main")
    (tmp_path / "elsewhere.py").write_text("")
    git("add", ".")
    git("commit", "-m", "three")
    return tmp_path


def test_a_change_is_what_differs_from_where_it_began(repository: Path) -> None:
    """Not what others have merged meanwhile; and what is moved into the docs was read before."""
    assert set(changed_files("main", "change", repository)) == {"old name.py", "docs/new name.py"}


@pytest.mark.parametrize("name", ["nowhere", "--output=/tmp/x", "", "0" * 40])
def test_a_revision_that_there_is_not_is_told(name: str, repository: Path) -> None:
    with pytest.raises(ToolError, match="is no revision here"):
        changed_files(name, "change", repository)

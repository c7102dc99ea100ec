"""Modules that are compiled without some of their code: exactly that is gone, or the build says what it missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.trimmed import Edit, Trimmed, copy, cut, imports

SOURCE = """\
package backend

import (
\t"errors"

\t"gocloud.dev/blob"
\t_ "gocloud.dev/blob/s3blob" // driver for s3://
\tcloud "gocloud.dev/blob/gcsblob"
)

func open(scheme string) error {
\tif scheme == cloud.Scheme {
\t\treturn errors.New("a cloud")
\t}
\treturn nil
}
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """Return a module as Go's cache has it: read-only."""
    folder = tmp_path / "module"
    (folder / "backend" / "testdata").mkdir(parents=True)
    (folder / "backend" / "open.go").write_text(SOURCE)
    for name in ("s3.go", "file.go", "file_test.go", "testdata/big.json"):
        (folder / "backend" / name).write_text("package backend\n")
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


def trimmed(**given: object) -> Trimmed:
    """Return what is cut from the module."""
    return Trimmed(module="example.com/module", **given)  # type: ignore[arg-type]


def test_a_copy_has_what_is_compiled_and_may_be_written_to(module: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    copy(module, target, trimmed())
    assert {path.name for path in (target / "backend").iterdir()} == {"open.go", "s3.go", "file.go"}
    (target / "backend" / "open.go").write_text("package backend\n")
    assert (module / "backend" / "open.go").read_text() == SOURCE, "Go's cache is everyone's"


def test_imports_go_whatever_their_names_and_others_stay(module: Path, tmp_path: Path) -> None:
    edits = imports("backend/open.go", "gocloud.dev/blob/s3blob", "gocloud.dev/blob/gcsblob")
    copy(module, tmp_path / "copy", trimmed(edits=edits))
    text = (tmp_path / "copy" / "backend" / "open.go").read_text()
    assert [line.strip() for line in text.splitlines() if '"' in line][:2] == ['"errors"', '"gocloud.dev/blob"']
    assert "s3blob" not in text
    assert "gcsblob" not in text


def test_an_edit_reaches_over_lines_and_ends_where_it_says(module: Path, tmp_path: Path) -> None:
    edit = Edit(path="backend/open.go", pattern=r"^\tif scheme == cloud\.Scheme \{\n.*?^\t\}\n")
    copy(module, tmp_path / "copy", trimmed(edits=(edit,)))
    assert (tmp_path / "copy" / "backend" / "open.go").read_text().endswith("error {\n\treturn nil\n}\n")


def test_files_that_are_removed_and_those_not_kept_are_gone(module: Path, tmp_path: Path) -> None:
    copy(module, tmp_path / "one", trimmed(removed=("backend/s3.go",)))
    assert not (tmp_path / "one" / "backend" / "s3.go").exists()
    copy(module, tmp_path / "other", trimmed(keep=(("backend", ("open.go",)),)))
    assert [path.name for path in (tmp_path / "other" / "backend").iterdir()] == ["open.go"]


@pytest.mark.parametrize(
    "given",
    [
        {"removed": ("backend/gone.go",)},
        {"keep": (("backend", ("gone.go",)),)},
        {"edits": (Edit(path="backend/gone.go", pattern="x"),)},
    ],
    ids=["removed", "kept", "edited"],
)
def test_a_file_that_a_new_release_has_moved_is_missed(module: Path, given: dict[str, object]) -> None:
    with pytest.raises(LabError, match=r"example\.com/module has no file gone\.go"):
        cut(module, trimmed(**given))


@pytest.mark.parametrize(("pattern", "times"), [("nothing of the kind", 0), ("gocloud", 3)])
def test_a_cut_that_finds_not_just_one_place_is_refused(module: Path, pattern: str, times: int) -> None:
    edit = Edit(path="backend/open.go", pattern=pattern)
    with pytest.raises(LabError, match=f"has {times} times, not once: {pattern}"):
        cut(module, trimmed(edits=(edit,)))

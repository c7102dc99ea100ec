"""The build cache and the keys that decide what is built again."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from lab import build
from lab.cache import RECORD, Cache, digest, digest_folder
from lab.parts import GoPart, ModuleFile, part, parts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder like a Go part's."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "go.mod").write_text("module example\n")
    (source / "main.go").write_text("package main\n")
    return source


def test_a_digest_depends_on_where_one_item_ends_and_the_next_begins() -> None:
    assert digest("ab", "c") != digest("a", "bc"), "items must not run into each other"


def test_equal_folders_have_equal_digests(folder: Path) -> None:
    assert digest_folder(folder) == digest_folder(folder)


@pytest.mark.parametrize("change", ["content", "name", "new file", "executable"])
def test_any_change_of_a_folder_changes_its_digest(folder: Path, change: str) -> None:
    before = digest_folder(folder)
    match change:
        case "content":
            (folder / "main.go").write_text("package main // changed\n")
        case "name":
            (folder / "main.go").rename(folder / "other.go")
        case "new file":
            (folder / "go.sum").touch()
        case _:
            (folder / "main.go").chmod(0o755)
    assert digest_folder(folder) != before, f"a change of {change} must lead to a new build"


def test_what_python_and_editors_leave_in_a_folder_changes_nothing(folder: Path) -> None:
    before = digest_folder(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").touch()
    (folder / ".main.go.swp").touch()
    assert digest_folder(folder) == before


def go_part() -> GoPart:
    """Return a Go part of the table."""
    found = part("osm")
    assert isinstance(found, GoPart)
    return found


@pytest.mark.parametrize(
    "change",
    [
        {"tags": ("other",)},
        {"variables": (("main.version", "2"),)},
        {"package": "."},
        {"folder": "coredns"},
        {"files": (ModuleFile(module="m", path="p", target="t"),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_go_parts_key_changes_with_everything_that_decides_its_binaries(change: dict[str, object]) -> None:
    changed = dataclasses.replace(go_part(), **change)  # type: ignore[arg-type]
    assert build.key(changed) != build.key(go_part())


def test_a_go_parts_key_changes_with_the_go_release(monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.key(go_part())
    monkeypatch.setattr(build, "go_version", lambda: "go9.99")
    assert build.key(go_part()) != before


def test_a_name_or_an_estimate_is_no_reason_to_build_again() -> None:
    changed = dataclasses.replace(go_part(), typical_seconds=1, source="elsewhere")
    assert build.key(changed) == build.key(go_part())


def test_no_two_parts_share_a_name() -> None:
    names = [row.name for row in parts()]
    assert len(names) == len(set(names))


def test_a_thing_is_made_once_and_found_afterwards(tmp_path: Path) -> None:
    cache, made = Cache(tmp_path), []

    def make(target: Path) -> None:
        made.append(target)
        (target / "result").write_text("done")

    first = cache.build("thing", "k" * 64, make, version="1")
    second = cache.build("thing", "k" * 64, make, version="1")
    assert len(made) == 1, "the second build must find the first one's result"
    assert (second.folder / "result").read_text() == "done"
    assert first.folder == second.folder
    assert second.record["version"] == "1"


def test_an_interrupted_build_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    cache = Cache(tmp_path)

    def fail(target: Path) -> None:
        (target / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.build("thing", "k" * 64, fail)
    assert cache.find("thing", "k" * 64) is None
    with cache.locked(lambda: None):
        assert not (tmp_path / "tmp").exists(), "the next build sweeps the rubbish away"


def test_what_a_full_disk_has_cut_off_is_made_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    entry = cache.build("thing", "k" * 64, lambda target: (target / "result").touch())
    (entry.folder / RECORD).write_text('{"name": ')
    assert cache.find("thing", "k" * 64) is None
    cache.build("thing", "k" * 64, lambda target: (target / "another").touch())
    assert sorted(path.name for path in entry.folder.iterdir()) == ["another", RECORD]
    (tmp_path / "times.json").write_text("")
    cache.note_time("stop", 1)
    assert cache.times() == {"stop": 1}


def test_a_second_build_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    cache, waited, order = Cache(tmp_path), threading.Event(), []

    def second() -> None:
        with cache.locked(waited.set):
            order.append("second")

    with cache.locked(lambda: None):
        thread = threading.Thread(target=second)
        thread.start()
        assert waited.wait(5), "the second must say that it waits"
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_times_are_remembered(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.note_time("stop", 1.26)
    cache.note_time("start", 9)
    assert cache.times() == {"start": 9, "stop": 1.3}

"""What the lab says to a machine that can't run it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from lab import debian, preflight
from lab.errors import LabError
from lab.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return paths of a lab that was never built."""
    return Paths(checkout=tmp_path, cache=tmp_path / "cache", data=tmp_path / "data", run=tmp_path / "run")


def test_everything_in_the_way_is_said_at_once_with_the_way_around(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    monkeypatch.setattr(preflight, "available_memory", lambda: 2 * preflight.GIB)
    with pytest.raises(LabError) as raised:
        preflight.require(paths)
    message = str(raised.value)
    for word in ("root", "aarch64", "2.0 GiB of memory", "README.md"):
        assert word in message, f"{word!r} is missing from: {message}"


def test_another_operating_system_is_the_only_thing_said(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    (problem,) = preflight.check(paths)
    assert "needs Linux" in problem


def test_little_memory_is_told_with_what_is_there_and_what_is_needed() -> None:
    assert "1.5 GiB of memory are free, and it needs 6 GiB" in preflight.memory(preflight.GIB * 3 // 2)
    assert preflight.memory(preflight.MEMORY) == ""


def test_memory_is_read_from_what_the_kernel_calls_available(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 50 kB\n")
    assert preflight.available_memory(meminfo) == 50 * 1024


def test_a_full_disk_names_the_variable_that_moves_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=preflight.GIB))
    problem = preflight.disk("build cache", tmp_path / "not" / "yet", 15 * preflight.GIB)
    assert "1.0 GiB are free" in problem
    assert "DAPR_OSM_LAB_CACHE" in problem
    assert "DAPR_OSM_LAB_DATA" in preflight.disk("cluster's data", tmp_path, 15 * preflight.GIB)


def test_a_missing_go_is_told_with_the_release_to_install(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "go" else found(name))
    assert any("Go is not on PATH: install Go 1." in problem for problem in preflight.check(paths))


def test_only_the_machines_own_debian_sources_go_into_the_root_file_system(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text("# deb mirror bookworm main\n")
    debian_source = tmp_path / "sources.list.d" / "debian.sources"
    debian_source.write_text("Types: deb\nSuites: bookworm bookworm-updates\nComponents: main\n")
    (tmp_path / "sources.list.d" / "vendor.sources").write_text("Types: deb\nSuites: nodistro\nComponents: main\n")
    (tmp_path / "sources.list.d" / "vendor.list").write_text("deb mirror bookworm stable\n")
    assert debian.apt_sources("bookworm", tmp_path) == [debian_source]

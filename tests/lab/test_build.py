"""What Go's compiler is given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from lab import build, preflight
from lab.build import unhurried
from lab.parts import GoPart, part

GIB = 1024**3


@pytest.mark.parametrize(
    ("memory", "processors", "limit"),
    [(20 * GIB, 2, "5120MiB"), (20 * GIB, 16, "640MiB"), (2 * GIB, 8, "512MiB"), (0, 2, "512MiB")],
)
def test_all_compilers_together_have_half_of_the_free_memory_and_each_a_least(
    memory: int, processors: int, limit: str
) -> None:
    assert unhurried(memory, processors) == {"GOGC": "off", "GOMEMLIMIT": limit}


def test_a_part_is_compiled_with_what_memory_this_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pause = part("pause")
    assert isinstance(pause, GoPart)
    given: dict[str, str] = {}

    def compiled(argv: list[str], log: Path, *, env: Mapping[str, str], **_: Any) -> None:
        given.update(env)
        Path(argv[argv.index("-o") + 1], "made").touch()

    monkeypatch.setattr(build, "run_logged", compiled)
    monkeypatch.setattr(preflight, "available_memory", lambda: 20 * GIB)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    build._make_go(pause, tmp_path / "log", lambda *_: None, tmp_path)
    assert given == {**build.GO_ENVIRONMENT, "GOGC": "off", "GOMEMLIMIT": "5120MiB"}

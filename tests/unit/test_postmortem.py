"""A test that fails on the lab leaves a post-mortem, and nothing about that hides why it failed."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import postmortem


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(postmortem, "_left", [])
    yield


def ran(monkeypatch: pytest.MonkeyPatch, outcome: Any) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def run(command: Any, **options: Any) -> Any:
        calls.append({"command": command, **options})
        if isinstance(outcome, Exception):
            raise outcome
        return SimpleNamespace(returncode=outcome, stderr="no cluster\n")

    monkeypatch.setattr(subprocess, "run", run)
    return calls


def test_a_failure_says_where_its_post_mortem_is(monkeypatch: pytest.MonkeyPatch) -> None:
    ran(monkeypatch, 0)
    said = postmortem.leave("tests/e2e/test_x.py::test_a[smi]", None)
    assert said.startswith("Objects, events, logs and Envoys' configuration are in ")
    assert said.endswith("-test-a-smi")


@pytest.mark.parametrize(
    ("outcome", "said"),
    [(1, "None: no cluster"), (subprocess.TimeoutExpired("x", 9), "None: "), (OSError("full"), "None: full")],
)
def test_where_there_is_none_the_reason_is_told_and_nothing_is_raised(
    monkeypatch: pytest.MonkeyPatch, outcome: Any, said: str
) -> None:
    ran(monkeypatch, outcome)
    assert postmortem.leave("test_a", None).startswith(said)


def test_its_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ran(monkeypatch, 0)
    postmortem.leave("test_a", None)
    assert calls[0]["timeout"] == postmortem.AT_MOST_SECONDS > postmortem.SECONDS


def test_one_broken_thing_leaves_one_and_many_leave_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ran(monkeypatch, 0)
    error = AssertionError("a fixture")
    for _ in range(3):
        postmortem.leave("test_a", error)
    assert len(calls) == 1
    for number in range(10):
        postmortem.leave(f"test_{number}", AssertionError(str(number)))
    assert len(calls) == postmortem.MOST
    assert postmortem.leave("test_z", AssertionError("z")).startswith("None: ")

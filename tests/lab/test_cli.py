"""The command line: one clear message and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import cli
from lab.errors import LabError
from lab.paths import Paths


def test_the_kubeconfigs_path_is_all_that_is_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DAPR_OSM_LAB_DATA", str(tmp_path))
    assert cli.main(["kubeconfig"]) == 0
    assert capsys.readouterr() == (f"{tmp_path}/kubeconfig\n", "")


def test_an_error_is_one_message_and_an_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_paths: Paths) -> int:
        raise LabError("no room on this disk")

    monkeypatch.setitem(cli.COMMANDS, "start", fail)
    assert cli.main(["start"]) == 1
    assert capsys.readouterr() == ("", "no room on this disk\n")


def test_pulumi_gets_its_arguments_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(_paths: Paths, arguments: list[str]) -> int:
        seen.append(arguments)
        return 5

    monkeypatch.setattr("lab.pulumi.run", run)
    assert cli.main(["pulumi", "--", "config", "set", "--path", "a.b", "--", "-1"]) == 5, "the exit code is Pulumi's"
    assert seen == [["config", "set", "--path", "a.b", "--", "-1"]]


def test_every_command_says_what_it_does() -> None:
    for name, function in cli.COMMANDS.items():
        assert function.__doc__, name

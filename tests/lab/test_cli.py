"""The command line: one clear message and an exit code, never a traceback."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from lab import cli
from lab.errors import LabError
from lab.parts import dapr_versions
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


def test_a_full_disk_and_a_wrong_number_are_one_message_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_paths: Paths) -> int:
        raise OSError(28, "No space left on device", "/somewhere")

    monkeypatch.setitem(cli.COMMANDS, "start", fail)
    assert cli.main(["start"]) == 1
    assert capsys.readouterr().err == "The lab can't go on: [Errno 28] No space left on device: '/somewhere'.\n"
    monkeypatch.setenv("DAPR_OSM_LAB_NUMBER", "two")
    assert cli.main(["kubeconfig"]) == 1
    assert capsys.readouterr().err.startswith("DAPR_OSM_LAB_NUMBER is 'two'")


def test_who_may_not_ask_is_not_told_that_the_lab_is_stopped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def __init__(self, _family: int) -> None:
            pass

        def __enter__(self) -> Closed:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def settimeout(self, _seconds: float) -> None:
            pass

        def connect(self, _path: str) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("lab.cluster.socket.socket", Closed)
    assert cli.main(["status"]) == 1
    shown = capsys.readouterr()
    assert "Permission denied" in shown.err
    assert shown.err.endswith("control.sock'. Run the same command as root.\n")
    assert "stopped" not in shown.out


def test_pulumi_gets_its_arguments_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def run(_paths: Paths, arguments: list[str]) -> int:
        seen.append(arguments)
        return 5

    monkeypatch.setattr("lab.pulumi.run", run)
    assert cli.main(["pulumi", "--", "config", "set", "--path", "a.b", "--", "-1"]) == 5, "the exit code is Pulumi's"
    assert seen == [["config", "set", "--path", "a.b", "--", "-1"]]


@pytest.mark.parametrize("fails", ["refresh", "up", None])
def test_a_recovery_asks_nothing_and_goes_on_only_while_all_is_well_though_there_be_nothing_to_cancel(
    fails: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def run(_paths: Paths, arguments: list[str]) -> int:
        seen.append(arguments)
        return int(arguments[0] in ("cancel", fails))

    monkeypatch.setattr("lab.pulumi.run", run)
    monkeypatch.setattr("lab.pulumi.refuse_other_cluster", lambda _paths: None)
    monkeypatch.setattr(cli, "start", lambda _paths: 0)
    assert cli.main(["recover"]) == int(fails is not None)
    steps = [
        ["cancel", "--yes"],
        ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"],
        ["up", "--yes"],
        ["stack", "output"],
    ]
    last = next((number for number, step in enumerate(steps) if step[0] == fails), len(steps))
    assert seen == steps[: last + 1]


@pytest.mark.parametrize("command", ["start", "build"])
def test_releases_are_asked_for_by_name_and_none_is_meant_where_none_is_named(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def run(_paths: Paths, dapr: Collection[str] = ()) -> int:
        seen.append(list(dapr))
        return 0

    monkeypatch.setitem(cli.COMMANDS, command, run)
    monkeypatch.setitem(cli.WITH_RELEASES, command, run)
    assert cli.main([command]) == 0
    assert cli.main([command, "--dapr", "1.16.0", "--dapr", "1.12.0"]) == 0
    assert seen == [[], ["1.16.0", "1.12.0"]]


def test_a_release_that_the_lab_lacks_is_told_with_those_it_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.preflight.require_to_build", lambda _paths: None)
    monkeypatch.setattr("lab.debian.install", lambda _cache: None)
    assert cli.main(["build", "--dapr", "1.13.0"]) == 1
    assert capsys.readouterr().err == f"The lab has no Dapr 1.13.0. It has {', '.join(dapr_versions())}.\n"


def test_every_command_says_what_it_does() -> None:
    for name, function in cli.COMMANDS.items():
        assert function.__doc__, name

"""The supervisor, with parts that are a line of shell each."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lab import cluster
from lab.paths import Paths
from lab.supervisor import PartSpec, Spec, is_there

CHECKOUT = Path(__file__).resolve().parents[2]


def shell(name: str, script: str, *after: str) -> PartSpec:
    """Return a part that runs a line of shell."""
    return PartSpec(name=name, argv=("sh", "-c", script), after=after)


class Lab:
    """A supervisor in a process of its own, with its files in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        """Prepare; nothing runs yet."""
        self.paths = Paths(checkout=CHECKOUT, cache=folder / "cache", data=folder / "data", run=folder / "run")
        self.paths.run.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def run(self, *parts: PartSpec, setup: tuple[tuple[str, ...], ...] = ()) -> None:
        """Start the supervisor and wait until it answers."""
        control, logs = str(self.paths.control), str(self.paths.logs)
        spec = Spec(digest="d", control=control, logs=logs, setup=setup, parts=parts)
        file = self.paths.run / "spec.json"
        file.write_text(spec.dump())
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
        self.process = subprocess.Popen([sys.executable, "-m", "lab.supervisor", str(file)], env=environment)  # noqa: S603
        self.until(lambda: cluster.status(self.paths) is not None)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "waited 10 s in vain"
            time.sleep(0.02)

    def states(self) -> dict[str, str]:
        """Return the state of each part."""
        running = cluster.status(self.paths)
        return {part.name: part.state for part in running.parts} if running else {}

    def stop(self) -> None:
        """Stop it and wait for its end."""
        if self.process is not None:
            cluster.ask(self.paths, "stop")
            self.process.wait(15)
            self.process = None


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Return a supervisor that is stopped afterwards."""
    # A socket's path may have 108 characters at most, and pytest's folders are deep.
    made = Lab(tmp_path)
    if len(str(made.paths.control)) > 100:
        pytest.skip("the temporary folder's path is too long for a socket")
    yield made
    made.stop()


def test_a_crashed_part_is_reported_with_its_logs_last_lines(lab: Lab) -> None:
    lab.run(shell("good", "exec sleep 60"), shell("bad", "for i in $(seq 30); do echo line $i; done; exit 7"))
    lab.until(lambda: lab.states() == {"good": "running", "bad": "crashed"})
    running = cluster.status(lab.paths)
    assert running is not None
    (crashed,) = running.crashed
    assert "bad ended" in crashed.report
    assert "exit code 7" in crashed.report
    assert "line 30" in crashed.report, "the log's last line is the one that says why"
    assert "line 3\n" not in crashed.report, "only the last lines belong in a message"
    assert str(crashed.log) in crashed.report, "the whole log must be found"


def test_a_part_killed_by_a_signal_is_reported_as_such(lab: Lab) -> None:
    lab.run(shell("killed", "kill -9 $$"))
    lab.until(lambda: lab.states() == {"killed": "crashed"})
    running = cluster.status(lab.paths)
    assert running is not None
    assert "killed by signal 9" in running.crashed[0].report


def test_a_part_that_cannot_be_started_is_reported_too(lab: Lab) -> None:
    lab.run(PartSpec(name="absent", argv=("/no/such/program",)))
    lab.until(lambda: lab.states() == {"absent": "crashed"})
    running = cluster.status(lab.paths)
    assert running is not None
    assert "/no/such/program could not be started" in running.crashed[0].report


def test_a_log_holds_this_run_only_and_the_one_before_is_kept_beside_it(lab: Lab) -> None:
    for word in ("first", "second"):
        lab.run(shell("part", f"echo {word}; exec sleep 60"))
        lab.until(lambda: "running" in lab.states().values())
        lab.until(lambda: (lab.paths.logs / "part.log").read_text() != "")
        lab.stop()
        lab.paths.control.unlink()
    assert (lab.paths.logs / "part.log").read_text() == "second\n", "an old crash must not be taken for a new one"
    assert (lab.paths.logs / "part.log.1").read_text() == "first\n"


def test_a_crashed_part_stays_down_until_it_is_asked_for(lab: Lab, tmp_path: Path) -> None:
    lab.run(shell("once", f"test -e {tmp_path}/second && exec sleep 60; touch {tmp_path}/second; exit 1"))
    lab.until(lambda: lab.states() == {"once": "crashed"})
    time.sleep(0.6)
    assert lab.states() == {"once": "crashed"}, "a silent restart would hide the crash"
    cluster.ask(lab.paths, "restart once")
    lab.until(lambda: lab.states() == {"once": "running"})


def test_a_part_waits_for_what_it_needs(lab: Lab) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        need = f"tcp:127.0.0.1:{server.getsockname()[1]}"
        lab.run(shell("needy", "exec sleep 60", need))
        time.sleep(0.4)
        assert lab.states() == {"needy": "waiting"}
        server.listen()
        lab.until(lambda: lab.states() == {"needy": "running"})


def test_a_failing_preparation_starts_nothing_and_says_why(lab: Lab) -> None:
    lab.run(shell("part", "exec sleep 60"), setup=(("sh", "-c", "echo no such device >&2; exit 1"),))
    lab.until(lambda: bool((running := cluster.status(lab.paths)) and running.setup_failure))
    running = cluster.status(lab.paths)
    assert running is not None
    assert "no such device" in running.setup_failure
    assert lab.states() == {"part": "waiting"}


def test_stopping_ends_every_part_and_the_first_one_last(lab: Lab, tmp_path: Path) -> None:
    order = tmp_path / "order"
    parts = [
        shell(name, f"trap 'echo {name} >> {order}; exit 0' TERM; while :; do sleep 0.05; done")
        for name in ("store", "server")
    ]
    lab.run(*parts)
    lab.until(lambda: set(lab.states().values()) == {"running"})
    time.sleep(0.2)
    lab.stop()
    assert order.read_text().split() == ["server", "store"], "the store outlives those who write to it"


def test_a_part_collects_garbage_less_often_unless_it_says_otherwise(lab: Lab) -> None:
    lab.run(
        shell("a", "echo $GOGC; exec sleep 60"),
        replace(shell("b", "echo $GOGC; exec sleep 60"), environment={"GOGC": "50"}),
    )
    logs = [lab.paths.logs / f"{name}.log" for name in ("a", "b")]
    lab.until(lambda: all(log.exists() and log.read_text() for log in logs))
    assert [log.read_text().strip() for log in logs] == ["400", "50"]


def test_without_a_supervisor_there_is_no_status(tmp_path: Path) -> None:
    nothing = Paths(checkout=CHECKOUT, cache=tmp_path, data=tmp_path, run=tmp_path)
    assert cluster.status(nothing) is None


def test_a_supervisor_that_ends_amid_its_answer_is_none(tmp_path: Path) -> None:
    paths = Paths(checkout=CHECKOUT, cache=tmp_path, data=tmp_path, run=tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(paths.control))
        server.listen()
        asked = threading.Thread(target=lambda: _ended(server, b'{"parts": {'))
        asked.start()
        assert cluster.status(paths) is None
        asked.join()


def _ended(server: socket.socket, answer: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(64)
        connection.sendall(answer)


def test_a_specification_survives_its_journey_through_json() -> None:
    part = replace(shell("a", "true", "unix:/x"), environment={"K": "V"}, descriptors=(3,))
    spec = Spec(digest="d", control="/c", logs="/l", setup=(("true",),), parts=(part,))
    assert Spec.load(spec.dump()) == spec
    assert json.loads(spec.dump())["parts"][0]["name"] == "a"


@pytest.mark.parametrize("need", ["unix:/no/such/socket", "tcp:127.0.0.1:1", "readyz:127.0.0.1:1"])
def test_what_nobody_listens_on_is_not_there(need: str) -> None:
    assert not is_there(need)


def test_an_unknown_need_is_an_error_and_not_a_wait_without_end() -> None:
    with pytest.raises(ValueError, match="no such need"):
        is_there("file:/x")

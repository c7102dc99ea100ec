"""An app as a real process whose output goes to a file, as a container's does."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

APPS = Path(__file__).parents[2] / "lab" / "apps"
PATIENCE_SECONDS = 10.0
# An app that ignores SIGTERM costs its pod's grace period, 30 s. "At once" leaves room for a busy machine.
STOP_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class App:
    """A running app."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def lines(self) -> list[str]:
        """Return what it has written so far."""
        return self.log.read_text(encoding="utf-8").splitlines()

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something to become true while the app runs."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert self.process.poll() is None, f"the app ended before {what}:\n{self.log.read_text(encoding='utf-8')}"
            assert time.monotonic() < deadline, f"never: {what}. Its log:\n{self.log.read_text(encoding='utf-8')}"
            time.sleep(0.02)

    def wait_for_line(self, line: str) -> None:
        """Wait for exactly this line."""
        self.wait_until(lambda: line in self.lines, f"the line {line!r}")

    def stop(self, pid: int | None = None) -> int:
        """Send SIGTERM, to the app or to a process that it consists of, and return the exit code."""
        os.kill(pid or self.process.pid, signal.SIGTERM)
        return self.process.wait(timeout=STOP_SECONDS)


@contextmanager
def running(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Iterator[App]:
    """Run an app in an environment of its own, from a folder that it knows nothing of; kill it if it still runs."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - the command is the test's own
            command,
            env={"PATH": os.environ["PATH"], **environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield App(process=process, log=log)
    finally:
        process.kill()
        process.wait()


@contextmanager
def running_as_first_process(command: Sequence[str | Path], environment: Mapping[str, str], log: Path) -> Iterator[App]:
    """Run an app as process 1 of a namespace, as a container does: there, signals have no default action."""
    unshare = namespaces()
    assert unshare is not None, "ask `namespaces` first"
    with running([unshare, "--pid", "--fork", "--kill-child", *command], environment, log) as app:
        yield app


def namespaces() -> str | None:
    """Return the program that makes process namespaces, or None where that isn't allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    attempt = subprocess.run([unshare, "--pid", "--fork", "true"], capture_output=True, check=False)  # noqa: S603
    return unshare if attempt.returncode == 0 else None


def child_of(process: subprocess.Popen[bytes]) -> int:
    """Return the only child of a process."""
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    return int(child)


def free_port() -> int:
    """Return a port on which nothing listens just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port

"""Ending a run of Pulumi in the middle, at a named operation."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from settings import ROOT
from tests.support.stack import SECONDS, Stack

# What Pulumi's display says when it begins with a resource.
BEGUN: Final = ("creating", "updating", "deleting", "replacing")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended.

    Attributes:
        reached: Whether the operation was begun.
        code: The exit code, negative for a signal.
        output: What was printed.
    """

    reached: bool
    code: int
    output: str


def begins(line: str, name: str) -> bool:
    """Whether a line of Pulumi's display says that it begins with the resource of that name."""
    words = line.split()
    return name in words and any(word in BEGUN for word in words)


def interrupted(
    stack: Stack, command: str, name: str, number: signal.Signals = signal.SIGKILL, *, alone: bool = False
) -> Ended:
    """Run a command of a stack, and end it as soon as it begins with a resource.

    SIGKILL ends engine, providers and language host at once, as a machine does that goes away. Another signal goes to
    the command alone, as from a keyboard or a CI runner.

    Args:
        stack: The stack.
        command: ``up`` or ``destroy``.
        name: The resource's name.
        number: The signal.
        alone: Whether SIGKILL, too, goes to the command alone, as where memory is short: what it has started goes on.
    """
    return watched(stack, command, lambda line: begins(line, name), number, alone=alone)


def watched(
    stack: Stack,
    command: str,
    is_time: Callable[[str], bool],
    number: signal.Signals | None,
    meanwhile: Callable[[], None] = lambda: None,
    *,
    alone: bool = False,
) -> Ended:
    """The same, at the first line that it is time for; without a signal the run goes on, and something else happens."""
    process = subprocess.Popen(  # noqa: S603 - the project's own commands
        ["pulumi", "--non-interactive", command, "--stack", stack.name]
        + ["--config-file", str(stack.file), "--yes", "--skip-preview"],
        cwd=ROOT,
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    reached, lines = False, []
    with process, _bounded(process):
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not reached and is_time(line):
                reached = True
                meanwhile()
                if number is not None:
                    end(process, number, alone=alone)
                if alone:
                    # What goes on holds the other end of the pipe.
                    break
        code = process.wait()
    return Ended(reached=reached, code=code, output="".join(lines))


def end(process: subprocess.Popen[str], number: signal.Signals, *, alone: bool = False) -> None:
    """Send a signal: the deadly one to all that the command has started, another one to itself."""
    with contextlib.suppress(ProcessLookupError):
        if number is signal.SIGKILL and not alone:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)


@contextlib.contextmanager
def _bounded(process: subprocess.Popen[str]) -> Iterator[None]:
    timer = threading.Timer(SECONDS, lambda: os.killpg(process.pid, signal.SIGKILL))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

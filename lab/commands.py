"""Runs the programs that the lab builds with, and turns their failures into a readable `LabError`."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lab.errors import LabError


def heed_interrupts() -> None:
    """Have the programs that are started from here heed SIGINT, although this one was told not to.

    A shell tells that to what it runs in the background, and whatever is started there inherits it. Pulumi ends its
    plugins by SIGINT, though, and waits five seconds for each that does not heed it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log, indented; an empty log says so."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 64 * 1024))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return "    (no log)"
    last = text.splitlines()[-lines:]
    return "\n".join(f"    {line[:500]}" for line in last) or "    (the log is empty)"


def run_logged(
    argv: Sequence[str],
    log: Path,
    *,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run a program with its output appended to `log`; where it fails, raise with the log's last lines.

    `env` is added to this process's environment. `on_line` sees each line as it comes.
    """
    with log.open("ab") as file:
        file.write(f"$ {' '.join(argv)}\n".encode())
        file.flush()
        with subprocess.Popen(  # noqa: S603 - the lab's own recipes
            argv,
            cwd=cwd,
            env=os.environ | dict(env or {}),
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            if stdin is not None and process.stdin is not None:
                process.stdin.write(stdin)
                process.stdin.close()
            assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
            for raw in process.stdout:
                file.write(raw)
                if on_line is not None:
                    on_line(raw.decode(errors="replace").rstrip())
            code = process.wait()
    if code != 0:
        raise LabError(f"{what} failed (exit code {code}). Its last lines:\n{tail(log)}\n  The whole log: {log}")


def output(
    argv: Sequence[str],
    *,
    what: str,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    stdin: str | None = None,
) -> str:
    """Return what a program prints; where it fails, raise with its error output.

    It runs in this process's environment, `env` added and the variables of `without` left out.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in without}
    try:
        done = subprocess.run(  # noqa: S603 - the lab's own commands
            argv,
            cwd=cwd,
            env=inherited | dict(env or {}),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{what} failed: {argv[0]} is not installed") from error
    if done.returncode != 0:
        raise LabError(f"{what} failed (exit code {done.returncode}): {done.stderr.strip()[-2000:]}")
    return done.stdout

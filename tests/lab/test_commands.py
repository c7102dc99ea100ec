"""What the programs that the lab starts inherit."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILD = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"


@pytest.mark.parametrize(("first", "ignores"), [("", "True"), ("heed_interrupts(); ", "False")])
def test_what_is_started_in_the_background_ends_by_sigint_after_all(first: str, ignores: str) -> None:
    """As a shell starts what it runs in the background: ignoring SIGINT, which programs inherit."""
    program = f"import subprocess, sys; from lab.commands import heed_interrupts; {first}"
    program += f"subprocess.run([sys.executable, '-c', {CHILD!r}], check=True)"
    ignoring = ["/bin/sh", "-c", 'trap \'\' INT; exec "$0" -c "$1"', sys.executable, program]
    done = subprocess.run(ignoring, capture_output=True, text=True, check=True)  # noqa: S603 - as said above
    assert done.stdout.strip() == ignores

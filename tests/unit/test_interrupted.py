"""A program that its host ends, amid whatever it does, says nothing more."""

from __future__ import annotations

import subprocess
import sys

from settings import ROOT

# What is interrupted is the reading of the config, the first thing that a program does.
PROGRAM = """
import os, signal, stack
stack._stack = lambda: os.kill(os.getpid(), signal.SIGINT)
stack.stack()
"""


def test_a_program_that_is_interrupted_ends_without_a_traceback() -> None:
    done = subprocess.run(  # noqa: S603 - the project's own program
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")

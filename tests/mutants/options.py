"""What the command line says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

FOLDERS: Final = ("model", "settings", "cluster", "steps", "verification")


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of ``python -m tests.mutants``."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutants",
        description="Change the program, one place at a time, and see whether the fast tests notice. What was found is "
        "kept and gone on with: a killed mutant stays so until its module changes, a survivor until tests do.",
    )
    say = parser.add_argument
    say("modules", nargs="*", metavar="MODULE", help=f"files and folders; without one: {', '.join(FOLDERS)}")
    say("--sample", type=int, default=0, metavar="N", help="so many of each module's mutants, always the same (0: all)")
    say("--seed", type=int, default=1, help="which ones these are")
    say("--seconds", type=float, default=30, metavar="N", help="for the tests of one mutant; none begins later")
    say("--survivors", action="store_true", help="no new mutants, only those that survived")
    say("--types", action="store_true", help="ask mypy about survivors: what the gates refuse is none")
    say("--list", action="store_true", help="run nothing, name the survivors that nobody has explained")
    say("--table", action="store_true", help="run nothing, write the table")
    given = parser.parse_args(arguments)
    given.modules = given.modules or list(FOLDERS)
    return given

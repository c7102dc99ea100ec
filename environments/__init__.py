"""Environments, from the first to the last: promotion between them, and what CI does to each of their stacks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from settings.project import ROOT

# Each is a stack with a committed file; a promotion goes from one to the next. Workflows have a job for each.
ORDER: Final = ("dev", "staging", "prod")


def stack_file(stack: str, folder: Path = ROOT) -> Path:
    """A stack's config file.

    Args:
        stack: The stack's name.
        folder: The project.
    """
    return folder / f"Pulumi.{stack}.yaml"

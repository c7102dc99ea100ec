"""Git and Pulumi's CLI, as they are on PATH: what can go wrong with them in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

INSTALL: Final = "https://www.pulumi.com/docs/install/"
# Pulumi Cloud's organization that the stacks are in; empty for one's own, and for any other backend.
ORGANIZATION: Final = "PULUMI_ORGANIZATION"


class ToolError(RuntimeError):
    """A tool is missing, or did not do what it was asked."""


def git(*arguments: str, folder: Path) -> bytes:
    """What a Git command prints.

    Raises:
        ToolError: It failed.
    """
    try:
        done = subprocess.run(  # noqa: S603 - Git, with arguments that begin with our own
            ["git", *arguments],  # noqa: S607 - found on PATH, as the user's
            cwd=folder,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise ToolError("git is not installed, or not on PATH") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ToolError(f"git {arguments[0]}: {said or f'exit code {done.returncode}'}")
    return done.stdout


def commit_of(revision: str, folder: Path) -> str:
    """The commit that a name stands for.

    Raises:
        ToolError: There is none.
    """
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    try:
        return git(*asked, folder=folder).decode().strip()
    except ToolError:
        raise ToolError(
            f"{revision!r} is no revision here. Name a commit, a branch or a tag; in a shallow clone, fetch it first"
        ) from None


def full_name(stack: str, environment: Mapping[str, str]) -> str:
    """A stack's name as Pulumi's CLI takes it."""
    organization = environment.get(ORGANIZATION, "")
    return f"{organization}/{stack}" if organization else stack


def pulumi(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    stdout: Any = subprocess.PIPE,
    stderr: Any = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run Pulumi's CLI, with nobody to ask, and the program in this interpreter's environment.

    Args:
        arguments: The command and its flags.
        folder: Where it runs.
        environment: The variables that it runs with.
        stdout: Where its output goes; kept where nothing is said, and None is where this process's own goes.
        stderr: Likewise, of errors.

    Raises:
        ToolError: It is not installed.
    """
    try:
        return subprocess.run(  # noqa: S603 - the user's own CLI
            ["pulumi", "--non-interactive", *arguments],  # noqa: S607 - found on PATH, as the user's
            cwd=folder,
            env={
                **environment,
                "PATH": os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)]),
                # Events line by line, those of policies too.
                "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true",
                "PULUMI_SKIP_UPDATE_CHECK": "true",
            },
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise ToolError(f"pulumi is not installed, or not on PATH: {INSTALL}") from None

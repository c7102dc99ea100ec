"""Which stacks a change touches: only their previews can differ."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from review.tools import commit_of, git
from settings.project import ROOT

# What no preview reads. Anything that is not named here touches every stack: better one preview too many.
UNREAD: Final = (
    ".ci/*",
    ".github/*",
    ".gitignore",
    ".gitlab-ci.yml",
    ".pre-commit-config.yaml",
    "*.md",
    "LICENSE",
    "Makefile",
    "bring_over.py",
    "bugreport/*",
    "deploy/*",
    "docs/*",
    "environments/*",
    "lab/*",
    "requirements-dev.txt",
    "review/*",
    "status/*",
    "tests/*",
)
STACK_FILE: Final = re.compile(r"Pulumi\.(?P<stack>.+)\.yaml")


def affected(paths: Iterable[str], stacks: Sequence[str]) -> list[str]:
    """The stacks, in their order, that changed files touch.

    Args:
        paths: Changed files, relative to the project.
        stacks: All stacks.
    """
    touched: set[str] = set()
    for path in paths:
        found = STACK_FILE.fullmatch(path)
        if found:
            touched.add(found["stack"])
        elif not _is_unread(path):
            touched.update(stacks)
    return [stack for stack in stacks if stack in touched]


def _is_unread(path: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in UNREAD)


def changed_files(base: str, head: str = "HEAD", folder: Path = ROOT) -> Collection[str]:
    """Files that differ between where two revisions parted and the second one; of a rename, both names.

    Raises:
        ToolError: One of them is none.
    """
    between = f"{commit_of(base, folder)}...{commit_of(head, folder)}"
    listed = git("diff", "--name-only", "--no-renames", "-z", between, folder=folder)
    return [path for path in listed.decode(errors="surrogateescape").split("\0") if path]

"""Reads versions out of go.mod files, so that no version stands in two places."""

from __future__ import annotations

import re
from pathlib import Path

from lab.errors import LabError


def required_version(go_mod: Path, module: str) -> str:
    """Return the version of `module` that `go_mod` requires, without its leading `v`."""
    pattern = re.compile(rf"^\s*(?:require\s+)?{re.escape(module)}\s+v(\S+)", re.MULTILINE)
    found = pattern.search(go_mod.read_text())
    if found is None:
        raise LabError(f"{go_mod} requires no version of {module}")
    return found.group(1)


def go_directive(go_mod: Path) -> tuple[int, int]:
    """Return the least Go release (major, minor) that `go_mod` asks for."""
    found = re.search(r"^go (\d+)\.(\d+)", go_mod.read_text(), re.MULTILINE)
    if found is None:
        raise LabError(f"{go_mod} has no go directive")
    return int(found.group(1)), int(found.group(2))

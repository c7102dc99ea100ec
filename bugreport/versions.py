"""What this runs with: versions of the program, of Python and Pulumi, and of the plugins that are there."""

from __future__ import annotations

import json
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from model.versions import DAPR_RELEASES, OSM_RELEASE
from settings import VERSION

PACKAGES: Final = ("pulumi", "pulumi-kubernetes", "pulumi-command", "urllib3", "pydantic")
SECONDS: Final = 20
PROJECT: Final = Path(__file__).parent.parent


def versions() -> dict[str, Any]:
    """All of them, as plain dictionaries; what is not there is None."""
    plugins = _said("pulumi", "plugin", "ls", "--json")
    return {
        "program": VERSION,
        "commit": _said("git", "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _installed(name) for name in PACKAGES},
        "pulumi": _said("pulumi", "version"),
        "plugins": [{"name": one.get("name"), "version": one.get("version")} for one in _parsed(plugins)],
        "knows": {"dapr": sorted(DAPR_RELEASES), "osm": OSM_RELEASE.version},
    }


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _said(*command: str) -> str | None:
    """What a command prints; None where there is none, or it fails."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed commands
            command,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _parsed(text: str | None) -> list[dict[str, Any]]:
    try:
        found = json.loads(text or "[]")
    except ValueError:
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []

"""What `status` and `times` say."""

from __future__ import annotations

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lab import build, cluster
from lab.cache import RECORD, Cache
from lab.console import duration
from lab.parts import parts
from lab.paths import Paths

RUNNING, CRASHED, STOPPED = 0, 1, 3
"""Exit codes of `status`; 3 for stopped is what init scripts use."""


def status(paths: Paths) -> int:
    """Print what runs, with the logs of what crashed, and return the exit code."""
    out = Console(highlight=False, soft_wrap=True)
    running = cluster.status(paths)
    if running is None:
        kept = "its data is kept" if (paths.data / cluster.MARK).exists() else "there is no cluster"
        out.print(f"The lab is stopped; {kept}.")
        return STOPPED
    for part in running.parts:
        out.print(f"{part.name:24} {part.state:8} {part.log}", markup=False)
    out.print(f"{'kubeconfig':24} {'':8} {paths.kubeconfig}", markup=False)
    for part in running.crashed:
        out.print(f"\n{part.report}", markup=False)
    return CRASHED if running.crashed else RUNNING


def _size(folder: Path) -> int:
    """Return the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def times(paths: Paths) -> int:
    """Print each part with its version, source and build time, and how long starts and stops last took."""
    cache, out = Cache(paths.cache), Console(highlight=False)
    if not out.is_terminal:
        out.width = 160
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "version", "built in", "size", "source"):
        table.add_column(heading, justify="right" if heading in ("built in", "size") else "left")
    for part in parts():
        entry = cache.find(part.name, build.key(part)) if build.is_there(part) else None
        missing = "on demand" if part.on_demand else "not built"
        took = duration(entry.seconds) if entry else missing
        size = f"{_size(entry.folder) / 1e6:.0f} MB" if entry else ""
        table.add_row(part.name, part.version, took, size, part.source)
    out.print(table)
    images = [json.loads((folder / RECORD).read_text()) for folder in (paths.cache / "parts").glob("image-*")]
    out.print(f"\n{len(images)} image layers: {duration(sum(image['seconds'] for image in images))}")
    for what, seconds in cache.times().items():
        out.print(f"{what}: {duration(seconds)}")
    return 0

"""The lab's own corner of every cgroup hierarchy.

Pods live under a folder of the lab's name in each hierarchy (or in the one of cgroup v2), so that what the lab made can
be told from what the machine has, and removed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

V2_CONTROLLERS = ("cpuset", "cpu", "memory", "pids", "hugetlb")


def hierarchies(mounts: Path = Path("/proc/self/mounts")) -> list[Path]:
    """Return where cgroup hierarchies are mounted."""
    lines = [line.split() for line in mounts.read_text().splitlines()]
    return [Path(fields[1]) for fields in lines if fields[2] in ("cgroup", "cgroup2")]


def create(name: str) -> None:
    """Make the lab's folder in every hierarchy; the kubelet refuses a root that is not there."""
    for hierarchy in hierarchies():
        control = hierarchy / "cgroup.subtree_control"
        if control.exists():
            # cgroup v2: a folder has only the controllers that its parent hands down.
            for controller in V2_CONTROLLERS:
                with contextlib.suppress(OSError):
                    control.write_text(f"+{controller}")
        (hierarchy / name).mkdir(exist_ok=True)


def left(name: str) -> list[Path]:
    """Return the lab's folders that are still there."""
    return [path for hierarchy in hierarchies() if (path := hierarchy / name).is_dir()]


def _bottom_up(folder: Path) -> Iterator[Path]:
    """Yield a cgroup's descendants and itself, children first."""
    for root, _, _ in os.walk(folder, topdown=False):
        yield Path(root)


def remove(name: str, patience: float = 10.0) -> list[Path]:
    """Remove the lab's cgroups; return those that could not be removed because something still runs in them.

    The kernel needs a moment between the death of the last process and letting go of its cgroup.
    """
    deadline = time.monotonic() + patience
    while True:
        for folder in left(name):
            for path in _bottom_up(folder):
                with contextlib.suppress(OSError):
                    path.rmdir()
        if not left(name) or time.monotonic() > deadline:
            return left(name)
        time.sleep(0.1)

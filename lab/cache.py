"""The build cache: finished things in folders named after a digest of everything that went into them.

An entry appears by one rename, so whatever stands under its final name is whole: an interrupted build leaves only
rubbish under `tmp/`, which the next build sweeps away. Nothing is ever changed in place and nothing is evicted; to
free the space, remove the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORD = "part.json"


def digest(*items: str | bytes) -> str:
    """Return a digest of the items, in which their borders count: ("ab", "c") differs from ("a", "bc")."""
    total = hashlib.sha256()
    for item in items:
        data = item.encode() if isinstance(item, str) else item
        total.update(f"{len(data)}:".encode())
        total.update(data)
    return total.hexdigest()


def digest_folder(folder: Path, *, skip: Callable[[Path], bool] | None = None) -> str:
    """Return a digest of a folder's files: their paths, contents and whether they are executable."""
    items: list[str | bytes] = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(name.startswith((".", "__pycache__")) for name in relative.parts)
        if not path.is_file() or hidden or (skip is not None and skip(relative)):
            continue
        items += [str(relative), "x" if os.access(path, os.X_OK) else "-", path.read_bytes()]
    return digest(*items)


def kept_json(file: Path) -> Any:
    """Return what a file of the lab's own says; None where there is none, or a full disk or a crash has cut it off."""
    try:
        return json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


@dataclass(frozen=True)
class Entry:
    """A finished thing in the cache."""

    folder: Path
    record: Mapping[str, object]

    @property
    def seconds(self) -> float:
        """How long it took to build."""
        value = self.record["seconds"]
        return float(value) if isinstance(value, int | float) else 0.0


@dataclass(frozen=True)
class Cache:
    """The cache folder and what may be done with it."""

    folder: Path

    def path(self, name: str, key: str) -> Path:
        """Return where the entry of that name and key is, or would be."""
        return self.folder / "parts" / f"{name}-{key[:20]}"

    def find(self, name: str, key: str) -> Entry | None:
        """Return the entry, or None where it was not built yet."""
        folder = self.path(name, key)
        record = kept_json(folder / RECORD)
        return None if record is None else Entry(folder, record)

    def build(self, name: str, key: str, make: Callable[[Path], None], **record: object) -> Entry:
        """Return the entry, made by `make` in a temporary folder first where it is missing."""
        found = self.find(name, key)
        if found is not None:
            return found
        temporary = self.folder / "tmp" / f"{name}-{os.getpid()}"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        started = time.monotonic()
        make(temporary)
        content = {"name": name, "key": key, "seconds": round(time.monotonic() - started, 1), **record}
        (temporary / RECORD).write_text(json.dumps(content, indent=1) + "\n")
        final = self.path(name, key)
        final.parent.mkdir(parents=True, exist_ok=True)
        # One whose record was cut off is none.
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
        return Entry(final, content)

    def log(self, name: str) -> Path:
        """Return the path of the log of that part's last build."""
        folder = self.folder / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    @contextlib.contextmanager
    def locked(self, wait: Callable[[], None]) -> Iterator[None]:
        """Hold the cache for one building process; `wait` is called once where another one holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self.folder / "tmp", ignore_errors=True)
            yield

    def times(self) -> dict[str, float]:
        """Return the seconds of the last start (cold and warm), stop and remove on this machine."""
        return kept_json(self.folder / "times.json") or {}

    def note_time(self, what: str, seconds: float) -> None:
        """Remember how long `what` took."""
        times = self.times() | {what: round(seconds, 1)}
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"times-{os.getpid()}.json"
        temporary.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n")
        temporary.rename(self.folder / "times.json")

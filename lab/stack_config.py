"""The lab's stack: its passphrase, its secrets and a working copy of its committed configuration.

`Pulumi.lab.yaml` in the checkout holds no salt and no secret, and must stay as committed. Pulumi wants to write both
into the stack's file. So the lab keeps a copy with both in its data and hands that to Pulumi; `config set` changes the
copy only. When the committed file changes, the copy starts again from it and keeps salt and secret.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError

PROJECT = "dapr-osm"
STACK = "lab"
COMMITTED = f"Pulumi.{STACK}.yaml"
PASSWORD = f"{PROJECT}:redisPassword"
SALT = "encryptionsalt"

Pulumi = Callable[[list[str], Path, str | None], str]
"""Runs Pulumi's CLI: arguments, folder, standard input; returns what it prints."""


def merge(committed: dict[str, Any], keep: dict[str, Any]) -> dict[str, Any]:
    """Return the committed configuration with the salt and the password of `keep`.

    Nothing else of `keep` survives: what a user set in the copy is undone by a change of the committed file.
    """
    merged = {**committed, SALT: keep[SALT]}
    merged["config"] = {**(committed.get("config") or {}), PASSWORD: keep["config"][PASSWORD]}
    return merged


def read(path: Path) -> dict[str, Any]:
    """Return a stack file's content."""
    loaded = yaml.safe_load(path.read_text()) or {}
    if not isinstance(loaded, dict):
        raise LabError(f"{path} is not a stack file: it holds no mapping")
    return loaded


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a stack file at one stroke."""
    temporary = path.with_suffix(".new")
    temporary.touch(mode=0o600)
    temporary.write_text(yaml.safe_dump(content, sort_keys=False))
    temporary.rename(path)


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """The stack's files: the committed one and those in the lab's data."""

    committed: Path
    data: Path

    @property
    def working(self) -> Path:
        """The copy that Pulumi reads and writes."""
        return self.data / COMMITTED

    @property
    def _made_from(self) -> Path:
        """Holds the digest of the committed file that the copy was made from."""
        return self.data / f"{COMMITTED}.source"

    @property
    def _secrets(self) -> Path:
        """The folder in which the stack was made; its stack file holds the first salt and password."""
        return self.data / "stack"

    def create_stack(self, pulumi: Pulumi) -> None:
        """Make the stack with a random password, unless it is made.

        `stack init` writes the salt into the project's folder whatever it is told, so it runs in a folder that holds
        nothing but the project's name. The password reaches Pulumi by standard input, never as an argument.
        """
        done = self._secrets / "done"
        if done.exists():
            return
        shutil.rmtree(self._secrets, ignore_errors=True)
        self._secrets.mkdir(parents=True, mode=0o700)
        (self._secrets / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
        if f'"{STACK}"' in pulumi(["stack", "ls", "--json"], self._secrets, None):
            # An interrupted first try. Without --force this removes no stack that has resources.
            pulumi(["stack", "rm", "--yes", "--stack", STACK], self._secrets, None)
        pulumi(["stack", "init", STACK], self._secrets, None)
        argv = ["config", "set", "--stack", STACK, "--secret", PASSWORD]
        pulumi(argv, self._secrets, secrets.token_urlsafe(24))
        done.touch()

    def refresh(self, say: Callable[[str], None]) -> Path:
        """Return the working copy, made anew where the committed file has changed since it was made."""
        if not self.committed.is_file():
            raise LabError(f"{self.committed.name} is missing from {self.committed.parent}")
        source = hashlib.sha256(self.committed.read_bytes()).hexdigest()
        exists = self.working.exists()
        if exists and self._made_from.exists() and self._made_from.read_text() == source:
            return self.working
        keep = read(self.working) if exists else {}
        if SALT not in keep or PASSWORD not in (keep.get("config") or {}):
            keep = read(self._secrets / COMMITTED)
        write(self.working, merge(read(self.committed), keep))
        self._made_from.write_text(source)
        if exists:
            say(f"{self.committed.name} has changed: the lab's copy starts again from it, keeping salt and password.")
        return self.working

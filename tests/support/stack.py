"""One Pulumi stack of this project, driven through the real CLI as a person would."""

from __future__ import annotations

import copy
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from settings import PROJECT, ROOT

# Longer than any single run should take; a run that hangs must not hang the tests.
SECONDS = 900


class StackError(AssertionError):
    """A run of the CLI ended otherwise than it should have; holds what it printed."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line of a preview.

    Attributes:
        op: create, update, delete, replace, ...
        name: The resource's name.
    """

    op: str
    name: str


@dataclass(kw_only=True)
class Stack:
    """A stack with a config file of its own, outside the checkout.

    Attributes:
        name: The stack's name.
        folder: Where its config file is kept.
        environment: Variables for the CLI: engine, plugins, backend, kubeconfig.
        base: The stack file that its config starts from.
    """

    name: str
    folder: Path
    environment: Mapping[str, str]
    base: Mapping[str, Any]
    config: dict[str, Any] = field(init=False)
    password: str = field(init=False)

    @property
    def file(self) -> Path:
        """The stack's config file."""
        return self.folder / f"Pulumi.{self.name}.yaml"

    def cli(self, *arguments: str, ok: bool | None = True, stdin: str = "", cwd: Path = ROOT) -> str:
        """Run the CLI; its output.

        Args:
            arguments: The command and its flags.
            ok: Whether it must succeed, must fail (False), or either (None).
            stdin: What it may read.
            cwd: Where it runs.
        """
        done = subprocess.run(  # noqa: S603 - the project's own commands
            ["pulumi", "--non-interactive", *arguments],  # noqa: S607 - found through the lab's PATH
            cwd=cwd,
            env={**os.environ, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        said = done.stdout if ok is True and done.returncode == 0 else done.stdout + done.stderr
        if ok is not None and (done.returncode == 0) is not ok:
            raise StackError(f"pulumi {' '.join(arguments)}: exit code {done.returncode}\n{said}")
        return said

    def run(self, command: str, *flags: str, ok: bool | None = True) -> str:
        """Run a command that reads the stack's config."""
        return self.cli(command, "--stack", self.name, "--config-file", str(self.file), *flags, ok=ok)

    def init(self) -> None:
        """Make the stack, or take it up again where an earlier run broke off."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.file.exists():
            # `stack init` writes its salt beside a project file; not beside the checkout's.
            (self.folder / "Pulumi.yaml").write_text(yaml.safe_dump({"name": PROJECT, "runtime": "python"}))
            self.cli("stack", "init", self.name, cwd=self.folder)
        salt = yaml.safe_load(self.file.read_text())["encryptionsalt"]
        self.file.write_text(yaml.safe_dump({"encryptionsalt": salt, "config": dict(self.base)}))
        self.set_password()
        self.config = yaml.safe_load(self.file.read_text())["config"]

    def set_password(self) -> None:
        """Give Redis a new password, with signs in it that a shell or redis.conf would stumble over."""
        self.password = secrets.token_urlsafe(12) + " \"\\'#"
        self.cli(
            *("config", "set", "--secret", "--stack", self.name, "--config-file", str(self.file), "redisPassword"),
            stdin=self.password,
        )

    def configure(self, **values: Any) -> None:
        """Set config values; None takes one back to what the stack started with."""
        content = yaml.safe_load(self.file.read_text())
        for key, value in values.items():
            full = f"{PROJECT}:{key}"
            if value is not None:
                content["config"][full] = value
            elif full in self.config:
                content["config"][full] = self.config[full]
            else:
                content["config"].pop(full, None)
        self.file.write_text(yaml.safe_dump(content))

    @contextmanager
    def apart(self, **values: Any) -> Iterator[Stack]:
        """The same stack with another config, in a file of its own: to be asked beside others what would be done."""
        with tempfile.TemporaryDirectory() as folder:
            other = copy.copy(self)
            other.folder = Path(folder)
            other.file.write_text(self.file.read_text())
            other.configure(**values)
            yield other

    def preview(self, *flags: str) -> set[Step]:
        """What the next ``up`` would do, without what stays and what is only read."""
        plan = json.loads(self.run("preview", "--json", *flags))
        return {
            Step(op=step["op"], name=step["urn"].rsplit("::", 1)[1])
            for step in plan["steps"]
            if step["op"] not in ("same", "read", "discard", "refresh")
        }

    def up(self, ok: bool | None = True) -> str:
        """Bring the stack up, without a second preview."""
        return self.run("up", "--yes", "--skip-preview", ok=ok)

    def destroy(self) -> str:
        """Destroy the stack, as `make down` does: the program runs too, and with it its checks."""
        return self.run("destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs."""
        found: dict[str, Any] = json.loads(self.cli("stack", "output", "--json", "--stack", self.name))
        return found

    def expectation(self) -> str:
        """What the stack's verification goes by, as JSON."""
        return self.cli("stack", "output", "expectation", "--stack", self.name)

    def state(self) -> dict[str, Any]:
        """The stack's whole state, secrets encrypted."""
        found: dict[str, Any] = json.loads(self.cli("stack", "export", "--stack", self.name))
        return found

    def resources(self) -> list[dict[str, Any]]:
        """What the state holds."""
        return list(self.state()["deployment"].get("resources", []))


def committed_config(file: str) -> dict[str, Any]:
    """The config of one of the committed stack files."""
    found: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())["config"]
    return found

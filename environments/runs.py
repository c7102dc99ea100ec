"""Runs of Pulumi on one environment's stack, as CI makes them: nothing is asked, and every run leaves its events.

The CLI is the one on PATH, with whatever it is logged in to. The program runs in this interpreter's environment.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from review.tools import ToolError, full_name, pulumi
from settings.project import PROJECT, ROOT

# Pulumi's own, where --expect-no-changes is not met. Source: sdk/go/common/util/cmdutil/exit.go.
CHANGES: Final = 7
# How many runs back the last deploy is looked for.
HISTORY: Final = "50"
# In the folder of the policies.
PACK: Final = "pack"


class Look(StrEnum):
    """What a run without effect tells."""

    UP = "up"
    """What ``up`` would do."""

    DRIFT = "drift"
    """What on the cluster is not as it was deployed."""

    DESTROY = "destroy"
    """What ``destroy`` would do."""


@dataclass(frozen=True, kw_only=True)
class Update:
    """A run that has deployed.

    Attributes:
        result: How it ended, in Pulumi's word; empty where there was none.
        config: What it has deployed: its settings by key, without those that have something secret in them.
    """

    result: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Cli:
    """Pulumi's CLI on the project.

    Attributes:
        environment: The variables that it runs with.
        policies: The folder of the policies that previews and updates must keep, relative to the project; empty for
            none. It has a policy pack ``pack``, and for each stack that has a say of its own a file ``STACK.json``.
        project: The project's folder.
        flags: What every command that reads the config gets besides; another config file, say.
    """

    environment: Mapping[str, str] = field(repr=False)
    policies: str = ""
    project: Path = ROOT
    flags: Sequence[str] = ()

    def look(self, what: Look, stack: str, into: Path) -> int:
        """Make a preview; its events are the file's lines.

        Args:
            what: Of what.
            stack: The stack.
            into: The file.

        Returns:
            Pulumi's exit code: 0, :data:`CHANGES` for a drift, 1 where it would not be done. What there is of events is
            in the file all the same; of a run that has made none, why.
        """
        into.parent.mkdir(parents=True, exist_ok=True)
        command = {
            Look.UP: ["preview", "--refresh", *self._packs(stack)],
            Look.DRIFT: ["refresh", "--preview-only", "--expect-no-changes"],
            Look.DESTROY: ["destroy", "--preview-only"],
        }[what]
        # Whoever may read this folder may read the job's log: what is secret in the events, the engine has blinded.
        with into.open("w", encoding="utf-8") as events:
            done = pulumi(
                [*command, "--json", "--stack", self._full(stack), *self.flags],
                self.project,
                self._environment(),
                stdout=events,
            )
        print(done.stderr, end="", file=sys.stderr)
        if done.returncode != 0 and _says_nothing(into):
            # It has ended before the engine began, or soon after, and only said why: no such stack, say, a wrong
            # passphrase, or a plugin that can't be started.
            said = done.stderr.strip() or f"pulumi has ended with exit code {done.returncode} and said nothing"
            with into.open("a", encoding="utf-8") as events:
                events.write(f"{json.dumps({'errorEvent': {'error': said}})}\n")
        return done.returncode

    def up(self, stack: str) -> int:
        """Deploy; Pulumi's exit code."""
        return self._run(
            [
                "up",
                "--yes",
                "--skip-preview",
                "--refresh",
                "--stack",
                self._full(stack),
                *self._packs(stack),
                *self.flags,
            ]
        )

    def destroy(self, stack: str) -> int:
        """Destroy; Pulumi's exit code."""
        return self._run(["destroy", "--yes", "--skip-preview", "--stack", self._full(stack), *self.flags])

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs, secret ones as ``[secret]``."""
        found: dict[str, Any] = json.loads(
            self._said("stack", "output", "--json", "--stack", self._full(stack)) or "{}"
        )
        return found

    def last_update(self, stack: str) -> Update:
        """The stack's last deploy; a refresh after it has deployed nothing."""
        runs = json.loads(
            self._said("stack", "history", "--json", "--page-size", HISTORY, "--stack", self._full(stack)) or "[]"
        )
        last: Mapping[str, Any] = next((run for run in runs if run.get("kind") == "update"), {})
        config = {
            key.removeprefix(f"{PROJECT}:"): given.get("objectValue", given["value"])
            for key, given in (last.get("config") or {}).items()
            if key.startswith(f"{PROJECT}:") and "value" in given and not given.get("secret")
        }
        return Update(result=str(last.get("result", "")), config=config)

    def resources(self, stack: str) -> list[str]:
        """The URNs of all that the stack's state has."""
        state = json.loads(self._said("stack", "export", "--stack", self._full(stack)))
        return [str(found["urn"]) for found in (state.get("deployment") or {}).get("resources") or []]

    def _full(self, stack: str) -> str:
        return full_name(stack, self.environment)

    def _packs(self, stack: str) -> list[str]:
        if not self.policies:
            return []
        pack, config = Path(self.policies) / PACK, Path(self.policies) / f"{stack}.json"
        if not (self.project / pack).exists():
            raise ToolError(f"there is no policy pack {pack}: name the folder of the policies, or none")
        own = ["--policy-pack-config", str(config)] if (self.project / config).exists() else []
        return ["--policy-pack", str(pack), *own]

    def _run(self, arguments: Sequence[str]) -> int:
        return pulumi(arguments, self.project, self._environment(), stdout=None, stderr=None).returncode

    def _said(self, *arguments: str) -> str:
        done = pulumi(arguments, self.project, self._environment())
        if done.returncode != 0:
            raise ToolError(f"pulumi {' '.join(arguments[:2])}: {done.stderr.strip()}")
        return done.stdout

    def _environment(self) -> dict[str, str]:
        # A refresh and a destroy run the program too, whose checks refuse another cluster before anything else.
        return {**self.environment, "PULUMI_RUN_PROGRAM": "true"}


def _says_nothing(events: Path) -> bool:
    """Whether a run has ended without an event that says how; one that was killed in the middle of an event has."""
    text = events.read_text(encoding="utf-8", errors="replace")
    told = ('"summaryEvent"', '"errorEvent"', '"severity":"error"')
    return text[-1:] in ("", "\n") and not any(word in text for word in told)

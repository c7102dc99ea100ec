"""A throw-away stack on a file backend, driven through Pulumi's command line as a user drives it."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND_TYPE = "command:local:Command"
PROGRAM = Path(__file__).with_name("program.py")
PROJECT_FILE = "name: command-contract\nruntime: python\n"
# Nothing here takes longer than seconds; a stuck engine must fail the test, not the whole run.
TIMEOUT_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A project folder with the test program, its backend inside, and the environment to run Pulumi in."""

    project: Path
    environment: Mapping[str, str]

    @classmethod
    def create(cls, project: Path, environment: Mapping[str, str]) -> "Stack":
        """Write the project, with a backend of its own, and create its one stack."""
        (project / "state").mkdir()
        (project / "Pulumi.yaml").write_text(PROJECT_FILE, encoding="utf-8")
        shutil.copyfile(PROGRAM, project / "__main__.py")
        backend = {"PULUMI_BACKEND_URL": f"file://{project / 'state'}"}
        stack = cls(project=project, environment={**environment, **backend})
        stack.run("stack", "init", "test")
        return stack

    def declare(self, name: str = "cmd", **entry: object) -> None:
        """Make the program declare exactly one Command; `program.py` says what an entry may hold."""
        (self.project / "commands.json").write_text(json.dumps({name: entry}), encoding="utf-8")

    def declare_nothing(self) -> None:
        """Make the program declare no Command at all."""
        (self.project / "commands.json").write_text("{}", encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pulumi`, its output merged into one pipe."""
        return subprocess.Popen(  # noqa: S603 - the command is this test's own
            self._command(arguments),
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> str:
        """Run `pulumi`, which must succeed, and return its standard output."""
        result = self.attempt(*arguments)
        assert result.returncode == 0, f"pulumi {' '.join(arguments)} failed:\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `pulumi`, whatever comes of it."""
        return subprocess.run(  # noqa: S603 - the command is this test's own
            self._command(arguments),
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def up(self) -> str:
        """Deploy; there is no preview first, so that what ran, ran once."""
        return self.run("up", "--yes", "--skip-preview")

    def destroy(self) -> str:
        """Delete everything from what the state says."""
        return self.run("destroy", "--yes", "--skip-preview")

    def steps(self) -> list[str]:
        """Return what a preview plans for Commands, as the engine names its steps."""
        plan = json.loads(self.run("preview", "--json"))
        return [step["op"] for step in plan["steps"] if f"::{COMMAND_TYPE}::" in step["urn"]]

    def state(self, *flags: str) -> str:
        """Return the whole state as the backend holds it: secrets encrypted, unless a flag says otherwise."""
        return self.run("stack", "export", *flags)

    def commands(self, *flags: str) -> list[dict[str, Any]]:
        """Return the state's Commands."""
        resources = json.loads(self.state(*flags))["deployment"].get("resources", [])
        return [resource for resource in resources if resource["type"] == COMMAND_TYPE]

    def output(self, name: str) -> Any:
        """Return one output of the only Command."""
        (command,) = self.commands()
        return command["outputs"][name]

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        pulumi = shutil.which("pulumi", path=self.environment["PATH"])
        assert pulumi is not None, "the fixture `pulumi_bin` found a pulumi that is gone now"
        return [pulumi, "--non-interactive", "--color", "never", *arguments]

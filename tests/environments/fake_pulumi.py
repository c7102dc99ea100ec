"""A ``pulumi`` on PATH that notes how it is called, and says and does what it is told."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SCRIPT = """\
#!{python}
import json, os, pathlib, sys
folder = pathlib.Path({folder!r})
words = sys.argv[2:]
told = json.loads((folder / "told.json").read_text())
if words[0] == "config" and "config" not in told:
    # Nothing in it is secret, and no test asks who has asked.
    sys.exit(print("{{}}"))
kubeconfig = os.environ.get("KUBECONFIG", "")
call = {{
    "arguments": sys.argv[1:],
    "variables": {{name: value for name, value in os.environ.items() if name.startswith("PULUMI_")}},
    "kubeconfig": pathlib.Path(kubeconfig).read_text() if kubeconfig and os.path.exists(kubeconfig) else None,
    "mode": os.stat(kubeconfig).st_mode & 0o777 if kubeconfig and os.path.exists(kubeconfig) else None,
    "content": os.environ.get("KUBECONFIG_CONTENT"),
}}
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
name = next((name for name in told if words[: len(name.split())] == name.split()), None)
if name is None:
    sys.exit("nobody said what to do: " + " ".join(words))
answers = told[name]
answer = answers[0] if len(answers) == 1 else answers.pop(0)
# The last one holds until another one is told.
answer["given"] = True
(folder / "told.json").write_text(json.dumps(told))
sys.stdout.write(answer["stdout"])
sys.stderr.write(answer["stderr"])
sys.exit(answer["code"])
"""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call.

    Attributes:
        arguments: Its arguments.
        variables: Pulumi's variables.
        kubeconfig: The content of its kubeconfig.
        mode: Who may read that.
        content: What it is told of a kubeconfig's content.
    """

    arguments: Sequence[str]
    variables: dict[str, str]
    kubeconfig: str | None
    mode: int | None
    content: str | None


class FakePulumi:
    """The CLI."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        binary = folder / "bin" / "pulumi"
        binary.parent.mkdir()
        binary.write_text(SCRIPT.format(python=sys.executable, folder=str(folder)))
        binary.chmod(0o755)

    @property
    def environment(self) -> dict[str, str]:
        return {"PATH": os.pathsep.join([str(self.folder / "bin"), os.environ["PATH"]])}

    def says(self, command: str, stdout: str | Sequence[str] = "", code: int = 0, stderr: str = "") -> None:
        """What a command prints and ends with; told several times, one answer after the other."""
        text = stdout if isinstance(stdout, str) else "\n".join(stdout)
        path = self.folder / "told.json"
        told = json.loads(path.read_text()) if path.exists() else {}
        still = [answer for answer in told.get(command, []) if not answer.get("given")]
        path.write_text(json.dumps({**told, command: [*still, {"stdout": text, "stderr": stderr, "code": code}]}))

    @property
    def calls(self) -> list[Call]:
        path = self.folder / "calls"
        return [Call(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def commands(self) -> list[str]:
        """What was done, without flags."""
        return [call.arguments[1] for call in self.calls]

"""Runs the lab's Pulumi on the lab's stack, and nothing else: no other cluster, no other stack's files."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.cache import Entry, kept_json
from lab.commands import heed_interrupts, output
from lab.console import say
from lab.errors import LabError
from lab.node import passphrase
from lab.parts import part
from lab.paths import Paths
from lab.stack_config import COMMITTED, STACK, StackConfig

PLUGINS = ("kubernetes", "command")
"""The resource plugins, whose parts are called `pulumi-resource-NAME`."""

KNOW_CONFIG_FILE = frozenset(
    ("config", "destroy", "down", "dn", "import", "logs", "preview", "pre", "refresh", "up", "update", "watch")
)
"""Sub-commands, with their short names, that take `--config-file`."""

FLAGS_WITH_VALUE = frozenset(
    ("--color", "-C", "--cwd", "--memprofilerate", "--otel-traces", "--profiling", "--tracing", "-v", "--verbose")
)
"""Global flags whose value may stand as an argument of its own before the sub-command."""


LOUDER = ("PULUMI_CONFIG_PASSPHRASE",)
"""Variables that Pulumi would heed before the lab's, and which are therefore kept from it."""


def environment(paths: Paths) -> dict[str, str]:
    """Return the variables that make Pulumi use the lab's engine, state, plugins, passphrase and cluster."""
    path = [str(paths.bin), str(paths.virtual_environment / "bin"), os.environ.get("PATH", os.defpath)]
    return {
        "PATH": os.pathsep.join(path),
        "VIRTUAL_ENV": str(paths.virtual_environment),
        "KUBECONFIG": str(paths.kubeconfig),
        "PULUMI_HOME": str(paths.data / "pulumi"),
        "PULUMI_BACKEND_URL": f"file://{paths.data}/state",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(paths.data / "passphrase"),
        # A destroy and a refresh run the program too, whose checks refuse another cluster before anything is touched.
        "PULUMI_RUN_PROGRAM": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def refuse_other_cluster(paths: Paths) -> None:
    """Raise where KUBECONFIG names another cluster: whoever set it may expect the command to act there."""
    named = os.environ.get("KUBECONFIG")
    if named and Path(named).resolve() != paths.kubeconfig.resolve():
        raise LabError(
            f"KUBECONFIG is {named}, and this command serves only the lab's cluster ({paths.kubeconfig}). "
            "Unset it, or use Pulumi's own CLI as README.md says for a cluster of your own."
        )


def install_plugins(paths: Paths, entries: Mapping[str, Entry]) -> None:
    """Give Pulumi's home the resource plugins, where they are missing or were built anew."""
    home = paths.data / "pulumi"
    home.mkdir(parents=True, exist_ok=True)
    record = home / "lab-plugins.json"
    installed = kept_json(record) or {}
    for name in PLUGINS:
        row = part(f"pulumi-resource-{name}")
        if row.name not in entries:
            say(f"This checkout lacks the source of {row.name}; programs that need that plugin will fail.")
            continue
        folder = entries[row.name].folder
        if installed.get(name) == folder.name:
            continue
        binary = str(folder / "bin" / row.name)
        argv = [str(paths.bin / "pulumi"), "plugin", "install", "resource", name, row.version, "--reinstall"]
        output([*argv, "--file", binary], what=f"Installing Pulumi's plugin {name}", env=environment(paths))
        installed[name] = folder.name
        record.write_text(json.dumps(installed))


def _capture(paths: Paths, arguments: list[str], folder: Path, stdin: str | None) -> str:
    """Return what Pulumi prints, run in a folder of the lab's."""
    argv = [str(paths.bin / "pulumi"), "--non-interactive", *arguments]
    what = f"pulumi {' '.join(arguments[:2])}"
    return output(argv, what=what, cwd=folder, env=environment(paths), without=LOUDER, stdin=stdin)


def prepare(paths: Paths) -> Path:
    """Make state, passphrase and stack where they are missing; return the stack's working configuration."""
    if not (paths.bin / "pulumi").exists():
        raise LabError("The lab has not been started on this machine yet; start it first (`make lab`).")
    (paths.data / "state").mkdir(parents=True, exist_ok=True)
    passphrase(paths.data / "passphrase")
    config = StackConfig(committed=paths.checkout / COMMITTED, data=paths.data)
    config.create_stack(functools.partial(_capture, paths))
    return config.refresh(say)


def with_config_file(arguments: Sequence[str], working: Path) -> list[str]:
    """Return the arguments with the working configuration, where the sub-command knows that option.

    It goes right behind the sub-command, because what follows may be `--` and arbitrary values. A user's own
    `--config-file` or another stack's name stays in force.
    """
    position = _sub_command(arguments)
    given = list(arguments)
    if position is None or given[position] not in KNOW_CONFIG_FILE or _names_another(given):
        return given
    return [*given[: position + 1], "--config-file", str(working), *given[position + 1 :]]


def _sub_command(arguments: Sequence[str]) -> int | None:
    """Return where the sub-command stands among the arguments."""
    skip = False
    for position, argument in enumerate(arguments):
        if skip:
            skip = False
        elif argument in FLAGS_WITH_VALUE:
            skip = True
        elif not argument.startswith("-"):
            return position
    return None


def _names_another(arguments: Sequence[str]) -> bool:
    """Tell whether the arguments name a configuration file or a stack that is not the lab's."""
    for position, argument in enumerate(arguments):
        if argument == "--":
            return False
        name, equals, value = argument.partition("=")
        if name == "--config-file":
            return True
        if name in ("--stack", "-s"):
            chosen = value if equals else "".join(arguments[position + 1 : position + 2])
            return chosen != STACK
    return False


def run(paths: Paths, arguments: Sequence[str]) -> int:
    """Run Pulumi in the checkout on the lab's stack and return its exit code."""
    refuse_other_cluster(paths)
    python = paths.virtual_environment / "bin" / "python"
    if not python.exists():
        raise LabError(f"{paths.virtual_environment} is missing: make the project's virtual environment first.")
    argv = [str(paths.bin / "pulumi"), *with_config_file(arguments, prepare(paths))]
    env = {name: value for name, value in os.environ.items() if name not in LOUDER}
    env |= environment(paths) | {"PULUMI_STACK": STACK}
    heed_interrupts()
    return subprocess.run(argv, cwd=paths.checkout, env=env, check=False).returncode  # noqa: S603 - the user's command

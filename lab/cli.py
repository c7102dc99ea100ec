"""The lab's command line, which the Makefile calls: `python -m lab COMMAND`."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Collection, Sequence

from lab import cluster, preflight, pulumi, report
from lab.cache import Cache
from lab.console import duration, say
from lab.errors import LabError
from lab.parts import dapr_versions
from lab.paths import Paths, default_paths


def start(paths: Paths, dapr: Collection[str] = ()) -> int:
    """Start the cluster (building what is missing) and wait until it is ready."""
    cluster.start(paths, dapr)
    say(f"The lab runs. kubeconfig: {paths.kubeconfig}")
    return 0


def stop(paths: Paths) -> int:
    """Stop everything; a later start gives the same cluster with its objects."""
    say("The lab is stopped; its data is kept." if cluster.stop(paths) else "The lab was not running.")
    return 0


def remove(paths: Paths) -> int:
    """Stop everything and remove all but the build cache."""
    say("The lab is removed; the build cache is kept." if cluster.remove(paths) else "There was no lab.")
    return 0


def kubeconfig(paths: Paths) -> int:
    """Print the path of the lab's kubeconfig."""
    print(paths.kubeconfig)
    return 0


def config_file(paths: Paths) -> int:
    """Print the path of the stack file that the lab's Pulumi works with."""
    print(pulumi.prepare(paths))
    return 0


def check(paths: Paths) -> int:
    """Say whether this machine can run the lab."""
    if cluster.status(paths) is None:
        preflight.require(paths)
        say("This machine can run the lab.")
    else:
        say("The lab runs on this machine.")
    return 0


def build_all(paths: Paths, dapr: Collection[str] = ()) -> int:
    """Build what is missing, and start nothing."""
    preflight.require_to_build(paths)
    entries, _ = cluster.prepare(paths, dapr)
    total = sum(entry.seconds for entry in entries.values())
    say(f"Everything is built, in {Cache(paths.cache).folder}; all of it together took {duration(total)}.")
    return 0


def show_environment(paths: Paths) -> int:
    """Print the variables of Pulumi's environment for a shell: eval "$(python -m lab env)"."""
    for name, value in pulumi.environment(paths).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def up(paths: Paths) -> int:
    """Start the cluster, run `pulumi up` on it and print the stack's outputs."""
    pulumi.refuse_other_cluster(paths)
    start(paths)
    return pulumi.run(paths, ["up", "--yes", "--refresh"]) or pulumi.run(paths, ["stack", "output"])


def recover(paths: Paths) -> int:
    """Bring the stack back after a run that was interrupted, however: nothing is asked."""
    pulumi.refuse_other_cluster(paths)
    start(paths)
    # Without a run that holds the stack there is nothing to cancel, which is no failure.
    pulumi.run(paths, ["cancel", "--yes"])
    # What a killed run was about to make carries the stack's mark, and the `up` takes it over: nothing is to be asked.
    cleared = pulumi.run(paths, ["refresh", "--yes", "--skip-preview", "--clear-pending-creates"])
    return cleared or pulumi.run(paths, ["up", "--yes"]) or pulumi.run(paths, ["stack", "output"])


def down(paths: Paths) -> int:
    """Run `pulumi destroy`; the cluster goes on running."""
    pulumi.refuse_other_cluster(paths)
    if cluster.status(paths) is None:
        raise LabError("The lab is not running; start it first (`make lab`), so that Pulumi can remove what it made.")
    return pulumi.run(paths, ["destroy", "--yes", "--skip-preview"])


COMMANDS: dict[str, Callable[[Paths], int]] = {
    "start": start,
    "stop": stop,
    "remove": remove,
    "status": report.status,
    "kubeconfig": kubeconfig,
    "config-file": config_file,
    "times": report.times,
    "up": up,
    "down": down,
    "recover": recover,
    "env": show_environment,
    "preflight": check,
    "build": build_all,
}

WITH_RELEASES: dict[str, Callable[[Paths, Collection[str]], int]] = {"start": start, "build": build_all}
"""What those commands do where they are given Dapr releases."""


def main(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; what the user can mend is told in one message."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="The lab: a real cluster and Pulumi's engine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        command = commands.add_parser(name, help=function.__doc__)
        if name in WITH_RELEASES:
            releases = ", ".join(dapr_versions())
            command.add_argument(
                "--dapr",
                action="append",
                metavar="VERSION",
                help=f"with this Dapr release too, of {releases}; may be given several times",
            )
    passed = commands.add_parser("pulumi", help="Run Pulumi on the lab's stack: python -m lab pulumi -- ARGS...")
    passed.add_argument("arguments", nargs=argparse.REMAINDER)
    # Everything behind `pulumi` is Pulumi's, options included.
    given = parser.parse_args(arguments)
    try:
        paths = default_paths()
        if given.command == "pulumi":
            rest = given.arguments[1:] if given.arguments[:1] == ["--"] else given.arguments
            return pulumi.run(paths, rest)
        if getattr(given, "dapr", None):
            return WITH_RELEASES[given.command](paths, given.dapr)
        return COMMANDS[given.command](paths)
    except LabError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        # A full disk, or a folder that is somebody else's.
        mend = " Run the same command as root." if isinstance(error, PermissionError) else ""
        print(f"The lab can't go on: {error}.{mend}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. What is built stays built; the same command goes on from here.", file=sys.stderr)
        return 130

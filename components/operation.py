"""Commands that run this project's own Python: ``operations/``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi_command import local

# Relative to the project, so that a destroy from another checkout finds its own interpreter.
PYTHON = ".venv/bin/python"


def operation(
    name: str,
    *,
    create: str,
    delete: str | None = None,
    environment: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """A Command that runs ``python -m operations <create>``.

    Its inputs say all it needs but how to reach the cluster; that it finds in the environment of the
    Pulumi command line, as the Kubernetes provider does. A change of its inputs runs ``create`` again.

    Args:
        name: The resource's name.
        create: The operation to run when it is created or its inputs change.
        delete: The operation to run when it is deleted, if any. It runs from the state, and sees what
            ``create`` printed.
        environment: The operation's arguments.
        opts: Its parent and dependencies.
    """
    return local.Command(
        name,
        create=create,
        delete=delete,
        interpreter=[PYTHON, "-m", "operations"],
        environment=dict(environment),
        # Progress and causes come on stderr; stdout is the result, which is an output already.
        logging=local.Logging.STDERR,
        opts=opts,
    )


def result_of(command: local.Command) -> pulumi.Output[dict[str, Any]]:
    """What an operation printed, as plain lists and dictionaries."""

    def parsed(stdout: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(stdout)
        return found

    return command.stdout.apply(parsed)

"""Commands that run this project's own Python: ``steps/``."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi_command import local

from components.connection import Connection
from model.arguments import Arguments

# The launcher finds the interpreter that the project's packages are installed for, wherever a destroy runs later.
PYTHON: Final = "python" if os.name == "nt" else "python3"
LAUNCHER: Final = "launch.py"


def operation(
    name: str,
    *,
    connection: Connection,
    create: str,
    delete: str | None = None,
    arguments: pulumi.Input[Arguments],
    again_with: Mapping[str, pulumi.Input[str]] | None = None,
    remembers: bool = False,
    opts: pulumi.ResourceOptions,
) -> local.Command:
    """A Command that runs ``python -m steps <create>`` on the stack's cluster, and refuses any other.

    A change of its inputs runs ``create`` again.

    Args:
        name: The resource's name.
        connection: The cluster; by its identity and the context it is reached by.
        create: The operation to run when it is created or its inputs change.
        delete: The operation to run when it is deleted, if any. It runs from the state, with the same arguments.
        arguments: The operation's arguments, for its standard input.
        again_with: Fingerprints of what it depends on beside them, as environment variables: a change of one runs
            ``create`` again.
        remembers: Whether ``create`` is told what it printed last; that goes by the environment, which is small.
        opts: Its parent and dependencies.
    """
    reached = {
        "OPERATION_CLUSTER": connection.cluster,
        "OPERATION_CONTEXT": connection.context or "",
        "OPERATION_STACK": connection.owner.stack,
    }
    return local.Command(
        name,
        create=create,
        delete=delete,
        interpreter=[PYTHON, LAUNCHER],
        environment={**reached, **(again_with or {})},
        stdin=pulumi.Output.from_input(arguments).apply(lambda given: given.to_json()),
        add_previous_output_in_env=remembers,
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

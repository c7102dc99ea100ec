"""What the stack's own state says is deployed, read by the running program through Pulumi's engine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pulumi

from cluster.errors import OperationError

TOKEN: Final = "pulumi:pulumi:readStackResourceOutputs"  # noqa: S105 - an invoke's name
COMMAND: Final = "command:local:Command"
NOTED: Final = "cluster-noted"

TRIES: Final = 20
PAUSE: Final = 0.25
"""Seconds between two tries."""

Key = tuple[str, str, str]
"""Kind, namespace ("" for none), name."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What is in the state, before this run.

    Attributes:
        cluster: The UID of the cluster that the stack is on, or None where no ``up`` has noted it yet.
        objects: The UIDs of all Kubernetes objects that the stack has made, by kind, namespace and name. What it has
            only written into, such as a team's namespace, is somebody else's.
        joined: Names of the namespaces that it has written into.
        commands: What each Command printed, by its name.
        steps: What each Command was told and printed, by its name.
        releases: Names of Helm releases, which only earlier versions of this program made.
    """

    cluster: str | None
    objects: Mapping[Key, str]
    commands: Mapping[str, str]
    steps: Mapping[str, Mapping[str, Any]]
    releases: tuple[str, ...]
    joined: frozenset[str] = field(default_factory=frozenset)


def read() -> Deployed:
    """Read the running stack's state; nothing where it has none yet.

    Raises:
        OperationError: The engine can't read it, also when asked several times.
    """
    answer = _answer(f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}")
    return parse((answer or {}).get("outputs") or {})


def _answer(stack: str) -> Any:
    # A backend of files writes what describes a state's file in place, and the engine saves the state while the
    # program begins: a read in that moment finds an empty file.
    for tries_left in reversed(range(TRIES)):
        try:
            return pulumi.runtime.invoke(TOKEN, {"stackName": stack}).value
        except Exception as error:
            if not tries_left:
                raise OperationError(
                    f"the state of the stack {stack} could not be read, so nothing was touched: {error}. "
                    "Run it again; if it stays, `pulumi stack export` says whether the backend can be read at all."
                ) from error
            time.sleep(PAUSE)
    raise AssertionError("the last try returns or raises")


def parse(resources: Mapping[str, Any]) -> Deployed:
    """Sort what the engine answers: by URN, a resource's type and outputs."""
    commands = dict(_commands(resources))
    noted = commands.get(NOTED)
    return Deployed(
        cluster=None if noted is None else str(json.loads(noted)["cluster"]),
        objects=dict(_objects(resources)),
        commands=commands,
        steps={_name(urn): found.get("outputs") or {} for urn, found in resources.items() if found["type"] == COMMAND},
        releases=tuple(
            _name(urn) for urn, found in resources.items() if found["type"] == "kubernetes:helm.sh/v3:Release"
        ),
        joined=frozenset(name for (kind, _, name), _ in _objects(resources, patched=True) if kind == "Namespace"),
    )


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _commands(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for urn, found in resources.items():
        stdout = (found.get("outputs") or {}).get("stdout")
        if found["type"] == COMMAND and isinstance(stdout, str):
            yield _name(urn), stdout


def _objects(resources: Mapping[str, Any], *, patched: bool = False) -> Iterator[tuple[Key, str]]:
    """What was made, or what was written into, with its UID."""
    for found in resources.values():
        if str(found["type"]).endswith("Patch") is not patched:
            continue
        outputs = found.get("outputs") or {}
        metadata, kind = outputs.get("metadata"), outputs.get("kind")
        if isinstance(metadata, Mapping) and isinstance(kind, str) and "uid" in metadata:
            yield (kind, str(metadata.get("namespace") or ""), str(metadata["name"])), str(metadata["uid"])

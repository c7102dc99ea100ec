"""What the stack's own state says is deployed, read by the running program through Pulumi's engine."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi

TOKEN: Final = "pulumi:pulumi:readStackResourceOutputs"  # noqa: S105 - an invoke's name
COMMAND: Final = "command:local:Command"
NOTED: Final = "cluster-noted"

Key = tuple[str, str, str]
"""Kind, namespace ("" for none), name."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What is in the state, before this run.

    Attributes:
        cluster: The UID of the cluster that the stack is on, or None where no ``up`` has noted it yet.
        objects: The UIDs of all Kubernetes objects of the stack, by kind, namespace and name.
        commands: What each Command printed, by its name.
        releases: Names of Helm releases, which only earlier versions of this program made.
    """

    cluster: str | None
    objects: Mapping[Key, str]
    commands: Mapping[str, str]
    releases: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was deployed yet."""
        return not self.objects and not self.commands


def read() -> Deployed:
    """Read the running stack's state; nothing where it has none yet."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    answer: Any = pulumi.runtime.invoke(TOKEN, {"stackName": name}).value
    return parse((answer or {}).get("outputs") or {})


def parse(resources: Mapping[str, Any]) -> Deployed:
    """Sort what the engine answers: by URN, a resource's type and outputs."""
    commands = dict(_commands(resources))
    noted = commands.get(NOTED)
    return Deployed(
        cluster=None if noted is None else str(json.loads(noted)["cluster"]),
        objects=dict(_objects(resources)),
        commands=commands,
        releases=tuple(
            _name(urn) for urn, found in resources.items() if found["type"] == "kubernetes:helm.sh/v3:Release"
        ),
    )


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _commands(resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for urn, found in resources.items():
        stdout = (found.get("outputs") or {}).get("stdout")
        if found["type"] == COMMAND and isinstance(stdout, str):
            yield _name(urn), stdout


def _objects(resources: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    for found in resources.values():
        outputs = found.get("outputs") or {}
        metadata, kind = outputs.get("metadata"), outputs.get("kind")
        if isinstance(metadata, Mapping) and isinstance(kind, str) and "uid" in metadata:
            yield (kind, str(metadata.get("namespace") or ""), str(metadata["name"])), str(metadata["uid"])

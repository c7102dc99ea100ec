"""What tests look at of a graph, and how they compare two."""

from __future__ import annotations

import json
from typing import Any, Final

from model.expectation import Expectation
from tests.support.kubectl import OUTBOUND_PORTS

from .recording import Graph, Recorded

PODS: Final = ("hello-nodeapp", "hello-pythonapp")
PORT_LIST: Final = OUTBOUND_PORTS


def annotations_of(graph: Graph, pod: str = "hello-nodeapp") -> dict[str, str]:
    """The annotations of a Deployment's pods."""
    result: dict[str, str] = graph[pod].inputs["spec"]["template"]["metadata"]["annotations"]
    return result


def container_of(graph: Graph, pod: str = "hello-nodeapp") -> dict[str, Any]:
    """The one container of a Deployment's pods."""
    (container,) = graph[pod].inputs["spec"]["template"]["spec"]["containers"]
    return dict(container)


def environment(graph: Graph, command: str) -> dict[str, Any]:
    """The arguments of a Command."""
    return dict(graph[command].inputs["environment"])


def traffic(graph: Graph) -> dict[str, Any]:
    """What is written into the MeshConfig."""
    result: dict[str, Any] = graph["exclusions-patch"].inputs["spec"]["traffic"]
    return result


def outputs(graph: Graph, component: str) -> dict[str, Any]:
    """What a component registered."""
    return dict(graph.components[component].outputs or {})


def digests(graph: Graph) -> dict[str, Any]:
    """The components' fingerprints, by their names."""
    return {name: given["digest"] for name in graph.components for given in [outputs(graph, name)] if "digest" in given}


def covers(graph: Graph) -> str:
    """What makes a verification run again."""
    return str(environment(graph, "verification-run")["OPERATION_COVERS"])


def expected_by(graph: Graph) -> Expectation:
    """What the verification is given to look for."""
    return Expectation.from_json(environment(graph, "verification-run")["OPERATION_EXPECTATION"])


def declared_policies(graph: Graph) -> list[str]:
    """What the withdrawal is told to leave alone."""
    result: list[str] = json.loads(environment(graph, "smi-withdraw")["OPERATION_DECLARED"])
    return result


def excluded(graph: Graph, where: str) -> list[tuple[int, str]]:
    """Ports and Services of one of the lists in the stack output ``exclusions``."""
    return [(row["port"], row["service"]) for row in graph.stack_outputs["exclusions"][where]]


def changed(one: Graph, other: Graph) -> set[str]:
    """Names of the resources of both graphs whose inputs differ."""
    return {name for name in one.resources if name in other and one[name].inputs != other[name].inputs}


def differing(one: Any, other: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Paths of the mappings' values that differ, or that only one side has."""
    if isinstance(one, dict) and isinstance(other, dict):
        return {
            found
            for key in one.keys() | other.keys()
            for found in differing(one.get(key, ...), other.get(key, ...), (*path, key))
        }
    return set() if one == other else {path}


def identity(one: Recorded) -> tuple[Any, ...]:
    """What a resource can't change and stay the same one."""
    metadata = one.inputs.get("metadata", {})
    return (
        one.urn,
        one.parent,
        one.provider,
        one.object_name,
        metadata.get("namespace"),
        one.inputs.get("namespace"),
        one.inputs.get("triggers"),
        one.inputs.get("spec", {}).get("selector"),
        one.delete_before_replace,
        one.replace_on_changes,
    )

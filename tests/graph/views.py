"""What tests look at of a graph, and how they compare two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

from model.exclusions import DECLARED_ANNOTATION
from model.expectation import Expectation
from tests.support.kubectl import OUTBOUND_PORTS

from .recording import STACK, Graph, Recorded

PODS: Final = ("hello-nodeapp-pods", "hello-pythonapp-pods")
PORT_LIST: Final = OUTBOUND_PORTS
# What every object of the stack carries, and what every Command of it is told.
MARK: Final = {"dapr-osm/stack": STACK}
FORCE: Final = {"pulumi.com/patchForce": "true"}
IN_ONE_STEP: Final = {"pulumi.com/deletionPropagationPolicy": "background"}
SKIP_AWAIT: Final = {"pulumi.com/skipAwait": "true"}
OWN_WAIT: Final = {"pulumi.com/waitFor": "jsonpath={.status.observedGeneration}"}
REACHED: Final = ("OPERATION_CLUSTER", "OPERATION_CONTEXT", "OPERATION_STACK")


def owned(
    name: str | None,
    namespace: str | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Metadata of an object of the stack's own."""
    return {
        **({"name": name} if name else {}),
        **({"namespace": namespace} if namespace else {}),
        "labels": {**(labels or {}), **MARK},
        "annotations": {**(annotations or {}), **FORCE},
    }


def fingerprint(value: Any) -> str:
    """What a fingerprint is: half of a SHA-256's half, of JSON without blanks and with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def annotations_of(graph: Graph, pod: str = "hello-nodeapp-pods") -> dict[str, str]:
    """The annotations of a Deployment's pods."""
    result: dict[str, str] = graph[pod].inputs["spec"]["template"]["metadata"]["annotations"]
    return result


def container_of(graph: Graph, pod: str = "hello-nodeapp-pods") -> dict[str, Any]:
    """The one container of a Deployment's pods."""
    (container,) = graph[pod].inputs["spec"]["template"]["spec"]["containers"]
    return dict(container)


def arguments(graph: Graph, command: str) -> dict[str, Any]:
    """The arguments of a Command."""
    found: dict[str, Any] = json.loads(graph[command].inputs["stdin"])
    return found


def again_with(graph: Graph, command: str) -> dict[str, Any]:
    """What else makes a Command run again, but for how the cluster is reached and whose it is."""
    return {key: value for key, value in graph[command].inputs["environment"].items() if key not in REACHED}


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
    return str(again_with(graph, "verification-run")["OPERATION_COVERS"])


def expected_by(graph: Graph) -> Expectation:
    """What the verification is given to look for."""
    return Expectation.from_json(graph["verification-run"].inputs["stdin"])


def declared_policies(graph: Graph) -> list[str]:
    """What the withdrawal is told to leave alone."""
    result: list[str] = arguments(graph, "smi-withdraw")["declared"]
    return result


def excluded(graph: Graph, where: str) -> list[tuple[int, str]]:
    """Ports and Services of one of the lists in the stack output ``exclusions``."""
    return [(row["port"], row["service"]) for row in graph.stack_outputs["exclusions"][where]]


def own(graph: Graph, names: Iterable[str] | None = None) -> set[str]:
    """Names of the resources (or of some of them) that are not objects of a chart."""
    return {name for name in (graph.resources if names is None else names) if "-chart/" not in name}


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
    if path[-1:] == ("stdin",) and isinstance(one, str) and isinstance(other, str):
        return differing(json.loads(one), json.loads(other), path)
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


def without_note(graph: Graph) -> dict[str, Any]:
    """What the MeshConfig is patched with, but for the note of what is declared, which must say the same."""
    inputs: dict[str, Any] = json.loads(json.dumps(graph["exclusions-patch"].inputs))
    note = json.loads(inputs["metadata"]["annotations"].pop(DECLARED_ANNOTATION))
    assert note == (graph.components["exclusions"].outputs or {})["exclusions"]
    return inputs

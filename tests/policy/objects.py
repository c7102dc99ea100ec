"""Objects for the rules, each as small as it can be."""

from __future__ import annotations

from typing import Any

from policy.found import Asked, Found, NotKnown
from policy.objects import Object, Path
from policy.rules import RULES

SAFE = {"runAsNonRoot": True}
MARKED = frozenset[Path]()


def thing(
    kind: str, name: str = "one", namespace: Any = "shop", marked: frozenset[Path] = MARKED, **body: Any
) -> Object:
    """An object of any kind."""
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return Object(
        body={"kind": kind, "metadata": metadata, **body}, marked=marked, urn=f"urn:{kind}/{namespace}/{name}"
    )


def pods(
    *containers: dict[str, Any],
    kind: str = "Deployment",
    name: str = "app",
    annotations: Any = None,
    marked: frozenset[Path] = MARKED,
    **spec: Any,
) -> Object:
    """A workload with these containers."""
    made = [{"name": "main", "image": "ghcr.io/dapr/daprd:1", "securityContext": SAFE, **one} for one in containers]
    template = {"metadata": {"annotations": annotations}, "spec": {"containers": made, **spec}}
    return thing(kind, name, marked=marked, spec={"template": template})


def mesh_config(**traffic: Any) -> Object:
    """The mesh's settings."""
    return thing("MeshConfig", "osm-mesh-config", "osm-system", spec={"traffic": traffic})


def results(rule: str, item: Object, *before: Object, **parameters: Any) -> list[Found | NotKnown]:
    """What a rule says of an object."""
    declared = RULES[rule]
    return list(declared.of_object(Asked(item=item, before=before, parameters={**declared.defaults, **parameters})))


def wrongs(rule: str, item: Object, *before: Object, **parameters: Any) -> list[str]:
    """What is wrong with it by that rule."""
    return [one.wrong for one in results(rule, item, *before, **parameters) if isinstance(one, Found)]


def unknowns(rule: str, item: Object, *before: Object, **parameters: Any) -> list[Path]:
    """What that rule could not ask."""
    return [one.path for one in results(rule, item, *before, **parameters) if isinstance(one, NotKnown)]

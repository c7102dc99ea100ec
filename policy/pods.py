"""What pods may do on their node, and what stands in the clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from model.telling import TELLING
from policy.found import Asked, Found, NotKnown, found, not_known
from policy.objects import UNKNOWN, Container, Object, containers, listed, pod_path, pod_spec

HOST: Final = ("hostNetwork", "hostPID", "hostIPC")


def privileged(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item, spec = asked.item, pod_spec(asked.item)
    path = pod_path(item) or ()
    if spec is UNKNOWN:
        yield not_known(item, *path, "spec")
        return
    if not isinstance(spec, Mapping):
        return
    for key in HOST:
        if spec.get(key) is True:
            yield found(item, f"{key} lets its pods into the node's own namespaces. Remove it")
    for volume in listed(spec.get("volumes")):
        if isinstance(volume, Mapping) and volume.get("hostPath"):
            yield found(item, f"volume {volume.get('name', '?')} is a folder of the node. Use another kind of volume")
    for container in containers(item):
        for wrong in _context(container):
            yield found(item, f"container {container.name} {wrong}")


def _context(container: Container) -> Iterator[str]:
    own, pods = _mapping(container.body.get("securityContext")), _mapping(container.pod.get("securityContext"))
    if own.get("privileged") is True:
        yield "is privileged: it is root on the node. Remove privileged"
    if own.get("allowPrivilegeEscalation") is True:
        yield "may gain rights that it was not started with. Set allowPrivilegeEscalation to false"
    added = _mapping(own.get("capabilities")).get("add")
    if listed(added):
        yield f"adds the capabilities {', '.join(map(str, listed(added)))}. Drop ALL, add none"
    user, non_root = (own.get(key, pods.get(key)) for key in ("runAsUser", "runAsNonRoot"))
    if user is UNKNOWN or non_root is UNKNOWN:
        return
    if user == 0:
        yield "runs as root (runAsUser 0). Give it another user"
    elif user is None and non_root is not True:
        yield "may run as root: whether it does is the image's choice. Set runAsNonRoot to true"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def secrets(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item = asked.item
    for container in containers(item):
        for name in _in_the_clear(container.body.get("env")):
            yield found(
                item,
                f"variable {name} of container {container.name} has its value in the clear, for whoever may read pods. "
                "Take it from a Secret (valueFrom)",
            )
    if item.kind == "Secret":
        yield from _unmarked(item)
    if item.kind == "Component":
        for name in _in_the_clear(item.at("spec", "metadata")):
            yield found(
                item,
                f"{name} stands in it in the clear, for whoever may read Components. Take it from a Secret "
                "(secretKeyRef)",
            )
    if item.kind == "ConfigMap":
        data = item.at("data")
        for key, value in data.items() if isinstance(data, Mapping) else ():
            if TELLING.search(str(key)) and value:
                yield found(item, f"{key} stands in a ConfigMap. Put it into a Secret")


def _in_the_clear(entries: Any) -> Iterator[str]:
    """Names that tell of a secret, of those of a list's entries that have their value beside them."""
    for entry in listed(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if isinstance(name, str) and TELLING.search(name) and entry.get("value"):
            yield name


def _unmarked(item: Object) -> Iterator[Found]:
    for key in ("data", "stringData"):
        values = item.at(key)
        if not isinstance(values, Mapping):
            continue
        # Of a state whose secrets can't be opened, Pulumi hands on that word.
        bare = [
            name
            for name, value in values.items()
            if value and value not in (UNKNOWN, "[secret]") and not item.is_marked((key, name))
        ]
        if bare:
            yield found(
                item,
                f"{', '.join(map(str, bare))} of its {key} is no secret to Pulumi, so it stands in the clear in the "
                "state, in previews and in logs. Make it a pulumi.Output.secret",
            )

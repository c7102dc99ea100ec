"""What pods may do on their node, and what stands in the clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from model.telling import PRIVATE_KEY, TELLING, given, is_handed
from policy.found import Asked, Found, NotKnown, found, not_known
from policy.objects import UNKNOWN, Container, Object, containers, listed, pod_path, pod_spec

HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
HOST_FOLDERS: Final = ("hostPath", "local")


def privileged(asked: Asked) -> Iterator[Found | NotKnown]:
    """The rule."""
    item, spec = asked.item, pod_spec(asked.item)
    path = pod_path(item) or ()
    if item.kind == "PersistentVolume" and any(item.at("spec", key) for key in HOST_FOLDERS):
        yield found(item, "it is a folder of the node. Use another kind of volume")
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
        for port in listed(container.body.get("ports")):
            if isinstance(port, Mapping) and port.get("hostPort"):
                yield found(
                    item, f"container {container.name} takes the node's own port {port['hostPort']}. Use a Service"
                )
        for wrong in _context(container):
            yield found(item, f"container {container.name} {wrong}")


def _context(container: Container) -> Iterator[str]:
    own, pods = _mapping(container.body.get("securityContext")), _mapping(container.pod.get("securityContext"))
    if any(_mapping(some.get("windowsOptions")).get("hostProcess") is True for some in (own, pods)):
        yield "is a process of the node (hostProcess). Remove it"
    if own.get("privileged") is True:
        yield "is privileged: it is root on the node. Remove privileged"
    if own.get("allowPrivilegeEscalation") is True:
        yield "may gain rights that it was not started with. Set allowPrivilegeEscalation to false"
    added = _mapping(own.get("capabilities")).get("add")
    if listed(added):
        yield f"adds the capabilities {', '.join(map(str, listed(added)))}. Drop ALL, add none"
    # To Kubernetes, null is as if it were not there.
    user, non_root = (pods.get(key) if own.get(key) is None else own[key] for key in ("runAsUser", "runAsNonRoot"))
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
        for name in _in_words([*listed(container.body.get("command")), *listed(container.body.get("args"))]):
            yield found(
                item,
                f"{name} stands in the clear in what container {container.name} is started with, for whoever may read "
                "pods. Take it from a Secret, by a variable",
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
        for key in _mapping(item.at("binaryData")):
            if TELLING.search(str(key)):
                yield found(item, f"{key} stands in a ConfigMap. Put it into a Secret")
        for key, value in _mapping(item.at("data")).items():
            if TELLING.search(str(key)) and value:
                yield found(item, f"{key} stands in a ConfigMap. Put it into a Secret")
            else:
                for name in _told_in(value):
                    yield found(item, f"{name} stands in {key} of a ConfigMap. Put that into a Secret")


def _in_the_clear(entries: Any) -> Iterator[str]:
    """Names that tell of a secret, of those of a list's entries that have their value beside them."""
    for entry in listed(entries):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        value = entry.get("value") if isinstance(entry, Mapping) else None
        if isinstance(name, str) and value and (TELLING.search(name) or any(_told_in(value))):
            yield name


def _in_words(words: Sequence[Any]) -> Iterator[str]:
    """Options that tell of a secret and are given it, after a = or as the next word. A whole script is none."""
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if is_handed(word, following):
            yield word.lstrip("-")
        elif isinstance(word, str) and len(word.split()) == 1:
            yield from _told_in(word)


def _told_in(text: Any) -> Iterator[str]:
    """Names that tell of a secret, of those that a text gives a value; but for its comments."""
    if not isinstance(text, str):
        return
    if _is_private_key(text):
        yield "a private key"
    lines = (line for line in text.splitlines() if not line.lstrip().startswith(("#", "//")))
    yield from dict.fromkeys(given("\n".join(lines)))


def _is_private_key(value: Any) -> bool:
    return isinstance(value, str) and PRIVATE_KEY.search(value) is not None


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

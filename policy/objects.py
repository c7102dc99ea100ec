"""What a rule looks at: one object of the stack, as the program declares it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from model.chart import CLUSTER_WIDE

Path = tuple[str | int, ...]
"""Where something stands in an object: keys and indexes."""


class Unknown:
    """A value that a preview does not know yet; ``up`` asks again when it does."""

    def __repr__(self) -> str:
        """What it is."""
        return "not known yet"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True, kw_only=True)
class Object:
    """A Kubernetes object.

    Attributes:
        body: All of it, with :data:`UNKNOWN` where a preview does not know a value.
        marked: Where in it are values that Pulumi knows to be secret.
        urn: Its resource's URN, or empty.
    """

    body: Mapping[str, Any]
    marked: frozenset[Path] = frozenset()
    urn: str = ""

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body.get("kind", ""))

    @property
    def name(self) -> str | Unknown:
        """Its name."""
        return _word(self.at("metadata", "name"))

    @property
    def namespace(self) -> str | Unknown:
        """Its namespace, or empty."""
        return _word(self.at("metadata", "namespace"))

    @property
    def title(self) -> str:
        """Kind, namespace and name, as the review writes them; what is not known is a question mark."""
        return title(self.kind, self.namespace, self.name)

    def at(self, *path: str | int) -> Any:
        """What stands there: None for nothing, :data:`UNKNOWN` where it or something around it is not known."""
        value: Any = self.body
        for part in path:
            if value is UNKNOWN:
                return UNKNOWN
            if isinstance(part, int):
                value = value[part] if isinstance(value, list) and part < len(value) else None
            else:
                value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def is_marked(self, path: Path) -> bool:
        """Whether Pulumi knows that what stands there is secret."""
        return any(path[:length] in self.marked for length in range(len(path) + 1))

    def quoted(self, path: Path, value: object) -> str:
        """A value in a message: nothing that is secret is ever in one."""
        return "a secret value" if self.is_marked(path) else f'"{value}"'


def title(kind: str, namespace: str | Unknown, name: str | Unknown) -> str:
    """What an object is called, in messages and exceptions."""
    if kind in CLUSTER_WIDE or not namespace:
        return f"{kind} {_shown(name)}"
    return f"{kind} {_shown(namespace)}/{_shown(name)}"


def _shown(name: str | Unknown) -> str:
    return "?" if isinstance(name, Unknown) else name


def _word(value: Any) -> str | Unknown:
    return UNKNOWN if value is UNKNOWN else str(value or "")


def is_called(given: str, called: str) -> bool:
    """Whether an exception's object is this one; a namespace or name that is not known yet may be any."""
    if given == called:
        return True
    one, other = _parts(given), _parts(called)
    return len(one) == len(other) and all(a == b or b == "?" for a, b in zip(one, other, strict=True))


def _parts(called: str) -> list[str]:
    kind, _, rest = called.partition(" ")
    return [kind, *rest.split("/")]


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a pod.

    Attributes:
        body: All of it.
        path: Where it stands.
        pod: The pod's spec around it.
    """

    body: Mapping[str, Any]
    path: Path
    pod: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body.get("name", "?"))


POD_SPECS: Final[Mapping[str, Path]] = {
    "Pod": (),
    "PodTemplate": ("template",),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    **dict.fromkeys(
        ("DaemonSet", "Deployment", "Job", "ReplicaSet", "ReplicationController", "StatefulSet"), ("spec", "template")
    ),
}
"""Where the pods of a kind stand."""

CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")


def pod_path(item: Object) -> Path | None:
    """Where an object says what its pods are, or None where it has none."""
    return POD_SPECS.get(item.kind)


def pod_spec(item: Object) -> Any:
    """The spec of an object's pods: None where it has none, :data:`UNKNOWN` where it is not known."""
    path = pod_path(item)
    return None if path is None else item.at(*path, "spec")


def containers(item: Object) -> Iterator[Container]:
    """Every container of an object's pods that is known."""
    path, spec = pod_path(item), pod_spec(item)
    if path is None or not isinstance(spec, Mapping):
        return
    for key in CONTAINERS:
        for number, body in enumerate(listed(spec.get(key))):
            if isinstance(body, Mapping):
                yield Container(body=body, path=(*path, "spec", key, number), pod=spec)


def listed(value: Any) -> Sequence[Any]:
    """A list, or nothing where there is none or it is not known."""
    return value if isinstance(value, list) else ()


def unknowns(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where values are not known yet."""
    if value is UNKNOWN:
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from unknowns(inner, (*path, str(key)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from unknowns(inner, (*path, number))


def of_kind(objects: Iterable[Object], *kinds: str) -> Iterator[Object]:
    """Those of these kinds."""
    return (item for item in objects if item.kind in kinds)

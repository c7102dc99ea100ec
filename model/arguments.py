"""What a step is handed, declared once: the components write it, the steps read it.

It goes by standard input, as JSON. An environment variable holds no more than 128 kB on Linux, which an expectation
of some forty apps used to pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError

from model.policies import Call


class ArgumentsError(ValueError):
    """A text that is not the JSON of these arguments; the message says where, in one line."""


class Strict:
    """A part of arguments: what it does not declare is an error, and so is another type."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)


class Arguments(Strict):
    """One step's arguments."""

    def to_json(self) -> str:
        """As text that :meth:`from_json` reads back."""
        return json.dumps(TypeAdapter(type(self)).dump_python(self, mode="json"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            ArgumentsError: It is something else.
        """
        try:
            return TypeAdapter(cls).validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ArgumentsError(f"{where}: {first['msg']}" if where else first["msg"]) from error


Names = tuple[str, ...]
"""Names of objects."""
NamesByKind = Mapping[str, Names]
"""Names of objects, by the plural of their kind."""


@dataclass(frozen=True, kw_only=True)
class ClusterNote(Arguments):
    """``note-cluster``, ``sweep``.

    Attributes:
        keep: Whether what others use stays when the stack goes.
    """

    keep: bool


@dataclass(frozen=True, kw_only=True)
class RuntimeObjects(Arguments):
    """``record-runtime``, ``remove-runtime``: the objects that one control plane makes by itself.

    Attributes:
        namespace: Its own namespace; custom resources in there are its own too.
        definitions: Names of CustomResourceDefinitions.
        cluster_wide: Names of further cluster-wide objects, by plural.
        namespaced: Names of objects in its namespace, by plural; a name may end with ``*``.
        keep: Whether they stay when the stack goes.
    """

    namespace: str
    definitions: Names
    cluster_wide: NamesByKind
    namespaced: NamesByKind
    keep: bool = False


@dataclass(frozen=True, kw_only=True)
class Definitions(Arguments):
    """``note-definitions``, ``check-definitions``.

    Attributes:
        namespace: The namespace of the control plane that brings them.
        definitions: Names of the CustomResourceDefinitions that go with the stack.
        keep: Whether they stay when the stack goes.
    """

    namespace: str
    definitions: Names
    keep: bool


@dataclass(frozen=True, kw_only=True)
class Teardown(Arguments):
    """``note-teardown``, ``check-teardown``: what of a stack matters to others.

    Attributes:
        dapr_namespace: Dapr's namespace.
        osm_namespace: OSM's namespace, or None where there is no mesh.
        definitions: The CustomResourceDefinitions that go with the stack, by the namespace of their control plane.
        namespaces: The namespaces that go with it.
        existing: Those that stay, and that the stack itself has joined to the mesh.
        keep: Whether what others use stays when the stack goes.
    """

    dapr_namespace: str
    osm_namespace: str | None
    definitions: NamesByKind
    namespaces: Names
    existing: Names = ()
    keep: bool


@dataclass(frozen=True, kw_only=True)
class InjectorPause(Arguments):
    """``pause-injector``.

    Attributes:
        namespace: Dapr's namespace.
        release: The release of Dapr that comes.
    """

    namespace: str
    release: str


@dataclass(frozen=True, kw_only=True)
class MeshParts(Strict):
    """What OSM makes by itself before there is a mesh.

    Attributes:
        mesh_config: Name of its MeshConfig.
        crds: The CRDs that osm-bootstrap creates.
        record: What ``record-runtime`` printed.
    """

    mesh_config: str
    crds: Names
    record: str


@dataclass(frozen=True, kw_only=True)
class ControlPlaneWait(Arguments):
    """``await-injector``, ``await-mesh``, ``withdraw-webhooks``.

    Attributes:
        namespace: The control plane's namespace.
        webhooks: Its webhook configurations, by plural; they go before it does.
        keep: Whether they stay when the stack goes.
        seconds: How long to wait until it is ready.
        mesh: What else there has to be where it is OSM's.
    """

    namespace: str
    webhooks: NamesByKind
    keep: bool
    seconds: int
    mesh: MeshParts | None = None


@dataclass(frozen=True, kw_only=True)
class InjectionWait(Arguments):
    """``await-injection``.

    Attributes:
        images: By namespace, an image that apps use there.
        sidecars: Names of the containers that injectors add.
        pull_secret: Name of the Secret that apps pull with, or "".
        served_by: Namespaces of the control planes that the injectors are of.
        seconds: How long to wait for all of them.
    """

    images: Mapping[str, str]
    sidecars: Names
    pull_secret: str
    served_by: Names = ()
    seconds: int


@dataclass(frozen=True, kw_only=True)
class WorkloadsWait(Arguments):
    """``await-workloads``, ``await-apps``.

    Attributes:
        workloads: What makes the pods, each as kind, namespace and name.
        served_by: Namespaces of control planes that these pods need: all of the stack's there has to be ready as well.
        seconds: How long to wait for all of them.
    """

    workloads: tuple[tuple[str, str, str], ...]
    served_by: tuple[str, ...] = ()
    seconds: int


@dataclass(frozen=True, kw_only=True)
class ServicesWanted(Arguments):
    """``look-up-services``.

    Attributes:
        services: As ``namespace/name``.
    """

    services: Names


@dataclass(frozen=True, kw_only=True)
class DeclaredPolicies(Arguments):
    """``withdraw-policies``.

    Attributes:
        namespaces: Where the stack's SMI objects are.
        declared: Those that stay, as ``Kind/namespace/name``.
    """

    namespaces: Names
    declared: Names


@dataclass(frozen=True, kw_only=True)
class AllowedCalls(Arguments):
    """``revoke-calls``.

    Attributes:
        calls: The calls that policies allow now.
        apps: The namespace of every app, by app id.
    """

    calls: tuple[Call, ...]
    apps: Mapping[str, str]

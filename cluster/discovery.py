"""The kinds that a cluster serves, its own and everybody's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cluster.errors import ApiError

# All at once, from Kubernetes 1.26 on; an older API server answers with the plain list of groups instead.
AGGREGATED: Final = ",".join(
    [
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
        "application/json",
    ]
)
PLAIN: Final = "application/json"

Ask = Callable[[str, str], str]
"""Asks for a path, in a form."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A kind in one version.

    Attributes:
        group: Its API group; "" for the core's.
        version: The version.
        plural: Its name in paths.
        kind: Its name in objects.
        namespaced: Whether its objects live in namespaces.
        verbs: What can be done with it.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]

    @property
    def group_version(self) -> str:
        """As in an object's ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Where its objects are: all of them, those of a namespace, or one."""
        parts = ["/apis" if self.group else "/api", self.group_version]
        parts += ["namespaces", namespace] if namespace else []
        parts += [self.plural, *([name] if name else [])]
        return "/".join(parts)


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What a cluster serves.

    Attributes:
        resources: Every kind in all its versions, the preferred one of each group first. No subresources.
        broken: The groups' versions that do not answer, as those of an APIService whose server is away.
    """

    resources: tuple[Resource, ...]
    broken: tuple[str, ...]


def discover(ask: Ask) -> Discovery:
    """Every kind that a cluster serves.

    Raises:
        ApiError: The API server does not even list its groups.
    """
    resources: list[Resource] = []
    broken: list[str] = []
    for root in ("/api", "/apis"):
        answer = json.loads(ask(root, AGGREGATED))
        if answer.get("kind") == "APIGroupDiscoveryList":
            found = _aggregated(answer)
        else:
            found = ((version, _listed(ask, root, version)) for version in _versions(answer))
        for version, kinds in found:
            if kinds is None:
                broken.append(version)
            else:
                resources += kinds
    return Discovery(resources=tuple(resources), broken=tuple(broken))


def _aggregated(answer: Mapping[str, Any]) -> Iterator[tuple[str, list[Resource] | None]]:
    for item in answer.get("items") or []:
        group = item["metadata"].get("name", "")
        for version in item.get("versions") or []:
            name = version["version"]
            kinds = [
                Resource(
                    group=group,
                    version=name,
                    plural=kind["resource"],
                    kind=kind["responseKind"]["kind"],
                    namespaced=kind["scope"] == "Namespaced",
                    verbs=tuple(kind.get("verbs") or ()),
                )
                for kind in version.get("resources") or []
                # One that has subresources only has no kind of its own.
                if (kind.get("responseKind") or {}).get("kind")
            ]
            stale = version.get("freshness") == "Stale"
            yield f"{group}/{name}" if group else name, None if stale else kinds


def _versions(answer: Mapping[str, Any]) -> list[str]:
    """All groups' versions, of a plain list of groups or of the core's versions; preferred ones first."""
    found = list(answer.get("versions") or []) if "groups" not in answer else []
    for group in answer.get("groups") or []:
        preferred = (group.get("preferredVersion") or {}).get("groupVersion")
        versions = [version["groupVersion"] for version in group.get("versions") or []]
        found += sorted(versions, key=lambda version: version != preferred)
    return found


def _listed(ask: Ask, root: str, group_version: str) -> list[Resource] | None:
    """The kinds of one version; None where it does not answer."""
    try:
        answer = json.loads(ask(f"{root}/{group_version}", PLAIN))
    except (ApiError, ValueError):
        return None
    group, _, version = group_version.rpartition("/")
    return [
        Resource(
            group=group,
            version=version,
            plural=kind["name"],
            kind=kind["kind"],
            namespaced=kind["namespaced"],
            verbs=tuple(kind.get("verbs") or ()),
        )
        for kind in answer.get("resources") or []
        if "/" not in kind["name"]
    ]

"""Where kinds of objects live on the API server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from cluster.discovery import Resource

CRDS: Final = "customresourcedefinitions"
# Cluster-wide kinds that an operation works on by name.
PATHS: Final = {
    CRDS: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "clusterroles": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}
# OSM's kinds, in the version that it stores them in.
OSM_VERSION: Final = {"config.openservicemesh.io": "v1alpha2"}
# Plurals that no rule makes of a kind.
PLURALS: Final = {"Endpoints": "endpoints"}


def plural_of(kind: str) -> str:
    """The plural, lower-case name of a kind, as it stands in a path."""
    if kind in PLURALS:
        return PLURALS[kind]
    lower = kind.lower()
    if lower.endswith(("s", "x", "ch")):
        return f"{lower}es"
    return f"{lower[:-1]}ies" if lower.endswith("y") and lower[-2] not in "aeiou" else f"{lower}s"


def path_of(api_version: str, kind: str, namespace: str | None, name: str = "") -> str:
    """The path of an object, or of the list of its kind."""
    base = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{base}{where}/{plural_of(kind)}" + (f"/{name}" if name else "")


def namespaced_path(resource: str, namespace: str) -> str:
    """The list of a namespaced kind: a plural of the core group, or ``plural.group`` of OSM's."""
    plural, _, group = resource.partition(".")
    base = f"/apis/{group}/{OSM_VERSION[group]}" if group else "/api/v1"
    return f"{base}/namespaces/{namespace}/{plural}"


def listing_of(definition: Mapping[str, Any]) -> str | None:
    """The path that lists all objects of a CustomResourceDefinition; None where no version is served.

    Any version that is served shows all objects; the stored one is asked, since it needs no conversion.
    """
    spec = definition["spec"]
    served = [version for version in spec["versions"] if version["served"]]
    chosen = next((version for version in served if version.get("storage")), served[0] if served else None)
    return None if chosen is None else f"/apis/{spec['group']}/{chosen['name']}/{spec['names']['plural']}"


def preferred(resources: Iterable[Resource]) -> list[Resource]:
    """Each kind once, in the version that its group prefers."""
    return list({(item.group, item.plural): item for item in reversed(list(resources))}.values())[::-1]

"""A cluster in memory: objects by path, and what was deleted or patched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from operations.cluster import ApiError, Cluster, Object

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MUTATING: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class FakeCluster(Cluster):
    """Answers like an API server, without one: only the transport of the real client is replaced.

    Attributes:
        objects: Every object, by its path.
        deleted: Paths that were deleted, in order.
        patched: Paths that were patched, each with its field manager and its patch, in order.
        requests: Every request, as method and path.
        container_logs: Log lines by ``namespace/pod/container``.
    """

    def __init__(self, objects: Mapping[str, Object] | None = None) -> None:
        self.objects: dict[str, Object] = dict(objects or {})
        self.deleted: list[str] = []
        self.patched: list[tuple[str, str, Object]] = []
        self.requests: list[tuple[str, str]] = []
        self.container_logs: dict[str, list[str]] = {}

    def add(self, path: str, **content: Any) -> None:
        """Put an object there; its name and namespace follow from its path."""
        parts = path.split("/")
        metadata = {"name": parts[-1], **content.pop("metadata", {})}
        if "namespaces" in parts[:-2]:
            metadata["namespace"] = parts[parts.index("namespaces") + 1]
        self.objects[path] = {"metadata": metadata, **content}

    def add_crd(
        self, name: str, kind: str, versions: Iterable[Object] | None = None, *, established: bool = True
    ) -> None:
        """Put a CustomResourceDefinition there."""
        plural, _, group = name.partition(".")
        self.add(
            f"{CRDS}/{name}",
            spec={
                "group": group,
                "names": {"kind": kind, "plural": plural},
                "versions": list(versions or [{"name": "v1", "served": True, "storage": True}]),
            },
            status={"conditions": [{"type": "Established", "status": str(established)}]},
        )

    def request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> str:
        self.requests.append((method, path))
        if method == "DELETE":
            self._delete(path)
            return "{}"
        if method == "PATCH":
            return self._patch(path, query or {}, body)
        if path in self.objects:
            return json.dumps(self.objects[path])
        if path.endswith("/log"):
            return self._log(path, query or {})
        items = self._listed(path, query or {})
        if not items and path.rpartition("/")[0] and self._is_object(path):
            raise ApiError(method, path, 404, '{"message": "not found"}')
        return json.dumps({"items": items})

    def _delete(self, path: str) -> None:
        if path not in self.objects:
            raise ApiError("DELETE", path, 404, '{"message": "not found"}')
        gone = self.objects.pop(path)
        self.deleted.append(path)
        if path.startswith(CRDS):
            # As on a real cluster, a definition takes its objects along.
            for own in self._of_definition(gone):
                del self.objects[own]

    def _patch(self, path: str, query: Mapping[str, Any], patch: Object) -> str:
        if path not in self.objects:
            raise ApiError("PATCH", path, 404, '{"message": "not found"}')
        self.patched.append((path, str(query.get("fieldManager", "")), patch))
        self.objects[path] = _merged(self.objects[path], patch)
        return json.dumps(self.objects[path])

    def _of_definition(self, definition: Object) -> list[str]:
        group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        return [p for p in self.objects if p.startswith(f"/apis/{group}/") and p.split("/")[-2] == plural]

    def _is_object(self, path: str) -> bool:
        # Collections end in a plural, which in these tests is the only kind of last part that ends in "s" after
        # an even number of parts below the API's version.
        below = path.split("/")[4:] if path.startswith("/apis/") else path.split("/")[3:]
        return len(below) % 2 == 0

    def _listed(self, path: str, query: Mapping[str, Any]) -> list[Object]:
        start, _, plural = path.rpartition("/")
        return [
            item
            for where, item in self.objects.items()
            if where.startswith(f"{start}/") and where.split("/")[-2] == plural and _selected(item, query)
        ]

    def _log(self, path: str, query: Mapping[str, Any]) -> str:
        parts = path.split("/")
        key = f"{parts[4]}/{parts[6]}/{query['container']}"
        if key not in self.container_logs:
            raise ApiError("GET", path, 400, '{"message": "container is waiting to start"}')
        return "\n".join(self.container_logs[key])


def _merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _selected(item: Object, query: Mapping[str, Any]) -> bool:
    labels = item["metadata"].get("labels", {})
    for wanted in filter(None, query.get("labelSelector", "").split(",")):
        key, _, value = wanted.partition("=")
        if labels.get(key) != value:
            return False
    for wanted in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = wanted.partition("=")
        if item.get(key) != value:
            return False
    return True

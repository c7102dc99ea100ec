"""A cluster in memory: objects by path, and what was made, changed and deleted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cluster.client import PATCHES, Cluster, Object
from cluster.errors import ApiError

CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MUTATING: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
VALIDATING: Final = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
KUBE_SYSTEM: Final = "/api/v1/namespaces/kube-system"
# Kinds that are questions: who am I, and may I.
REVIEWS: Final = ("/selfsubjectaccessreviews", "/selfsubjectreviews")

# What every API server serves, by group and version: plural, kind, and whether it is in a namespace.
SERVED: Final[Mapping[str, Sequence[tuple[str, str, bool]]]] = {
    "v1": [
        ("configmaps", "ConfigMap", True),
        ("endpoints", "Endpoints", True),
        ("events", "Event", True),
        ("namespaces", "Namespace", False),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
        ("pods", "Pod", True),
        ("secrets", "Secret", True),
        ("serviceaccounts", "ServiceAccount", True),
        ("services", "Service", True),
    ],
    "admissionregistration.k8s.io/v1": [
        ("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", False),
        ("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", False),
    ],
    "apiextensions.k8s.io/v1": [("customresourcedefinitions", "CustomResourceDefinition", False)],
    "apps/v1": [
        ("controllerrevisions", "ControllerRevision", True),
        ("daemonsets", "DaemonSet", True),
        ("deployments", "Deployment", True),
        ("replicasets", "ReplicaSet", True),
        ("statefulsets", "StatefulSet", True),
    ],
    "batch/v1": [("cronjobs", "CronJob", True), ("jobs", "Job", True)],
    "coordination.k8s.io/v1": [("leases", "Lease", True)],
    "discovery.k8s.io/v1": [("endpointslices", "EndpointSlice", True)],
    "rbac.authorization.k8s.io/v1": [
        ("clusterroles", "ClusterRole", False),
        ("rolebindings", "RoleBinding", True),
        ("roles", "Role", True),
    ],
}
# Served too, and less can be done with it: subresources, what can only be listed, and what can only be created.
SERVED_TOO: Final[Mapping[str, Sequence[Object]]] = {
    "v1": [
        {"name": "pods/log", "kind": "Pod", "namespaced": True, "verbs": ["get", "list"]},
        {"name": "componentstatuses", "kind": "ComponentStatus", "namespaced": False, "verbs": ["get", "list"]},
        {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
    ],
    "apps/v1": [{"name": "deployments/scale", "kind": "Scale", "namespaced": True, "verbs": ["get", "list"]}],
}


class FakeCluster(Cluster):
    """Answers like an API server, without one: only the transport of the real client is replaced.

    Attributes:
        objects: Every object, by its path.
        deleted: Paths that were deleted, in order.
        patched: Paths that were patched, each with its field manager and its patch, in order.
        created: Paths that were created by a POST, in order.
        applied: Paths that were applied, each with its query, in order.
        dry_runs: What was posted as a dry run, as path and body, in order.
        requests: Every request but these, as method and path.
        refused_with: The status that a method of a path is refused with.
        container_logs: Log lines by ``namespace/pod/container``, those of the container before by ``…/previous``.
        uid_of_kube_system: Which cluster it is.
        version: Its release.
    """

    def __init__(self, objects: Mapping[str, Object] | None = None, uid: str = "this-cluster") -> None:
        self.objects: dict[str, Object] = dict(objects or {})
        self.deleted: list[str] = []
        self.patched: list[tuple[str, str, Object]] = []
        self.created: list[str] = []
        self.applied: list[tuple[str, Mapping[str, Any]]] = []
        self.dry_runs: list[tuple[str, Object]] = []
        self.requests: list[tuple[str, str]] = []
        self.refused_with: dict[tuple[str, str], int] = {}
        self.container_logs: dict[str, list[str]] = {}
        self.uid_of_kube_system = uid
        self.version = "v1.36.5"

    @property
    def server(self) -> str:
        return "https://fake.example:6443"

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Every request that was no look, as method and path."""
        return [(method, path) for method, path in self.requests if method != "GET" and not path.endswith(REVIEWS)]

    def allows(self, asked: Mapping[str, Any]) -> bool:
        """Whether this user may do what a SelfSubjectAccessReview asks; everything here."""
        del asked
        return True

    def add(self, path: str, **content: Any) -> None:
        """Put an object there; its name and namespace follow from its path."""
        parts = path.split("/")
        metadata = {"name": parts[-1], "uid": f"uid of {path}", **content.pop("metadata", {})}
        if "namespaces" in parts[:-2]:
            metadata["namespace"] = parts[parts.index("namespaces") + 1]
        self.objects[path] = {"metadata": metadata, **content}

    def add_crd(
        self,
        name: str,
        kind: str,
        versions: Iterable[Object] | None = None,
        *,
        established: bool = True,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Put a CustomResourceDefinition there."""
        plural, _, group = name.partition(".")
        self.add(
            f"{CRDS}/{name}",
            metadata={"labels": dict(labels)} if labels else {},
            spec={
                "group": group,
                "names": {"kind": kind, "plural": plural},
                "versions": list(versions or [{"name": "v1", "served": True, "storage": True}]),
            },
            status={"conditions": [{"type": "Established", "status": str(established)}]},
        )

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        accept: str = "",
        content: str | None = None,
    ) -> str:
        answer = self._answer(method, path, query or {}, body, content)
        # Metadata alone, where only that is asked for.
        if "PartialObjectMetadataList" in accept:
            return json.dumps({"items": [{"metadata": item["metadata"]} for item in json.loads(answer)["items"]]})
        return json.dumps({"metadata": json.loads(answer)["metadata"]}) if "PartialObject" in accept else answer

    def _answer(self, method: str, path: str, query: Mapping[str, Any], body: Any, content: str | None) -> str:
        if method == "POST" and query.get("dryRun") == "All":
            return self._try(path, body)
        self.requests.append((method, path))
        if status := self.refused_with.get((method, path)):
            raise ApiError(method, path, status, '{"message": "no"}')
        if method == "DELETE":
            self._check_uid(path, ((body or {}).get("preconditions") or {}).get("uid"))
            self._delete(path)
            return "{}"
        if method == "POST":
            return self._post(path, body)
        if method == "PATCH" and content == PATCHES["apply"]:
            return self._apply(path, query, body)
        if method == "PATCH":
            return self._patch(path, query, body)
        return self._get(path, query)

    def _get(self, path: str, query: Mapping[str, Any]) -> str:
        if path in self.objects:
            return json.dumps(self.objects[path])
        if path == KUBE_SYSTEM:
            return json.dumps({"metadata": {"name": "kube-system", "uid": self.uid_of_kube_system}})
        if path == "/version":
            return json.dumps({"gitVersion": self.version})
        if path.endswith("/log"):
            return self._log(path, query)
        if (discovered := self._discovered(path)) is not None:
            return json.dumps(discovered)
        if self._is_object(path):
            raise ApiError("GET", path, 404, '{"message": "not found"}')
        return json.dumps({"items": self._listed(path, query)})

    def _discovered(self, path: str) -> Object | None:
        """What the API server says of itself; None where the path asks for something else."""
        served = self._served()
        if path == "/api":
            return {"versions": [group_version for group_version in served if "/" not in group_version]}
        if path == "/apis":
            groups: dict[str, list[str]] = {}
            for group_version in served:
                if "/" in group_version:
                    groups.setdefault(group_version.partition("/")[0], []).append(group_version)
            return {
                "groups": [
                    {
                        "name": name,
                        # Stable ones go first, and newer ones before older ones: v2, v1, v2alpha1, v1alpha1.
                        "versions": [{"groupVersion": version} for version in _by_priority(versions)],
                        "preferredVersion": {"groupVersion": _by_priority(versions)[0]},
                    }
                    for name, versions in groups.items()
                ]
            }
        group_version = path.removeprefix("/apis/") if path.startswith("/apis/") else path.removeprefix("/api/")
        if group_version not in served:
            return None
        listed = [
            {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get", "list", "delete"]}
            for plural, kind, namespaced in served[group_version]
        ]
        return {"resources": [*listed, *SERVED_TOO.get(group_version, [])]}

    def _served(self) -> dict[str, list[tuple[str, str, bool]]]:
        served = {group_version: list(listed) for group_version, listed in SERVED.items()}
        for path, item in self.objects.items():
            if path.startswith(f"{CRDS}/") and "spec" in item:
                spec = item["spec"]
                for version in spec["versions"]:
                    if version["served"]:
                        listed = served.setdefault(f"{spec['group']}/{version['name']}", [])
                        listed.append((spec["names"]["plural"], spec["names"]["kind"], True))
        return served

    def _post(self, path: str, body: Object) -> str:
        if path.endswith(REVIEWS[0]):
            spec = body["spec"]
            asked = spec.get("resourceAttributes") or spec["nonResourceAttributes"]
            return json.dumps({"status": {"allowed": self.allows(asked)}})
        if path.endswith(REVIEWS[1]):
            return json.dumps({"status": {"userInfo": {"username": "somebody"}}})
        where = f"{path}/{body['metadata']['name']}"
        if where in self.objects:
            raise ApiError("POST", path, 409, '{"message": "already exists"}')
        self.add(where, **json.loads(json.dumps(body)))
        self.created.append(where)
        return json.dumps(self.objects[where])

    def _try(self, path: str, body: Object) -> str:
        """What would come of a POST; a test may refuse it."""
        self.dry_runs.append((path, body))
        if (said := self.admits(path, body)) is not None:
            raise ApiError("POST", path, 403, json.dumps({"message": said}))
        return json.dumps(body)

    def admits(self, path: str, body: Object) -> str | None:
        """Why a dry run would be refused; everything is taken here."""
        del path, body
        return None

    def _apply(self, path: str, query: Mapping[str, Any], body: Object) -> str:
        self.applied.append((path, query))
        if query.get("dryRun") == "All" and (said := self.admits(path, body)) is not None:
            raise ApiError("PATCH", path, 403, json.dumps({"message": said}))
        after: Object = _merged(self.objects.get(path, {}), body)
        if query.get("dryRun") != "All":
            self.objects[path] = after
        return json.dumps(after)

    def _check_uid(self, path: str, uid: str | None) -> None:
        if uid and path in self.objects and uid != self.objects[path]["metadata"].get("uid"):
            raise ApiError("DELETE", path, 409, '{"message": "Precondition failed: UID in precondition"}')

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
        key = f"{parts[4]}/{parts[6]}/{query['container']}{'/previous' if query.get('previous') else ''}"
        if key not in self.container_logs:
            raise ApiError("GET", path, 400, '{"message": "container is waiting to start"}')
        return "\n".join(self.container_logs[key])


def _by_priority(group_versions: Iterable[str]) -> list[str]:
    return sorted(group_versions, key=lambda version: ("alpha" not in version, "beta" not in version, version))[::-1]


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
    labels = item["metadata"].get("labels") or {}
    for wanted in filter(None, query.get("labelSelector", "").split(",")):
        key, is_valued, value = wanted.partition("=")
        if labels.get(key) != value if is_valued else key not in labels:
            return False
    for wanted in filter(None, query.get("fieldSelector", "").split(",")):
        key, _, value = wanted.partition("=")
        found = item
        for part in key.rstrip("!").split("."):
            found = found.get(part, "") if isinstance(found, dict) else ""
        if (found == value) is key.endswith("!"):
            return False
    return True


class InjectingCluster(FakeCluster):
    """A cluster with a controller that makes the one pod of a ReplicaSet, and injectors that add to it.

    Attributes:
        outcomes: What comes of one ReplicaSet after the other; the last one of all that follow. Names of sidecars that
            its pod gets, or the message with which the pod is refused, or None where the controller does nothing.
        as_init_containers: Whether sidecars are init containers that go on.
    """

    def __init__(self, *outcomes: Sequence[str] | None) -> None:
        super().__init__()
        self.outcomes = list(outcomes)
        self.as_init_containers = False

    def _post(self, path: str, body: Object) -> str:
        answer = super()._post(path, body)
        if path.endswith("/replicasets"):
            self._reconcile(f"{path}/{body['metadata']['name']}")
        return answer

    def _reconcile(self, path: str) -> None:
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if outcome is None:
            return
        replica_set = self.objects[path]
        if isinstance(outcome, str):
            failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": outcome}
            replica_set["status"] = {"conditions": [failure]}
            return
        template, name = replica_set["spec"]["template"], replica_set["metadata"]["name"]
        spec, labels = json.loads(json.dumps(template["spec"])), dict(template["metadata"]["labels"])
        if self.as_init_containers:
            spec["initContainers"] = [{"name": sidecar, "restartPolicy": "Always"} for sidecar in outcome]
        else:
            spec["containers"] += [{"name": sidecar} for sidecar in outcome]
        namespace = replica_set["metadata"]["namespace"]
        if "envoy" in outcome:
            labels["osm-proxy-uuid"] = f"proxy-of-{name}"
            self.add(f"/api/v1/namespaces/{namespace}/secrets/envoy-bootstrap-config-proxy-of-{name}")
        self.add(
            f"/api/v1/namespaces/{namespace}/pods/{name}-x",
            metadata={"labels": labels, "ownerReferences": [{"kind": "ReplicaSet", "name": name}]},
            spec=spec,
        )

"""Objects of other people on the same cluster, one of every kind that the stack has too, and a few beside."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from tests.support.kubectl import Kubectl

THEIRS: Final = "somebody-else"
OWNED: Final = {"owner": THEIRS}

Object = dict[str, Any]


def _object(api: str, kind: str, name: str, namespace: str | None = THEIRS, **rest: Any) -> Object:
    metadata = {"name": name, "labels": dict(OWNED)} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def _pod() -> Object:
    """A pod's template that nothing runs: its scheduler does not exist."""
    return {
        "metadata": {"labels": {"app": THEIRS}},
        "spec": {"schedulerName": "nobody", "containers": [{"name": "theirs", "image": "theirs/app:1"}]},
    }


def _webhook(kind: str) -> Object:
    return _object(
        "admissionregistration.k8s.io/v1",
        kind,
        THEIRS,
        None,
        webhooks=[
            {
                "name": "theirs.example.com",
                "clientConfig": {"url": "https://127.0.0.1:1/never"},
                "failurePolicy": "Ignore",
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "rules": [
                    {"apiGroups": ["example.com"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["*"]}
                ],
            }
        ],
    )


def objects() -> list[Object]:
    """All of them, in the order in which they can be made."""
    selector = {"matchLabels": {"app": THEIRS}}
    account = [{"kind": "ServiceAccount", "name": THEIRS, "namespace": THEIRS}]
    group, rbac = "rbac.authorization.k8s.io", "rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}]
    ports = [{"port": 80}]
    return [
        _object("v1", "Namespace", THEIRS, None),
        _object("v1", "ServiceAccount", THEIRS),
        _object("v1", "Secret", "dapr-trust-bundle", stringData={"theirs": "untouched"}),
        _object("v1", "ConfigMap", "dapr-trust-bundle", data={"theirs": "untouched"}),
        _object("v1", "Service", "nodeapp", spec={"selector": {"app": THEIRS}, "ports": ports}),
        _object("apps/v1", "Deployment", "nodeapp", spec={"selector": selector, "template": _pod()}),
        _object(
            "apps/v1", "StatefulSet", "redis", spec={"serviceName": "redis", "selector": selector, "template": _pod()}
        ),
        _object(rbac, "Role", "secret-reader", rules=rules),
        _object(
            rbac,
            "RoleBinding",
            "dapr-secret-reader",
            roleRef={"apiGroup": group, "kind": "Role", "name": "secret-reader"},
            subjects=account,
        ),
        _object(rbac, "ClusterRole", THEIRS, None, rules=rules),
        _object(
            rbac,
            "ClusterRoleBinding",
            THEIRS,
            None,
            roleRef={"apiGroup": group, "kind": "ClusterRole", "name": THEIRS},
            subjects=account,
        ),
        definition("widgets.example.com", "Widget", version="v1"),
        _object("example.com/v1", "Widget", THEIRS, spec={"size": 1}),
        _webhook("MutatingWebhookConfiguration"),
        _webhook("ValidatingWebhookConfiguration"),
    ]


def dapr_workload() -> list[Object]:
    """A Dapr app of somebody else's, which needs this stack's control planes; no node takes its pods."""
    pod = {"metadata": {"annotations": {"dapr.io/enabled": "true", "dapr.io/app-id": "theirs"}, "labels": {"a": "b"}}}
    spec = {"nodeSelector": {"no": "where"}, "containers": [{"name": "app", "image": "theirs/app:1"}]}
    template = {**pod, "spec": spec}
    return [
        _object("apps/v1", "DaemonSet", "app", spec={"selector": {"matchLabels": {"a": "b"}}, "template": template})
    ]


def definition(name: str, kind: str, *, version: str = "v1alpha1", labels: Mapping[str, str] = OWNED) -> Object:
    """A definition of somebody else's, with a content of its own: anything may be in its objects."""
    plural, _, group = name.partition(".")
    called = {"plural": plural, "kind": kind, "singular": kind.lower()}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    spec = {"group": group, "scope": "Namespaced", "names": called, "versions": versions}
    made = _object("apiextensions.k8s.io/v1", "CustomResourceDefinition", name, None, spec=spec)
    made["metadata"]["labels"] = dict(labels)
    return made


def namespace(name: str) -> list[Object]:
    """A namespace that a team brings, with its own labels and annotations, and something in it."""
    made = _object("v1", "Namespace", name, None)
    made["metadata"]["labels"]["pod-security.kubernetes.io/warn"] = "baseline"
    made["metadata"]["annotations"] = {"contact": "orders@example.com"}
    return [made, _object("v1", "ConfigMap", "their-notes", name, data={"theirs": "untouched"})]


@contextmanager
def theirs(kubectl: Kubectl, extra: Sequence[Object] = ()) -> Iterator[None]:
    """Make them, for a while; an inventory taken within has them, and so notices every change of one."""
    made = [*objects(), *extra]
    remove(kubectl, made)
    for item in made:
        # A definition is served a moment after it is there.
        if item["kind"] == "Widget":
            kubectl.run("wait", "--for=condition=Established", "crd/widgets.example.com", "--timeout=30s")
        kubectl.run("create", "-f", "-", stdin=json.dumps(item))
    try:
        yield
    finally:
        remove(kubectl, made)


def remove(kubectl: Kubectl, made: Sequence[Object]) -> None:
    """Remove them, also what an earlier run that broke off has left."""
    for item in reversed(made):
        if item["metadata"].get("namespace") is None:
            kubectl.run("delete", item["kind"], item["metadata"]["name"], "--ignore-not-found", "--wait=true")

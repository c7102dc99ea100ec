"""The inventory by which tests on the lab tell that nothing is left: it must see, or say that it doesn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import inventory
from tests.support.kubectl import Kubectl

ALWAYS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "default", "name": "kubernetes"}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "default", "name": "default"}},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "cluster-admin"}},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"namespace": "kube-system", "name": "extension-apiserver-authentication-reader"},
    },
]
EVENT = {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"namespace": "default", "name": "e"}}


def app(**content: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "a", "name": "app"}, **content}


def kubectl(folder: Path, items: list[dict[str, Any]]) -> Kubectl:
    """One that says that there are two kinds, and shows these objects where it is asked for both."""
    answer = folder / "answer.json"
    answer.write_text(json.dumps({"items": items}))
    binary = folder / "kubectl"
    binary.write_text(
        '#!/bin/sh\ncase "$*" in\n'
        "*api-resources*) echo namespaces; echo deployments.apps;;\n"
        f"*'get namespaces,deployments.apps --all-namespaces'*) cat {answer};;\n"
        "*) exit 1;;\nesac\n"
    )
    binary.chmod(0o755)
    return Kubectl(binary=binary, kubeconfig=folder / "config")


def test_every_object_is_in_it_by_kind_with_group_namespace_and_name(tmp_path: Path) -> None:
    found = inventory.take(kubectl(tmp_path, [*ALWAYS, app(), EVENT]))
    assert set(found) == {*inventory.ALWAYS, ("Deployment.apps", "a", "app")}, "an event comes with everything"


@pytest.mark.parametrize("missing", range(len(ALWAYS)))
def test_one_without_what_every_cluster_has_proves_nothing(tmp_path: Path, missing: int) -> None:
    seen = [item for number, item in enumerate(ALWAYS) if number != missing]
    with pytest.raises(AssertionError, match="is none"):
        inventory.take(kubectl(tmp_path, seen))


def test_what_is_declared_counts_and_what_a_cluster_writes_does_not(tmp_path: Path) -> None:
    def taken(**content: Any) -> dict[inventory.Key, str]:
        return inventory.take(kubectl(tmp_path, [*ALWAYS, app(**content)]))

    before = taken(spec={"replicas": 1}, status={"readyReplicas": 1})
    assert inventory.difference(before, taken(spec={"replicas": 1}, status={})) == []
    (line,) = inventory.difference(before, taken(spec={"replicas": 2}))
    assert line.startswith("changed: Deployment.apps a/app: ")


def test_what_came_and_what_went_are_named(tmp_path: Path) -> None:
    without, with_app = (inventory.take(kubectl(tmp_path, items)) for items in (ALWAYS, [*ALWAYS, app()]))
    assert inventory.difference(without, with_app) == ["left over: Deployment.apps a/app"]
    assert inventory.difference(with_app, without) == ["missing: Deployment.apps a/app"]

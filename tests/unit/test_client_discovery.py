"""The kinds that a cluster serves, as new API servers and old ones tell them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.client import Cluster
from cluster.discovery import AGGREGATED, Resource
from cluster.errors import ApiError

from .api_server import ApiServer, Arrived, Told, client, serving


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with serving(ApiServer()) as running:
        yield running


@pytest.fixture
def cluster(server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr("cluster.client.PAUSES", ())
    return client(tmp_path, server.url)


def serve(server: ApiServer, paths: dict[str, Any]) -> None:
    """Answer with these objects; anything else is away."""

    def answer(arrived: Arrived) -> Told:
        if arrived.path not in paths:
            return Told(status=503, body="service unavailable")
        return Told(body=json.dumps(paths[arrived.path]))

    server.answer = answer


PODS = Resource(group="", version="v1", plural="pods", kind="Pod", namespaced=True, verbs=("get", "list"))
NODES = Resource(group="", version="v1", plural="nodes", kind="Node", namespaced=False, verbs=("list",))
APPS = Resource(group="apps", version="v1", plural="deployments", kind="Deployment", namespaced=True, verbs=("create",))
BETA = Resource(
    group="apps", version="v1beta1", plural="deployments", kind="Deployment", namespaced=True, verbs=("create",)
)


def aggregated(*groups: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    items = [{"metadata": {"name": name} if name else {}, "versions": versions} for name, versions in groups]
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}


def told(resource: Resource) -> dict[str, Any]:
    return {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "verbs": list(resource.verbs),
        "subresources": [{"subresource": "status"}],
    }


NEW = {
    "/api": aggregated(("", [{"version": "v1", "resources": [told(PODS), told(NODES)]}])),
    "/apis": aggregated(
        ("apps", [{"version": "v1", "resources": [told(APPS)]}, {"version": "v1beta1", "resources": [told(BETA)]}]),
        ("metrics.k8s.io", [{"version": "v1beta1", "freshness": "Stale", "resources": [told(NODES)]}]),
        ("empty.example", [{"version": "v1", "resources": None}]),
        (
            "odd.example",
            [{"version": "v1", "resources": [{"resource": "x", "scope": "Cluster", "responseKind": None}]}],
        ),
    ),
}


def test_a_new_server_tells_all_kinds_in_two_answers(server: ApiServer, cluster: Cluster) -> None:
    serve(server, NEW)
    found = cluster.discover()
    assert found.resources == (PODS, NODES, APPS, BETA)
    assert found.broken == ("metrics.k8s.io/v1beta1",), "what it remembers of a server that is away does not count"
    assert [arrived.path for arrived in server.arrived] == ["/api", "/apis"]
    assert server.last.header("accept") == AGGREGATED
    assert cluster.resources() == [PODS, NODES, APPS, BETA]


def listed(*resources: Resource) -> dict[str, Any]:
    kinds = [
        {"name": one.plural, "kind": one.kind, "namespaced": one.namespaced, "verbs": list(one.verbs)}
        for one in resources
    ]
    status = {"name": f"{resources[0].plural}/status", "kind": "X", "namespaced": True, "verbs": ["get"]}
    return {"kind": "APIResourceList", "resources": [*kinds, status]}


OLD = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "apps",
                "versions": [{"groupVersion": "apps/v1beta1"}, {"groupVersion": "apps/v1"}],
                "preferredVersion": {"groupVersion": "apps/v1"},
            },
            {"name": "metrics.k8s.io", "versions": [{"groupVersion": "metrics.k8s.io/v1beta1"}]},
        ],
    },
    "/api/v1": listed(PODS, NODES),
    "/apis/apps/v1": listed(APPS),
    "/apis/apps/v1beta1": listed(BETA),
}


def test_an_old_server_is_asked_group_by_group(server: ApiServer, cluster: Cluster) -> None:
    serve(server, OLD)
    found = cluster.discover()
    assert found.resources == (PODS, NODES, APPS, BETA), "the preferred version first"
    assert found.broken == ("metrics.k8s.io/v1beta1",), "one APIService whose server is away does not hide the others"


def test_a_server_that_lists_no_groups_is_an_error(server: ApiServer, cluster: Cluster) -> None:
    serve(server, {})
    with pytest.raises(ApiError):
        cluster.resources()


def test_a_kind_knows_where_its_objects_are() -> None:
    assert (PODS.group_version, APPS.group_version) == ("v1", "apps/v1")
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("n", "p") == "/api/v1/namespaces/n/pods/p"
    assert APPS.path("n") == "/apis/apps/v1/namespaces/n/deployments"
    assert NODES.path(name="x") == "/api/v1/nodes/x"

"""Deleting a CustomResourceDefinition deletes all of its objects: never anybody else's."""

from __future__ import annotations

from typing import Any

import pytest

from cluster.client import Object
from cluster.errors import OperationError
from model.owner import STACK_LABEL, Owner
from steps import definitions
from steps.definitions import check_unused, objects_of_others, remove

from .fake_cluster import CRDS, FakeCluster

OWNER = Owner(stack="dev")
TARGETS = "traffictargets.access.smi-spec.io"
ROUTES = "httproutegroups.specs.smi-spec.io"
NAMESPACE = "osm-system"


@pytest.fixture
def cluster() -> FakeCluster:
    """A cluster with two definitions and no objects."""
    fake = FakeCluster()
    fake.add_crd(TARGETS, "TrafficTarget")
    fake.add_crd(ROUTES, "HTTPRouteGroup")
    return fake


def target(fake: FakeCluster, namespace: str, name: str, *, version: str = "v1", **metadata: Any) -> str:
    path = f"/apis/access.smi-spec.io/{version}/namespaces/{namespace}/traffictargets/{name}"
    fake.add(path, metadata=metadata)
    return path


def others(fake: FakeCluster, definition: str = TARGETS) -> list[str]:
    return objects_of_others(fake, definition, own_namespace=NAMESPACE, owner=OWNER)


def removed(fake: FakeCluster, *names: str) -> None:
    remove(fake, names, own_namespace=NAMESPACE, owner=OWNER)


def test_only_what_is_neither_ours_nor_the_control_planes_own_is_others(cluster: FakeCluster) -> None:
    target(cluster, NAMESPACE, "its-own")
    target(cluster, "dapr-test", "ours", labels=OWNER.labels)
    assert others(cluster) == []
    target(cluster, "dapr-test", "somebodys")
    target(cluster, "shop", "of-another-stack", labels={STACK_LABEL: "prod"})
    assert others(cluster) == ["TrafficTarget/dapr-test/somebodys", "TrafficTarget/shop/of-another-stack"]


def test_an_object_outside_of_all_namespaces_is_someone_elses(cluster: FakeCluster) -> None:
    cluster.add("/apis/access.smi-spec.io/v1/traffictargets/cluster-scoped")
    assert others(cluster) == ["TrafficTarget/cluster-scoped"]


def test_a_definition_that_is_gone_has_no_objects() -> None:
    assert others(FakeCluster()) == []


STORED, SERVED_ONLY = {"name": "v1", "served": True, "storage": True}, {"name": "v2", "served": True, "storage": False}
NOT_SERVED: Object = {"name": "v1", "served": False, "storage": True}


@pytest.mark.parametrize(
    ("versions", "asked"),
    [([SERVED_ONLY, STORED], "v1"), ([STORED, SERVED_ONLY], "v1"), ([NOT_SERVED, SERVED_ONLY], "v2")],
    ids=["stored last", "stored first", "stored, not served"],
)
def test_objects_are_listed_in_the_stored_version_or_else_one_that_is_served(
    cluster: FakeCluster, versions: list[Object], asked: str
) -> None:
    cluster.add_crd(TARGETS, "TrafficTarget", versions)
    target(cluster, "shop", "checkout", version=asked)
    assert others(cluster) == ["TrafficTarget/shop/checkout"], "not listed is not the same as not there"


def test_a_definition_that_serves_no_version_can_not_be_ruled_out(cluster: FakeCluster) -> None:
    cluster.add_crd(TARGETS, "TrafficTarget", [NOT_SERVED])
    with pytest.raises(OperationError, match="all TrafficTarget objects, which no served version lists"):
        removed(cluster, TARGETS)
    assert f"{CRDS}/{TARGETS}" in cluster.objects


def test_every_object_of_someone_elses_is_named_with_both_mends(cluster: FakeCluster) -> None:
    target(cluster, "shop", "checkout")
    target(cluster, "blog", "comments")
    cluster.add("/apis/specs.smi-spec.io/v1/namespaces/shop/httproutegroups/paths")
    with pytest.raises(OperationError) as caught:
        check_unused(cluster, [TARGETS, ROUTES], own_namespace=NAMESPACE, owner=OWNER)
    message = str(caught.value)
    for name in ("TrafficTarget/shop/checkout", "TrafficTarget/blog/comments", "HTTPRouteGroup/shop/paths"):
        assert name in message
    assert "`pulumi destroy`" in message
    assert "dapr-osm:keepShared true" in message
    assert cluster.changes == [], "asking changes nothing"


def test_someone_elses_objects_keep_every_definition(cluster: FakeCluster) -> None:
    theirs = target(cluster, "shop", "checkout")
    with pytest.raises(OperationError, match="TrafficTarget/shop/checkout"):
        removed(cluster, ROUTES, TARGETS)
    assert set(cluster.objects) == {theirs, f"{CRDS}/{TARGETS}", f"{CRDS}/{ROUTES}"}


def test_objects_of_a_definition_that_stays_are_nobodys_business(cluster: FakeCluster) -> None:
    target(cluster, "shop", "checkout")
    removed(cluster, ROUTES)
    assert cluster.deleted == [f"{CRDS}/{ROUTES}"]


def test_definitions_that_are_gone_already_are_no_error(cluster: FakeCluster) -> None:
    removed(cluster, TARGETS, ROUTES)
    removed(cluster, TARGETS, ROUTES)
    assert len(cluster.deleted) == 2


class Slow(FakeCluster):
    """A cluster whose definitions need a few looks to go.

    Attributes:
        looks: How many more, or None for ever.
    """

    looks: int | None = 3

    def _delete(self, path: str) -> None:
        if path.startswith(CRDS) and self.looks != 0:
            self.deleted.append(path)
        else:
            super()._delete(path)

    def _get(self, path: str, query: Any) -> str:
        if self.deleted and path in self.deleted and self.looks is not None:
            self.looks -= 1
            if self.looks == 0:
                super()._delete(path)
        return super()._get(path, query)


def test_definitions_are_waited_for_until_they_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "POLL_SECONDS", 0)
    fake = Slow()
    fake.add_crd(TARGETS, "TrafficTarget")
    removed(fake, TARGETS)
    assert fake.objects == {}, "what comes next may need the name"


def test_a_definition_that_does_not_go_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "SECONDS", -1)
    fake = Slow()
    fake.looks = None
    fake.add_crd(TARGETS, "TrafficTarget")
    with pytest.raises(OperationError, match=f"still there .*{TARGETS}.*finalizer"):
        removed(fake, TARGETS)

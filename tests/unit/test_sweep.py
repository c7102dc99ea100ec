"""The end of a destroy: whatever still carries the stack's mark goes too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from cluster.errors import ApiError, OperationError
from model.owner import KEPT_ANNOTATION, STACK_LABEL, Owner
from steps import sweep as module
from steps.sweep import left, sweep

from .fake_cluster import CRDS, MUTATING, FakeCluster

OWNER = Owner(stack="dev")
OURS: dict[str, Any] = {"labels": OWNER.labels}
THEIRS: dict[str, Any] = {"labels": {STACK_LABEL: "prod"}}
HOME = "/namespaces/dapr-test"
# Everything that a run may have made, in the order in which it goes.
ORDER = [
    f"{MUTATING}/dapr-sidecar-injector",
    f"/apis/dapr.io/v1{HOME}/components/statestore",
    f"/apis/apps/v1{HOME}/deployments/nodeapp",
    f"/api/v1{HOME}/services/nodeapp",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles/dapr-operator",
    f"{CRDS}/components.dapr.io",
    "/api/v1/namespaces/dapr-test",
]


@pytest.fixture
def cluster() -> FakeCluster:
    """What a run that was killed has left."""
    fake = FakeCluster()
    fake.add_crd("components.dapr.io", "Component", labels=OWNER.labels)
    for path in reversed(ORDER):
        if not path.startswith(CRDS):
            fake.add(path, metadata=OURS)
    return fake


def others(fake: FakeCluster, **metadata: Any) -> list[str]:
    """The same sorts of objects with this metadata; their paths."""
    paths = [path.replace("dapr-test", "shop") + "-of-others" for path in ORDER if not path.startswith(CRDS)]
    for path in paths:
        fake.add(path, metadata=metadata)
    return paths


def test_whatever_carries_the_mark_goes_those_who_refuse_things_first_and_namespaces_last(
    cluster: FakeCluster,
) -> None:
    sweep(cluster, OWNER)
    assert cluster.deleted == ORDER
    assert cluster.objects == {}


def test_a_cluster_where_nothing_is_left_is_not_touched() -> None:
    fake = FakeCluster()
    others(fake)
    sweep(fake, OWNER)
    assert fake.changes == []


def test_a_person_is_told_what_had_been_left(cluster: FakeCluster, capsys: pytest.CaptureFixture[str]) -> None:
    sweep(cluster, OWNER)
    told = capsys.readouterr()
    assert "deleted Deployment dapr-test/nodeapp, which an interrupted run had left" in told.err
    assert "deleted ClusterRole dapr-operator," in told.err
    assert told.out == ""


WRITERS = {
    "the provider": "pulumi-kubernetes-1a2b3c4d",
    "a step": "dapr-osm",
}


@pytest.mark.parametrize("manager", WRITERS.values(), ids=WRITERS)
def test_what_this_program_has_written_goes_whoever_has_written_too(manager: str) -> None:
    fake = FakeCluster()
    written = [{"manager": "kubectl-edit"}, {"manager": manager}]
    fake.add(f"/api/v1{HOME}/services/nodeapp", metadata={**OURS, "managedFields": written})
    sweep(fake, OWNER)
    assert fake.objects == {}


@pytest.mark.parametrize(
    "metadata",
    [{}, THEIRS, {"annotations": OWNER.labels}, {**OURS, "managedFields": [{"manager": "kubectl-create"}]}],
    ids=["without", "another stack's", "no label", "copied with it"],
)
def test_what_does_not_carry_it_stays(metadata: dict[str, Any]) -> None:
    fake = FakeCluster()
    paths = others(fake, **metadata)
    sweep(fake, OWNER)
    assert set(fake.objects) == set(paths)


def test_what_was_there_before_the_stack_stays(cluster: FakeCluster) -> None:
    kept = f"{CRDS}/components.dapr.io"
    cluster.objects[kept]["metadata"]["annotations"] = {KEPT_ANNOTATION: "true"}
    sweep(cluster, OWNER)
    assert set(cluster.objects) == {kept}


def test_what_goes_already_or_with_its_owner_is_left_to_that() -> None:
    fake = FakeCluster()
    fake.add(f"/apis/apps/v1{HOME}/deployments/going", metadata={**OURS, "deletionTimestamp": "now"})
    fake.add(f"/api/v1{HOME}/services/app-dapr", metadata={**OURS, "ownerReferences": [{"kind": "Deployment"}]})
    fake.add(f"/api/v1{HOME}/pods/app-1", metadata={**OURS, "ownerReferences": [{"kind": "ReplicaSet"}]})
    fake.add(f"/apis/apps/v1{HOME}/replicasets/app-1", metadata={**OURS, "ownerReferences": [{"kind": "Deployment"}]})
    fake.add(f"/api/v1{HOME}/endpoints/app", metadata=OURS)
    assert list(left(fake, OWNER)) == []


def test_what_a_run_that_was_killed_has_tried_injectors_with_goes_from_a_teams_namespace() -> None:
    """Nobody owns it, and the namespace stays."""
    fake = FakeCluster()
    path = "/apis/apps/v1/namespaces/shop/replicasets/dapr-osm-injection-probe-1"
    fake.add(path, metadata=OURS)
    sweep(fake, OWNER)
    assert fake.deleted == [path]


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_kind_that_may_not_be_listed_hides_no_other_one(cluster: FakeCluster, status: int) -> None:
    cluster.refused_with["GET", "/api/v1/secrets"] = status
    sweep(cluster, OWNER)
    assert cluster.objects == {}


def test_what_can_not_be_deleted_is_left_to_whoever_makes_it() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/componentstatuses/etcd", metadata=OURS)
    sweep(fake, OWNER)
    assert fake.changes == []


@pytest.mark.parametrize("status", [500, 503])
def test_a_kind_of_somebodys_that_nobody_answers_for_is_told_and_hides_no_other_one(
    cluster: FakeCluster, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its conversion webhook is away, or its server."""
    cluster.add_crd("carts.shop.example", "Cart")
    cluster.refused_with["GET", "/apis/shop.example/v1/carts"] = status
    sweep(cluster, OWNER)
    assert set(cluster.objects) == {f"{CRDS}/carts.shop.example"}
    assert "whether an interrupted run has left any carts.shop.example can't be told" in capsys.readouterr().err


def test_a_cluster_that_fails_is_not_half_swept(cluster: FakeCluster) -> None:
    cluster.refused_with["GET", "/api/v1/secrets"] = 500
    with pytest.raises(ApiError):
        sweep(cluster, OWNER)
    assert cluster.deleted == []


def test_other_peoples_objects_keep_a_definition_of_ours_and_all_else(cluster: FakeCluster) -> None:
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/theirs")
    with pytest.raises(OperationError, match="Component/shop/theirs"):
        sweep(cluster, OWNER)
    assert cluster.deleted == []


def test_sweeping_twice_is_harmless(cluster: FakeCluster) -> None:
    sweep(cluster, OWNER)
    sweep(cluster, OWNER)
    assert cluster.objects == {}


class Stuck(FakeCluster):
    """A cluster where nothing that is deleted goes."""

    def _delete(self, path: str) -> None:
        self.deleted.append(path)


def test_what_does_not_go_is_named_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SECONDS", -1)
    fake = Stuck()
    fake.add(f"/apis/apps/v1{HOME}/deployments/nodeapp", metadata=OURS)
    with pytest.raises(OperationError, match="still there .*Deployment dapr-test/nodeapp.*finalizer"):
        sweep(fake, OWNER)


def test_what_takes_a_moment_to_go_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Stuck()
    fake.add(f"/apis/apps/v1{HOME}/deployments/nodeapp", metadata=OURS)
    pauses: list[float] = []

    def gone(seconds: float) -> None:
        pauses.append(seconds)
        fake.objects.clear()

    monkeypatch.setattr("steps.sweep.time.sleep", gone)
    sweep(fake, OWNER)
    (pause,) = pauses
    assert 0 < pause < 5


# --- namespaces that others brought -----------------------------------------------------------------------------

WRITTEN = [{"manager": "kubectl"}, {"manager": "dapr-osm"}]


class Applied(FakeCluster):
    """A cluster that keeps what is applied to it."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[Any] = []

    def _apply(self, path: str, query: Mapping[str, Any], body: Any) -> str:
        self.bodies.append(body)
        return super()._apply(path, query, body)


def test_what_the_stack_wrote_into_a_namespace_of_others_is_given_up() -> None:
    fake = Applied()
    fake.add("/api/v1/namespaces/shop", metadata={"managedFields": WRITTEN})
    sweep(fake, OWNER)
    assert fake.applied == [("/api/v1/namespaces/shop", {"fieldManager": "dapr-osm", "force": "true"})]
    assert fake.bodies == [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}]
    assert fake.deleted == []


@pytest.mark.parametrize("managed", [None, [], [{"manager": "kubectl"}], [{"operation": "Update"}]])
def test_a_namespace_into_which_it_wrote_nothing_is_not_touched(managed: Any) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata={"managedFields": managed})
    sweep(fake, OWNER)
    assert fake.changes == []


def test_a_namespace_of_our_own_goes_as_a_whole() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/dapr-test", metadata={**OURS, "managedFields": WRITTEN})
    sweep(fake, OWNER)
    assert fake.applied == []
    assert fake.deleted == ["/api/v1/namespaces/dapr-test"]

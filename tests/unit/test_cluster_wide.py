from __future__ import annotations

import json
from typing import Any

import pytest

from model.versions import DAPR_RELEASES
from operations import cluster_wide
from operations.cluster_wide import ClusterWide, record, remove
from operations.errors import OperationError

from .fake_cluster import CRDS, MUTATING, VALIDATING, FakeCluster

OURS = "traffictargets.access.smi-spec.io"
FOREIGN = "httproutegroups.specs.smi-spec.io"
ABSENT = "meshrootcertificates.config.openservicemesh.io"
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"

WANTED = ClusterWide(
    namespace="osm-system",
    objects={
        "mutatingwebhookconfigurations": ["osm-webhook-osm"],
        "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
        "clusterroles": ["osm-cleanup"],
        "customresourcedefinitions": [OURS, FOREIGN, ABSENT],
    },
)


@pytest.fixture
def cluster() -> FakeCluster:
    """What osm-bootstrap has left, on a cluster that knew HTTPRouteGroups before."""
    fake = FakeCluster()
    fake.add_crd(OURS, "TrafficTarget")
    fake.add_crd(FOREIGN, "HTTPRouteGroup")
    fake.add(f"{MUTATING}/osm-webhook-osm")
    fake.add(f"{MUTATING}/dapr-sidecar-injector")
    fake.add(f"{VALIDATING}/osm-validator-mesh-osm")
    fake.add(f"{ROLES}/osm-cleanup")
    return fake


def target(fake: FakeCluster, namespace: str, name: str) -> str:
    path = f"/apis/access.smi-spec.io/v1/namespaces/{namespace}/traffictargets/{name}"
    fake.add(path)
    return path


def as_recorded(*foreign: str) -> str:
    """What record prints where just these of the wanted objects were there."""
    return json.dumps({kind: {name: name in foreign for name in names} for kind, names in WANTED.objects.items()})


RECORDED = as_recorded(FOREIGN)


# --- record -----------------------------------------------------------------------------------------------------


def test_nothing_is_foreign_on_an_empty_cluster() -> None:
    assert json.loads(record(FakeCluster(), WANTED, None)) == {
        "mutatingwebhookconfigurations": {"osm-webhook-osm": False},
        "validatingwebhookconfigurations": {"osm-validator-mesh-osm": False},
        "clusterroles": {"osm-cleanup": False},
        "customresourcedefinitions": {OURS: False, FOREIGN: False, ABSENT: False},
    }


def test_what_is_there_before_the_release_is_foreign() -> None:
    fake = FakeCluster()
    fake.add_crd(FOREIGN, "HTTPRouteGroup")
    fake.add(f"{ROLES}/osm-cleanup")
    assert json.loads(record(fake, WANTED, None)) == {
        "mutatingwebhookconfigurations": {"osm-webhook-osm": False},
        "validatingwebhookconfigurations": {"osm-validator-mesh-osm": False},
        "clusterroles": {"osm-cleanup": True},
        "customresourcedefinitions": {OURS: False, FOREIGN: True, ABSENT: False},
    }


def test_a_person_is_told_what_will_stay(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeCluster()
    fake.add_crd(FOREIGN, "HTTPRouteGroup")
    record(fake, WANTED, None)
    captured = capsys.readouterr()
    assert FOREIGN in captured.err
    assert captured.out == "", "stdout is the operation's result"


def test_recording_changes_nothing(cluster: FakeCluster) -> None:
    record(cluster, WANTED, None)
    assert {method for method, _ in cluster.requests} == {"GET"}


def test_a_second_run_keeps_the_first_record(cluster: FakeCluster) -> None:
    first = record(FakeCluster(), WANTED, None)
    assert record(cluster, WANTED, first) == first, "what has come since is this stack's own"
    assert cluster.requests == [], "it does not even look"


def test_an_empty_previous_output_is_no_record(cluster: FakeCluster) -> None:
    recorded = json.loads(record(cluster, WANTED, ""))
    assert recorded["customresourcedefinitions"] == {OURS: True, FOREIGN: True, ABSENT: False}


def definitions(*names: str) -> ClusterWide:
    return ClusterWide(namespace="osm-system", objects={"customresourcedefinitions": list(names)})


@pytest.mark.parametrize("was_there", [False, True])
def test_a_known_names_answer_is_kept_whatever_is_there_now(cluster: FakeCluster, was_there: bool) -> None:
    previous = json.dumps({"customresourcedefinitions": {OURS: was_there, ABSENT: was_there}})
    assert record(cluster, definitions(OURS, ABSENT), previous) == previous
    assert cluster.requests == []


def test_of_another_release_only_the_names_not_known_yet_are_looked_for(cluster: FakeCluster) -> None:
    previous = json.dumps({"customresourcedefinitions": {OURS: False}})
    recorded = json.loads(record(cluster, definitions(OURS, FOREIGN, ABSENT), previous))
    assert recorded == {"customresourcedefinitions": {OURS: False, FOREIGN: True, ABSENT: False}}
    assert cluster.requests == [("GET", f"{CRDS}/{FOREIGN}"), ("GET", f"{CRDS}/{ABSENT}")]


def test_names_that_another_release_lacks_are_kept(cluster: FakeCluster) -> None:
    previous = json.dumps({"customresourcedefinitions": {OURS: False, FOREIGN: True}})
    recorded = json.loads(record(cluster, definitions(ABSENT), previous))
    assert recorded == {"customresourcedefinitions": {OURS: False, FOREIGN: True, ABSENT: False}}
    assert cluster.requests == [("GET", f"{CRDS}/{ABSENT}")]


def test_objects_of_a_kind_that_only_another_release_brings_are_looked_for(cluster: FakeCluster) -> None:
    previous = record(FakeCluster(), definitions(OURS, FOREIGN, ABSENT), None)
    recorded = json.loads(record(cluster, WANTED, previous))
    assert recorded["customresourcedefinitions"] == {OURS: False, FOREIGN: False, ABSENT: False}
    assert recorded["clusterroles"] == {"osm-cleanup": True}


def test_a_person_is_told_again_what_will_stay(capsys: pytest.CaptureFixture[str]) -> None:
    record(FakeCluster(), WANTED, RECORDED)
    assert FOREIGN in capsys.readouterr().err, "of a known name too, though it is not looked for"


# --- remove -----------------------------------------------------------------------------------------------------


def test_ours_goes_and_what_was_there_before_stays(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, RECORDED)
    assert set(cluster.objects) == {f"{CRDS}/{FOREIGN}", f"{MUTATING}/dapr-sidecar-injector"}


def test_foreign_webhooks_and_roles_stay_too(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, as_recorded("osm-cleanup", "osm-validator-mesh-osm"))
    assert f"{ROLES}/osm-cleanup" in cluster.objects
    assert f"{VALIDATING}/osm-validator-mesh-osm" in cluster.objects
    assert f"{MUTATING}/osm-webhook-osm" not in cluster.objects


def test_what_an_earlier_release_brought_goes_too(cluster: FakeCluster) -> None:
    remove(cluster, definitions(ABSENT), json.dumps({"customresourcedefinitions": {OURS: False, ABSENT: False}}))
    assert cluster.deleted == [f"{CRDS}/{OURS}"]


def test_what_was_there_before_an_earlier_release_stays(cluster: FakeCluster) -> None:
    recorded = json.dumps({"customresourcedefinitions": {FOREIGN: True, ABSENT: False}})
    remove(cluster, definitions(ABSENT), recorded)
    assert cluster.deleted == []
    assert f"{CRDS}/{FOREIGN}" in cluster.objects


def test_someone_elses_objects_keep_an_earlier_releases_definition(cluster: FakeCluster) -> None:
    theirs = target(cluster, "shop", "checkout")
    recorded = json.dumps({"customresourcedefinitions": {OURS: False, ABSENT: False}})
    with pytest.raises(OperationError, match="TrafficTarget/shop/checkout"):
        remove(cluster, definitions(ABSENT), recorded)
    assert {theirs, f"{CRDS}/{OURS}"} <= set(cluster.objects)


def test_from_one_release_to_the_next_and_away_again_only_what_was_there_before_stays() -> None:
    fake = FakeCluster()
    fake.add_crd(FOREIGN, "HTTPRouteGroup")
    before = dict(fake.objects)
    first = record(fake, definitions(OURS, FOREIGN), None)
    fake.add_crd(OURS, "TrafficTarget")  # the first release brings it
    second = record(fake, definitions(FOREIGN, ABSENT), first)
    fake.add_crd(ABSENT, "MeshRootCertificate")  # the second release brings it
    third = record(fake, definitions(OURS, FOREIGN), second)  # and back
    remove(fake, definitions(OURS, FOREIGN), third)
    assert fake.objects == before


@pytest.mark.parametrize("order", [("1.12.0", "1.18.1"), ("1.18.1", "1.12.0"), ("1.12.0", "1.18.1", "1.12.0")], ids=str)
def test_however_one_goes_between_daprs_releases_no_definition_of_theirs_is_left(order: tuple[str, ...]) -> None:
    fake = FakeCluster()
    previous = None
    for version in order:
        wanted = ClusterWide(
            namespace="dapr-system", objects={"customresourcedefinitions": list(DAPR_RELEASES[version].crds)}
        )
        previous = record(fake, wanted, previous)
        for name in DAPR_RELEASES[version].crds:
            fake.add_crd(name, name.split(".")[0])
    assert previous is not None
    assert set(json.loads(previous)["customresourcedefinitions"]) == set(DAPR_RELEASES["1.18.1"].crds)
    remove(fake, wanted, previous)
    assert fake.objects == {}


def test_webhooks_go_before_all_else(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, RECORDED)
    assert cluster.deleted == [
        f"{MUTATING}/osm-webhook-osm",
        f"{VALIDATING}/osm-validator-mesh-osm",
        f"{ROLES}/osm-cleanup",
        f"{CRDS}/{OURS}",
    ], "nobody answers a webhook whose control plane is gone, and it would block what follows"


def test_webhooks_go_first_however_they_are_given(cluster: FakeCluster) -> None:
    backwards = ClusterWide(namespace=WANTED.namespace, objects=dict(reversed(list(WANTED.objects.items()))))
    remove(cluster, backwards, RECORDED)
    assert cluster.deleted[-1] == f"{CRDS}/{OURS}"


def test_what_is_gone_already_is_no_error() -> None:
    fake = FakeCluster()
    remove(fake, WANTED, as_recorded())
    assert fake.deleted == []


def test_removing_twice_is_harmless(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, RECORDED)
    after = dict(cluster.objects)
    remove(cluster, WANTED, RECORDED)
    assert cluster.objects == after


def test_someone_elses_objects_keep_every_definition(cluster: FakeCluster) -> None:
    theirs = target(cluster, "shop", "checkout")
    cluster.add_crd(ABSENT, "MeshRootCertificate")
    with pytest.raises(OperationError, match="TrafficTarget/shop/checkout") as caught:
        remove(cluster, WANTED, RECORDED)
    assert theirs in cluster.objects
    assert not [path for path in cluster.deleted if path.startswith(CRDS)], "not one of them goes, also no unused one"
    assert "pulumi destroy" in str(caught.value), "it says what to do next"


def test_every_object_of_someone_elses_is_named(cluster: FakeCluster) -> None:
    target(cluster, "shop", "checkout")
    target(cluster, "blog", "comments")
    target(cluster, "osm-system", "left-over")
    with pytest.raises(OperationError) as caught:
        remove(cluster, WANTED, RECORDED)
    assert "TrafficTarget/shop/checkout" in str(caught.value)
    assert "TrafficTarget/blog/comments" in str(caught.value)
    assert "left-over" not in str(caught.value), "what is the control plane's own is in nobody's way"


def test_objects_in_the_control_planes_own_namespace_are_its_own(cluster: FakeCluster) -> None:
    own = target(cluster, "osm-system", "left-over")
    remove(cluster, WANTED, RECORDED)
    assert own not in cluster.objects


def test_an_object_outside_of_all_namespaces_is_someone_elses(cluster: FakeCluster) -> None:
    cluster.add("/apis/access.smi-spec.io/v1/traffictargets/cluster-scoped")
    with pytest.raises(OperationError, match="TrafficTarget/cluster-scoped"):
        remove(cluster, WANTED, RECORDED)


def test_objects_of_a_foreign_definition_are_nobodys_business(cluster: FakeCluster) -> None:
    path = "/apis/specs.smi-spec.io/v1/namespaces/shop/httproutegroups/theirs"
    cluster.add(path)
    remove(cluster, WANTED, RECORDED)
    assert path in cluster.objects


def test_objects_are_looked_for_in_a_version_that_is_served(cluster: FakeCluster) -> None:
    versions: list[dict[str, Any]] = [
        {"name": "v2", "served": False, "storage": True},
        {"name": "v1", "served": True, "storage": False},
    ]
    cluster.add_crd(OURS, "TrafficTarget", versions)
    theirs = target(cluster, "shop", "checkout")  # as v1, the only version that is served
    with pytest.raises(OperationError, match="TrafficTarget/shop/checkout"):
        remove(cluster, WANTED, RECORDED)
    assert theirs in cluster.objects, "not listed is not the same as not there"


def test_a_definition_that_serves_no_version_is_left_alone(cluster: FakeCluster) -> None:
    cluster.add_crd(OURS, "TrafficTarget", [{"name": "v1", "served": False, "storage": True}])
    with pytest.raises(OperationError, match="all TrafficTarget objects, which no served version lists"):
        remove(cluster, WANTED, RECORDED)
    assert f"{CRDS}/{OURS}" in cluster.objects, "what can't be listed can't be ruled out"


class Stuck(FakeCluster):
    """A cluster whose definitions never go."""

    def _delete(self, path: str) -> None:
        self.deleted.append(path)


def test_a_definition_that_does_not_go_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster_wide, "CRD_SECONDS", -1)
    fake = Stuck()
    fake.add_crd(OURS, "TrafficTarget")
    with pytest.raises(OperationError, match=f"still there .*{OURS}"):
        remove(fake, WANTED, as_recorded())


# --- arguments --------------------------------------------------------------------------------------------------


def test_arguments_come_from_the_environment() -> None:
    given = ClusterWide.from_environment(
        {
            "OPERATION_NAMESPACE": "osm-system",
            "OPERATION_CRDS": json.dumps(["a.b.c"]),
            "OPERATION_OTHERS": json.dumps({"clusterroles": ["r"]}),
        }
    )
    assert given == ClusterWide(
        namespace="osm-system", objects={"clusterroles": ["r"], "customresourcedefinitions": ["a.b.c"]}
    )


def test_a_control_plane_may_leave_definitions_only() -> None:
    given = ClusterWide.from_environment({"OPERATION_NAMESPACE": "dapr-system", "OPERATION_CRDS": "[]"})
    assert given.objects == {"customresourcedefinitions": []}

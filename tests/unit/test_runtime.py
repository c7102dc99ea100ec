"""What a control plane makes by itself: noted before it starts, marked once it is there, removed after it has gone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from cluster.client import Object
from cluster.errors import OperationError
from model.arguments import RuntimeObjects
from model.owner import STACK_LABEL, Owner
from steps import runtime
from steps.runtime import in_namespace, mark, ours, record, remove, withdraw_unanswered, withdraw_webhooks

from .fake_cluster import CRDS, MUTATING, VALIDATING, FakeCluster

OWNER = Owner(stack="dev")
OURS = {"labels": OWNER.labels}
THEIRS = {"labels": {STACK_LABEL: "prod"}}
NAMESPACE = "osm-system"

TARGETS = "traffictargets.access.smi-spec.io"
ROUTES = "httproutegroups.specs.smi-spec.io"
ROOTS = "meshrootcertificates.config.openservicemesh.io"
MESH_CONFIG = f"/apis/config.openservicemesh.io/v1alpha2/namespaces/{NAMESPACE}/meshconfigs/osm-mesh-config"
CA_BUNDLE = f"/api/v1/namespaces/{NAMESPACE}/secrets/osm-ca-bundle"


def objects(
    *definitions: str,
    cluster_wide: Mapping[str, Sequence[str]] | None = None,
    namespaced: Mapping[str, Sequence[str]] | None = None,
    namespace: str = NAMESPACE,
) -> RuntimeObjects:
    return RuntimeObjects(
        namespace=namespace,
        definitions=definitions,
        cluster_wide={kind: tuple(names) for kind, names in (cluster_wide or {}).items()},
        namespaced={kind: tuple(names) for kind, names in (namespaced or {}).items()},
    )


WANTED = objects(
    TARGETS,
    ROUTES,
    ROOTS,
    cluster_wide={
        "mutatingwebhookconfigurations": ["osm-webhook-osm"],
        "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
    },
    namespaced={"secrets": ["osm-ca-bundle"], "meshconfigs.config.openservicemesh.io": ["osm-mesh-config"]},
)
NOTHING_BEFORE = {
    "mutatingwebhookconfigurations": {"osm-webhook-osm": False},
    "validatingwebhookconfigurations": {"osm-validator-mesh-osm": False},
    "customresourcedefinitions": {TARGETS: False, ROUTES: False, ROOTS: False},
}


@pytest.fixture
def cluster() -> FakeCluster:
    """What OSM has made, on a cluster that knew HTTPRouteGroups before."""
    fake = FakeCluster()
    fake.add_crd(TARGETS, "TrafficTarget")
    fake.add_crd(ROUTES, "HTTPRouteGroup")
    fake.add(f"{MUTATING}/osm-webhook-osm")
    fake.add(f"{MUTATING}/dapr-sidecar-injector")
    fake.add(f"{VALIDATING}/osm-validator-mesh-osm")
    fake.add(MESH_CONFIG)
    fake.add(CA_BUNDLE)
    return fake


def target(fake: FakeCluster, namespace: str, name: str, metadata: Object | None = None) -> str:
    path = f"/apis/access.smi-spec.io/v1/namespaces/{namespace}/traffictargets/{name}"
    fake.add(path, metadata=metadata or {})
    return path


def recorded(fake: FakeCluster, wanted: RuntimeObjects, previous: str | None = None) -> dict[str, dict[str, bool]]:
    result: dict[str, dict[str, bool]] = json.loads(record(fake, wanted, OWNER, previous))
    return result


def as_recorded(*foreign: str) -> str:
    """What record prints where just these of the wanted objects were there."""
    by_kind = {**WANTED.cluster_wide, "customresourcedefinitions": WANTED.definitions}
    return json.dumps({kind: {name: name in foreign for name in names} for kind, names in by_kind.items()})


RECORDED = as_recorded(ROUTES)

# --- record -----------------------------------------------------------------------------------------------------


def test_nothing_is_foreign_on_an_empty_cluster() -> None:
    assert recorded(FakeCluster(), WANTED) == NOTHING_BEFORE


def test_what_is_there_before_the_control_plane_is_foreign() -> None:
    fake = FakeCluster()
    fake.add_crd(ROUTES, "HTTPRouteGroup")
    fake.add(f"{MUTATING}/osm-webhook-osm", metadata=THEIRS)
    assert recorded(fake, WANTED) == {
        **NOTHING_BEFORE,
        "mutatingwebhookconfigurations": {"osm-webhook-osm": True},
        "customresourcedefinitions": {TARGETS: False, ROUTES: True, ROOTS: False},
    }


def test_what_an_interrupted_run_has_marked_is_ours(cluster: FakeCluster) -> None:
    for item in cluster.objects.values():
        item["metadata"]["labels"] = OWNER.labels
    assert recorded(cluster, WANTED) == NOTHING_BEFORE


def test_a_person_is_told_what_will_stay(capsys: pytest.CaptureFixture[str]) -> None:
    fake = FakeCluster()
    fake.add_crd(ROUTES, "HTTPRouteGroup")
    recorded(fake, WANTED)
    captured = capsys.readouterr()
    assert f"customresourcedefinitions {ROUTES}: there before this stack" in captured.err
    assert captured.out == "", "stdout is the operation's result"


def test_recording_changes_nothing(cluster: FakeCluster) -> None:
    recorded(cluster, WANTED)
    assert cluster.changes == []


def test_a_second_run_keeps_the_first_record(cluster: FakeCluster) -> None:
    first = record(FakeCluster(), WANTED, OWNER, None)
    assert record(cluster, WANTED, OWNER, first) == first, "what has come since is this stack's own"
    assert cluster.requests == [], "it does not even look"


def test_an_empty_previous_output_is_no_record(cluster: FakeCluster) -> None:
    assert recorded(cluster, WANTED, "")["customresourcedefinitions"] == {TARGETS: True, ROUTES: True, ROOTS: False}


@pytest.mark.parametrize("was_there", [False, True])
def test_a_known_names_answer_is_kept_whatever_is_there_now(cluster: FakeCluster, was_there: bool) -> None:
    previous = json.dumps({"customresourcedefinitions": {TARGETS: was_there, ROOTS: was_there}})
    assert record(cluster, objects(TARGETS, ROOTS), OWNER, previous) == previous
    assert cluster.requests == []


def test_of_another_release_only_the_names_not_known_yet_are_looked_for(cluster: FakeCluster) -> None:
    previous = json.dumps({"customresourcedefinitions": {TARGETS: False}})
    assert recorded(cluster, objects(TARGETS, ROUTES, ROOTS), previous) == {
        "customresourcedefinitions": {TARGETS: False, ROUTES: True, ROOTS: False}
    }
    assert cluster.requests == [("GET", f"{CRDS}/{ROUTES}"), ("GET", f"{CRDS}/{ROOTS}")]


def test_names_that_another_release_lacks_are_kept(cluster: FakeCluster) -> None:
    previous = json.dumps({"customresourcedefinitions": {TARGETS: False, ROUTES: True}, "others": {"x": False}})
    assert recorded(cluster, objects(ROOTS), previous) == {
        "customresourcedefinitions": {TARGETS: False, ROUTES: True, ROOTS: False},
        "others": {"x": False},
    }


def test_a_person_is_told_again_what_will_stay(capsys: pytest.CaptureFixture[str]) -> None:
    recorded(FakeCluster(), WANTED, RECORDED)
    assert ROUTES in capsys.readouterr().err, "of a known name too, though it is not looked for"


def test_ours_are_those_that_were_not_there() -> None:
    assert ours(RECORDED) == {
        "mutatingwebhookconfigurations": ["osm-webhook-osm"],
        "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
        "customresourcedefinitions": [TARGETS, ROOTS],
    }


# --- mark -------------------------------------------------------------------------------------------------------


def test_what_the_control_plane_has_made_is_marked_and_nothing_else(cluster: FakeCluster) -> None:
    mark(cluster, WANTED, OWNER, RECORDED)
    assert {path for path, item in cluster.objects.items() if OWNER.owns(item["metadata"])} == {
        f"{CRDS}/{TARGETS}",
        f"{MUTATING}/osm-webhook-osm",
        f"{VALIDATING}/osm-validator-mesh-osm",
        MESH_CONFIG,
        CA_BUNDLE,
    }


def test_marking_adds_a_label_and_changes_nothing_else(cluster: FakeCluster) -> None:
    cluster.objects[CA_BUNDLE]["metadata"]["labels"] = {"by": "osm"}
    before = json.loads(json.dumps(cluster.objects[CA_BUNDLE]))
    mark(cluster, WANTED, OWNER, RECORDED)
    before["metadata"]["labels"] = {"by": "osm", **OWNER.labels}
    assert cluster.objects[CA_BUNDLE] == before


def test_marking_twice_writes_once(cluster: FakeCluster) -> None:
    mark(cluster, WANTED, OWNER, RECORDED)
    written = len(cluster.patched)
    mark(cluster, WANTED, OWNER, RECORDED)
    assert len(cluster.patched) == written == 5


def test_what_is_not_there_yet_is_not_marked() -> None:
    fake = FakeCluster()
    mark(fake, WANTED, OWNER, RECORDED)
    assert fake.changes == []


def test_a_run_that_was_killed_before_its_record_reached_the_state_still_finds_its_own() -> None:
    fake = FakeCluster()
    first = record(fake, WANTED, OWNER, None)
    for name, kind in ((TARGETS, "TrafficTarget"), (ROUTES, "HTTPRouteGroup"), (ROOTS, "MeshRootCertificate")):
        fake.add_crd(name, kind)
    mark(fake, WANTED, OWNER, first)
    again = record(fake, WANTED, OWNER, None)
    remove(fake, WANTED, OWNER, again)
    assert fake.objects == {}


# --- remove -----------------------------------------------------------------------------------------------------


def test_ours_goes_and_what_was_there_before_stays(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, OWNER, RECORDED)
    assert set(cluster.objects) == {f"{CRDS}/{ROUTES}", f"{MUTATING}/dapr-sidecar-injector"}


def test_webhooks_go_first_and_definitions_last(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, OWNER, RECORDED)
    assert cluster.deleted == [
        f"{MUTATING}/osm-webhook-osm",
        f"{VALIDATING}/osm-validator-mesh-osm",
        CA_BUNDLE,
        MESH_CONFIG,
        f"{CRDS}/{TARGETS}",
    ], "nobody answers a webhook whose control plane is gone, and it would block what follows"


def test_webhooks_go_first_however_they_are_given(cluster: FakeCluster) -> None:
    backwards = json.dumps(dict(reversed(json.loads(RECORDED).items())))
    remove(cluster, WANTED, OWNER, backwards)
    assert {path.rpartition("/")[0] for path in cluster.deleted[:2]} == {MUTATING, VALIDATING}
    assert cluster.deleted[-1] == f"{CRDS}/{TARGETS}"


def test_foreign_webhooks_stay_too(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, OWNER, as_recorded(ROUTES, "osm-validator-mesh-osm"))
    assert f"{VALIDATING}/osm-validator-mesh-osm" in cluster.objects
    assert f"{MUTATING}/osm-webhook-osm" not in cluster.objects


def test_what_an_earlier_release_brought_goes_too(cluster: FakeCluster) -> None:
    text = json.dumps({"customresourcedefinitions": {TARGETS: False, ROOTS: False}})
    remove(cluster, objects(ROOTS), OWNER, text)
    assert cluster.deleted == [f"{CRDS}/{TARGETS}"]


def test_what_is_gone_already_is_no_error() -> None:
    fake = FakeCluster()
    remove(fake, WANTED, OWNER, as_recorded())
    assert fake.deleted == []


def test_removing_twice_is_harmless(cluster: FakeCluster) -> None:
    remove(cluster, WANTED, OWNER, RECORDED)
    after = dict(cluster.objects)
    remove(cluster, WANTED, OWNER, RECORDED)
    assert cluster.objects == after


def test_a_removal_that_was_interrupted_anywhere_is_finished_by_the_next_one(cluster: FakeCluster) -> None:
    whole = json.dumps(cluster.objects)
    remove(cluster, WANTED, OWNER, RECORDED)
    end, deletions = dict(cluster.objects), list(cluster.deleted)
    for done in range(len(deletions)):
        half = FakeCluster(json.loads(whole))
        for path in deletions[:done]:
            half.delete(path)
        remove(half, WANTED, OWNER, RECORDED)
        assert half.objects == end, f"after {done} deletions"


def test_from_one_release_to_the_next_and_away_again_only_what_was_there_before_stays() -> None:
    fake = FakeCluster()
    fake.add_crd(ROUTES, "HTTPRouteGroup")
    before = dict(fake.objects)
    first = record(fake, objects(TARGETS, ROUTES), OWNER, None)
    fake.add_crd(TARGETS, "TrafficTarget")  # the first release brings it
    second = record(fake, objects(ROUTES, ROOTS), OWNER, first)
    fake.add_crd(ROOTS, "MeshRootCertificate")  # the second release brings it
    third = record(fake, objects(TARGETS, ROUTES), OWNER, second)  # and back
    remove(fake, objects(TARGETS, ROUTES), OWNER, third)
    assert fake.objects == before


def test_someone_elses_objects_keep_every_definition_and_what_the_control_plane_made(cluster: FakeCluster) -> None:
    theirs = target(cluster, "shop", "checkout")
    cluster.add_crd(ROOTS, "MeshRootCertificate")
    with pytest.raises(OperationError, match="TrafficTarget/shop/checkout"):
        remove(cluster, WANTED, OWNER, RECORDED)
    assert {theirs, f"{CRDS}/{TARGETS}", f"{CRDS}/{ROOTS}", CA_BUNDLE, MESH_CONFIG} <= set(cluster.objects), (
        "not one of them goes, also no unused one"
    )


def test_objects_of_ours_and_in_the_control_planes_own_namespace_are_in_nobodys_way(cluster: FakeCluster) -> None:
    paths = [target(cluster, NAMESPACE, "left-over"), target(cluster, "dapr-test", "ours", OURS)]
    remove(cluster, WANTED, OWNER, RECORDED)
    assert not set(paths) & set(cluster.objects)


# --- in its namespace -------------------------------------------------------------------------------------------

CLAIMS = "/api/v1/namespaces/dapr-system/persistentvolumeclaims"
DAPR = objects(namespaced={"persistentvolumeclaims": ["dapr-scheduler-data-dir-*"]}, namespace="dapr-system")


@pytest.mark.parametrize(("wanted", "path"), [(DAPR, f"{CLAIMS}/dapr-scheduler-data-dir-0"), (WANTED, CA_BUNDLE)])
def test_what_a_teams_namespace_held_before_gets_no_mark_and_stays(wanted: RuntimeObjects, path: str) -> None:
    """As of an earlier Dapr of theirs, whose jobs it holds, or of an earlier mesh."""
    fake = FakeCluster()
    fake.add(path)
    first = record(fake, wanted, OWNER, None)
    later = f"{CLAIMS}/dapr-scheduler-data-dir-1"
    fake.add(later)
    again = record(fake, wanted, OWNER, first)
    assert again == first
    mark(fake, wanted, OWNER, again)
    remove(fake, wanted, OWNER, again)
    assert path in fake.objects
    assert path not in [patched for patched, _, _ in fake.patched]
    assert (later in fake.objects) is (wanted is not DAPR)


def test_a_record_of_an_earlier_version_says_nothing_of_them_and_they_are_ours() -> None:
    fake = FakeCluster()
    path = f"{CLAIMS}/dapr-scheduler-data-dir-0"
    fake.add(path)
    remove(fake, DAPR, OWNER, record(fake, DAPR, OWNER, json.dumps({"customresourcedefinitions": {}})))
    assert fake.deleted == [path]


def test_names_that_begin_alike_are_found_by_a_star_and_no_others() -> None:
    fake = FakeCluster()
    for name in ("dapr-scheduler-data-dir-0", "dapr-scheduler-data-dir-1", "dapr-scheduler-data", "theirs"):
        fake.add(f"{CLAIMS}/{name}")
    fake.add(f"{CLAIMS.replace('dapr-system', 'shop')}/dapr-scheduler-data-dir-0")
    remove(fake, DAPR, OWNER, "{}")
    assert fake.deleted == [f"{CLAIMS}/dapr-scheduler-data-dir-0", f"{CLAIMS}/dapr-scheduler-data-dir-1"]


def test_without_a_star_a_name_is_the_whole_name() -> None:
    fake = FakeCluster()
    for name in ("data", "data-0"):
        fake.add(f"{CLAIMS}/{name}")
    wanted = objects(namespaced={"persistentvolumeclaims": ["data"]}, namespace="dapr-system")
    assert list(in_namespace(fake, wanted)) == [f"{CLAIMS}/data"]
    assert list(in_namespace(FakeCluster(), wanted)) == [], "only what is there"


def test_a_name_and_a_star_may_stand_side_by_side() -> None:
    fake = FakeCluster()
    for name in ("data", "more-0"):
        fake.add(f"{CLAIMS}/{name}")
    wanted = objects(namespaced={"persistentvolumeclaims": ["data", "more-*"]}, namespace="dapr-system")
    assert list(in_namespace(fake, wanted)) == [f"{CLAIMS}/data", f"{CLAIMS}/more-0"]


# --- workloads that an interrupted run has left -----------------------------------------------------------------

DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
POD = f"/api/v1/namespaces/{NAMESPACE}/pods/osm-bootstrap-1"


class Stopping(FakeCluster):
    """A cluster whose one pod ends between two looks, once its Deployment is gone."""

    def pods(self, namespace: str, label: str = "") -> list[Object]:
        found = super().pods(namespace, label)
        if f"{DEPLOYMENTS}/osm-bootstrap" not in self.objects:
            self.objects.pop(POD, None)
        return found


@pytest.fixture
def still_running(cluster: FakeCluster) -> Stopping:
    """OSM runs, though the state does not know of it."""
    fake = Stopping(cluster.objects)
    fake.add(f"{DEPLOYMENTS}/osm-bootstrap", metadata=OURS)
    fake.add(f"{DEPLOYMENTS.replace('deployments', 'statefulsets')}/scheduler", metadata=OURS)
    fake.add(f"{DEPLOYMENTS}/theirs")
    fake.add(POD, status={"phase": "Running"})
    return fake


def test_a_control_plane_that_still_runs_is_stopped_before_anything_of_its_making_goes(
    still_running: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "POLL_SECONDS", 0)
    remove(still_running, WANTED, OWNER, RECORDED)
    assert [path.rpartition("/")[2] for path in still_running.deleted[:2]] == ["osm-bootstrap", "scheduler"], (
        "else they would make them again"
    )
    assert POD not in still_running.objects
    assert f"{DEPLOYMENTS}/theirs" in still_running.objects


def test_a_pod_that_does_not_end_holds_a_removal_up_for_a_while_only(
    still_running: Stopping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime, "STOP_SECONDS", -1)
    remove(still_running, WANTED, OWNER, RECORDED)
    assert "still there" in capsys.readouterr().err
    assert f"{CRDS}/{TARGETS}" not in still_running.objects


def test_where_nothing_of_ours_runs_nobodys_pods_are_waited_for(
    cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}/pods/theirs", status={"phase": "Running"})
    monkeypatch.setattr("steps.runtime.time.sleep", lambda _: pytest.fail("there is nothing to wait for"))
    remove(cluster, WANTED, OWNER, RECORDED)


def test_pods_of_a_teams_beside_ours_are_not_waited_for(
    still_running: Stopping, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    still_running.add(f"/api/v1/namespaces/{NAMESPACE}/pods/theirs-1", status={"phase": "Running"})
    monkeypatch.setattr(runtime, "POLL_SECONDS", 0)
    monkeypatch.setattr(runtime, "STOP_SECONDS", 1)
    remove(still_running, WANTED, OWNER, RECORDED)
    assert "still there" not in capsys.readouterr().err


def test_a_workload_that_goes_already_is_left_to_that(cluster: FakeCluster) -> None:
    cluster.add(f"{DEPLOYMENTS}/osm-bootstrap", metadata={**OURS, "deletionTimestamp": "now"})
    remove(cluster, WANTED, OWNER, RECORDED)
    assert f"{DEPLOYMENTS}/osm-bootstrap" not in cluster.deleted


def test_a_person_is_told_what_was_deleted_and_only_that(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(cluster, WANTED, OWNER, RECORDED)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("deleted ")]
    assert told == [f"deleted {'/'.join(path.split('/')[-2:])}" for path in cluster.deleted]


# --- webhooks ---------------------------------------------------------------------------------------------------


def test_webhooks_of_this_stack_are_withdrawn_before_whoever_answers_them_goes() -> None:
    fake = FakeCluster()
    fake.add(f"{MUTATING}/ours", metadata=OURS)
    fake.add(f"{MUTATING}/theirs", metadata=THEIRS)
    fake.add(f"{MUTATING}/nobodys")
    fake.add(f"{MUTATING}/ours-not-named", metadata=OURS)
    fake.add(f"{VALIDATING}/ours", metadata=OURS)
    named = {
        "mutatingwebhookconfigurations": ["ours", "theirs", "nobodys", "gone"],
        "validatingwebhookconfigurations": ["ours"],
    }
    withdraw_webhooks(fake, named, OWNER)
    assert fake.deleted == [f"{MUTATING}/ours", f"{VALIDATING}/ours"]


HOOK = {"clientConfig": {"service": {"namespace": "osm-system", "name": "osm-validator"}}}
SERVICE = "/api/v1/namespaces/osm-system/services/osm-validator"
ANSWERING = "/api/v1/namespaces/osm-system/pods/osm-controller-1"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}
NOT_READY = {"conditions": [{"type": "Ready", "status": "False"}]}


def with_hook(metadata: dict[str, Any] = OURS, **hook: Any) -> FakeCluster:
    """A cluster whose API server asks OSM's controller, which runs."""
    fake = FakeCluster()
    fake.add(f"{VALIDATING}/hook", metadata=metadata, webhooks=[{**HOOK, **hook}])
    fake.add(SERVICE, spec={"selector": {"app": "osm-controller"}})
    fake.add(ANSWERING, metadata={"labels": {"app": "osm-controller"}}, status=READY)
    fake.add("/api/v1/namespaces/osm-system/pods/else", metadata={"labels": {"app": "else"}}, status=READY)
    return fake


def test_webhooks_that_somebody_answers_stay() -> None:
    fake = with_hook()
    withdraw_unanswered(fake, OWNER)
    assert fake.deleted == []


@pytest.mark.parametrize(
    "gone", [[SERVICE, ANSWERING], [SERVICE], [ANSWERING]], ids=["all of it", "the Service", "the pod"]
)
def test_webhooks_that_nobody_answers_are_withdrawn(gone: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    fake = with_hook()
    for path in gone:
        del fake.objects[path]
    withdraw_unanswered(fake, OWNER)
    assert fake.deleted == [f"{VALIDATING}/hook"]
    assert "nobody answers the webhooks of hook" in capsys.readouterr().err


def test_a_pod_that_is_not_ready_answers_nobody() -> None:
    fake = with_hook()
    fake.objects[ANSWERING]["status"] = NOT_READY
    withdraw_unanswered(fake, OWNER)
    assert fake.deleted == [f"{VALIDATING}/hook"]


@pytest.mark.parametrize(
    ("metadata", "hook"),
    [
        (THEIRS, {}),
        ({}, {}),
        ({**OURS, "managedFields": [{"manager": "kubectl-create"}]}, {}),
        (OURS, {"failurePolicy": "Ignore"}),
        (OURS, {"clientConfig": {"url": "https://elsewhere.example"}}),
    ],
    ids=["another stack's", "nobody's", "a copy", "one that refuses nothing", "one that is no Service's"],
)
def test_what_is_not_the_stacks_or_does_no_harm_stays_unanswered(
    metadata: dict[str, Any], hook: dict[str, Any]
) -> None:
    fake = with_hook(metadata, **hook)
    del fake.objects[SERVICE]
    withdraw_unanswered(fake, OWNER)
    assert fake.deleted == []

"""Nothing that is not the stack's own is ever taken over silently."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from cluster.client import ApiError, Object
from cluster.errors import OperationError
from model.chart import ChartPlan, chart_objects
from model.names import OSM_WEBHOOKS
from model.owner import KEPT_ANNOTATION, STACK_LABEL, Owner
from model.versions import OSM_RELEASE
from preflight.ownership import Claim, Verdict, Wanted, check

from .fake_cluster import CRDS, MUTATING, FakeCluster

OWNER = Owner(stack="dev")
OURS = {"labels": OWNER.labels}
OTHER_STACKS = {"labels": {STACK_LABEL: "prod"}}
ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
DEPLOYMENT = "/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp"
COMPONENTS = "components.dapr.io"

# What the stack wants, each with the path of what may be there.
NAMESPACE = Wanted(api_version="v1", kind="Namespace", namespace=None, name="dapr-test")
APP = Wanted(api_version="apps/v1", kind="Deployment", namespace="dapr-test", name="nodeapp")
ROLE = Wanted(api_version="rbac.authorization.k8s.io/v1", kind="ClusterRole", namespace=None, name="dapr-operator")
STORE = Wanted(api_version="dapr.io/v1alpha1", kind="Component", namespace="dapr-test", name="statestore")
PATHS = {
    "/api/v1/namespaces/dapr-test": NAMESPACE,
    DEPLOYMENT: APP,
    f"{ROLES}/dapr-operator": ROLE,
    "/apis/dapr.io/v1alpha1/namespaces/dapr-test/components/statestore": STORE,
}
SPEC: dict[str, Any] = {
    "group": "dapr.io",
    "names": {"kind": "Component", "plural": "components"},
    "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {"a": 1}}],
}


def definition(spec: Mapping[str, Any] = SPEC) -> Wanted:
    """The chart's definition."""
    rendered = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": COMPONENTS, "labels": {"app": "dapr"}},
        "spec": dict(spec),
    }
    (item,) = chart_objects([rendered], namespace="dapr-system", owner=OWNER, plan=ChartPlan())
    return Wanted.of(item)


def with_definition(spec: Mapping[str, Any] = SPEC, **metadata: Any) -> FakeCluster:
    """A cluster where the definition is there, as API servers keep it: with more than what was written."""
    fake = FakeCluster()
    there = copy.deepcopy(dict(spec))
    there.setdefault("conversion", {"strategy": "None"})
    there["names"].setdefault("listKind", "ComponentList")
    fake.add(f"{CRDS}/{COMPONENTS}", metadata=metadata, spec=there)
    return fake


def claim(*wanted: Wanted, **more: Any) -> Claim:
    fields: dict[str, Any] = {
        "owner": OWNER,
        "wanted": wanted,
        "runtime": {},
        "begun": False,
        "known": {},
        "namespaces": ["dapr-system", "osm-system", "dapr-test"],
        "take_over_definitions": False,
    }
    return Claim(**fields | more)


NOTHING = Verdict(left_alone=frozenset(), kept=frozenset())


def problems(fake: FakeCluster, wanted: Claim) -> list[str]:
    """What is wrong, a line each; nothing may be changed by asking."""
    before = copy.deepcopy(fake.objects)
    with pytest.raises(OperationError) as caught:
        check(fake, wanted)
    head, *lines = str(caught.value).split("\n  ")
    assert head.startswith("stack dev would take over what is not its own. Nothing was touched.")
    assert fake.objects == before
    return lines


def only(fake: FakeCluster, wanted: Claim) -> str:
    (line,) = problems(fake, wanted)
    return line


# --- what is ours -----------------------------------------------------------------------------------------------


def test_an_empty_cluster_is_free() -> None:
    assert check(FakeCluster(), claim(*PATHS.values(), definition())) == NOTHING


@pytest.mark.parametrize(("path", "wanted"), PATHS.items(), ids=str)
def test_what_carries_the_stacks_mark_is_its_own_though_the_state_does_not_know_it(path: str, wanted: Wanted) -> None:
    fake = FakeCluster()
    fake.add(path, metadata=OURS)
    assert check(fake, claim(*PATHS.values())) == NOTHING, "a run that was interrupted has made it"


@pytest.mark.parametrize(("path", "wanted"), PATHS.items(), ids=str)
def test_what_the_state_knows_by_its_uid_is_its_own_though_it_lost_its_mark(path: str, wanted: Wanted) -> None:
    fake = FakeCluster()
    fake.add(path, metadata={"uid": "u1"})
    assert check(fake, claim(wanted, known={wanted.key: "u1"})) == NOTHING


@pytest.mark.parametrize(("path", "wanted"), PATHS.items(), ids=str)
def test_what_has_only_the_name_of_what_the_state_knows_is_another_one(path: str, wanted: Wanted) -> None:
    fake = FakeCluster()
    fake.add(path, metadata={"uid": "u2"})
    assert only(fake, claim(wanted, known={wanted.key: "u1"})).startswith(f"{wanted} is there")


def test_a_uid_of_an_object_of_another_namespace_says_nothing() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT, metadata={"uid": "u1"})
    assert problems(fake, claim(APP, known={("Deployment", "elsewhere", "nodeapp"): "u1"}))


# --- what is not ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, ", not made by this stack"),
        (OTHER_STACKS, ", of a stack prod"),
        (
            {"annotations": {"meta.helm.sh/release-name": "dapr", "meta.helm.sh/release-namespace": "dapr-system"}},
            ", of Helm release dapr-system/dapr",
        ),
        ({"annotations": {"meta.helm.sh/release-name": "dapr"}}, ", of Helm release ?/dapr"),
        ({"labels": {"app.kubernetes.io/managed-by": "argocd"}}, ", managed by argocd"),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "kubectl"}]}, ", written by kubectl"),
        (
            {
                "managedFields": [
                    {"manager": "flux"},
                    {"manager": "kube-controller-manager", "subresource": "status"},
                    {"manager": "hpa", "subresource": "scale"},
                ]
            },
            ", written by flux, hpa",
        ),
        (
            {"labels": {"app.kubernetes.io/managed-by": "x"}, "managedFields": [{"manager": "y"}]},
            ", managed by x, written by y",
        ),
        ({"labels": None, "annotations": None, "managedFields": None}, ", not made by this stack"),
    ],
    ids=["nobody", "stack", "helm", "helm, half", "label", "manager", "managers", "label and manager", "nulls"],
)
def test_what_is_in_the_way_is_named_with_its_owner_as_far_as_can_be_told(metadata: dict[str, Any], whose: str) -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT, metadata=metadata)
    assert only(fake, claim(APP)) == f"Deployment dapr-test/nodeapp is there{whose}"


def test_a_cluster_wide_object_is_named_without_a_namespace() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/dapr-test")
    assert only(fake, claim(NAMESPACE)) == "Namespace dapr-test is there, not made by this stack"


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    fake = FakeCluster()
    for path in PATHS:
        fake.add(path)
    assert [line.split(",")[0] for line in problems(fake, claim(*PATHS.values()))] == [
        f"{wanted} is there" for wanted in PATHS.values()
    ]


def test_what_is_wanted_twice_is_told_once() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT)
    assert len(problems(fake, claim(APP, APP))) == 1


def test_an_object_that_may_not_be_looked_at_is_the_check_of_rights_to_tell() -> None:
    fake = FakeCluster()
    fake.refused_with["GET", DEPLOYMENT] = 403
    assert check(fake, claim(APP)) == NOTHING


@pytest.mark.parametrize("status", [401, 500, 503])
def test_a_cluster_that_fails_is_no_verdict(status: int) -> None:
    fake = FakeCluster()
    fake.refused_with["GET", DEPLOYMENT] = status
    with pytest.raises(ApiError):
        check(fake, claim(APP))


# --- definitions ------------------------------------------------------------------------------------------------

CHANGED = {**SPEC, "versions": [{**SPEC["versions"][0], "schema": {"a": 2}}]}


def test_a_definition_of_the_same_content_is_used_as_it_is() -> None:
    fake = with_definition()
    assert check(fake, claim(definition())) == Verdict(left_alone=frozenset({COMPONENTS}), kept=frozenset())
    ((path, query),) = fake.applied
    assert (path, query["dryRun"]) == (f"{CRDS}/{COMPONENTS}", "All"), "the API server is asked, and nothing is written"
    assert query["force"] == "true", "another manager's fields would else be a conflict, and no answer"


def test_its_labels_and_annotations_are_no_content() -> None:
    fake = with_definition(labels={"app": "other"}, annotations={"meta.helm.sh/release-name": "dapr"})
    assert check(fake, claim(definition())).left_alone == {COMPONENTS}


def test_a_definition_of_another_content_is_refused_with_both_mends() -> None:
    line = only(with_definition(CHANGED, labels={"app.kubernetes.io/managed-by": "argocd"}), claim(definition()))
    assert line.startswith(
        f"CustomResourceDefinition {COMPONENTS} is there with another content, managed by argocd. Set "
        "dapr-osm:takeOverCrds to true"
    )
    assert line.endswith("or remove it if nobody needs it")


@pytest.mark.parametrize("take_over", [False, True])
def test_a_definition_that_the_api_server_would_not_change_is_refused_even_where_it_may_be_taken_over(
    take_over: bool,
) -> None:
    fake = with_definition()
    fake.refused_with["PATCH", f"{CRDS}/{COMPONENTS}"] = 422
    line = only(fake, claim(definition(), take_over_definitions=take_over))
    assert "can't become the chart's" in line
    assert "Remove it if nobody needs it" in line


def test_one_that_may_be_taken_over_is_and_stays_when_the_stack_goes() -> None:
    verdict = check(with_definition(CHANGED), claim(definition(), take_over_definitions=True))
    assert verdict == Verdict(left_alone=frozenset(), kept=frozenset({COMPONENTS}))


def test_one_of_the_same_content_is_not_taken_over_even_where_it_may_be() -> None:
    verdict = check(with_definition(), claim(definition(), take_over_definitions=True))
    assert verdict == Verdict(left_alone=frozenset({COMPONENTS}), kept=frozenset())


def test_one_that_was_taken_over_before_is_kept_ever_after() -> None:
    fake = with_definition(CHANGED, **OURS, annotations={KEPT_ANNOTATION: "true"})
    assert check(fake, claim(definition())) == Verdict(left_alone=frozenset(), kept=frozenset({COMPONENTS})), (
        "the setting may be gone by then"
    )


def test_our_own_definition_is_neither_left_alone_nor_kept() -> None:
    assert check(with_definition(CHANGED, **OURS), claim(definition())) == NOTHING


def test_only_definitions_can_have_been_there_before() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT, metadata={**OURS, "annotations": {KEPT_ANNOTATION: "true"}})
    assert check(fake, claim(APP)) == NOTHING


def test_another_stacks_definition_is_refused_whatever_its_content_and_the_settings() -> None:
    lines = problems(with_definition(**OTHER_STACKS), claim(definition(), take_over_definitions=True))
    assert lines[0] == f"CustomResourceDefinition {COMPONENTS} is there, of a stack prod"


# --- what OSM makes by itself -----------------------------------------------------------------------------------

RUNTIME = {**OSM_WEBHOOKS, "customresourcedefinitions": OSM_RELEASE.crds}
TARGETS = "traffictargets.access.smi-spec.io"


@pytest.mark.parametrize("name", OSM_RELEASE.crds)
def test_a_definition_that_osm_would_write_over_is_refused_before_its_first_start(name: str) -> None:
    fake = FakeCluster()
    fake.add_crd(name, "Thing", labels={"app": "smi"})
    line = only(fake, claim(runtime=RUNTIME))
    assert line.startswith(f"customresourcedefinition {name} is there, not made by this stack")
    assert "OSM would write over it; dapr-osm:takeOverCrds allows that" in line


def test_a_webhook_of_osms_name_is_refused_and_no_setting_allows_it() -> None:
    fake = FakeCluster()
    fake.add(f"{MUTATING}/osm-webhook-osm")
    for take_over in (False, True):
        line = only(fake, claim(runtime=RUNTIME, take_over_definitions=take_over))
        assert line == "mutatingwebhookconfiguration osm-webhook-osm is there, not made by this stack"


def test_what_carries_the_mark_is_this_stacks_from_an_interrupted_run() -> None:
    fake = FakeCluster()
    fake.add_crd(TARGETS, "TrafficTarget", labels=OWNER.labels)
    fake.add(f"{MUTATING}/osm-webhook-osm", metadata=OURS)
    assert check(fake, claim(runtime=RUNTIME)) == NOTHING


def test_after_its_first_start_they_are_there_as_they_must_be() -> None:
    fake = FakeCluster()
    for name in OSM_RELEASE.crds:
        fake.add_crd(name, "Thing")
    fake.add(f"{MUTATING}/osm-webhook-osm")
    assert check(fake, claim(runtime=RUNTIME, begun=True)) == NOTHING


def test_definitions_that_may_be_taken_over_need_the_labels_without_which_osm_stops() -> None:
    fake = FakeCluster()
    for name in OSM_RELEASE.crds:
        fake.add_crd(name, "Thing", labels={"app": "smi"})
    assert check(fake, claim(runtime=RUNTIME, take_over_definitions=True)) == NOTHING
    fake.add_crd(TARGETS, "TrafficTarget")
    line = only(fake, claim(runtime=RUNTIME, take_over_definitions=True))
    assert line.startswith(f"CustomResourceDefinition {TARGETS} has no labels, at which osm-bootstrap stops")
    assert line.endswith(f"kubectl label crd {TARGETS} app.kubernetes.io/name=openservicemesh.io")


def test_what_osm_makes_and_nobody_may_look_at_is_the_check_of_rights_to_tell() -> None:
    fake = FakeCluster()
    fake.add_crd(TARGETS, "TrafficTarget")
    fake.refused_with["GET", f"{CRDS}/{TARGETS}"] = 403
    assert check(fake, claim(runtime=RUNTIME)) == NOTHING


# --- namespaces that a team brings ------------------------------------------------------------------------------


def test_an_existing_namespace_has_to_be_there() -> None:
    line = only(FakeCluster(), claim(existing_namespaces=["shop"]))
    assert line.startswith("Namespace shop does not exist, although dapr-osm:existingNamespaces names it")


def test_an_existing_namespace_of_another_mesh_is_refused() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata={"labels": {"openservicemesh.io/monitored-by": "theirs"}})
    assert only(fake, claim(existing_namespaces=["shop"])) == (
        "Namespace shop is in the mesh theirs already: take it out there first"
    )


@pytest.mark.parametrize("labels", [None, {}, {"team": "a"}, {"openservicemesh.io/monitored-by": "osm"}])
def test_an_existing_namespace_of_none_or_of_ours_is_welcome(labels: dict[str, str] | None) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata={"labels": labels})
    assert check(fake, claim(existing_namespaces=["shop"])) == NOTHING


# --- other stacks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [f"{ROLES}/any", f"{CRDS}/any.example.com", f"{MUTATING}/any"])
def test_another_stack_on_the_cluster_is_refused_wherever_its_mark_is_seen(path: str) -> None:
    fake = FakeCluster()
    fake.add(path, metadata=OTHER_STACKS)
    kind_and_name = "/".join(path.split("/")[-2:])
    assert only(fake, claim()).startswith(
        f"stack prod is on this cluster already ({kind_and_name} and 0 more cluster-wide objects)"
    )


def test_each_other_stack_is_told_once() -> None:
    fake = FakeCluster()
    fake.add(f"{ROLES}/test", metadata={"labels": {STACK_LABEL: "test"}})
    for number in range(3):
        fake.add(f"{ROLES}/prod-{number}", metadata=OTHER_STACKS)
    fake.add(f"{ROLES}/ours", metadata=OURS)
    fake.add(f"{ROLES}/nobodys")
    assert [line.partition(" is on")[0] for line in problems(fake, claim())] == ["stack prod", "stack test"]
    assert "and 2 more" in problems(fake, claim())[0]


def test_whoever_may_not_list_cluster_wide_objects_is_told_by_the_check_of_rights() -> None:
    fake = FakeCluster()
    fake.refused_with["GET", ROLES] = 403
    assert check(fake, claim()) == NOTHING
    fake.refused_with["GET", ROLES] = 500
    with pytest.raises(ApiError):
        check(fake, claim())


# --- Helm releases ----------------------------------------------------------------------------------------------


def release(fake: FakeCluster, name: str, status: str | None = "deployed", namespace: str = "dapr-system") -> None:
    labels = {"owner": "helm", "name": name, **({"status": status} if status else {})}
    fake.add(f"/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.{name}.v1", metadata={"labels": labels})


def test_an_existing_namespace_that_is_on_its_way_out_is_refused() -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    assert only(fake, claim(existing_namespaces=["shop"])).startswith(
        "Namespace shop is being deleted, and nothing can be made in it: wait until it is gone"
    )


JOINS = {"shop": {"labels": {"level": "privileged"}, "annotations": {"injection": "enabled"}}}
JOIN: dict[str, Any] = {"existing_namespaces": ["shop"], "joins": JOINS}


@pytest.mark.parametrize(
    ("kind", "theirs", "told"),
    [
        ("labels", {"level": "baseline"}, "label level=baseline, and this stack is to set it to privileged"),
        ("annotations", {"injection": "off"}, "annotation injection=off, and this stack is to set it to enabled"),
    ],
)
def test_what_an_existing_namespace_says_itself_is_not_overwritten_since_it_could_not_be_given_back(
    kind: str, theirs: dict[str, str], told: str
) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata={kind: theirs})
    line = only(fake, claim(**JOIN))
    assert line.startswith(f"Namespace shop has the {told}, which could not be given back")
    assert f"kubectl {kind[:-1].replace('annotation', 'annotate')} namespace shop --overwrite" in line


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"level": "privileged", "other": "x"}},
        {"labels": {"injection": "off"}, "annotations": {"level": "baseline"}},
        {
            "labels": {"level": "restricted"},
            "managedFields": [
                {"manager": "kubectl", "fieldsV1": {"f:metadata": {"f:labels": {"f:other": {}}}}},
                {"manager": "dapr-osm", "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:level": {}}}}},
            ],
        },
    ],
    ids=["as wanted", "something else", "written by an earlier run"],
)
def test_what_an_existing_namespace_has_like_that_or_from_the_stack_is_welcome(metadata: dict[str, Any]) -> None:
    fake = FakeCluster()
    fake.add("/api/v1/namespaces/shop", metadata=metadata)
    assert check(fake, claim(**JOIN)) == NOTHING


@pytest.mark.parametrize("take_over", [False, True])
def test_what_somebody_is_just_deleting_is_waited_for_a_definition_of_the_same_content_too(take_over: bool) -> None:
    """It would be used as it is, and go with all of its objects."""
    fake = with_definition(deletionTimestamp="2026-01-01T00:00:00Z")
    fake.add(DEPLOYMENT, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    lines = problems(fake, claim(APP, definition(), take_over_definitions=take_over))
    assert [line.split(",")[0] for line in lines] == [
        f"{APP} is being deleted",
        f"CustomResourceDefinition {COMPONENTS} is being deleted",
    ]


@pytest.mark.parametrize("take_over", [False, True])
def test_a_definition_that_can_not_be_compared_is_not_called_another_one(take_over: bool) -> None:
    """As where a webhook of somebody's does not answer."""
    fake = with_definition()
    fake.refused_with["PATCH", f"{CRDS}/{COMPONENTS}"] = 500
    with pytest.raises(ApiError, match="500: no"):
        check(fake, claim(definition(), take_over_definitions=take_over))


def test_somebody_without_a_name_has_written_it() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT, metadata={"managedFields": [{"operation": "Update"}]})
    assert only(fake, claim(APP)) == f"{APP} is there, not made by this stack"


@pytest.mark.parametrize("name", ["dapr", "osm"])
@pytest.mark.parametrize("status", ["deployed", "pending-install", "failed", None])
def test_a_helm_release_of_our_names_is_refused_in_any_state(name: str, status: str | None) -> None:
    fake = FakeCluster()
    release(fake, name, status)
    line = only(fake, claim())
    assert line.startswith(f"Helm release dapr-system/{name} ({status or 'unknown'}) is there.")
    assert "make bring-over" in line
    assert "helm uninstall" in line


def test_lists_of_everybodys_are_asked_for_without_their_content() -> None:
    """Definitions and Helm's records are large, and records hold secrets."""
    asked: list[str] = []

    class Listing(FakeCluster):
        def exchange(self, method: str, path: str, *arguments: Any, accept: str = "", **more: Any) -> str:
            if "PartialObjectMetadataList" in accept:
                asked.append(path.rpartition("/")[2])
            return super().exchange(method, path, *arguments, accept=accept, **more)

    check(Listing(), claim())
    assert {"customresourcedefinitions", "clusterroles", "secrets"} <= set(asked)


def test_other_releases_and_those_of_other_namespaces_are_nobodys_concern() -> None:
    fake = FakeCluster()
    release(fake, "grafana")
    release(fake, "dapr", namespace="elsewhere")
    fake.add("/api/v1/namespaces/dapr-system/secrets/dapr", metadata={"labels": {"name": "dapr"}})
    assert check(fake, claim()) == NOTHING


# --- all of it --------------------------------------------------------------------------------------------------


def test_problems_of_every_sort_are_told_at_once() -> None:
    fake = with_definition(CHANGED)
    fake.add(DEPLOYMENT)
    fake.add_crd(TARGETS, "TrafficTarget")
    fake.add(f"{ROLES}/theirs", metadata=OTHER_STACKS)
    release(fake, "osm", namespace="osm-system")
    lines = problems(fake, claim(APP, definition(), runtime=RUNTIME, existing_namespaces=["shop"]))
    assert [line.split()[0] for line in lines] == [
        "Deployment",
        "CustomResourceDefinition",
        "customresourcedefinition",
        "Namespace",
        "stack",
        "Helm",
    ]


def test_an_object_is_known_by_kind_namespace_and_name() -> None:
    assert APP.key == ("Deployment", "dapr-test", "nodeapp")
    assert ROLE.key == ("ClusterRole", "", "dapr-operator"), "as the state has it"


def test_existing_namespaces_are_told_in_order() -> None:
    lines = problems(FakeCluster(), claim(existing_namespaces=["b", "c", "a"]))
    assert [line.split()[1] for line in lines] == ["a", "b", "c"]


def test_a_charts_object_is_wanted_with_its_content_only_where_that_counts() -> None:
    rendered: list[Object] = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"key": "secret"}},
    ]
    (item,) = chart_objects(rendered, namespace="dapr-system", owner=OWNER, plan=ChartPlan())
    assert Wanted.of(item) == Wanted(api_version="v1", kind="Secret", namespace="dapr-system", name="s")
    assert Wanted.of(item).body is None
    assert definition().body is not None


def test_a_claim_of_nothing_is_fine_on_any_cluster() -> None:
    fake = with_definition()
    fake.add(DEPLOYMENT)
    assert check(fake, replace(claim(), namespaces=())) == NOTHING


def test_who_may_not_look_at_what_osm_makes_is_told_by_the_check_of_rights_alone() -> None:
    fake = FakeCluster()
    for path in (f"{MUTATING}/{name}" for name in OSM_WEBHOOKS["mutatingwebhookconfigurations"]):
        fake.refused_with["GET", path] = 403
    assert check(fake, claim(runtime=OSM_WEBHOOKS)) == Verdict(left_alone=frozenset(), kept=frozenset())


# --- two stacks of one name -------------------------------------------------------------------------------------


def test_what_carries_the_stacks_mark_is_another_ones_of_that_name_where_its_state_knows_of_no_run() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT, metadata=OURS)
    with pytest.raises(OperationError) as error:
        check(fake, claim(APP, noted=False))
    assert "Deployment dapr-test/nodeapp is there, of a stack dev" in str(error.value)
    assert "DAPR_OSM_TAKE_OVER=dev pulumi up" in str(error.value), "the way of a state that was lost"
    check(fake, claim(APP, noted=True))
    check(FakeCluster(), claim(APP, noted=False))

"""What a deployer must be allowed to do, whether he is, and what he is told where he is not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cluster.errors import ApiError
from model.names import Namespaces
from model.route import Route
from model.stage import Stage
from model.verify_level import VerifyLevel
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from preflight import deployer, report, rights
from preflight.checks import CHECKS
from preflight.finding import Found
from preflight.needs import ROWS, Made, Plan, Right, Role, granted_by, needed, parsed
from preflight.rights import Answers, asks, find, missing

from .fake_cluster import REVIEWS, FakeCluster

Rule = Mapping[str, Any]

CLUSTER_ADMIN: list[Rule] = [
    {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
    {"nonResourceURLs": ["*"], "verbs": ["*"]},
]
PLAN = deployer.plan()
ASKING = next(check for check in CHECKS if check.name == "rights")


def rules_of(text: str) -> list[Rule]:
    """The rules of a manifest's ClusterRole."""
    role, _ = yaml.safe_load_all(text)
    return list(role["rules"])


MANIFEST = rules_of(deployer.manifest(needed(PLAN)))


class RbacCluster(FakeCluster):
    """A cluster that answers by rules as RBAC does.

    Attributes:
        rules: What the user may do anywhere.
        inside: What he may do in single namespaces.
        asked: Every question.
    """

    def __init__(self, rules: Iterable[Rule] = (), inside: Mapping[str, Sequence[Rule]] | None = None) -> None:
        super().__init__()
        self.rules = list(rules)
        self.inside = inside or {}
        self.asked: list[dict[str, Any]] = []

    def allows(self, asked: Mapping[str, Any]) -> bool:
        self.asked.append(dict(asked))
        held = [*self.rules, *self.inside.get(asked.get("namespace", ""), ())]
        return any(covers(rule, asked) for rule in held)


def covers(rule: Rule, asked: Mapping[str, Any]) -> bool:
    """Whether a rule allows something; source: Kubernetes, pkg/apis/rbac/v1/evaluation_helpers.go."""
    if not {"*", asked["verb"]} & set(rule["verbs"]):
        return False
    if "path" in asked:
        return bool({"*", asked["path"]} & set(rule.get("nonResourceURLs", ())))
    sub = asked.get("subresource")
    resource = f"{asked['resource']}/{sub}" if sub else asked["resource"]
    return (
        bool({"*", asked.get("group", "")} & set(rule.get("apiGroups", ())))
        and bool({"*", resource} & set(rule.get("resources", ())))
        and (not rule.get("resourceNames") or asked.get("name") in rule["resourceNames"])
    )


def problem(cluster: FakeCluster, needed_: Sequence[Right]) -> str | None:
    """What an ``up`` is refused with."""
    found = [Found(check=ASKING, finding=finding) for finding in find(cluster, needed_)]
    return report.refusal(found, "dev", preview=False)


def without(rules: Iterable[Rule], resource: str, *verbs: str) -> list[Rule]:
    """These rules without some verbs of a resource, or without the resource."""
    left: list[Rule] = []
    for rule in rules:
        if resource not in rule.get("resources", ()):
            left.append(rule)
            continue
        others = [other for other in rule["resources"] if other != resource]
        kept = [verb for verb in rule["verbs"] if verbs and verb not in verbs]
        left += [{**rule, "resources": others}] if others else []
        left += [{**rule, "resources": [resource], "verbs": kept}] if kept else []
    return left


def shop(**changes: Any) -> Plan:
    """A stack at the first stage, in two apps' namespaces, without any object."""
    plan = Plan(
        stage=Stage.DAPR,
        where=Namespaces(dapr="d", osm="o", apps="a"),
        apps=("a", "b"),
        own=("d", "a"),
        existing=("b",),
        release=DAPR_RELEASES[DEFAULT_DAPR_VERSION],
        volumes=False,
        verify=VerifyLevel.PODS,
        read_all_secrets=False,
        objects=[],
    )
    return replace(plan, **changes)


def labels(plan: Plan) -> set[str]:
    return {right.label for right in needed(plan)}


# --- the manifest -----------------------------------------------------------------------------------------------


def test_the_ready_manifest_says_what_the_table_says() -> None:
    written = (deployer.ROOT / deployer.FILE).read_text()
    assert written == deployer.manifest(needed(PLAN)), "run `make rights`"


def test_the_ready_manifest_is_a_role_bound_to_a_deployer_by_name() -> None:
    role, binding = yaml.safe_load_all((deployer.ROOT / deployer.FILE).read_text())
    assert (role["kind"], binding["kind"]) == ("ClusterRole", "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "dapr-osm-deployer"
    assert [(one["kind"], one["name"]) for one in binding["subjects"]] == [("User", "dapr-osm-deployer")]


def test_the_ready_manifest_never_says_everything_but_to_list() -> None:
    wide = [rule for rule in MANIFEST if "*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])]
    assert wide == [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["list"]}]


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize("stage", list(Stage))
def test_who_has_the_manifests_rights_lacks_nothing_at_any_stage_of_any_release(stage: Stage, version: str) -> None:
    plan = replace(PLAN, stage=stage, release=DAPR_RELEASES[version])
    assert missing(RbacCluster(MANIFEST), needed(plan)) == []


def test_every_rule_of_the_manifest_is_needed() -> None:
    for index in range(len(MANIFEST)):
        rest = MANIFEST[:index] + MANIFEST[index + 1 :]
        # Only what "list everything" says as well is there for those who leave that one out.
        if "list" not in MANIFEST[index]["verbs"] or len(MANIFEST[index]["verbs"]) > 1:
            assert missing(RbacCluster(rest), needed(PLAN)), f"{MANIFEST[index]} is not needed"


# --- the table --------------------------------------------------------------------------------------------------


def test_every_row_has_a_reason_and_well_known_verbs() -> None:
    for row in ROWS:
        assert len(row.why) > 15
        assert set(row.verbs) <= set(deployer.VERBS)
        assert row.resources


@pytest.mark.parametrize(
    ("resource", "found"),
    [
        ("pods", ("", "pods")),
        ("pods/log", ("", "pods/log")),
        ("deployments.apps", ("apps", "deployments")),
        ("jobs.batch/status", ("batch", "jobs/status")),
        ("*", ("*", "*")),
    ],
)
def test_resources_are_written_as_kubectl_writes_them(resource: str, found: tuple[str, str]) -> None:
    assert parsed(resource) == found
    right = Right(group=found[0], resource=found[1], verbs=("get",), why="a test needs it")
    assert right.label == resource


def test_ports_are_forwarded_for_the_verification_of_calls_alone() -> None:
    assert "pods/portforward" in labels(shop(verify=VerifyLevel.CALLS))
    assert "pods/portforward" not in labels(shop(verify=VerifyLevel.PODS))


def test_without_a_verification_nobody_reads_logs() -> None:
    assert "pods/log" in labels(shop())
    assert "pods/log" not in labels(shop(verify=VerifyLevel.OFF))


def test_without_a_mesh_nothing_of_the_mesh_is_needed() -> None:
    assert not [one for one in labels(shop()) if "openservicemesh" in one or "smi-spec" in one]
    meshed = labels(shop(stage=Stage.SMI))
    assert {"meshconfigs.config.openservicemesh.io", "traffictargets.access.smi-spec.io"} <= meshed


def test_storage_classes_are_looked_at_only_where_volumes_are_wanted() -> None:
    assert "storageclasses.storage.k8s.io" in labels(shop(volumes=True))
    assert "storageclasses.storage.k8s.io" not in labels(shop())


def test_objects_are_made_changed_and_deleted_where_they_are() -> None:
    objects = [
        Made(api_version="apps/v1", kind="Deployment", namespace="a", name="x"),
        Made(api_version="apps/v1", kind="Deployment", namespace="b", name="x"),
        Made(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition", namespace=None, name="pets.z.io"),
    ]
    found: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for right in needed(shop(objects=objects)):
        found.setdefault((right.label, right.namespaces), set(right.verbs))
    made = {"get", "list", "watch", "create", "patch", "delete"}
    assert found["deployments.apps", ("a", "b")] == made
    assert found["customresourcedefinitions.apiextensions.k8s.io", ()] == made | {"update"}, "the provider replaces it"
    assert found["pets.z.io", ()] == {"list"}, "deleting it would delete others' pets"


def test_a_namespace_that_a_team_brings_is_changed_but_not_made() -> None:
    (right,) = [right for right in needed(shop()) if right.label == "namespaces b"]
    assert set(right.verbs) == {"get", "patch"}
    assert not [right for right in needed(shop()) if right.resource == "namespaces" and "create" in right.verbs]


def test_what_a_role_grants_its_maker_must_hold_where_it_grants_it() -> None:
    role = Role(kind="Role", namespace="d", name="x")
    rule = {"apiGroups": ["", "apps"], "resources": ["a", "b/c"], "verbs": ["get"], "resourceNames": ["n"]}
    found = list(granted_by(role, [rule]))
    assert [(right.group, right.resource) for right in found] == [
        ("", "a"),
        ("", "b/c"),
        ("apps", "a"),
        ("apps", "b/c"),
    ]
    assert {(right.namespaces, right.names, right.verbs, right.granted_by) for right in found} == {
        (("d",), ("n",), ("get",), role)
    }
    (url,) = granted_by(
        replace(role, kind="ClusterRole", namespace=None), [{"nonResourceURLs": ["/m"], "verbs": ["get"]}]
    )
    assert (url.resource, url.namespaces) == ("/m", ())


@pytest.mark.parametrize(("read_all", "verbs"), [(False, ("get",)), (True, ("get", "list"))])
def test_the_apps_own_role_grants_what_the_settings_say(read_all: bool, verbs: tuple[str, ...]) -> None:
    role = Made(api_version="rbac.authorization.k8s.io/v1", kind="Role", namespace="a", name="secret-reader")
    found = [right for right in needed(shop(objects=[role], read_all_secrets=read_all)) if right.granted_by]
    assert [(right.label, right.verbs, right.namespaces) for right in found] == [("secrets", verbs, ("a",))]


def test_the_record_of_the_charts_knows_no_right_outside_the_control_planes_namespaces() -> None:
    recorded = [Made.of_body(body) for body in json.loads(deployer.CHARTS.read_text())]
    assert {item.namespace for item in recorded} == {None, "dapr-system", "osm-system"}
    assert {item.name for item in recorded if item.kind == "ClusterRole"} >= {"osm", "dapr-operator-admin"}


def test_the_record_of_the_charts_has_every_definition_of_every_release() -> None:
    recorded = {Made.of_body(body).name for body in json.loads(deployer.CHARTS.read_text())}
    for release in DAPR_RELEASES.values():
        assert set(release.crds) <= recorded


def test_the_manifests_release_needs_all_that_any_needs() -> None:
    assert deployer.RELEASE.route is Route.ADDRESS
    assert deployer.RELEASE.schedulers
    assert not deployer.RELEASE.reads_ed25519


# --- asking -----------------------------------------------------------------------------------------------------


def test_an_administrator_is_asked_one_question() -> None:
    cluster = RbacCluster(CLUSTER_ADMIN)
    assert problem(cluster, needed(PLAN)) is None
    assert cluster.asked == [{"verb": "*", "group": "*", "resource": "*"}]
    assert cluster.changes == []


def test_no_question_is_asked_twice() -> None:
    cluster = RbacCluster()
    missing(cluster, needed(PLAN))
    said = [json.dumps(one, sort_keys=True) for one in cluster.asked]
    assert len(said) == len(set(said))


def test_who_may_do_it_everywhere_is_not_asked_about_single_namespaces() -> None:
    cluster = RbacCluster(MANIFEST)
    assert missing(cluster, needed(PLAN)) == []
    assert {one.get("namespace") for one in cluster.asked} <= {None, "dapr-system"}, "Dapr's Roles name their objects"
    assert len(cluster.asked) < 500


def test_rights_in_the_namespaces_alone_will_do() -> None:
    row = Right(group="", resource="pods/log", verbs=("get",), namespaces=("a", "b"), why="a test needs it")
    rule = {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}
    assert missing(RbacCluster(inside={"a": [rule], "b": [rule]}), [row]) == []
    assert missing(RbacCluster(inside={"a": [rule]}), [row]) == [replace(row, namespaces=("b",))]


def test_a_right_to_one_object_will_do_where_only_that_is_needed() -> None:
    row = Right(group="", resource="namespaces", verbs=("get",), names=("kube-system",), why="a test needs it")
    rule = {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"], "resourceNames": ["kube-system"]}
    assert missing(RbacCluster([rule]), [row]) == []
    assert missing(RbacCluster([{**rule, "resourceNames": ["other"]}]), [row]) == [row]


def test_only_the_verbs_that_are_refused_are_missing() -> None:
    row = Right(group="apps", resource="deployments", verbs=("get", "patch"), namespaces=("a",), why="a test needs it")
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}
    assert missing(RbacCluster([rule]), [row]) == [replace(row, verbs=("patch",))]


def test_who_may_list_each_kind_need_not_be_allowed_to_list_everything() -> None:
    wide = Right(group="*", resource="*", verbs=("list",), namespaces=("a",), why="a test needs it")
    groups = ["", "apps", "batch", "coordination.k8s.io", "discovery.k8s.io", "rbac.authorization.k8s.io"]
    all_kinds = [{"apiGroups": [group], "resources": ["*"], "verbs": ["list"]} for group in groups]
    # A rule for all resources of a group does not answer for all groups, as RBAC has it.
    assert missing(RbacCluster(all_kinds), [wide]) == []
    lacking = missing(RbacCluster(all_kinds[:2]), [wide])
    assert {right.label for right in lacking} >= {"jobs.batch", "leases.coordination.k8s.io"}
    assert not [right for right in lacking if right.group in ("", "apps")]


def test_who_may_escalate_and_bind_need_not_hold_what_a_role_grants() -> None:
    role = Role(kind="ClusterRole", namespace=None, name="osm")
    found = list(granted_by(role, [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["update"]}]))
    group = "rbac.authorization.k8s.io"
    free = {
        "apiGroups": [group],
        "resources": ["clusterroles"],
        "verbs": ["escalate", "bind"],
        "resourceNames": ["osm"],
    }
    assert missing(RbacCluster([free]), found) == []
    assert missing(RbacCluster([{**free, "verbs": ["escalate"]}]), found) == found, "it has to be bound as well"
    assert missing(RbacCluster([{**free, "resourceNames": ["other"]}]), found) == found


def test_paths_of_the_api_server_are_asked_for_as_such() -> None:
    role = Role(kind="ClusterRole", namespace=None, name="prometheus")
    found = list(granted_by(role, [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]))
    assert missing(RbacCluster(CLUSTER_ADMIN), found) == []
    assert missing(RbacCluster([{**CLUSTER_ADMIN[0], "verbs": ["get"]}]), found) == found


@pytest.mark.parametrize("status", [403, 404, 405])
def test_where_no_such_questions_are_taken_nothing_is_said(status: int) -> None:
    cluster = RbacCluster()
    cluster.refused_with["POST", f"/apis/authorization.k8s.io/v1{REVIEWS[0]}"] = status
    assert problem(cluster, needed(PLAN)) is None


@pytest.mark.parametrize("status", [401, 500, 503])
def test_an_api_server_that_fails_has_not_said_that_nothing_is_lacking(status: int) -> None:
    cluster = RbacCluster()
    cluster.refused_with["POST", f"/apis/authorization.k8s.io/v1{REVIEWS[0]}"] = status
    with pytest.raises(ApiError, match=str(status)):
        problem(cluster, needed(PLAN))


SOME = st.sampled_from(["a", "b"])
RIGHTS = st.builds(
    Right,
    group=st.sampled_from(["", "apps"]),
    resource=st.sampled_from(["pods", "pods/log"]),
    verbs=st.lists(st.sampled_from(["get", "list"]), min_size=1, unique=True).map(tuple),
    namespaces=st.lists(SOME, unique=True).map(tuple),
    names=st.lists(SOME, unique=True).map(tuple),
    why=st.just("a test needs it"),
)
RULES = st.fixed_dictionaries(
    {
        "apiGroups": st.lists(st.sampled_from(["", "apps", "*"])),
        "resources": st.lists(st.sampled_from(["pods", "pods/log", "*"])),
        "verbs": st.lists(st.sampled_from(["get", "list", "*"])),
        "resourceNames": st.lists(SOME),
    }
)


@given(st.lists(RIGHTS), st.lists(RULES, max_size=3), st.lists(RULES, max_size=2))
def test_what_is_missing_is_what_is_refused(wanted: list[Right], rules: list[Rule], inside: list[Rule]) -> None:
    cluster = RbacCluster(rules, {"a": inside})
    refused = {
        one
        for right in wanted
        for one in asks(right)
        if not any(RbacCluster(rules, {"a": inside}).allows(as_asked(wider)) for wider in one.wider())
    }
    assert {one for right in missing(cluster, wanted) for one in asks(right)} == refused


def as_asked(one: rights.Ask) -> dict[str, Any]:
    resource, _, sub = one.resource.partition("/")
    given = {"namespace": one.namespace, "name": one.name, "subresource": sub, "group": one.group}
    return {"verb": one.verb, "resource": resource, **{key: value for key, value in given.items() if value}}


def test_an_answer_is_remembered() -> None:
    cluster = RbacCluster()
    answers = Answers(cluster)
    one = rights.Ask(verb="get", group="", resource="pods", namespace="a", name="x")
    for _ in range(2):
        answers.ask([one])
    assert len(cluster.asked) == 3, "everywhere, in the namespace, and the one object"


# --- telling ----------------------------------------------------------------------------------------------------


def test_who_may_not_forward_ports_is_told_and_how_to_do_without() -> None:
    rule = {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["escalate", "bind"]}
    cluster = RbacCluster([*without(MANIFEST, "pods/portforward"), rule])
    said = problem(cluster, needed(PLAN))
    assert said == (
        "user somebody may not do all that this stack needs. Nothing was touched. Have an administrator run "
        "`kubectl apply -f deploy/deployer.yaml`, with this user in its ClusterRoleBinding:\n"
        "  get, create pods/portforward in dapr-test: the verification tries each call and asks each Envoy what it "
        "counted (or do without: `pulumi config set dapr-osm:verify pods`)"
    )
    assert problem(cluster, needed(replace(PLAN, verify=VerifyLevel.PODS))) is None


def test_who_may_not_forward_ports_may_not_grant_it_to_osm_either() -> None:
    (right,) = missing(
        RbacCluster(without(MANIFEST, "pods/portforward")), needed(replace(PLAN, verify=VerifyLevel.PODS))
    )
    assert (right.label, right.why) == (
        "pods/portforward",
        "ClusterRole osm grants it, and nobody may grant what he lacks",
    )


def test_one_lacking_verb_is_named_with_every_reason() -> None:
    said = problem(RbacCluster(without(MANIFEST, "replicasets", "create")), needed(PLAN))
    assert said is not None
    (line,) = said.splitlines()[1:]
    assert line == "  create replicasets.apps in dapr-test: a pod that never runs shows whether injectors answer"


def test_resources_that_lack_the_same_for_the_same_reason_are_one_line() -> None:
    found = [
        Right(group=group, resource=resource, verbs=("list",), namespaces=("a",), why="others are looked for")
        for group, resource in (("", "pods"), ("apps", "deployments"))
    ]
    assert rights.explained(found) == ["list pods, deployments.apps in a: others are looked for"]
    more = replace(found[0], why="pods are waited for")
    assert rights.explained([found[0], more]) == ["list pods in a: others are looked for; pods are waited for"]
    assert rights.explained([replace(found[0], namespaces=())]) == [
        "list pods in the whole cluster: others are looked for"
    ]


def test_where_the_api_server_does_not_say_who_one_is_one_is_this_user() -> None:
    cluster = RbacCluster()
    cluster.refused_with["POST", f"/apis/authentication.k8s.io/v1{REVIEWS[1]}"] = 404
    said = problem(cluster, needed(shop()))
    assert said is not None
    assert said.startswith("this user may not do all that this stack needs. Nothing was touched.")


def test_who_lacks_nearly_everything_is_not_told_line_by_line() -> None:
    said = problem(RbacCluster(), needed(PLAN))
    assert said is not None
    head, *rest, last = said.splitlines()
    assert head.startswith("user somebody may not do all that this stack needs.")
    assert len(rest) == rights.LONGEST
    assert last.endswith("more such lines; the manifest has them all")

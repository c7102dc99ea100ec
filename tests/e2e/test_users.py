"""Ordinary users: who may only look, who has just a deployer's rights, who lacks one; and what the stack gives whom."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import api
from preflight import deployer
from tests.e2e.judge import judge
from tests.e2e.test_walkthrough import assert_nothing_left
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack

Rule = Mapping[str, Any]

DEPLOYER = deployer.NAME
LACKING = "dapr-osm-test-lacking"
LOOKING = "dapr-osm-test-looking"
NAMESPACES = ("dapr-system", "osm-system", "dapr-test")
MAY_NOT = "may not do all that this stack needs. Nothing was touched."


def bound(name: str, role: str, user: str) -> dict[str, Any]:
    """A ClusterRoleBinding."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "apiGroup": group, "name": user}],
    }


def without_port_forward(rules: Sequence[Rule]) -> list[Rule]:
    """A deployer's rules without ``pods/portforward``; OSM's ClusterRole, which grants it, may be made all the same."""
    left = [{**rule, "resources": [one for one in rule["resources"] if one != "pods/portforward"]} for rule in rules]
    free = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["clusterroles"],
        "resourceNames": ["osm"],
        "verbs": ["escalate", "bind"],
    }
    return [rule for rule in [*left, free] if rule["resources"]]


@pytest.fixture(scope="module")
def users(empty_cluster: None, kubectl: Kubectl) -> Iterator[None]:
    """The ready manifest, as it stands, and two users beside its own."""
    manifest = deployer.ROOT / deployer.FILE
    role, _ = yaml.safe_load_all(manifest.read_text())
    lacking = {**role, "metadata": {"name": LACKING}, "rules": without_port_forward(role["rules"])}
    others = [lacking, bound(LACKING, LACKING, LACKING), bound(LOOKING, "view", LOOKING)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": others})
    kubectl.run("apply", "-f", str(manifest))
    kubectl.run("apply", "-f", "-", stdin=text)
    yield
    kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=text)
    kubectl.run("delete", "--ignore-not-found", "-f", str(manifest))


@pytest.fixture(scope="module")
def before(users: None) -> dict[inventory.Key, str]:
    """The cluster without any Dapr or OSM, and with these users."""
    return inventory.take(lab.kubectl())


@pytest.fixture(scope="module")
def stack(before: dict[inventory.Key, str], stack_folder: Path) -> Iterator[Stack]:
    """A stack at the last stage."""
    made = lab.stack("users", stack_folder)
    yield made
    made.environment = api.environment()
    if made.resources():
        made.destroy()


def as_user(stack: Stack, user: str) -> Stack:
    """The stack, in another user's hands."""
    stack.environment = {**api.environment(), "KUBECONFIG": str(api.user_kubeconfig(user))}
    return stack


def assert_untouched(before: dict[inventory.Key, str]) -> None:
    assert inventory.difference(before, inventory.take(lab.kubectl())) == []


# --- who lacks something ----------------------------------------------------------------------------------------


def test_who_may_only_look_has_a_preview_with_a_warning(stack: Stack, before: dict[inventory.Key, str]) -> None:
    said = as_user(stack, LOOKING).run("preview", ok=None)
    assert f"user {LOOKING} {MAY_NOT}" in said
    assert "error:" not in said
    assert "hello-nodeapp" in said, "the preview goes on"
    assert_untouched(before)


def test_who_may_only_look_is_refused_an_up_before_anything_is_touched(
    stack: Stack, before: dict[inventory.Key, str]
) -> None:
    said = as_user(stack, LOOKING).up(ok=False)
    assert f"user {LOOKING} {MAY_NOT}" in said
    assert f"kubectl apply -f {deployer.FILE}" in said
    assert "Traceback" not in said
    assert_untouched(before)


def test_who_may_not_forward_ports_is_told_before_anything_is_touched(
    stack: Stack, before: dict[inventory.Key, str]
) -> None:
    said = as_user(stack, LACKING).up(ok=False)
    assert f"user {LACKING} {MAY_NOT}" in said
    line = "get, create pods/portforward in dapr-test: the verification tries each call and asks each Envoy what it"
    assert line in said
    assert "(or do without: `pulumi config set dapr-osm:verify pods`)" in said
    assert said.count("pods/portforward") == 1, "that alone is missing, and OSM's ClusterRole may be made"
    assert_untouched(before)


# --- who has just a deployer's rights ---------------------------------------------------------------------------


def test_what_the_stack_gives_whom_and_a_deployers_way_to_the_last_stage(stack: Stack, kubectl: Kubectl) -> None:
    as_user(stack, DEPLOYER)
    strangers = foreign_accounts(kubectl)
    allowed = rights_of(kubectl, strangers)
    stack.up()
    judge(kubectl, "smi")
    assert stack.outputs()["verification"]["calls"] != "not tried: dapr-osm:verify is pods"
    stack.run("preview", "--expect-no-changes")
    assert rights_of(kubectl, strangers) == allowed, "nobody outside the stack's namespaces gains a right by it"
    assert_subjects_are_the_stacks(kubectl)
    assert unknown_kinds() == {"certificaterequests.cert-manager.io"}, "what is granted is there, but for one kind"


def test_who_may_not_forward_ports_gets_through_with_a_smaller_verification(stack: Stack, kubectl: Kubectl) -> None:
    as_user(stack, LACKING).configure(verify="pods")
    stack.up()
    assert stack.outputs()["verification"]["calls"] == "not tried: dapr-osm:verify is pods"
    assert kubectl.persisted(6, least=3) >= 3
    # Who lost a permission gets new pods, although nobody may ask an Envoy.
    stack.configure(stage="locked")
    stack.up()
    assert kubectl.received(8) == 0


def test_a_deployers_destroy_leaves_nothing(stack: Stack, before: dict[inventory.Key, str]) -> None:
    stack.configure(stage=None, verify=None)
    as_user(stack, DEPLOYER).destroy()
    assert_nothing_left(before)


# --- what the stack gives ---------------------------------------------------------------------------------------


def foreign_accounts(kubectl: Kubectl) -> list[tuple[str, str]]:
    """ServiceAccounts outside the stack's namespaces: each namespace's default one, and one that nobody knows."""
    namespaces = [item["metadata"]["name"] for item in kubectl.items("namespaces")]
    found = [(namespace, "default") for namespace in namespaces if namespace not in NAMESPACES]
    return [*found, ("default", "somebody")]


def rights_of(kubectl: Kubectl, accounts: Sequence[tuple[str, str]]) -> dict[tuple[str, str, str], frozenset[str]]:
    """All that accounts may do, as the API server tells it, by namespace and name of the account and the place.

    What somebody may do everywhere is told for each place.
    """
    places = ("default", "kube-system", *NAMESPACES)
    return {(*account, place): rules(kubectl, *account, place) for account in accounts for place in places}


def rules(kubectl: Kubectl, namespace: str, name: str, place: str) -> frozenset[str]:
    """The rules that hold for a ServiceAccount in one place, each as JSON."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": place},
    }
    answer = kubectl.run(
        *("create", "--raw", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "-f", "-"),
        *(f"--as=system:serviceaccount:{namespace}:{name}", *(f"--as-group={group}" for group in groups)),
        stdin=json.dumps(review),
    )
    status = json.loads(answer)["status"]
    assert not status["incomplete"], status
    found = [*status["resourceRules"], *status["nonResourceRules"]]
    assert found, "everybody may ask what the API server can do"
    return frozenset(json.dumps(rule, sort_keys=True) for rule in found)


def assert_subjects_are_the_stacks(kubectl: Kubectl) -> None:
    """Every binding of the stack names ServiceAccounts of its own namespaces alone."""
    bindings = [
        *kubectl.items("clusterrolebindings", "-l", "dapr-osm/stack=users"),
        *kubectl.items("rolebindings", "-A", "-l", "dapr-osm/stack=users"),
    ]
    assert len(bindings) > 5
    for binding in bindings:
        for subject in binding["subjects"]:
            where = subject.get("namespace", binding["metadata"].get("namespace"))
            assert (subject["kind"], where in NAMESPACES) == ("ServiceAccount", True), binding["metadata"]["name"]


def unknown_kinds() -> set[str]:
    """What the stack's roles speak of that the cluster does not have."""
    cluster = lab.cluster()
    known = {(resource.group, resource.plural) for resource in cluster.resources()}
    roles = cluster.items("/apis/rbac.authorization.k8s.io/v1/clusterroles", {"labelSelector": "dapr-osm/stack=users"})
    return {
        f"{resource}.{group}"
        for role in roles
        for rule in role.get("rules") or []
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if (group, resource.partition("/")[0]) not in known
    }

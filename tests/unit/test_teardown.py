"""The look before a stack goes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cluster.client import ApiError
from cluster.discovery import Discovery
from cluster.errors import OperationError
from model.arguments import Teardown
from model.owner import STACK_LABEL, Owner
from steps.teardown import check, harmed

from .fake_cluster import FakeCluster

OWNER = Owner(stack="dev")
OURS = {"labels": OWNER.labels}
TARGETS = "traffictargets.access.smi-spec.io"
STACK = Teardown(
    dapr_namespace="dapr-system",
    osm_namespace="osm-system",
    definitions={"dapr-system": ("components.dapr.io",), "osm-system": (TARGETS,)},
    namespaces=("dapr-system", "osm-system", "dapr-test"),
    keep=False,
)


@pytest.fixture
def cluster() -> FakeCluster:
    """A stack alone on its cluster, with all that Kubernetes and the control planes make by themselves."""
    fake = FakeCluster()
    fake.add_crd("components.dapr.io", "Component")
    fake.add_crd(TARGETS, "TrafficTarget")
    fake.add("/api/v1/namespaces/default")
    fake.add("/api/v1/namespaces/shop")
    for name in STACK.namespaces:
        home = f"/namespaces/{name}"
        joined = {"openservicemesh.io/monitored-by": "osm"} if name == "dapr-test" else {}
        fake.add(f"/api/v1{home}", metadata={"labels": {**OWNER.labels, **joined}})
        fake.add(f"/api/v1{home}/serviceaccounts/default")
        fake.add(f"/api/v1{home}/configmaps/kube-root-ca.crt")
    fake.add("/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp", metadata=OURS, spec=SERVED)
    made("Deployment", fake, "/apis/apps/v1/namespaces/dapr-test/replicasets/nodeapp-1")
    made("ReplicaSet", fake, "/api/v1/namespaces/dapr-test/pods/nodeapp-1-x")
    fake.add("/apis/dapr.io/v1/namespaces/dapr-test/components/statestore", metadata=OURS)
    fake.add("/apis/access.smi-spec.io/v1/namespaces/dapr-test/traffictargets/t", metadata=OURS)
    return fake


SERVED: dict[str, Any] = {"template": {"metadata": {"annotations": {"dapr.io/enabled": "true"}}}}


def made(by: str, fake: FakeCluster, path: str) -> None:
    fake.add(path, metadata={"ownerReferences": [{"kind": by, "name": "it"}]})


def only(fake: FakeCluster, stack: Teardown = STACK) -> str:
    (problem,) = harmed(fake, stack, OWNER)
    return problem


def test_a_stack_alone_on_its_cluster_harms_nobody(cluster: FakeCluster) -> None:
    assert harmed(cluster, STACK, OWNER) == []
    check(cluster, STACK, OWNER)
    assert cluster.changes == [], "a look changes nothing"


class Partial(FakeCluster):
    """A cluster where somebody's part of the API does not answer."""

    def discover(self) -> Discovery:
        return replace(super().discover(), broken=("metrics.k8s.io/v1beta1",))


def test_where_kubernetes_deletes_no_namespace_nothing_is_begun(cluster: FakeCluster) -> None:
    fake = Partial(cluster.objects)
    with pytest.raises(OperationError, match=r"nothing was deleted: .*metrics\.k8s\.io/v1beta1.*get apiservices"):
        check(fake, STACK, OWNER)
    check(fake, replace(STACK, namespaces=()), OWNER)
    assert fake.changes == []


def test_half_a_stack_and_none_at_all_harm_nobody() -> None:
    check(FakeCluster(), STACK, OWNER)


# --- Dapr -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["deployments", "daemonsets"])
def test_other_peoples_workloads_that_dapr_serves_are_named(cluster: FakeCluster, kind: str) -> None:
    cluster.add(f"/apis/apps/v1/namespaces/shop/{kind}/cart", spec=SERVED)
    assert (
        only(cluster)
        == f"Dapr serves {kind[:-1].capitalize().replace('set', 'Set')} shop/cart, which are not of this stack"
    )


# --- the mesh ---------------------------------------------------------------------------------------------------

JOINED = {"openservicemesh.io/monitored-by": "osm"}


def test_namespaces_that_others_have_joined_to_the_mesh_are_named(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    cluster.add("/api/v1/namespaces/blog", metadata={"labels": JOINED})
    assert only(cluster) == "the mesh has the namespaces blog, shop, which others have joined to it"


@pytest.mark.parametrize(
    "labels", [{}, {"openservicemesh.io/monitored-by": "another-mesh"}, {**JOINED, **OWNER.labels}]
)
def test_namespaces_of_no_mesh_of_another_and_of_ours_are_not(cluster: FakeCluster, labels: dict[str, str]) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": labels})
    assert harmed(cluster, STACK, OWNER) == []


def test_a_namespace_that_goes_with_the_stack_is_nobodys_even_without_its_mark(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/dapr-test", metadata={"labels": JOINED})
    assert harmed(cluster, STACK, OWNER) == []


TEAMS = replace(STACK, existing=("shop",))


def test_a_namespace_that_was_there_and_that_the_stack_has_joined_is_nobodys(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    assert harmed(cluster, TEAMS, OWNER) == []


def test_a_teams_pods_that_got_an_envoy_there_are_named(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    for name, labels in (
        ("cart", {"osm-proxy-uuid": "1"}),
        ("plain", {}),
        ("ours", {"osm-proxy-uuid": "2", **OWNER.labels}),
    ):
        cluster.add(f"/api/v1/namespaces/shop/pods/{name}", metadata={"labels": labels})
    assert only(cluster, TEAMS) == "the mesh has the pods shop/cart, which are not of this stack"


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pods_that_have_ended_need_no_mesh(cluster: FakeCluster, phase: str) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    cluster.add(
        "/api/v1/namespaces/shop/pods/once",
        metadata={"labels": {"osm-proxy-uuid": "1"}},
        status={"phase": phase},
    )
    assert harmed(cluster, TEAMS, OWNER) == []


def test_without_a_mesh_nobody_has_joined_it(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    assert harmed(cluster, replace(STACK, osm_namespace=None), OWNER) == []


# --- definitions ------------------------------------------------------------------------------------------------


def test_other_peoples_custom_resources_are_named(cluster: FakeCluster) -> None:
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/bindings")
    cluster.add("/apis/dapr.io/v1/namespaces/blog/components/bindings", metadata={"labels": {STACK_LABEL: "prod"}})
    assert only(cluster) == (
        "deleting their CustomResourceDefinitions would delete Component/blog/bindings, Component/shop/bindings"
    )


COPIED = {**OURS, "managedFields": [{"manager": "kubectl-client-side-apply"}]}


def test_what_somebody_has_copied_with_its_mark_is_theirs(cluster: FakeCluster) -> None:
    """As a Component for another app, by `kubectl get -o yaml`."""
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/statestore", metadata=COPIED)
    cluster.add("/apis/apps/v1/namespaces/shop/deployments/nodeapp", metadata=COPIED, spec=SERVED)
    cluster.add(f"/api/v1{HOME}/configmaps/copy", metadata=COPIED)
    assert harmed(cluster, STACK, OWNER) == [
        "Dapr serves Deployment shop/nodeapp, which are not of this stack",
        "deleting their CustomResourceDefinitions would delete Component/shop/statestore",
        "namespace dapr-test also holds ConfigMap copy",
    ]


def test_they_are_looked_for_in_the_version_that_is_stored(cluster: FakeCluster) -> None:
    old, new = {"name": "v1", "served": True, "storage": False}, {"name": "v2", "served": True, "storage": True}
    cluster.add_crd(TARGETS, "TrafficTarget", [old, new])
    cluster.add("/apis/access.smi-spec.io/v2/namespaces/shop/traffictargets/checkout")
    assert only(cluster).endswith("would delete TrafficTarget/shop/checkout")


def test_a_definition_that_stays_harms_nobody(cluster: FakeCluster) -> None:
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/bindings")
    assert harmed(cluster, replace(STACK, definitions={"dapr-system": (), "osm-system": (TARGETS,)}), OWNER) == []


def test_in_a_teams_namespace_a_control_plane_has_only_what_it_makes_itself(cluster: FakeCluster) -> None:
    """The namespace stays, and with it what a team has put there."""
    cluster.add_crd("meshconfigs.config.openservicemesh.io", "MeshConfig")
    cluster.add("/apis/config.openservicemesh.io/v1/namespaces/osm-system/meshconfigs/osm-mesh-config")
    cluster.add("/apis/dapr.io/v1/namespaces/dapr-system/components/everybodys")
    definitions = {**STACK.definitions, "osm-system": (TARGETS, "meshconfigs.config.openservicemesh.io")}
    teams = replace(STACK, definitions=definitions, namespaces=("dapr-test",), existing=("dapr-system", "osm-system"))
    assert only(cluster, teams) == (
        "deleting their CustomResourceDefinitions would delete Component/dapr-system/everybodys"
    )


def test_each_control_planes_own_namespace_is_its_own_only(cluster: FakeCluster) -> None:
    cluster.add("/apis/access.smi-spec.io/v1/namespaces/dapr-system/traffictargets/odd")
    assert any("TrafficTarget/dapr-system/odd" in problem for problem in harmed(cluster, STACK, OWNER))


# --- namespaces -------------------------------------------------------------------------------------------------

HOME = "/namespaces/dapr-test"
STRANGERS = {
    f"/api/v1{HOME}/configmaps/theirs": "ConfigMap theirs",
    f"/api/v1{HOME}/secrets/theirs": "Secret theirs",
    f"/api/v1{HOME}/serviceaccounts/theirs": "ServiceAccount theirs",
    f"/api/v1{HOME}/persistentvolumeclaims/theirs": "PersistentVolumeClaim theirs",
    f"/api/v1{HOME}/pods/theirs": "Pod theirs",
    f"/apis/apps/v1{HOME}/deployments/theirs": "Deployment theirs",
    f"/apis/apps/v1{HOME}/replicasets/theirs": "ReplicaSet theirs",
    f"/apis/batch/v1{HOME}/cronjobs/theirs": "CronJob theirs",
    f"/apis/rbac.authorization.k8s.io/v1{HOME}/roles/theirs": "Role theirs",
    f"/apis/example.com/v1{HOME}/things/theirs": "Thing theirs",
}


@pytest.mark.parametrize(("path", "named"), STRANGERS.items(), ids=STRANGERS.values())
def test_a_strangers_object_in_a_namespace_of_ours_is_named(cluster: FakeCluster, path: str, named: str) -> None:
    cluster.add_crd("things.example.com", "Thing")
    cluster.add(path)
    assert only(cluster) == f"namespace dapr-test also holds {named}"


def test_another_stacks_object_is_a_strangers_too(cluster: FakeCluster) -> None:
    cluster.add(f"/api/v1{HOME}/configmaps/theirs", metadata={"labels": {STACK_LABEL: "prod"}})
    assert only(cluster) == "namespace dapr-test also holds ConfigMap theirs"


def test_a_kind_that_its_groups_preferred_version_lacks_is_looked_for_too(cluster: FakeCluster) -> None:
    alpha, beta = ({"name": name, "served": True, "storage": True} for name in ("v1alpha1", "v1beta1"))
    cluster.add_crd("new.example.com", "New", [beta])
    cluster.add_crd("olds.example.com", "Old", [alpha])
    cluster.add(f"/apis/example.com/v1alpha1{HOME}/olds/theirs")
    assert only(cluster) == "namespace dapr-test also holds Old theirs"


BY_ITSELF = {
    f"/api/v1{HOME}/events/e": {},
    f"/api/v1{HOME}/endpoints/nodeapp": {},
    f"/apis/discovery.k8s.io/v1{HOME}/endpointslices/nodeapp-1": {},
    f"/apis/coordination.k8s.io/v1{HOME}/leases/leader": {},
    f"/api/v1{HOME}/configmaps/openshift-service-ca.crt": {},
    f"/api/v1{HOME}/secrets/envoy-bootstrap-config-1": {},
    f"/api/v1{HOME}/secrets/osm-ca-bundle": {},
    f"/api/v1{HOME}/secrets/default-token-1": {"type": "kubernetes.io/service-account-token"},
    f"/api/v1{HOME}/secrets/sh.helm.release.v1.dapr.v1": {"type": "helm.sh/release.v1"},
    f"/api/v1{HOME}/persistentvolumeclaims/dapr-scheduler-data-dir-dapr-scheduler-server-0": {},
    f"/apis/config.openservicemesh.io/v1{HOME}/meshconfigs/osm-mesh-config": {},
    f"/apis/config.openservicemesh.io/v1{HOME}/meshrootcertificates/osm-mesh-root-certificate": {},
}


@pytest.mark.parametrize(("path", "content"), BY_ITSELF.items(), ids=lambda value: str(value).rpartition("/")[2])
def test_what_is_made_by_itself_is_nobodys(cluster: FakeCluster, path: str, content: dict[str, Any]) -> None:
    cluster.add_crd("meshconfigs.config.openservicemesh.io", "MeshConfig")
    cluster.add_crd("meshrootcertificates.config.openservicemesh.io", "MeshRootCertificate")
    cluster.add(path, **content)
    assert harmed(cluster, STACK, OWNER) == []


def test_what_another_object_has_made_goes_and_stays_with_that(cluster: FakeCluster) -> None:
    made("Deployment", cluster, f"/api/v1{HOME}/services/nodeapp-dapr")
    made("StatefulSet", cluster, f"/apis/apps/v1{HOME}/controllerrevisions/redis-1")
    assert harmed(cluster, STACK, OWNER) == []


@pytest.mark.parametrize("labels", [{}, {STACK_LABEL: "prod"}])
def test_a_namespace_that_is_not_ours_is_not_deleted_and_so_not_looked_into(
    cluster: FakeCluster, labels: dict[str, str]
) -> None:
    cluster.objects[f"/api/v1{HOME}"]["metadata"]["labels"] = labels
    cluster.add(f"/api/v1{HOME}/configmaps/theirs")
    assert harmed(cluster, STACK, OWNER) == []


def test_strangers_elsewhere_are_nobodys_concern(cluster: FakeCluster) -> None:
    cluster.add("/api/v1/namespaces/shop/configmaps/theirs")
    assert harmed(cluster, STACK, OWNER) == []


@pytest.mark.parametrize("status", [403, 405])
def test_a_kind_that_may_not_be_looked_at_is_told_and_hides_no_other_one(
    cluster: FakeCluster, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    cluster.refused_with["GET", f"/api/v1{HOME}/endpoints"] = status
    cluster.add(f"/api/v1{HOME}/secrets/theirs")
    assert only(cluster) == "namespace dapr-test also holds Secret theirs"
    assert "whether dapr-test holds endpoints of others can't be told" in capsys.readouterr().err


def test_what_was_listed_before_a_kind_that_may_not_be_is_told_once(cluster: FakeCluster) -> None:
    cluster.add(f"/api/v1{HOME}/pods/theirs")
    cluster.refused_with["GET", f"/api/v1{HOME}/secrets"] = 403
    assert only(cluster) == "namespace dapr-test also holds Pod theirs"


def test_only_kinds_that_are_in_namespaces_and_can_be_listed_are_asked_for(cluster: FakeCluster) -> None:
    harmed(cluster, STACK, OWNER)
    asked = {path.rpartition("/")[2] for _, path in cluster.requests if f"{HOME}/" in path}
    assert {"configmaps", "components"} <= asked
    assert not asked & {"bindings", "clusterroles", "namespaces", "log", "scale"}


@pytest.mark.parametrize(
    ("plural", "named"),
    [("configmaps/default", "ConfigMap default"), ("services/kube-root-ca.crt", "Service kube-root-ca.crt")],
)
def test_a_name_that_only_another_kind_has_by_itself_is_a_strangers(
    cluster: FakeCluster, plural: str, named: str
) -> None:
    cluster.add(f"/api/v1{HOME}/{plural}")
    assert only(cluster) == f"namespace dapr-test also holds {named}"


def test_all_of_a_sort_are_told_in_order(cluster: FakeCluster) -> None:
    for name in ("b", "a"):
        cluster.add(f"/api/v1{HOME}/configmaps/{name}")
        cluster.add(f"/apis/apps/v1/namespaces/shop/deployments/{name}", spec=SERVED)
    served, holds = harmed(cluster, STACK, OWNER)
    assert "Deployment shop/a, Deployment shop/b" in served
    assert holds == "namespace dapr-test also holds ConfigMap a, ConfigMap b"


def test_a_cluster_that_fails_is_no_verdict(cluster: FakeCluster) -> None:
    cluster.refused_with["GET", f"/api/v1{HOME}/endpoints"] = 500
    with pytest.raises(ApiError):
        harmed(cluster, STACK, OWNER)


# --- all of it --------------------------------------------------------------------------------------------------


def test_all_that_would_be_harmed_is_told_at_once_before_anything_goes(cluster: FakeCluster) -> None:
    cluster.add("/apis/apps/v1/namespaces/shop/deployments/cart", spec=SERVED)
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/bindings")
    cluster.add(f"/api/v1{HOME}/configmaps/theirs")
    with pytest.raises(OperationError) as caught:
        check(cluster, STACK, OWNER)
    head, *problems = str(caught.value).split("\n  ")
    assert head.startswith("nothing was deleted: ")
    assert "dapr-osm:keepShared true" in head
    assert [problem.split()[0] for problem in problems] == ["Dapr", "the", "deleting", "namespace"]
    assert cluster.changes == []


KEEPING = replace(STACK, keep=True)


def test_where_control_planes_stay_only_what_goes_all_the_same_is_looked_into(cluster: FakeCluster) -> None:
    """The apps' namespaces go, with whatever anybody has put there."""
    cluster.add("/apis/apps/v1/namespaces/shop/deployments/cart", spec=SERVED)
    cluster.add("/api/v1/namespaces/shop", metadata={"labels": JOINED})
    cluster.add("/apis/dapr.io/v1/namespaces/shop/components/bindings")
    cluster.add("/api/v1/namespaces/dapr-system/configmaps/theirs")
    check(cluster, KEEPING, OWNER)
    cluster.add(f"/api/v1{HOME}/configmaps/theirs")
    with pytest.raises(OperationError, match="namespace dapr-test also holds ConfigMap theirs") as caught:
        check(cluster, KEEPING, OWNER)
    assert "keepShared" not in str(caught.value), "it is set, and does not help"
    with pytest.raises(OperationError, match="deletes no namespace"):
        check(Partial(cluster.objects), KEEPING, OWNER)
    assert cluster.changes == []


def test_a_stack_survives_being_handed_over_as_text() -> None:
    assert Teardown.from_json(STACK.to_json()) == STACK
    without = replace(STACK, osm_namespace=None, definitions={"dapr-system": ()})
    assert Teardown.from_json(without.to_json()) == without


def test_the_same_stack_is_always_the_same_text() -> None:
    other_order = replace(STACK, definitions=dict(reversed(list(STACK.definitions.items()))))
    assert other_order.to_json() == STACK.to_json(), "an update would else have something to do"

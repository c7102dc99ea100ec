"""Where kinds of objects live on the API server."""

from __future__ import annotations

import pytest

from cluster.client import Object
from cluster.kinds import listing_of, namespaced_path, path_of, plural_of, preferred

from .fake_cluster import FakeCluster


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Deployment", "deployments"),
        ("Ingress", "ingresses"),
        ("IngressClass", "ingressclasses"),
        ("PodSecurityPolicy", "podsecuritypolicies"),
        ("NetworkPolicy", "networkpolicies"),
        ("ResourceQuota", "resourcequotas"),
        ("Endpoints", "endpoints"),
        ("Gateway", "gateways"),
        ("HTTPRouteGroup", "httproutegroups"),
        ("WorkflowAccessPolicy", "workflowaccesspolicies"),
        ("Resiliency", "resiliencies"),
        ("StorageClass", "storageclasses"),
        ("Branch", "branches"),
    ],
)
def test_a_kinds_plural_is_as_kubernetes_makes_it(kind: str, plural: str) -> None:
    assert plural_of(kind) == plural


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("v1", "Secret", "a", "s"), "/api/v1/namespaces/a/secrets/s"),
        (("v1", "Secret", "a"), "/api/v1/namespaces/a/secrets"),
        (("v1", "Namespace", None, "a"), "/api/v1/namespaces/a"),
        (("apps/v1", "Deployment", "a", "d"), "/apis/apps/v1/namespaces/a/deployments/d"),
        (
            ("rbac.authorization.k8s.io/v1", "ClusterRole", None, "r"),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r",
        ),
    ],
)
def test_an_objects_path_follows_from_what_it_says_of_itself(arguments: tuple[str, ...], path: str) -> None:
    assert path_of(*arguments) == path


def test_a_namespaced_kind_is_of_the_core_or_of_osms_group() -> None:
    assert namespaced_path("secrets", "a") == "/api/v1/namespaces/a/secrets"
    assert (
        namespaced_path("meshconfigs.config.openservicemesh.io", "a")
        == "/apis/config.openservicemesh.io/v1alpha2/namespaces/a/meshconfigs"
    )


def definition(*versions: Object) -> Object:
    return {"spec": {"group": "example.com", "names": {"plural": "things"}, "versions": list(versions)}}


V1: Object = {"name": "v1", "served": True, "storage": False}
V2: Object = {"name": "v2", "served": True, "storage": True}
OLD: Object = {"name": "v0", "served": False, "storage": True}


@pytest.mark.parametrize(
    ("versions", "path"),
    [
        ((V1, V2), "/apis/example.com/v2/things"),
        ((V2, V1), "/apis/example.com/v2/things"),
        ((OLD, V1), "/apis/example.com/v1/things"),
        (({"name": "v1", "served": True},), "/apis/example.com/v1/things"),
        ((OLD,), None),
        ((), None),
    ],
    ids=["stored last", "stored first", "stored, not served", "says nothing of storage", "none served", "none"],
)
def test_all_objects_of_a_definition_are_listed_where_they_are_stored(
    versions: tuple[Object, ...], path: str | None
) -> None:
    assert listing_of(definition(*versions)) == path


# --- each kind once ---------------------------------------------------------------------------------------------


def found(fake: FakeCluster) -> dict[tuple[str, str], str]:
    """By group and plural, where a kind is listed."""
    every = preferred(fake.resources())
    result = {(item.group, item.plural): item.path() for item in every}
    assert len(result) == len(every), "an object would else be seen twice"
    return result


def version(name: str) -> Object:
    return {"name": name, "served": True, "storage": name == "v1"}


def test_a_kind_of_several_versions_is_looked_at_once_in_the_preferred_one() -> None:
    fake = FakeCluster()
    fake.add_crd("things.example.com", "Thing", [version("v1alpha1"), version("v1"), version("v1beta1")])
    assert found(fake)["example.com", "things"] == "/apis/example.com/v1/things"


def test_a_kind_that_its_groups_preferred_version_lacks_is_found_too() -> None:
    fake = FakeCluster()
    fake.add_crd("subscriptions.dapr.io", "Subscription", [version("v1alpha1"), version("v2alpha1")])
    fake.add_crd("components.dapr.io", "Component", [version("v1alpha1")])
    listed = found(fake)
    assert listed["dapr.io", "subscriptions"] == "/apis/dapr.io/v2alpha1/subscriptions"
    assert listed["dapr.io", "components"] == "/apis/dapr.io/v1alpha1/components"


def test_a_kind_of_the_same_name_in_another_group_is_another_kind() -> None:
    fake = FakeCluster()
    fake.add_crd("services.example.com", "Service")
    assert {("", "services"), ("example.com", "services")} <= set(found(fake))


def test_kinds_stay_in_the_order_in_which_the_cluster_serves_them() -> None:
    resources = FakeCluster().resources()
    assert preferred(resources) == resources, "where each has one version, nothing changes"


@pytest.mark.parametrize("status", [403, 503])
def test_a_group_that_is_broken_hides_no_other_one(status: int) -> None:
    fake = FakeCluster()
    fake.refused_with["GET", "/apis/batch/v1"] = status
    listed = found(fake)
    assert ("batch", "jobs") not in listed
    assert {("", "secrets"), ("apps", "deployments"), ("coordination.k8s.io", "leases")} <= set(listed)

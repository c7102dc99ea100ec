from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.errors import OperationError
from model.owner import STACK_LABEL, Owner
from steps.mesh import await_mesh, withdraw_policies
from verification.policies import policies

from .fake_cluster import CRDS, MUTATING, VALIDATING, FakeCluster

NAMESPACE = "osm-system"
OWNER = Owner(stack="dev")
DEFINITIONS = ["meshconfigs.config.openservicemesh.io", "traffictargets.access.smi-spec.io"]
WEBHOOKS = {
    "mutatingwebhookconfigurations": ["osm-webhook-osm"],
    "validatingwebhookconfigurations": ["osm-validator-mesh-osm"],
}
MESH_CONFIG = f"/apis/config.openservicemesh.io/v1alpha2/namespaces/{NAMESPACE}/meshconfigs/osm-mesh-config"


def webhook(ca: str | None) -> list[dict[str, Any]]:
    return [{"clientConfig": {"caBundle": ca} if ca else {}}]


@pytest.fixture
def cluster() -> FakeCluster:
    """A mesh that is ready."""
    fake = FakeCluster()
    fake.add_crd(DEFINITIONS[0], "MeshConfig")
    fake.add_crd(DEFINITIONS[1], "TrafficTarget")
    fake.add(f"{MUTATING}/osm-webhook-osm", webhooks=webhook("Q0E="))
    fake.add(f"{VALIDATING}/osm-validator-mesh-osm", webhooks=webhook("Q0E="))
    fake.add(MESH_CONFIG)
    return fake


NOTHING_BEFORE = json.dumps(
    {
        kind: dict.fromkeys(names, False)
        for kind, names in {**WEBHOOKS, "customresourcedefinitions": DEFINITIONS}.items()
    }
)


def awaited(fake: FakeCluster, record: str = NOTHING_BEFORE) -> str:
    return await_mesh(
        fake,
        namespace=NAMESPACE,
        mesh_config="osm-mesh-config",
        crds=DEFINITIONS,
        webhooks=WEBHOOKS,
        owner=OWNER,
        record=record,
        seconds=0,
    )


def missing(fake: FakeCluster) -> str:
    with pytest.raises(OperationError) as caught:
        awaited(fake)
    return str(caught.value)


def test_a_mesh_with_everything_is_ready_at_once(cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("steps.mesh.moment", lambda: "now")
    assert json.loads(awaited(cluster)) == {"meshConfig": "osm-mesh-config", "at": "now"}


def test_what_osm_has_made_gets_the_stacks_mark(cluster: FakeCluster) -> None:
    ca = f"/api/v1/namespaces/{NAMESPACE}/secrets/osm-ca-bundle"
    cluster.add(ca)
    cluster.add(f"/api/v1/namespaces/{NAMESPACE}/secrets/of-somebody")
    awaited(cluster)
    assert {path for path, item in cluster.objects.items() if OWNER.owns(item["metadata"])} == {
        *(f"{CRDS}/{name}" for name in DEFINITIONS),
        f"{MUTATING}/osm-webhook-osm",
        f"{VALIDATING}/osm-validator-mesh-osm",
        MESH_CONFIG,
        ca,
    }


def test_what_was_there_before_the_stack_gets_no_mark(cluster: FakeCluster) -> None:
    record = json.loads(NOTHING_BEFORE)
    record["customresourcedefinitions"][DEFINITIONS[1]] = True
    awaited(cluster, json.dumps(record))
    assert not OWNER.owns(cluster.objects[f"{CRDS}/{DEFINITIONS[1]}"]["metadata"])
    assert OWNER.owns(cluster.objects[f"{CRDS}/{DEFINITIONS[0]}"]["metadata"])


def test_nothing_is_marked_before_all_of_it_is_there(cluster: FakeCluster) -> None:
    del cluster.objects[MESH_CONFIG]
    missing(cluster)
    assert cluster.changes == [], "waiting changes nothing"


def test_a_missing_mesh_config_is_waited_for(cluster: FakeCluster) -> None:
    del cluster.objects[MESH_CONFIG]
    assert "the mesh is not ready after 0 s: MeshConfig osm-mesh-config missing." in missing(cluster)


def test_a_missing_definition_is_waited_for(cluster: FakeCluster) -> None:
    del cluster.objects[f"{CRDS}/{DEFINITIONS[1]}"]
    assert f"CustomResourceDefinition {DEFINITIONS[1]} missing" in missing(cluster)


def test_a_definition_that_is_not_established_yet_is_waited_for(cluster: FakeCluster) -> None:
    cluster.add_crd(DEFINITIONS[1], "TrafficTarget", established=False)
    assert f"CustomResourceDefinition {DEFINITIONS[1]} missing" in missing(cluster)


def test_a_definition_that_says_nothing_of_itself_yet_is_waited_for(cluster: FakeCluster) -> None:
    del cluster.objects[f"{CRDS}/{DEFINITIONS[1]}"]["status"]
    assert f"CustomResourceDefinition {DEFINITIONS[1]} missing" in missing(cluster)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (MUTATING, "mutatingwebhookconfigurations osm-webhook-osm"),
        (VALIDATING, "validatingwebhookconfigurations osm-validator-mesh-osm"),
    ],
)
def test_a_webhook_is_waited_for_until_it_has_its_ca(cluster: FakeCluster, path: str, name: str) -> None:
    where = f"{path}/{name.split()[1]}"
    cluster.objects[where]["webhooks"] = webhook(None)
    assert f"{name} with its CA missing" in missing(cluster)
    del cluster.objects[where]
    assert f"{name} with its CA missing" in missing(cluster)


def test_everything_that_is_missing_is_named_at_once() -> None:
    message = missing(FakeCluster())
    for name in (*DEFINITIONS, "osm-webhook-osm", "osm-validator-mesh-osm", "osm-mesh-config"):
        assert name in message


def test_a_timeout_tells_what_is_wrong_with_osms_pods() -> None:
    fake = FakeCluster()
    fake.add(
        f"/api/v1/namespaces/{NAMESPACE}/pods/osm-bootstrap-1",
        status={
            "containerStatuses": [
                {
                    "name": "osm-bootstrap",
                    "ready": False,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}},
                }
            ]
        },
    )
    fake.add(
        f"/api/v1/namespaces/{NAMESPACE}/events/e1",
        type="Warning",
        reason="Failed",
        message="could not pull",
        involvedObject={"name": "osm-bootstrap-1"},
    )
    message = missing(fake)
    assert "pod osm-bootstrap-1: container osm-bootstrap: ImagePullBackOff: no such image" in message
    assert "event on osm-bootstrap-1: Failed: could not pull" in message


def test_a_timeout_with_healthy_pods_says_so() -> None:
    assert "all of OSM's pods look healthy" in missing(FakeCluster())


# --- policies ---------------------------------------------------------------------------------------------------

OWN = {"labels": OWNER.labels}
TARGETS = "/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets"
ROUTES = "/apis/specs.smi-spec.io/v1alpha4/namespaces/dapr-test/httproutegroups"
TCP_ROUTES = "/apis/specs.smi-spec.io/v1alpha4/namespaces/dapr-test/tcproutes"


@pytest.fixture
def allowed() -> FakeCluster:
    """The walkthrough's policies, a person's and another stack's beside them, and one of ours elsewhere."""
    fake = FakeCluster()
    fake.add(f"{TARGETS}/pythodapp-traffic-target", metadata=OWN)
    fake.add(f"{ROUTES}/nodeapp-service-routes", metadata=OWN)
    fake.add(f"{TARGETS}/somebodys")
    fake.add(f"{TARGETS}/another-stacks", metadata={"labels": {STACK_LABEL: "prod"}})
    fake.add(f"{TARGETS.replace('dapr-test', 'shop')}/elsewhere", metadata=OWN)
    return fake


def withdrawn(fake: FakeCluster, *declared: str) -> str:
    return withdraw_policies(fake, namespaces=["dapr-test"], declared=declared, owner=OWNER)


def test_only_this_stacks_policies_are_seen(allowed: FakeCluster) -> None:
    assert list(policies(allowed, "dapr-test", OWNER)) == [
        "TrafficTarget/dapr-test/pythodapp-traffic-target",
        "HTTPRouteGroup/dapr-test/nodeapp-service-routes",
    ]


def test_what_is_no_longer_declared_goes_and_nothing_else(allowed: FakeCluster) -> None:
    withdrawn(allowed)
    assert allowed.deleted == [f"{TARGETS}/pythodapp-traffic-target", f"{ROUTES}/nodeapp-service-routes"], (
        "the TrafficTarget goes first: without its routes it would deny everything"
    )
    assert {f"{TARGETS}/somebodys", f"{TARGETS}/another-stacks"} <= set(allowed.objects)


def test_what_is_declared_stays(allowed: FakeCluster) -> None:
    withdrawn(
        allowed, "HTTPRouteGroup/dapr-test/nodeapp-service-routes", "TrafficTarget/dapr-test/pythodapp-traffic-target"
    )
    assert allowed.deleted == []


def test_only_the_undeclared_one_of_two_goes(allowed: FakeCluster) -> None:
    withdrawn(allowed, "HTTPRouteGroup/dapr-test/nodeapp-service-routes")
    assert allowed.deleted == [f"{TARGETS}/pythodapp-traffic-target"]


def test_a_route_of_another_kind_goes_too() -> None:
    fake = FakeCluster()
    fake.add(f"{TCP_ROUTES}/old", metadata=OWN)
    withdrawn(fake)
    assert fake.deleted == [f"{TCP_ROUTES}/old"]


def test_withdrawing_where_nothing_is_does_nothing() -> None:
    fake = FakeCluster()
    withdrawn(fake)
    assert fake.deleted == []


def test_every_run_prints_something_else(allowed: FakeCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ("HTTPRouteGroup/dapr-test/nodeapp-service-routes",)
    moments = iter(["then", "now"])
    monkeypatch.setattr("steps.mesh.moment", lambda: next(moments))
    first, second = (json.loads(withdrawn(allowed, *declared)) for _ in range(2))
    assert (first["declared"], second["declared"]) == (list(declared), list(declared))
    assert first != second, "else nothing would be verified when a failed update is taken back"


SHOP = TARGETS.replace("dapr-test", "shop")


def test_policies_are_withdrawn_in_every_namespace_that_is_named(allowed: FakeCluster) -> None:
    withdraw_policies(allowed, namespaces=["dapr-test", "shop"], declared=[], owner=OWNER)
    assert allowed.deleted == [
        f"{TARGETS}/pythodapp-traffic-target",
        f"{ROUTES}/nodeapp-service-routes",
        f"{SHOP}/elsewhere",
    ]


def test_a_namespace_that_is_not_named_is_none_of_ours(allowed: FakeCluster) -> None:
    withdraw_policies(allowed, namespaces=["shop"], declared=[], owner=OWNER)
    assert allowed.deleted == [f"{SHOP}/elsewhere"]


def test_a_policy_of_the_same_name_in_another_namespace_is_another_one(allowed: FakeCluster) -> None:
    allowed.add(f"{SHOP}/pythodapp-traffic-target", metadata=OWN)
    declared = [
        "TrafficTarget/dapr-test/pythodapp-traffic-target",
        "HTTPRouteGroup/dapr-test/nodeapp-service-routes",
        "TrafficTarget/shop/elsewhere",
    ]
    withdraw_policies(allowed, namespaces=["dapr-test", "shop"], declared=declared, owner=OWNER)
    assert allowed.deleted == [f"{SHOP}/pythodapp-traffic-target"], "its policy has moved to where its app is now"


def test_a_namespace_whose_name_begins_like_anothers_is_not_it(allowed: FakeCluster) -> None:
    allowed.add(f"{TARGETS.replace('dapr-test', 'dapr-test-2')}/theirs", metadata=OWN)
    assert list(policies(allowed, "dapr-test-2", OWNER)) == ["TrafficTarget/dapr-test-2/theirs"]
    assert "TrafficTarget/dapr-test/theirs" not in policies(allowed, "dapr-test", OWNER)

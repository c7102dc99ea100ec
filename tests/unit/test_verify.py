from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest

from model.expectation import Expectation, ExpectedApp, expectation
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION, OSM_RELEASE
from operations import verify as verification
from operations.envoy import inbound_cluster, outbound_cluster
from operations.errors import OperationError
from operations.verify import VerificationError, pod_problems, verify

from .live_cluster import APP, LiveCluster, pod


def test_a_pod_with_just_the_expected_containers_is_fine() -> None:
    assert pod_problems(pod(), APP) == []


def test_the_order_of_containers_means_nothing() -> None:
    assert pod_problems(pod(("node", "envoy", "daprd")), APP) == []


def test_a_pod_without_daprd_is_found_out() -> None:
    assert pod_problems(pod(("node", "envoy")), APP) == ["pod nodeapp-1 lacks container daprd"], (
        "Dapr's webhook lets pods through when it fails"
    )


def test_a_surplus_envoy_is_found_out() -> None:
    outside = ExpectedApp(
        name="nodeapp", container="node", containers=("daprd", "node"), init_containers=(), service_account="nodeapp"
    )
    assert pod_problems(pod(), outside) == [
        "pod nodeapp-1 has container envoy, which should not be there",
        "pod nodeapp-1 has init container osm-init, which should not be there",
    ]


def test_a_missing_init_container_is_found_out() -> None:
    assert pod_problems(pod(init=()), APP) == ["pod nodeapp-1 lacks init container osm-init"]
    without = pod()
    del without["spec"]["initContainers"]
    assert pod_problems(without, APP) == ["pod nodeapp-1 lacks init container osm-init"]


def test_a_wrong_service_account_is_found_out() -> None:
    assert pod_problems(pod(account="default"), APP) == ["pod nodeapp-1 runs as default instead of nodeapp"]


def test_an_unready_container_is_found_out() -> None:
    assert pod_problems(pod(not_ready=("daprd",)), APP) == ["pod nodeapp-1: 2 of 3 containers are ready"]


def test_a_pod_that_has_not_started_is_not_ready() -> None:
    new = pod()
    new["status"] = {}
    assert pod_problems(new, APP) == ["pod nodeapp-1: 0 of 3 containers are ready"]


def test_everything_that_is_wrong_with_a_pod_is_told_at_once() -> None:
    assert len(pod_problems(pod(("node", "extra"), account="default", not_ready=("node",)), APP)) == 5


# --- a whole stage ----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come one after the other, and quiet is established at once."""
    monkeypatch.setattr(verification, "POLL_SECONDS", 0)
    monkeypatch.setattr(verification, "QUIET_SECONDS", 0.02)


def expected_at(stage: Stage, seconds: int = 20, version: str = DEFAULT_DAPR_VERSION) -> Expectation:
    return expectation(stage, DAPR_RELEASES[version], OSM_RELEASE, seconds)


Prepare = Callable[[LiveCluster], None]


def at(stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> LiveCluster:
    """A cluster that does what this stage promises."""
    cluster = LiveCluster(expected_at(stage, version=version))
    if stage.policies:
        cluster.allow()
    if not stage.orders_flow:
        cluster.flowing, cluster.refusing = False, 1
    return cluster


def failure(cluster: LiveCluster, stage: Stage) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(stage, seconds=0))
    return str(caught.value)


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize("stage", list(Stage))
def test_a_stage_that_keeps_its_promise_is_found_so(stage: Stage, version: str) -> None:
    cluster = at(stage, version)
    findings = verify(cluster, expected_at(stage, version=version))
    assert findings["stage"] == stage.value
    assert datetime.fromisoformat(findings["verified"]).tzinfo is not None
    assert json.loads(json.dumps(findings)) == findings, "findings become a stack output"
    assert ("persisted" in findings["orders"]["verdict"]) is stage.orders_flow
    assert ("callsThroughEnvoys" in findings["orders"]) is (stage.meshed and stage.orders_flow)
    assert cluster.deleted == [], "a verification changes nothing"


def test_orders_that_bypass_the_envoys_are_found_out() -> None:
    cluster = at(Stage.SMI)
    cluster.through = 0
    with pytest.raises(VerificationError, match="bypassed the mesh.*Is port 50002 excluded from interception"):
        verify(cluster, expected_at(Stage.SMI))


def test_bypassing_is_none_where_there_is_no_mesh() -> None:
    cluster = at(Stage.DAPR)
    cluster.through = 0
    assert "callsThroughEnvoys" not in verify(cluster, expected_at(Stage.DAPR))["orders"]


def test_orders_that_do_not_flow_are_told_with_what_the_caller_says() -> None:
    cluster = at(Stage.SMI)
    cluster.flowing = False
    message = failure(cluster, Stage.SMI)
    assert "stage smi: orders must flow" in message
    assert "pod pythonapp-1, container python, says: HTTP 500: ERR_DIRECT_INVOKE" in message


class Steady(LiveCluster):
    """A cluster where an order arrives at every third look, as one a second does."""

    looks = 0

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        self.looks += 1
        self.flowing = self.looks % 3 == 0
        return super().logs(namespace, pod, container, since_seconds)


def test_orders_that_go_on_where_they_must_stop_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(verification, "QUIET_SECONDS", 0.5)
    cluster = Steady(expected_at(Stage.LOCKED))
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(Stage.LOCKED, seconds=1))
    assert "stage locked: orders must stop" in str(caught.value), "time runs out between two orders, not at one"


def test_orders_that_stop_without_the_meshs_doing_are_told() -> None:
    cluster = at(Stage.LOCKED)
    cluster.refusing = 0
    assert "neither Envoy has refused a call" in failure(cluster, Stage.LOCKED)


def test_a_mesh_that_refuses_calls_is_never_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(verification, "POLL_SECONDS", 0.02)
    # Time runs out while one still listens to the quiet, as when the pods took most of it.
    findings = verify(at(Stage.LOCKED), expected_at(Stage.LOCKED, seconds=0))
    assert findings["orders"]["refusedByMesh"] > 0, "what has begun is brought to its end: it takes seconds only"


class Crashing(LiveCluster):
    """A cluster where nodeapp's daprd restarts while one looks."""

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        self.objects[self.pod_path("nodeapp")]["status"]["containerStatuses"][0]["restartCount"] = 1
        return super().logs(namespace, pod, container, since_seconds)


def test_orders_that_stop_because_something_crashed_are_told() -> None:
    cluster = Crashing(expected_at(Stage.LOCKED))
    cluster.flowing, cluster.refusing = False, 1
    with pytest.raises(VerificationError, match=r"not because of the mesh:\s+nodeapp-1/daprd restarted meanwhile"):
        verify(cluster, expected_at(Stage.LOCKED))


def test_a_pod_without_daprd_fails_the_stage() -> None:
    cluster = at(Stage.SMI)
    cluster.add(cluster.pod_path("nodeapp"), **{**pod(("node", "envoy")), "metadata": {"labels": {"app": "node"}}})
    assert "pod nodeapp-1 lacks container daprd" in failure(cluster, Stage.SMI)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.meshed])
@pytest.mark.parametrize(
    ("there", "wanted", "says"),
    [
        ("1.12.0", "1.18.1", "lacks container osm-healthcheck"),
        ("1.18.1", "1.12.0", "has container osm-healthcheck, which should not be there"),
    ],
)
def test_in_the_mesh_pods_of_another_dapr_release_fail_the_stage(
    stage: Stage, there: str, wanted: str, says: str
) -> None:
    with pytest.raises(VerificationError) as caught:
        verify(at(stage, there), expected_at(stage, seconds=0, version=wanted))
    assert f"pod nodeapp-1 {says}" in str(caught.value)
    assert f"pod pythonapp-1 {says}" in str(caught.value)


def test_a_missing_pod_fails_the_stage() -> None:
    cluster = at(Stage.SMI)
    del cluster.objects[cluster.pod_path("pythonapp")]
    assert "pythonapp has 0 pods instead of 1" in failure(cluster, Stage.SMI)


def test_a_missing_deployment_fails_the_stage() -> None:
    cluster = at(Stage.SMI)
    del cluster.objects["/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp"]
    assert "Deployment nodeapp does not exist" in failure(cluster, Stage.SMI)


@pytest.mark.parametrize(
    "status",
    [{}, {"observedGeneration": 1, "updatedReplicas": 1}, {"observedGeneration": 2, "updatedReplicas": 0}],
    ids=["says nothing", "has not seen its change", "still has old pods only"],
)
def test_a_rollout_that_is_not_over_is_waited_for(status: dict[str, int]) -> None:
    cluster = at(Stage.SMI)
    cluster.deployment("nodeapp")["status"] = status
    assert "Deployment nodeapp has not rolled out its latest pods" in failure(cluster, Stage.SMI)


def test_a_pod_on_its_way_out_does_not_count() -> None:
    cluster = at(Stage.PERMISSIVE)
    leaving = {**pod(), "metadata": {"labels": {"app": "node"}, "deletionTimestamp": "2024-05-01T12:00:00Z"}}
    cluster.add("/api/v1/namespaces/dapr-test/pods/nodeapp-0", **leaving)
    assert verify(cluster, expected_at(Stage.PERMISSIVE))["stage"] == "permissive"


def test_a_missing_policy_fails_the_stage_with_the_mend() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    message = failure(cluster, Stage.SMI)
    assert "TrafficTarget/pythodapp-traffic-target does not exist; `pulumi up --refresh` makes it again" in message


def test_a_policy_that_is_left_over_fails_the_locked_stage() -> None:
    cluster = at(Stage.LOCKED)
    cluster.allow()
    assert "TrafficTarget/pythodapp-traffic-target exists, although this stage has none" in failure(
        cluster, Stage.LOCKED
    )


@pytest.mark.parametrize("stage", [Stage.DAPR, Stage.PERMISSIVE])
def test_where_policies_have_no_effect_nobody_looks_for_them(stage: Stage) -> None:
    cluster = at(stage)
    cluster.allow()
    assert expected_at(stage).policies is None
    assert verify(cluster, expected_at(stage))["policies"] == []
    assert not [path for _, path in cluster.requests if "smi-spec.io" in path]


def test_a_policy_of_someone_elses_is_none_of_ours() -> None:
    cluster = at(Stage.SMI)
    cluster.add("/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/theirs")
    assert verify(cluster, expected_at(Stage.SMI))["stage"] == "smi"


def test_a_cluster_that_does_not_answer_is_no_verdict() -> None:
    class Silent(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> str:
            raise OperationError("port 15000 does not answer")

    cluster = Silent(expected_at(Stage.SMI))
    cluster.allow()
    with pytest.raises(OperationError, match="does not answer"):
        verify(cluster, expected_at(Stage.SMI))


def test_envoys_names_for_both_sides_of_a_call_are_osms() -> None:
    assert outbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002"
    assert inbound_cluster("dapr-test", "nodeapp") == "dapr-test/nodeapp-dapr|50002|local"

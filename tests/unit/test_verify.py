from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from cluster.client import Answer
from cluster.errors import ForbiddenError, OperationError, VerificationError
from model import names
from model.apps import App
from model.expectation import Expectation
from model.owner import Owner
from model.policies import Call, Policy, walkthrough
from model.stage import Stage
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION
from settings import ROOT
from verification import alive, calls, order_stream, pods, who
from verification import verify as verify_module
from verification.calls import way_of
from verification.order_stream import OrderStream
from verification.pods import await_pods
from verification.sample import sample
from verification.verify import ORDERS, verify
from verification.who import await_rules

from . import test_stages as stages
from .live_cluster import ARRIVED, UNREACHED, LiveCluster, in_a_hurry, pod

# As it is, before a test shortens it.
REAL_QUIET_SECONDS = order_stream.QUIET_SECONDS


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)


def expected_at(stage: Stage, seconds: int = 20, version: str = DEFAULT_DAPR_VERSION) -> Expectation:
    return stages.expected_at(stage, version, seconds=seconds)


Prepare = Callable[[LiveCluster], None]


def at(stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> LiveCluster:
    """A cluster that does what this stage promises."""
    cluster = LiveCluster(expected_at(stage, version=version))
    if stage.policies:
        cluster.allow()
    return cluster


def failure(cluster: LiveCluster, stage: Stage, version: str = DEFAULT_DAPR_VERSION) -> str:
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(stage, seconds=0, version=version))
    return str(caught.value)


def orders_failure(cluster: LiveCluster, stage: Stage) -> str:
    """What is told of the orders alone, by the rules that the Envoys have now."""
    expected = expected_at(stage, seconds=0)
    pods = await_pods(cluster, expected, 0)
    rules = await_rules(cluster, expected, pods, 0)["pythonapp"]
    stream = OrderStream(
        cluster=cluster, expected=expected, way=way_of(expected, ORDERS, pods), rules=rules, deadline=0
    )
    with pytest.raises(VerificationError) as caught:
        stream.check(allowed=expected.calls[ORDERS])
    return str(caught.value)


@pytest.mark.parametrize("version", DAPR_RELEASES)
@pytest.mark.parametrize("stage", list(Stage))
def test_a_stage_that_keeps_its_promise_is_found_so(stage: Stage, version: str) -> None:
    cluster = at(stage, version)
    findings = verify(cluster, expected_at(stage, version=version))
    assert findings["stage"] == stage.value
    assert datetime.fromisoformat(findings["verified"]).tzinfo is not None
    assert json.loads(json.dumps(findings)) == findings, "findings become a stack output"
    flow = stage is not Stage.LOCKED
    counted = "callsThroughEnvoys" if DAPR_RELEASES[version].route.by_http else "bytesThroughEnvoys"
    assert ("persisted" in findings["orders"]["verdict"]) is flow
    assert (counted in findings["orders"]) is (stage.meshed and flow)
    assert findings["orders"]["persisted"] >= 3 if flow else findings["orders"]["persisted"] == 0
    assert findings["policies"] == list(expected_at(stage, version=version).policies or ())
    arrives = "arrives through both Envoys" if stage.meshed else "arrives"
    (seen,) = findings["calls"].items()
    assert (seen[0], seen[1].partition(":")[0]) == (
        "pythonapp -> nodeapp",
        arrives if flow else "is refused by the mesh",
    )
    may_call = {"nodeapp": [], "pythonapp": ["nodeapp"] if flow else []}
    assert findings["mayCall"] == (may_call if stage.enforces else "everybody")
    assert findings["diagram"].startswith("flowchart LR")
    assert set(findings["containers"]) == {"nodeapp", "pythonapp"}
    assert {method for method, _ in cluster.requests} == {"GET"}, "a verification changes nothing"


def test_orders_that_bypass_the_envoys_are_found_out() -> None:
    cluster = at(Stage.SMI)
    cluster.through = 0
    message = failure(cluster, Stage.SMI)
    assert "their calls bypassed the mesh" in message
    assert "Is port 50002 excluded from interception" in message
    assert "pythonapp -> nodeapp: tried from pod pythonapp-1, it arrived, but not through" in message, "told at once"


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
    monkeypatch.setattr(order_stream, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(order_stream, "QUIET_SECONDS", 0.5)
    cluster = Steady(expected_at(Stage.LOCKED))
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(Stage.LOCKED, seconds=1))
    assert "stage locked: orders must stop" in str(caught.value), "time runs out between two orders, not at one"


def test_orders_that_stop_without_the_meshs_doing_are_told() -> None:
    cluster = at(Stage.LOCKED)
    cluster.refusing = 0
    # The one call that is tried is refused, but not while one listens to the orders.
    cluster.answering["pythonapp", "nodeapp"] = UNREACHED
    assert "no Envoy has refused one" in orders_failure(cluster, Stage.LOCKED)


def test_orders_stop_too_where_the_callers_envoy_lets_nothing_out() -> None:
    cluster = at(Stage.LOCKED)
    cluster.listening = False
    assert "pythonapp's Envoy lets nothing out" in verify(cluster, expected_at(Stage.LOCKED))["orders"]["verdict"]


def test_a_mesh_that_refuses_calls_is_never_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_stream, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(order_stream, "POLL_SECONDS", 0.02)
    # Time runs out while one still listens to the quiet, as when the pods took most of it.
    findings = verify(at(Stage.LOCKED), expected_at(Stage.LOCKED, seconds=0))
    assert findings["orders"]["refusedByMesh"], "what has begun is brought to its end: it takes seconds only"


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


def bare(cluster: LiveCluster) -> LiveCluster:
    """The same, with a pod of nodeapp's that got no Envoy."""
    without = pod(("node", "daprd", "osm-healthcheck"), init=())
    cluster.add(cluster.pod_path("nodeapp"), **{**without, "metadata": {"labels": {"app": "node"}, "uid": "bare"}})
    return cluster


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({}, "namespace dapr-test is not joined to the mesh: its label openservicemesh.io/monitored-by is missing"),
        (
            {"labels": names.JOINED_LABELS, "annotations": {"openservicemesh.io/sidecar-injection": "disabled"}},
            "its annotation openservicemesh.io/sidecar-injection is disabled instead of enabled",
        ),
        (
            {"labels": names.JOINED_LABELS, "annotations": names.JOINED_ANNOTATIONS},
            "whoever adds it was away when the pod was made",
        ),
    ],
)
def test_a_pod_that_was_made_without_a_sidecar_ends_the_wait_with_the_reason(
    metadata: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = bare(at(Stage.SMI))
    cluster.add("/api/v1/namespaces/dapr-test", metadata=metadata)
    monkeypatch.setattr(pods, "CONFIRM_SECONDS", 0.05)
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(Stage.SMI, seconds=60))
    said = str(caught.value)
    assert "pod nodeapp-1 lacks container envoy" in said
    assert "waiting longer can't help" in said
    assert says in said
    assert "Run `pulumi up --refresh`" in said


def test_a_pod_without_a_sidecar_that_is_being_replaced_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = bare(at(Stage.SMI))
    cluster.deployment("nodeapp")["status"]["updatedReplicas"] = 0
    monkeypatch.setattr(pods, "CONFIRM_SECONDS", 0)
    assert "the pods are not as they should be" in failure(cluster, Stage.SMI)


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.meshed])
@pytest.mark.parametrize(
    ("there", "wanted", "says"),
    [
        ("1.12.0", "1.18.2", "lacks container osm-healthcheck"),
        ("1.18.2", "1.12.0", "has container osm-healthcheck, which should not be there"),
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
    assert (
        "TrafficTarget/dapr-test/pythodapp-traffic-target does not exist; `pulumi up --refresh` makes it again"
        in message
    )


@pytest.mark.parametrize(
    ("manager", "field", "is_edited"),
    [
        ("kubectl-patch", "spec", True),
        ("kubectl-annotate", "metadata", False),
        ("pulumi-kubernetes-1a2b", "spec", False),
        ("osm-controller", "spec", False),
    ],
)
def test_a_policy_that_somebody_has_rewritten_is_told_at_once(manager: str, field: str, is_edited: bool) -> None:
    cluster = at(Stage.SMI)
    path = "/apis/access.smi-spec.io/v1alpha3/namespaces/dapr-test/traffictargets/pythodapp-traffic-target"
    fields: dict[str, Any] = {f"f:{field}": {"f:sources": {}}}
    cluster.objects[path]["metadata"]["managedFields"] = [{"manager": manager, "fieldsV1": fields}]
    if not is_edited:
        verify(cluster, expected_at(Stage.SMI))
        return
    said = failure(cluster, Stage.SMI)
    assert (
        "TrafficTarget/dapr-test/pythodapp-traffic-target was changed by kubectl-patch (spec.sources); "
        "`pulumi up --refresh` mends it" in said
    )


def test_a_policy_that_is_left_over_fails_the_locked_stage() -> None:
    cluster = at(Stage.LOCKED)
    cluster.allow()
    assert "TrafficTarget/dapr-test/pythodapp-traffic-target exists, although it is not declared" in failure(
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
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            raise OperationError("port 15000 does not answer")

    cluster = Silent(expected_at(Stage.SMI))
    cluster.allow()
    with pytest.raises(OperationError, match="does not answer"):
        verify(cluster, expected_at(Stage.SMI, seconds=0))


# --- where Envoys see connections -------------------------------------------------------------------------------


def test_orders_whose_bytes_bypass_the_envoys_are_found_out() -> None:
    cluster = at(Stage.SMI, "1.16.0")
    cluster.through = 0
    message = failure(cluster, Stage.SMI, "1.16.0")
    assert "pythonapp's Envoy sent on 0 bytes meanwhile" in message


def test_a_few_bytes_are_no_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.live_cluster.CALL_BYTES", 3)
    message = failure(at(Stage.SMI, "1.16.0"), Stage.SMI, "1.16.0")
    assert re.search(r"bypassed the mesh: pythonapp's Envoy sent on \d\d bytes", message)


def test_a_route_of_the_other_kind_is_not_the_expected_one() -> None:
    cluster = at(Stage.SMI, DEFAULT_DAPR_VERSION)
    with pytest.raises(VerificationError) as caught:
        verify(cluster, expected_at(Stage.SMI, seconds=0, version="1.16.0"))
    assert "TCPRoute/dapr-test/nodeapp-service-routes does not exist" in str(caught.value)
    assert "HTTPRouteGroup/dapr-test/nodeapp-service-routes exists, although" in str(caught.value)


# --- other apps than the walkthrough's --------------------------------------------------------------------------


def wider(
    stage: Stage, apps: dict[str, App] = stages.MORE, policies: tuple[Policy, ...] | None = None, seconds: int = 0
) -> tuple[LiveCluster, Expectation]:
    """A cluster with four apps in two namespaces."""
    both = (*walkthrough().values(), stages.AUDIT) if policies is None else policies
    expected = stages.expected_at(stage, "1.12.0", apps=apps, policies=both, seconds=seconds)
    cluster = LiveCluster(expected)
    if stage.policies and expected.policies:
        cluster.allow()
    return cluster, expected


@pytest.mark.parametrize("stage", list(Stage))
def test_apps_of_two_namespaces_are_verified_together(stage: Stage) -> None:
    cluster, expected = wider(stage, seconds=20)
    findings = verify(cluster, expected)
    assert list(findings["containers"]) == ["nodeapp", "pythonapp", "shop", "audit"]
    assert set(findings["calls"]) == {f"{call.source} -> {call.destination}" for call in sample(expected)}
    assert "shop -> audit" in findings["calls"]
    assert findings["orders"]["verdict"]


def test_a_policy_that_is_missing_elsewhere_is_found_out() -> None:
    cluster, expected = wider(Stage.SMI)
    del cluster.objects["/apis/access.smi-spec.io/v1alpha3/namespaces/back/traffictargets/audit"]
    with pytest.raises(VerificationError, match="TrafficTarget/back/audit does not exist; `pulumi up --refresh`"):
        verify(cluster, expected)


def test_a_policy_that_is_left_over_elsewhere_is_found_out() -> None:
    cluster, expected = wider(Stage.LOCKED)
    cluster.allow("TrafficTarget/back/audit")
    with pytest.raises(VerificationError, match="TrafficTarget/back/audit exists, although it is not declared"):
        verify(cluster, expected)


def test_a_pod_that_is_missing_elsewhere_is_found_out() -> None:
    cluster, expected = wider(Stage.SMI)
    del cluster.objects[cluster.pod_path("audit")]
    with pytest.raises(VerificationError, match="audit has 0 pods instead of 1"):
        verify(cluster, expected)


@pytest.mark.parametrize("gone", ["nodeapp", "pythonapp"])
def test_without_both_of_the_walkthroughs_apps_there_are_no_orders(gone: str) -> None:
    apps = {name: app for name, app in stages.MORE.items() if name != gone}
    cluster, expected = wider(Stage.SMI, apps, policies=(stages.AUDIT,))
    findings = verify(cluster, expected)
    assert "orders" not in findings
    assert findings["calls"]["shop -> audit"] == "arrives through both Envoys"


def test_a_call_that_does_not_end_as_promised_fails_the_stage() -> None:
    apps = {name: app for name, app in stages.MORE.items() if name != "nodeapp"}
    cluster, expected = wider(Stage.SMI, apps, policies=(stages.AUDIT,))
    cluster.answering["pythonapp", "shop"] = ARRIVED
    with pytest.raises(VerificationError, match="pythonapp -> shop: .*it must be refused by the mesh, but it came to"):
        verify(cluster, expected)


# --- what is not about the mesh ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-3600, -10, -2, 2, 10, 3600])
@pytest.mark.parametrize("stage", [Stage.SMI, Stage.LOCKED])
def test_a_nodes_clock_may_differ_from_ours(stage: Stage, seconds: int) -> None:
    cluster = at(stage)
    cluster.skew = timedelta(seconds=seconds)
    assert verify(cluster, expected_at(stage))["stage"] == stage.value


@pytest.mark.parametrize("seconds", [-3600, -10, -2, 2, 10, 3600])
def test_an_order_of_another_clock_is_an_order(seconds: int) -> None:
    cluster = at(Stage.LOCKED)
    cluster.skew, cluster.flowing = timedelta(seconds=seconds), True
    assert "still gets them" in failure(cluster, Stage.LOCKED)


def test_orders_from_before_do_not_count_whatever_the_clocks_say() -> None:
    cluster = at(Stage.SMI)
    cluster.skew = timedelta(seconds=5)
    for _ in range(5):
        cluster.logs("dapr-test", "nodeapp-1", "node", 2)
    cluster.flowing = False
    assert "nodeapp got 0 and persisted 0 of the 3" in failure(cluster, Stage.SMI)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_dead_pod_that_kubernetes_keeps_is_none_of_an_apps_pods(phase: str) -> None:
    cluster = at(Stage.SMI)
    cluster.add(cluster.pod_path("nodeapp", 9), **{**pod(), "metadata": {"labels": {"app": "node"}}})
    cluster.objects[cluster.pod_path("nodeapp", 9)]["status"] = {"phase": phase, "reason": "Evicted"}
    assert verify(cluster, expected_at(Stage.SMI))["orders"]["persisted"] >= 3


def crash(cluster: LiveCluster, app: str, **labels: str) -> None:
    """Put a pod of this app beside the others, one of whose containers crashes again and again."""
    path = f"/api/v1/namespaces/dapr-test/pods/{app}-1"
    cluster.add(path, **{**pod((app,)), "metadata": {"name": f"{app}-1", "labels": {"app": app, **labels}}})
    waiting = {"ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    cluster.objects[path]["status"]["containerStatuses"][0].update(waiting)


def test_another_apps_broken_pod_does_not_hide_that_the_mesh_refuses_orders() -> None:
    cluster = at(Stage.LOCKED)
    crash(cluster, "theirs")
    assert "no order arrived" in verify(cluster, expected_at(Stage.LOCKED))["orders"]["verdict"]


def test_nor_does_a_broken_redis_of_a_teams_own() -> None:
    cluster = at(Stage.LOCKED)
    crash(cluster, "redis")
    assert "no order arrived" in verify(cluster, expected_at(Stage.LOCKED))["orders"]["verdict"]


def test_the_stacks_broken_redis_does() -> None:
    cluster = at(Stage.LOCKED)
    crash(cluster, "redis", **Owner(stack=cluster.expected.stack).labels)
    assert "not because of the mesh:\n  pod redis-1: " in failure(cluster, Stage.LOCKED)


@pytest.mark.parametrize("stage", [Stage.PERMISSIVE, Stage.LOCKED, Stage.SMI])
@pytest.mark.parametrize("gone", ["nodeapp-1", "pythonapp-1"])
def test_a_pod_that_does_not_answer_is_asked_again(stage: Stage, gone: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = at(stage)
    cluster.gone = {gone}
    assert verify(cluster, expected_at(stage))["stage"] == stage.value
    assert f"looking again: pod {gone} does not answer" in capsys.readouterr().err


def test_a_pod_that_never_answers_is_an_error_in_the_end() -> None:
    class Mute(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            self.gone = {"nodeapp-1"}
            return super().http_from_pod(namespace, pod, port, path)

    cluster = Mute(expected_at(Stage.SMI))
    cluster.allow()
    with pytest.raises(OperationError, match="pod nodeapp-1 does not answer"):
        verify(cluster, expected_at(Stage.SMI, seconds=0))


# --- what satisfies no judge of a locked stage ------------------------------------------------------------------


def test_a_dead_store_does_not_pass_for_a_mesh_that_refuses() -> None:
    cluster = at(Stage.LOCKED)
    cluster.store = Answer(status=500, body='{"errorCode":"ERR_STATE_GET","message":"dial tcp: refused"}')
    message = failure(cluster, Stage.LOCKED)
    assert "orders stopped, but not because of the mesh:\n  the daprd of pod nodeapp-1 can't read statestore" in message


@pytest.mark.parametrize("dead", ["nodeapp", "shop"])
def test_a_dead_app_does_not_either(dead: str) -> None:
    cluster, expected = wider(Stage.LOCKED)
    cluster.dead.add(dead)
    with pytest.raises(VerificationError, match=f"an app does not answer, .*\\s+pod {dead}-1 of {dead}: 500"):
        verify(cluster, expected)


class CrashingLater(LiveCluster):
    """A cluster where one container of some pod restarts while one looks."""

    def __init__(self, expected: Expectation, pod: str, container: str) -> None:
        super().__init__(expected, replicas=3)
        self.restarting = (pod, container)

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        name, restarting = self.restarting
        path = f"/api/v1/namespaces/dapr-test/pods/{name}"
        for status in self.objects[path]["status"]["containerStatuses"]:
            if status["name"] == restarting:
                status["restartCount"] = 1
        return super().logs(namespace, pod, container, since_seconds)


@pytest.mark.parametrize("name", ["nodeapp-1", "nodeapp-3", "pythonapp-2"])
@pytest.mark.parametrize("container", ["daprd", "envoy", "osm-healthcheck", "own"])
def test_each_container_of_each_pod_that_matters_is_watched(name: str, container: str) -> None:
    expected = expected_at(Stage.LOCKED, seconds=0)
    own = expected.app(name.rpartition("-")[0]).container
    container = own if container == "own" else container
    with pytest.raises(VerificationError, match=f"not because of the mesh:\\s+{name}/{container} restarted meanwhile"):
        verify(CrashingLater(expected, name, container), expected)


def test_a_teams_own_container_may_restart_and_be_unready() -> None:
    expected = expected_at(Stage.LOCKED)
    cluster = CrashingLater(expected, "nodeapp-1", "mesh-of-the-team")
    theirs = {"name": "mesh-of-the-team", "ready": False, "restartCount": 0, "state": {"waiting": {"reason": "Starts"}}}
    added = cluster.objects[cluster.pod_path("nodeapp")]
    added["spec"]["containers"].append({"name": "mesh-of-the-team"})
    added["status"]["containerStatuses"].append(theirs)
    assert verify(cluster, expected)["orders"]["refusedByMesh"]
    assert theirs["restartCount"] == 1


@pytest.mark.parametrize("replica", [1, 2, 3])
def test_an_order_that_reaches_any_replica_is_an_order(replica: int) -> None:
    expected = expected_at(Stage.LOCKED, seconds=0)
    cluster = LiveCluster(expected, replicas=3)
    cluster.flowing, cluster.logging = True, f"nodeapp-{replica}"
    with pytest.raises(VerificationError, match="nodeapp still gets them"):
        verify(cluster, expected)


def test_orders_that_any_replica_persists_are_counted() -> None:
    expected = expected_at(Stage.SMI)
    cluster = LiveCluster(expected, replicas=3)
    cluster.allow()
    cluster.logging = "nodeapp-3"
    assert verify(cluster, expected)["orders"]["persisted"] >= 3


def test_orders_of_every_caller_must_be_refused() -> None:
    class OneQuiet(LiveCluster):
        """A cluster where one of pythonapp's pods has stopped by itself."""

        def _refuse(self, pod: str, call: Call) -> None:
            if pod != "pythonapp-2":
                super()._refuse(pod, call)

    expected = expected_at(Stage.LOCKED, seconds=0)
    with pytest.raises(VerificationError, match="no Envoy has refused one"):
        verify(OneQuiet(expected, replicas=2), expected)


def test_one_listens_longer_than_a_call_may_hang() -> None:
    app = ast.parse((ROOT / "lab/apps/python/app.py").read_text())
    constants: dict[str, Any] = {
        node.targets[0].id: node.value.value
        for node in app.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    longest = constants["TIMEOUT_SECONDS"] + constants["INTERVAL_SECONDS"]
    assert longest < REAL_QUIET_SECONDS, "an order may be that long on its way, and the next one comes then"


# --- pods that are replaced meanwhile ---------------------------------------------------------------------------


class Replaced(LiveCluster):
    """A cluster where nodeapp's pod gets a successor while its calls are tried, which fail meanwhile."""

    done = False
    looks = 0

    def _invoke(self, pod: str, path: str) -> Answer:
        answer = super()._invoke(pod, path)
        if not self.done and self.tried:
            self.done = True
            for one in ("nodeapp-1",):
                self.objects[f"/api/v1/namespaces/dapr-test/pods/{one}"]["metadata"]["uid"] = "another"
            self.answering["pythonapp", "nodeapp"] = UNREACHED
            return UNREACHED
        return answer

    def pods(self, namespace: str, label: str = "") -> list[dict[str, object]]:
        if self.done:
            self.answering.clear()
            # It takes a while to start.
            self.looks += 1
            status = self.objects[self.pod_path("nodeapp")]["status"]["containerStatuses"][0]
            status["ready"] = self.looks > 6
        return super().pods(namespace, label)


def test_what_is_seen_while_a_pod_is_replaced_is_no_verdict() -> None:
    cluster = Replaced(expected_at(Stage.SMI))
    cluster.allow()
    # Time is up by then: the successor is looked at all the same.
    assert verify(cluster, expected_at(Stage.SMI, seconds=0))["stage"] == "smi"
    assert cluster.done


def test_the_checks_end_after_the_setting_and_a_little_more(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = 0.0

        def monotonic(self) -> float:
            self.now += 0.25
            return self.now

        def sleep(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    for module in (calls, order_stream, pods, verify_module, who, alive):
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module, "POLL_SECONDS", 1.0)
    monkeypatch.setattr(verify_module, "LIVE_SECONDS", 30)
    cluster = at(Stage.SMI)
    cluster.flowing = False
    cluster.answering["pythonapp", "nodeapp"] = UNREACHED
    with pytest.raises(VerificationError):
        verify(cluster, expected_at(Stage.SMI, seconds=60))
    assert 60 < clock.now < 60 + 30 + 10


@pytest.mark.parametrize("stage", list(Stage))
def test_who_may_not_forward_ports_is_told_at_once(stage: Stage) -> None:
    class Forbidden(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            self.asked += 1
            raise ForbiddenError("this user needs the right to create pods/portforward in namespace dapr-test")

    cluster = Forbidden(expected_at(stage))
    if stage.policies:
        cluster.allow()
    with pytest.raises(ForbiddenError, match="pods/portforward in namespace dapr-test"):
        verify(cluster, expected_at(stage, seconds=3600))
    assert cluster.asked <= 2, "asking again does not help"


def test_orders_of_every_caller_are_listened_for_until_each_was_refused() -> None:
    class OneLater(LiveCluster):
        """A cluster where one of pythonapp's pods sends its orders seldom."""

        looks = 0

        def _refuse(self, pod: str, call: Call) -> None:
            self.looks += 1
            if pod != "pythonapp-2" or self.looks > 200:
                super()._refuse(pod, call)

    expected = expected_at(Stage.LOCKED, seconds=20)
    cluster = OneLater(expected, replicas=2)
    assert verify(cluster, expected)["orders"]["refusedByMesh"]
    assert cluster.looks > 200

"""Trying the calls between apps."""

from __future__ import annotations

import time

import pytest

from cluster.client import Answer
from cluster.errors import OperationError, VerificationError
from model.expectation import Expectation
from model.policies import walkthrough
from model.stage import Stage
from verification import calls
from verification.calls import Link, check_calls, refused_so_far
from verification.pods import Pods

from .live_cluster import LiveCluster, in_a_hurry
from .test_stages import AUDIT, MORE, expected_at

HTTP, TCP = "1.12.0", "1.16.0"
POLICIES = (*walkthrough().values(), AUDIT)


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)


def at(stage: Stage, version: str = HTTP, replicas: int = 1) -> LiveCluster:
    """A cluster with four apps in two namespaces that does what the stage promises."""
    return LiveCluster(expected_at(stage, version, apps=MORE, policies=POLICIES), replicas)


def pods_of(cluster: LiveCluster, replicas: int = 1) -> Pods:
    return {app.name: tuple(f"{app.name}-{n + 1}" for n in range(replicas)) for app in cluster.expected.apps}


def checked(cluster: LiveCluster, replicas: int = 1, seconds: float = -1) -> dict[str, str]:
    return check_calls(cluster, cluster.expected, pods_of(cluster, replicas), time.monotonic() + seconds)


def failure(cluster: LiveCluster) -> str:
    with pytest.raises(VerificationError) as caught:
        checked(cluster)
    return str(caught.value)


@pytest.mark.parametrize("version", [HTTP, TCP])
def test_every_call_is_tried_and_allowed_ones_cross_both_envoys(version: str) -> None:
    assert checked(at(Stage.SMI, version)) == {
        "nodeapp -> shop": "is refused by the mesh",
        "pythonapp -> nodeapp": "arrives through both Envoys",
        "pythonapp -> shop": "is refused by the mesh",
        "shop -> nodeapp": "is refused by the mesh",
        "shop -> audit": "arrives through both Envoys",
    }


@pytest.mark.parametrize("version", [HTTP, TCP])
@pytest.mark.parametrize(
    ("stage", "verdict"),
    [
        (Stage.DAPR, "arrives"),
        (Stage.PERMISSIVE, "arrives through both Envoys"),
        (Stage.LOCKED, "is refused by the mesh"),
    ],
)
def test_before_policies_count_all_calls_end_alike(stage: Stage, verdict: str, version: str) -> None:
    assert set(checked(at(stage, version)).values()) == {verdict}


def test_a_call_gets_its_time_however_long_those_before_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, call = at(Stage.SMI), ("shop", "audit")
    cluster.arriving[call] = False
    answer = cluster.http_from_pod

    def missing_once(namespace: str, pod: str, port: int, path: str) -> Answer:
        found = answer(namespace, pod, port, path)
        cluster.arriving[call] |= "/audit.back/" in path
        return found

    monkeypatch.setattr(cluster, "http_from_pod", missing_once)
    monkeypatch.setattr(calls, "CALL_SECONDS", 20)
    assert checked(cluster, seconds=-100)["shop -> audit"] == "arrives through both Envoys"
    assert len([path for _, path in cluster.tried if "/audit.back/" in path]) == 2


def test_outside_the_mesh_no_envoy_is_asked() -> None:
    cluster = at(Stage.DAPR)
    checked(cluster)
    assert cluster.counters.keys() <= {
        "dapr-test/pythonapp-1",
        "dapr-test/shop-1",
        "dapr-test/nodeapp-1",
        "back/audit-1",
    }
    cluster.through = 0
    assert set(checked(cluster).values()) == {"arrives"}


def test_without_calls_there_is_nothing_to_try() -> None:
    pythonapp = {"pythonapp": MORE["pythonapp"]}
    cluster = LiveCluster(expected_at(Stage.SMI, apps=pythonapp, policies=()))
    assert checked(cluster) == {}
    assert cluster.tried == []


def test_an_app_is_asked_for_a_method_that_no_app_has() -> None:
    cluster = at(Stage.SMI)
    checked(cluster)
    assert ("pythonapp-1", "/v1.0/invoke/nodeapp/method/dapr-osm-verification") in cluster.tried


def test_an_app_of_another_namespace_is_named_with_it_as_dapr_wants_it() -> None:
    cluster = at(Stage.SMI)
    checked(cluster)
    assert ("shop-1", "/v1.0/invoke/audit.back/method/dapr-osm-verification") in cluster.tried


def test_a_call_is_tried_from_every_pod_of_the_caller() -> None:
    cluster = at(Stage.SMI, replicas=3)
    checked(cluster, replicas=3)
    assert {pod for pod, path in cluster.tried if path.startswith("/v1.0/invoke/audit")} == {
        "shop-1",
        "shop-2",
        "shop-3",
    }


# --- what is found out ------------------------------------------------------------------------------------------


def test_an_allowed_call_that_does_not_arrive_is_told_with_what_daprd_said() -> None:
    cluster = at(Stage.SMI)
    cluster.arriving["shop", "audit"] = False
    message = failure(cluster)
    assert message.startswith(
        "stage smi: shop -> audit, tried from pod shop-1:\n  the call must arrive, but daprd says: "
    )
    assert "500" in message
    assert "ERR_DIRECT_INVOKE" in message
    assert "(the Envoys refused 1 calls meanwhile)" in message, "so one sees whose doing it is"


@pytest.mark.parametrize("version", [HTTP, TCP])
def test_an_allowed_call_that_bypasses_the_envoys_is_told(version: str) -> None:
    cluster = at(Stage.SMI, version)
    cluster.through = 0
    assert "the call arrived, but not through pythonapp's Envoy nor nodeapp's Envoy" in failure(cluster)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_an_allowed_call_that_bypasses_one_envoy_is_told(side: str) -> None:
    class OneSided(LiveCluster):
        def _cross(self, source: str, pod: str, destination: str) -> None:
            super()._cross(source, pod, destination)
            where = (
                f"{self.namespace(source)}/{pod}"
                if side == "source"
                else f"{self.namespace(destination)}/{destination}-1"
            )
            self.counters[where].clear()

    cluster = OneSided(expected_at(Stage.SMI))
    missed = "pythonapp's Envoy" if side == "source" else "nodeapp's Envoy"
    assert failure(cluster).endswith(f"the call arrived, but not through {missed}")


def test_where_envoys_see_connections_bytes_count_and_calls_do_not() -> None:
    class Confused(LiveCluster):
        """A cluster whose Envoys count calls, although they are said to see connections only."""

        def _cross(self, source: str, pod: str, destination: str) -> None:
            self.expected = expected_at(Stage.SMI, HTTP)
            super()._cross(source, pod, destination)

    assert "not through" in failure(Confused(expected_at(Stage.SMI, TCP)))


@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_a_denied_call_that_arrives_is_told(stage: Stage) -> None:
    cluster = at(stage)
    cluster.arriving["shop", "nodeapp"] = True
    message = failure(cluster)
    assert f"stage {stage}: shop -> nodeapp, tried from pod shop-1:" in message
    assert "the call must be refused, but it arrived: 404 Cannot GET" in message


def test_a_denied_call_that_arrives_is_told_although_something_was_refused_too() -> None:
    class Both(LiveCluster):
        def _tried(self, pod: str, path: str) -> Answer:
            self.counters[f"dapr-test/{pod}"]["http.rds-outbound.50002.no_route"] += 1
            return super()._tried(pod, path)

    cluster = Both(expected_at(Stage.LOCKED))
    cluster.arriving["pythonapp", "nodeapp"] = True
    assert "the call must be refused, but it arrived" in failure(cluster)


def test_a_denied_call_that_no_envoy_has_refused_was_stopped_by_something_else() -> None:
    cluster = at(Stage.LOCKED)
    cluster.probes_refused = 0
    assert "the call does not arrive, but no Envoy has refused it: 500" in failure(cluster)


def test_a_caller_whose_envoy_lets_nothing_out_is_refused_though_nobody_counts_it() -> None:
    cluster = at(Stage.LOCKED)
    cluster.probes_refused, cluster.listening = 0, False
    assert set(checked(cluster).values()) == {"is refused by the mesh"}


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_refusal_counts_on_either_side(side: str) -> None:
    cluster = at(Stage.LOCKED)
    cluster.refusing_side = side
    assert set(checked(cluster).values()) == {"is refused by the mesh"}


def test_refusals_from_before_the_call_do_not_count() -> None:
    cluster = at(Stage.LOCKED)
    cluster.probes_refused = 0
    for app in cluster.expected.apps:
        cluster.counters[f"{app.namespace}/{app.name}-1"]["http.rds-outbound.50002.no_route"] = 50
    assert "no Envoy has refused it" in failure(cluster)


@pytest.mark.parametrize(
    "answer", [Answer(status=200, body="fine"), Answer(status=404, body=""), Answer(status=500, body="app's own")]
)
def test_any_answer_of_the_apps_own_shows_that_a_call_arrived(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.live_cluster.ARRIVED", answer)
    assert checked(LiveCluster(expected_at(Stage.SMI))) == {"pythonapp -> nodeapp": "arrives through both Envoys"}


def test_a_call_is_tried_again_until_time_is_up() -> None:
    class Warming(LiveCluster):
        """A cluster where the first two calls fail, as right after a rollout."""

        def _tried(self, pod: str, path: str) -> Answer:
            self.arriving["pythonapp", "nodeapp"] = len(self.tried) >= 2
            return super()._tried(pod, path)

    cluster = Warming(expected_at(Stage.SMI))
    assert checked(cluster, seconds=60) == {"pythonapp -> nodeapp": "arrives through both Envoys"}
    assert len(cluster.tried) == 3


def test_a_long_answer_is_cut_short() -> None:
    class Talking(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            if port == calls.DAPR_HTTP_PORT:
                return Answer(status=500, body="ERR_DIRECT_INVOKE " + "x" * 5000)
            return super().http_from_pod(namespace, pod, port, path)

    assert len(failure(Talking(expected_at(Stage.SMI)))) < 500


def link(expected: Expectation) -> Link:
    call = expected.call("pythonapp", "nodeapp")
    assert call is not None
    return Link.of(expected, call, {"nodeapp": ("nodeapp-1",), "pythonapp": ("pythonapp-1",)})


def test_a_line_for_a_person_says_how_many_calls_were_refused() -> None:
    cluster = LiveCluster(expected_at(Stage.LOCKED))
    cluster.counters["dapr-test/pythonapp-1"]["http.rds-outbound.50002.no_route"] = 2
    cluster.counters["dapr-test/nodeapp-1"]["network-rbac.denied"] = 3
    line = refused_so_far(cluster, link(cluster.expected))
    assert line == "the Envoys of pythonapp and nodeapp have refused 5 calls so far"


def test_a_line_for_a_person_is_never_an_error() -> None:
    class Silent(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            raise OperationError("port 15000 does not answer")

    cluster = Silent(expected_at(Stage.LOCKED))
    assert refused_so_far(cluster, link(cluster.expected)) == "port 15000 does not answer"

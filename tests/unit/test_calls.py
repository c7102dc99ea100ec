"""Which calls are tried, and what is made of each."""

from __future__ import annotations

import pytest

from cluster.client import Answer
from cluster.errors import VerificationError
from model.expectation import Expectation
from model.policies import Call, Policy, walkthrough
from model.stage import Stage
from verification.calls import Caller
from verification.pods import Pod, Pods
from verification.sample import sample
from verification.who import await_rules

from .live_cluster import ACL, APP_DEAD, ARRIVED, CLOCK, UNREACHED, LiveCluster, failed, in_a_hurry
from .test_stages import AUDIT, MORE, expected_at, further

HTTP, TCP = "1.12.0", "1.16.0"
POLICIES = (*walkthrough().values(), AUDIT)
# Long enough for many tries of the fake, and short enough to wait for.
SECONDS = 0.2


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)


def at(stage: Stage, version: str = HTTP, replicas: int = 1) -> LiveCluster:
    """A cluster with four apps in two namespaces that does what the stage promises."""
    return LiveCluster(expected_at(stage, version, apps=MORE, policies=POLICIES), replicas)


def pods_of(cluster: LiveCluster) -> Pods:
    numbers = range(1, cluster.replicas + 1)
    return {
        app.name: tuple(
            Pod(name=f"{app.name}-{n}", uid=f"uid {app.name} {n}", address=cluster.address(app.name, n))
            for n in numbers
        )
        for app in cluster.expected.apps
    }


def checked(cluster: LiveCluster, seconds: float = SECONDS) -> dict[str, str]:
    """What is seen of the sampled calls, by the rules that the Envoys have at the beginning."""
    expected, pods = cluster.expected, pods_of(cluster)
    rules = await_rules(cluster, expected, pods, CLOCK.monotonic()) if expected.through_envoys else {}
    answers = {app.name: frozenset({ARRIVED.status}) for app in expected.apps}
    deadline = CLOCK.monotonic() + seconds
    caller = Caller(cluster=cluster, expected=expected, pods=pods, configured=rules, answers=answers, deadline=deadline)
    return caller.check()


def failure(cluster: LiveCluster) -> str:
    with pytest.raises(VerificationError) as caught:
        checked(cluster)
    return str(caught.value)


def kinds(seen: dict[str, str]) -> dict[str, str]:
    return {call: verdict.partition(":")[0] for call, verdict in seen.items()}


# --- which calls are tried --------------------------------------------------------------------------------------


def many(apps: int, *policies: tuple[int, int], stage: Stage = Stage.SMI, version: str = HTTP) -> Expectation:
    """A stack of so many apps, with a policy for each of these pairs of them."""
    named = {f"app{number}": further(f"app{number}") for number in range(apps)}
    made = tuple(
        Policy(name=f"from-{s}-to-{d}", destination=f"app{d}", sources=(f"app{s}",), routes=f"routes-{s}-{d}")
        for s, d in policies
    )
    return expected_at(stage, version, apps=named, policies=made)


@pytest.mark.parametrize("apps", [2, 3, 12, 50])
@pytest.mark.parametrize("stage", list(Stage))
def test_every_policy_is_tried_and_every_app_calls_and_is_called_in_both_ways(stage: Stage, apps: int) -> None:
    pairs = [(number, number + 1) for number in range(0, apps - 1, 2)]
    expected = many(apps, *pairs, stage=stage)
    tried = sample(expected)
    assert {Call(source=f"app{s}", destination=f"app{d}") for s, d in pairs} <= tried.keys()
    for verdict in (True, False):
        possible = {call for call, allowed in expected.calls.items() if allowed is verdict}
        chosen = {call for call, allowed in tried.items() if allowed is verdict}
        assert {call.source for call in possible} == {call.source for call in chosen}
        assert {call.destination for call in possible} == {call.destination for call in chosen}


def test_the_calls_that_are_tried_grow_with_the_apps_and_not_with_their_pairs() -> None:
    for apps in (2, 12, 50, 200):
        pairs = [(number, (number + 1) % apps) for number in range(apps)]
        assert len(sample(many(apps, *pairs))) <= 3 * apps + len(pairs)


def test_a_policy_is_tried_although_each_of_its_apps_calls_and_is_called_already() -> None:
    pairs = [(0, 2), (0, 3), (1, 2), (1, 3)]
    tried = sample(many(4, *pairs))
    assert {Call(source=f"app{s}", destination=f"app{d}") for s, d in pairs} <= tried.keys()


def test_a_policy_of_many_callers_is_tried_with_one() -> None:
    apps = {f"app{number}": further(f"app{number}") for number in range(30)}
    policy = Policy(name="all", destination="app0", sources=tuple(f"app{n}" for n in range(1, 30)), routes="routes")
    tried = sample(expected_at(Stage.SMI, HTTP, apps=apps, policies=(policy,)))
    assert tried[Call(source="app1", destination="app0")]


def test_without_calls_there_is_nothing_to_try() -> None:
    pythonapp = {"pythonapp": MORE["pythonapp"]}
    cluster = LiveCluster(expected_at(Stage.SMI, apps=pythonapp, policies=()))
    assert checked(cluster) == {}
    assert cluster.tried == []


# --- calls that end as they should ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [HTTP, TCP])
def test_allowed_calls_cross_both_envoys_and_the_others_are_refused(version: str) -> None:
    seen = checked(at(Stage.SMI, version))
    refused = "is refused by the mesh"
    assert kinds(seen) == {
        "pythonapp -> nodeapp": "arrives through both Envoys",
        "shop -> audit": "arrives through both Envoys",
        "nodeapp -> shop": refused,
        "pythonapp -> shop": refused,
        "shop -> nodeapp": refused,
    }
    assert seen["shop -> nodeapp"] == (
        "is refused by the mesh: nodeapp's Envoy turns away what is not the mesh's own, and shop's has no other way"
    )


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
    assert set(kinds(checked(at(stage, version))).values()) == {verdict}


def test_outside_the_mesh_no_envoy_is_asked() -> None:
    cluster = at(Stage.DAPR)
    cluster.through = 0
    assert set(checked(cluster).values()) == {"arrives"}
    assert cluster.asked == len(cluster.tried), "one question for each call, to a daprd"


def test_an_app_is_asked_for_a_method_that_no_app_has() -> None:
    cluster = at(Stage.SMI)
    checked(cluster)
    assert ("pythonapp-1", "/v1.0/invoke/nodeapp/method/dapr-osm-verification") in cluster.tried


def test_an_app_of_another_namespace_is_named_with_it_as_dapr_wants_it() -> None:
    cluster = at(Stage.SMI)
    checked(cluster)
    assert ("shop-1", "/v1.0/invoke/audit.back/method/dapr-osm-verification") in cluster.tried


def test_a_callers_pods_take_turns_and_each_call_is_tried_from_one() -> None:
    cluster = at(Stage.SMI, replicas=3)
    checked(cluster)
    assert len(cluster.tried) == len(sample(cluster.expected))
    assert {pod.rpartition("-")[2] for pod, _ in cluster.tried} == {"1", "2", "3"}


class Warming(LiveCluster):
    """A cluster where the first two calls fail, as right after a rollout."""

    def _invoke(self, pod: str, path: str) -> Answer:
        answer = super()._invoke(pod, path)
        return UNREACHED if len(self.tried) <= 2 else answer


def test_a_call_is_tried_again_until_it_ends_as_it_should() -> None:
    cluster = Warming(expected_at(Stage.SMI))
    assert checked(cluster, seconds=60) == {"pythonapp -> nodeapp": "arrives through both Envoys"}
    assert len(cluster.tried) == 3


def test_the_calls_have_one_budget_together() -> None:
    with pytest.raises(VerificationError, match="was not tried: dapr-osm:verifySeconds was over. Raise it"):
        checked(at(Stage.SMI), seconds=-1)


# --- allowed calls that don't arrive ----------------------------------------------------------------------------


def test_an_allowed_call_that_does_not_arrive_is_told_with_what_daprd_said() -> None:
    cluster = at(Stage.SMI)
    cluster.answering["shop", "audit"] = UNREACHED
    message = failure(cluster)
    assert message.startswith("stage smi: calls do not end as they should:\n  shop -> audit: tried from pod shop-1, ")
    assert "the answer is that of the caller's own daprd, which reached nobody: 500" in message
    assert "ERR_DIRECT_INVOKE" in message


def test_every_call_that_does_not_end_as_it_should_is_told() -> None:
    cluster = at(Stage.SMI)
    cluster.answering["shop", "audit"] = UNREACHED
    cluster.answering["shop", "nodeapp"] = ARRIVED
    message = failure(cluster)
    assert "shop -> audit: " in message
    assert "shop -> nodeapp: " in message


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (APP_DEAD, "the called app's daprd, whose app does not answer"),
        (ACL, "the called app's daprd, which refuses the call"),
        (failed("couldn't find service: nodeapp"), "the caller's own daprd, which reached nobody"),
        (Answer(status=401, body="invalid api token\n"), "the called app's daprd, which refuses the call"),
    ],
)
def test_whose_answer_it_is_instead_of_the_apps_is_told(answer: Answer, says: str) -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    cluster.answering["pythonapp", "nodeapp"] = answer
    assert f"it must arrive, but the answer is that of {says}" in failure(cluster)


def test_an_answer_that_is_not_the_apps_own_is_no_arrival() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    cluster.answering["pythonapp", "nodeapp"] = Answer(status=503, body="a proxy's own page")
    assert "503 is not how nodeapp answers its own daprd: 503 a proxy's own page" in failure(cluster)


@pytest.mark.parametrize("version", [HTTP, TCP])
def test_an_allowed_call_that_bypasses_the_envoys_is_told(version: str) -> None:
    cluster = at(Stage.SMI, version)
    cluster.through = 0
    assert "it arrived, but not through pythonapp's Envoy nor nodeapp's Envoy: is port 50002 excluded" in failure(
        cluster
    )


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
    assert f"it arrived, but not through {missed}: is port 50002 excluded from interception" in failure(cluster)


def test_another_callers_calls_are_no_sign_that_this_one_came_through_its_envoy() -> None:
    class Bypassing(LiveCluster):
        """A cluster where pythonapp's calls go past its Envoy while another app's arrive."""

        def _cross(self, source: str, pod: str, destination: str) -> None:
            super()._cross("shop" if source == "pythonapp" else source, "shop-1", destination)

    cluster = Bypassing(expected_at(Stage.PERMISSIVE, HTTP, apps=MORE, policies=POLICIES))
    assert "pythonapp -> nodeapp: tried from pod pythonapp-1, it arrived, but not through pythonapp's Envoy" in failure(
        cluster
    )


def test_where_envoys_see_connections_bytes_count_and_calls_do_not() -> None:
    class Confused(LiveCluster):
        """A cluster whose Envoys count calls, although they are said to see connections only."""

        def _cross(self, source: str, pod: str, destination: str) -> None:
            home = self.namespace(destination)
            self.counters[f"{home}/{pod}"][f"cluster.{home}/{destination}-dapr|50002.upstream_rq_total"] += 1

    assert "not through" in failure(Confused(expected_at(Stage.SMI, TCP)))


def test_a_long_answer_is_cut_short() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    cluster.answering["pythonapp", "nodeapp"] = failed("x" * 5000)
    assert len(failure(cluster)) < 600


# --- denied calls that nobody refuses ---------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
@pytest.mark.parametrize(
    ("answer", "whom"),
    [
        (ARRIVED, "the app"),
        (Answer(status=200, body=""), "the app"),
        (ACL, "the called app's daprd, which refuses the call"),
        (APP_DEAD, "the called app's daprd, whose app does not answer"),
    ],
)
def test_a_denied_call_that_gets_past_the_mesh_is_told_whatever_becomes_of_it(
    stage: Stage, answer: Answer, whom: str
) -> None:
    cluster = at(stage)
    call = next(call for call, allowed in sample(cluster.expected).items() if not allowed)
    cluster.answering[call.source, call.destination] = answer
    message = failure(cluster)
    assert f"it must be refused by the mesh, but it came to {whom}: {answer.status}" in message


def test_a_denied_call_that_no_envoy_has_refused_was_stopped_by_something_else() -> None:
    cluster = at(Stage.LOCKED)
    cluster.counting = False
    assert "it does not arrive, but no Envoy has refused it: 500" in failure(cluster)


class Noisy(LiveCluster):
    """A cluster where nodeapp hangs: calls to it come to nobody, while pythonapp's orders to it are refused."""

    def _invoke(self, pod: str, path: str) -> Answer:
        if path.startswith("/v1.0/invoke/nodeapp/") and pod == "shop-1":
            self._refuse("pythonapp-1", Call(source="pythonapp", destination="nodeapp"))
            return failed("context deadline exceeded")
        return super()._invoke(pod, path)


@pytest.mark.parametrize("egress", [True, False])
def test_another_callers_refusals_are_no_sign_that_this_call_was_refused(egress: bool) -> None:
    apps = {name: app for name, app in MORE.items() if name != "audit"}
    cluster = Noisy(expected_at(Stage.LOCKED, HTTP, apps=apps))
    cluster.egress = egress
    assert "shop -> nodeapp: tried from pod shop-1, it does not arrive, but no Envoy has refused it" in failure(cluster)


def test_a_connection_that_failed_is_no_refusal() -> None:
    class Unreachable(LiveCluster):
        """A cluster where something else than Envoy, such as a NetworkPolicy, stops connections."""

        def _admin(self, namespace: str, pod: str, path: str) -> object:
            found = super()._admin(namespace, pod, path)
            if path.startswith("/clusters"):
                for host in found["cluster_statuses"][0]["host_statuses"]:
                    host["stats"][1]["value"] = host["stats"][0]["value"]
            return found

    assert "no Envoy has refused it" in failure(Unreachable(expected_at(Stage.LOCKED)))


def test_a_caller_whose_envoy_lets_nothing_out_is_refused_though_nobody_counts_it() -> None:
    cluster = at(Stage.LOCKED)
    cluster.listening = False
    assert checked(cluster)["pythonapp -> nodeapp"] == "is refused by the mesh: pythonapp's Envoy lets nothing out"


def test_without_egress_a_caller_has_no_way_to_whom_it_may_not_call() -> None:
    cluster = at(Stage.SMI)
    cluster.egress = False
    assert checked(cluster)["shop -> nodeapp"] == "is refused by the mesh: shop's Envoy has no way to nodeapp"


def test_a_caller_that_the_other_side_does_not_let_in_is_refused_there() -> None:
    cluster = at(Stage.SMI)
    cluster.led.add(Call(source="shop", destination="nodeapp"))
    assert checked(cluster)["shop -> nodeapp"] == "is refused by the mesh: nodeapp's Envoy lets shop not in"


def test_a_call_on_an_old_connection_is_refused_for_want_of_a_route() -> None:
    class Old(LiveCluster):
        def _refuse(self, pod: str, call: Call) -> None:
            name = "http.mesh-http-conn-manager.rds-outbound.50002.no_route"
            self.counters[f"{self.namespace(call.source)}/{pod}"][name] += 1

    cluster = Old(expected_at(Stage.LOCKED))
    assert checked(cluster)["pythonapp -> nodeapp"].endswith("pythonapp's Envoy has no route to nodeapp")


def test_refusals_from_before_the_call_do_not_count() -> None:
    cluster = at(Stage.LOCKED)
    cluster.counting = False
    for app in cluster.expected.apps:
        pod = f"{app.namespace}/{app.name}-1"
        cluster.counters[pod]["listener.0.0.0.0_15003.no_filter_chain_match"] = 50
        for other in cluster.expected.apps:
            cluster.passed[pod][cluster.address(other.name)] = 20
    assert "no Envoy has refused it" in failure(cluster)


def test_a_connection_that_the_called_apps_envoy_never_saw_was_not_refused_by_it() -> None:
    class PastTheOther(LiveCluster):
        """A cluster where connections to a daprd go past the Envoy beside it, and end in nothing."""

        def _refuse(self, pod: str, call: Call) -> None:
            self.passed[f"{self.namespace(call.source)}/{pod}"][self.address(call.destination)] += 1

    assert "no Envoy has refused it" in failure(PastTheOther(expected_at(Stage.LOCKED)))


@pytest.mark.parametrize("counted_at", ["source", "destination"])
def test_a_caller_that_knows_the_way_is_refused_where_both_sides_say_so(counted_at: str) -> None:
    class OneSided(LiveCluster):
        """A cluster where only one side's Envoy counts a call that the other one does not let in."""

        def _refuse(self, pod: str, call: Call) -> None:
            super()._refuse(pod, call)
            where = f"dapr-test/{call.destination}-1" if counted_at == "source" else f"dapr-test/{pod}"
            self.counters[where].clear()

    cluster = OneSided(expected_at(Stage.LOCKED))
    cluster.led.add(Call(source="pythonapp", destination="nodeapp"))
    assert "no Envoy has refused it" in failure(cluster)

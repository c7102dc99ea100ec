"""Who may call whom, as the Envoys are configured."""

from __future__ import annotations

import pytest

from cluster.errors import VerificationError
from model.policies import Call
from model.stage import Stage
from verification import who
from verification.who import await_rules

from .live_cluster import CLOCK, LiveCluster, in_a_hurry
from .test_calls import HTTP, TCP, at, many, pods_of


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)


def asked(cluster: LiveCluster, seconds: float = -1) -> None:
    await_rules(cluster, cluster.expected, pods_of(cluster), CLOCK.monotonic() + seconds)


def failure(cluster: LiveCluster) -> str:
    with pytest.raises(VerificationError) as caught:
        asked(cluster)
    return str(caught.value)


@pytest.mark.parametrize("version", [HTTP, TCP])
@pytest.mark.parametrize("stage", [stage for stage in Stage if stage.meshed])
def test_rules_that_promise_what_the_stage_does_are_found_so(stage: Stage, version: str) -> None:
    asked(at(stage, version))


@pytest.mark.parametrize(("version", "questions"), [(HTTP, 2), (TCP, 1)])
def test_every_pods_envoy_is_asked_once_for_all_pairs(version: str, questions: int) -> None:
    cluster = LiveCluster(many(12, *[(number, 0) for number in range(1, 12)], version=version), replicas=3)
    asked(cluster)
    assert cluster.asked == 12 * 3 * questions, "in the way with routes they are a second question"


@pytest.mark.parametrize("version", [HTTP, TCP])
@pytest.mark.parametrize("stage", [Stage.LOCKED, Stage.SMI])
def test_a_call_that_must_be_refused_and_could_pass_is_told(stage: Stage, version: str) -> None:
    cluster = at(stage, version)
    cluster.permit("shop", "nodeapp")
    assert failure(cluster) == (
        f"stage {stage}: the Envoys' rules are not as they should be:\n"
        "  shop -> nodeapp: it must be refused, but the Envoy of pod shop-1 knows the way, and that of pod nodeapp-1 "
        "lets shop in. Permissive mode, or an SMI policy of someone else's?"
    )


def test_a_call_that_one_side_refuses_is_refused() -> None:
    for side in ("led", "let_in"):
        cluster = at(Stage.LOCKED)
        getattr(cluster, side).add(Call(source="shop", destination="nodeapp"))
        asked(cluster)


@pytest.mark.parametrize("version", [HTTP, TCP])
@pytest.mark.parametrize(
    ("side", "says"),
    [("led", "pod shop-1 knows no way to audit"), ("let_in", "pod audit-1 does not let shop in")],
)
def test_a_call_that_must_pass_and_can_not_is_told_with_the_side_that_refuses_it(
    version: str, side: str, says: str
) -> None:
    cluster = at(Stage.SMI, version)
    getattr(cluster, side).remove(Call(source="shop", destination="audit"))
    assert f"shop -> audit: it must be let through, but the Envoy of {says}" in failure(cluster)


class Lagging(LiveCluster):
    """A cluster where one app's last Envoy has not heard of the policies."""

    app = ""

    def _admin(self, namespace: str, pod: str, path: str) -> object:
        kept = self.led, self.let_in
        if pod == f"{self.app}-3":
            self.led, self.let_in = set(), set()
        try:
            return super()._admin(namespace, pod, path)
        finally:
            self.led, self.let_in = kept


@pytest.mark.parametrize(("app", "says"), [("nodeapp", "does not let"), ("pythonapp", "knows no way to nodeapp")])
def test_every_replicas_rules_count_on_both_sides(app: str, says: str) -> None:
    cluster = Lagging(at(Stage.SMI).expected, replicas=3)
    cluster.app = app
    told = f"pythonapp -> nodeapp: it must be let through, but the Envoy of pod {app}-3 {says}"
    assert told in failure(cluster)


def test_rules_are_waited_for_and_only_those_that_were_wrong_are_asked_for_again() -> None:
    class Slow(LiveCluster):
        """A cluster where OSM tells its Envoys of a policy a little later."""

        def _admin(self, namespace: str, pod: str, path: str) -> object:
            if self.asked == 20:
                self.permit("shop", "audit")
            return super()._admin(namespace, pod, path)

    cluster = Slow(at(Stage.SMI).expected)
    cluster.permit("shop", "audit", really=False)
    asked(cluster, seconds=60)
    assert cluster.asked == 8 + 4 * 4, "four Envoys, and then again and again the two that this call is about"


def test_a_long_list_of_wrong_calls_is_cut_short() -> None:
    cluster = LiveCluster(many(12, stage=Stage.PERMISSIVE))
    cluster.led.clear()
    message = failure(cluster)
    assert len(message.splitlines()) == 1 + who.MOST_PAIRS + 1
    assert message.endswith(f"and {12 * 11 - who.MOST_PAIRS} more")

"""Whether apps answer at all, asked past the mesh."""

from __future__ import annotations

import pytest

from cluster.client import Answer
from cluster.errors import ForbiddenError, VerificationError
from model.stage import Stage
from verification.alive import await_answers, state_store_trouble

from .live_cluster import CLOCK, LiveCluster, in_a_hurry
from .test_calls import at, pods_of


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)


def answers(cluster: LiveCluster, seconds: float = 0.05) -> dict[str, frozenset[int]]:
    return dict(await_answers(cluster, cluster.expected, pods_of(cluster), CLOCK.monotonic() + seconds))


@pytest.mark.parametrize("stage", list(Stage))
def test_every_app_that_can_be_called_is_asked_by_the_daprd_of_each_of_its_pods(stage: Stage) -> None:
    cluster = at(stage, replicas=3)
    expected = {"nodeapp": frozenset({404}), "shop": frozenset({404}), "audit": frozenset({404})}
    assert answers(cluster) == expected, "pythonapp listens nowhere"
    assert cluster.asked == 3 * 3
    assert cluster.tried == [], "no call between apps"


@pytest.mark.parametrize("stage", list(Stage))
def test_a_dead_app_is_told_with_what_its_daprd_said(stage: Stage) -> None:
    cluster = at(stage)
    cluster.dead.add("shop")
    with pytest.raises(VerificationError) as caught:
        answers(cluster)
    first, second = str(caught.value).splitlines()
    assert first == f"stage {stage}: an app does not answer, even when its own daprd asks it:"
    assert second.startswith("  pod shop-1 of shop: 500 ")
    assert "127.0.0.1:3000: connection refused" in second


def test_an_app_that_hangs_is_dead() -> None:
    class Hanging(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            self.gone = {"shop-1"}
            return super().http_from_pod(namespace, pod, port, path)

    with pytest.raises(VerificationError, match="pod shop-1 of shop: pod shop-1 does not answer"):
        answers(Hanging(at(Stage.LOCKED).expected))


def test_an_app_is_waited_for_and_only_the_silent_are_asked_again() -> None:
    cluster = at(Stage.SMI)
    cluster.gone.add("shop-1")
    assert set(answers(cluster, seconds=60)) == {"nodeapp", "shop", "audit"}
    assert cluster.asked == 3 + 1


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (Answer(status=204, body=""), None),
        (Answer(status=200, body="1"), None),
        (
            Answer(status=500, body='{"errorCode":"ERR_STATE_GET",\n"message":"dial tcp: refused"}'),
            'the daprd of pod nodeapp-1 can\'t read statestore: 500 {"errorCode":"ERR_STATE_GET", '
            '"message":"dial tcp: refused"}',
        ),
    ],
)
def test_the_state_store_is_asked_by_the_apps_daprd(answer: Answer, trouble: str | None) -> None:
    cluster = at(Stage.LOCKED)
    cluster.store = answer
    assert state_store_trouble(cluster, "dapr-test", "nodeapp-1") == trouble


def test_a_store_that_does_not_answer_is_in_trouble_and_a_missing_right_is_none() -> None:
    cluster = at(Stage.LOCKED)
    cluster.gone.add("nodeapp-1")
    assert state_store_trouble(cluster, "dapr-test", "nodeapp-1") == (
        "the daprd of pod nodeapp-1 can't read statestore: pod nodeapp-1 does not answer"
    )

    class Forbidden(LiveCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            raise ForbiddenError("this user may not")

    with pytest.raises(ForbiddenError):
        state_store_trouble(Forbidden(cluster.expected), "dapr-test", "nodeapp-1")
    with pytest.raises(ForbiddenError):
        answers(Forbidden(cluster.expected))


def test_when_time_is_over_nobody_is_asked_any_more() -> None:
    cluster = at(Stage.SMI)
    with pytest.raises(VerificationError, match="shop-1 of shop: it was not asked: dapr-osm:verifySeconds was over"):
        answers(cluster, seconds=-1)
    assert cluster.asked == 0

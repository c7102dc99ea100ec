"""Making it real that a call is no longer allowed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.client import Answer, Object
from cluster.errors import ForbiddenError, OperationError
from steps import revocation
from steps.revocation import ANNOTATION, FIELD_MANAGER, revoke
from verification.envoy import identity

from .fake_cluster import FakeCluster

APPS = {"nodeapp": "dapr-test", "pythonapp": "dapr-test", "shop": "back"}
PYTHON_NODE, SHOP_NODE, PYTHON_SHOP = ("pythonapp", "nodeapp"), ("shop", "nodeapp"), ("pythonapp", "shop")

Calls = Sequence[tuple[str, str]]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "POLL_SECONDS", 0)


class RollingCluster(FakeCluster):
    """A cluster whose Deployments roll when their pods' template is patched.

    Attributes:
        admitted: The identities that each called app's Envoys let in.
        forgetting: After how many looks at them the Envoys have taken over that nobody may call; None for never.
        looks: The pods whose Envoys were looked at, in order.
        events: What happened, in order: "look" or "patch APP".
        lingering: How many looks at its pods an old pod outlives its successor; None for as long as one looks.
        crashing: Whether new pods don't start.
    """

    def __init__(self, *admitted: str) -> None:
        super().__init__()
        self.admitted: tuple[str, ...] = admitted
        self.forgetting: int | None = 0
        self.looks: list[str] = []
        self.events: list[str] = []
        self.lingering: int | None = 2
        self.crashing = False
        self._leaving: dict[str, int] = {}
        for app, namespace in APPS.items():
            self.add(
                self.path(app),
                metadata={"generation": 1},
                spec={"replicas": 1, "selector": {"matchLabels": {"app": app}}, "template": {"metadata": {}}},
                status={"observedGeneration": 1, "updatedReplicas": 1},
            )
            self.add_pod(namespace, app, "old")

    @staticmethod
    def path(app: str) -> str:
        return f"/apis/apps/v1/namespaces/{APPS[app]}/deployments/{app}"

    def add_pod(self, namespace: str, app: str, age: str, **status: Any) -> None:
        self.add(
            f"/api/v1/namespaces/{namespace}/pods/{app}-{age}",
            metadata={"uid": f"{app}-{age}", "labels": {"app": app}},
            status=status,
        )

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        assert (port, path) == (15000, "/config_dump?resource=dynamic_listeners")
        self.looks.append(f"{namespace}/{pod}")
        self.events.append("look")
        if self.forgetting is not None and len(self.looks) > self.forgetting:
            self.admitted = ()
        rules = {"rules": {"policies": {"one": {"principals": list(self.admitted)}}}}
        return Answer(status=200, body=json.dumps({"configs": [rules]}))

    def _patch(self, path: str, query: Any, patch: Object) -> str:
        app = path.rpartition("/")[2]
        self.events.append(f"patch {app}")
        text = super()._patch(path, query, patch)
        self.add_pod(APPS[app], app, "new", **(CRASHING if self.crashing else {}))
        self._leaving[app] = 0
        if self.crashing:
            self.objects[path]["status"]["updatedReplicas"] = 0
        return text

    def pods(self, namespace: str, label: str = "") -> list[Object]:
        for app in [app for app in self._leaving if label == f"app={app}"]:
            self._leaving[app] += 1
            old = self.objects.get(f"/api/v1/namespaces/{namespace}/pods/{app}-old")
            if old and self.lingering is not None and self._leaving[app] > self.lingering:
                del self.objects[f"/api/v1/namespaces/{namespace}/pods/{app}-old"]
            elif old:
                old["metadata"]["deletionTimestamp"] = "2024-05-01T12:00:00Z"
        return super().pods(namespace, label)


CRASHING = {
    "containerStatuses": [
        {"name": "daprd", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "no"}}}
    ]
}


def run(cluster: FakeCluster, now: Calls, before: Calls | None, apps: dict[str, str] | None = None) -> str:
    previous = None if before is None else json.dumps({"calls": before})
    return revoke(cluster, calls=now, apps=APPS if apps is None else apps, previous=previous)


def rolled(cluster: FakeCluster) -> list[str]:
    return [path.rpartition("/")[2] for path, _, _ in cluster.patched]


# --- nothing to take back ---------------------------------------------------------------------------------------


def test_what_has_not_run_before_has_nothing_to_take_back() -> None:
    cluster = RollingCluster()
    assert printed(run(cluster, [PYTHON_NODE], None)) == [list(PYTHON_NODE)]
    assert cluster.requests == [], "it does not even look"


@pytest.mark.parametrize(
    ("before", "now"),
    [([], []), ([PYTHON_NODE], [PYTHON_NODE]), ([], [PYTHON_NODE]), ([PYTHON_NODE], [SHOP_NODE, PYTHON_NODE])],
)
def test_where_calls_were_only_added_nothing_is_done(before: Calls, now: Calls) -> None:
    cluster = RollingCluster()
    run(cluster, now, before)
    assert cluster.requests == []


# --- a withdrawn call -------------------------------------------------------------------------------------------


def test_a_caller_that_may_no_longer_call_gets_new_pods() -> None:
    cluster = RollingCluster()
    run(cluster, [SHOP_NODE], [PYTHON_NODE, SHOP_NODE])
    ((path, manager, patch),) = cluster.patched
    assert path == RollingCluster.path("pythonapp")
    assert manager == FIELD_MANAGER, "not Pulumi's, which would take it for a change of its own"
    (annotation,) = patch["spec"]["template"]["metadata"]["annotations"]
    assert annotation == ANNOTATION
    assert patch == {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: patch_value(patch)}}}}}, (
        "nothing else of the Deployment is touched"
    )


def patch_value(patch: Object) -> str:
    value: str = patch["spec"]["template"]["metadata"]["annotations"][ANNOTATION]
    return value


def test_what_was_printed_before_is_read_again() -> None:
    cluster = RollingCluster()
    printed = run(cluster, [PYTHON_NODE, SHOP_NODE], None)
    revoke(cluster, calls=[list(SHOP_NODE)], apps=APPS, previous=printed)
    assert rolled(cluster) == ["pythonapp"]


def test_new_pods_come_only_when_the_called_apps_envoy_admits_the_caller_no_more() -> None:
    cluster = RollingCluster(identity("dapr-test", "pythonapp"))
    cluster.forgetting = 3
    run(cluster, [], [PYTHON_NODE])
    assert cluster.looks == ["dapr-test/nodeapp-old"] * 4, "the called app's Envoy, not the caller's"
    assert cluster.events == ["look"] * 4 + ["patch pythonapp"], "a pod that came earlier could slip through"


def test_others_that_are_still_admitted_are_not_waited_for() -> None:
    cluster = RollingCluster(
        identity("dapr-test", "shop"), identity("back", "pythonapp"), "x" + identity("dapr-test", "pythonapp")
    )
    cluster.forgetting = None
    run(cluster, [], [PYTHON_NODE])
    assert rolled(cluster) == ["pythonapp"]


def test_the_callers_identity_is_that_of_its_own_namespace() -> None:
    cluster = RollingCluster(identity("back", "shop"))
    cluster.forgetting = 2
    run(cluster, [], [SHOP_NODE])
    assert len(cluster.looks) == 3
    assert rolled(cluster) == ["shop"]


def test_old_pods_are_waited_for_until_they_are_gone() -> None:
    cluster = RollingCluster()
    cluster.lingering = 7
    run(cluster, [], [PYTHON_NODE])
    assert "/api/v1/namespaces/dapr-test/pods/pythonapp-old" not in cluster.objects, (
        "its connections live as long as it"
    )
    assert "/api/v1/namespaces/dapr-test/pods/pythonapp-new" in cluster.objects


def test_a_caller_of_several_gets_new_pods_once() -> None:
    cluster = RollingCluster()
    run(cluster, [], [PYTHON_NODE, PYTHON_SHOP, SHOP_NODE])
    assert rolled(cluster) == ["pythonapp", "shop"]
    assert cluster.looks == ["dapr-test/nodeapp-old", "back/shop-old", "dapr-test/nodeapp-old"], "all before any rolls"


def test_a_caller_that_is_gone_needs_nothing() -> None:
    cluster = RollingCluster()
    run(cluster, [], [PYTHON_NODE], apps={"nodeapp": "dapr-test"})
    assert cluster.requests == []


def test_a_called_app_that_is_gone_is_not_waited_for() -> None:
    cluster = RollingCluster(identity("dapr-test", "pythonapp"))
    cluster.forgetting = None
    run(cluster, [], [PYTHON_NODE], apps={"pythonapp": "dapr-test"})
    assert cluster.looks == []
    assert rolled(cluster) == ["pythonapp"]


def test_a_caller_without_a_deployment_has_no_pods_to_replace() -> None:
    cluster = RollingCluster()
    del cluster.objects[RollingCluster.path("pythonapp")]
    run(cluster, [], [PYTHON_NODE])
    assert cluster.patched == []


# --- failures ---------------------------------------------------------------------------------------------------


def test_a_mesh_that_goes_on_admitting_is_told_with_what_may_be_the_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "PROPAGATION_SECONDS", 0)
    cluster = RollingCluster(identity("dapr-test", "pythonapp"))
    cluster.forgetting = None
    with pytest.raises(OperationError) as caught:
        run(cluster, [], [PYTHON_NODE])
    message = str(caught.value)
    assert message.startswith(
        "pythonapp may no longer call nodeapp, but after 0 s the Envoy of nodeapp-old still lets it in."
    )
    assert "Another TrafficTarget may allow it" in message
    assert cluster.patched == [], "nothing is replaced in vain"


def test_an_old_pod_that_stays_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "ROLLOUT_SECONDS", 0)
    cluster = RollingCluster()
    cluster.lingering = None
    with pytest.raises(
        OperationError, match=r"pythonapp has no new pods after 0 s:\s+pod pythonapp-old is still there"
    ):
        run(cluster, [], [PYTHON_NODE])


def test_new_pods_that_do_not_start_are_told_with_their_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "ROLLOUT_SECONDS", 0)
    cluster = RollingCluster()
    cluster.crashing = True
    with pytest.raises(OperationError) as caught:
        run(cluster, [], [PYTHON_NODE])
    assert "Deployment pythonapp has not rolled out its latest pods" in str(caught.value)
    assert "pod pythonapp-new: container daprd: CrashLoopBackOff: no" in str(caught.value)


def test_a_run_that_is_repeated_replaces_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocation, "ROLLOUT_SECONDS", 0)
    cluster = RollingCluster()
    cluster.crashing = True
    for _ in range(2):
        with pytest.raises(OperationError, match="has no new pods"):
            run(cluster, [], [PYTHON_NODE])
    assert rolled(cluster) == ["pythonapp"], "a rollout under way is not begun anew"


def test_another_withdrawal_of_the_same_call_replaces_pods_again() -> None:
    cluster = RollingCluster()
    for at in ("then", "now"):
        previous = json.dumps({"calls": [PYTHON_NODE], "at": at})
        revoke(cluster, calls=[], apps=APPS, previous=previous)
    assert rolled(cluster) == ["pythonapp", "pythonapp"]


# --- the result -------------------------------------------------------------------------------------------------

pairs = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), unique=True, max_size=6)


@given(pairs, st.randoms())
def test_the_same_calls_print_the_same_in_whatever_order(calls: list[tuple[str, str]], random: Any) -> None:
    shuffled = list(calls)
    random.shuffle(shuffled)
    results = [run(FakeCluster(), calls, None), run(FakeCluster(), shuffled, None), run(FakeCluster(), calls, calls)]
    assert [printed(result) for result in results] == [sorted(list(call) for call in calls)] * 3


def printed(result: str) -> list[list[str]]:
    callers: dict[str, list[str]] = json.loads(result)["callers"]
    return sorted([source, destination] for destination, sources in callers.items() for source in sources)


def test_who_may_not_ask_envoys_gives_them_time_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unasked(RollingCluster):
        def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
            raise ForbiddenError("this user may not forward ports")

    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    cluster = Unasked()
    run(cluster, now=[], before=[PYTHON_NODE])
    assert revocation.BLIND_SECONDS in slept
    assert cluster.events == ["patch pythonapp"], "the caller gets new pods all the same"

"""Whether new pods get their sidecars, asked by a pod that never runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cluster.client import ApiError
from cluster.errors import OperationError
from model.owner import STACK_LABEL, Owner
from steps import injection
from steps.injection import LABEL, NAME, Probe, await_injection, clean, containers

from .fake_cluster import FakeCluster, InjectingCluster

OWNER = Owner(stack="dev")
BOTH = ("daprd", "envoy")
ATTEMPT_SECONDS = injection.ATTEMPT_SECONDS
SETS = "/apis/apps/v1/namespaces/{}/replicasets"


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL_SECONDS", "PAUSE_SECONDS"):
        monkeypatch.setattr(injection, name, 0)
    monkeypatch.setattr(injection, "ATTEMPT_SECONDS", -1)
    monkeypatch.setattr(injection, "moment", lambda: "now")


def awaited(cluster: FakeCluster, *, seconds: int = 60, **more: Any) -> dict[str, Any]:
    arguments: dict[str, Any] = {"images": {"dapr-test": "node:1"}, "sidecars": BOTH, "pull_secret": ""}
    result: dict[str, Any] = json.loads(await_injection(cluster, owner=OWNER, seconds=seconds, **{**arguments, **more}))
    return result


def problem(cluster: FakeCluster, **more: Any) -> str:
    """What is told when the time is up after the first attempt."""
    with pytest.raises(OperationError) as caught:
        awaited(cluster, seconds=-1, **more)
    head, line = str(caught.value).split("\n  ")
    assert head == "after -1 s a new pod in dapr-test would not be as an app's must be:"
    return line


def asked(cluster: FakeCluster) -> list[str]:
    """The ReplicaSets that were made."""
    return [path for path in cluster.created if "/replicasets/" in path]


# --- what is found ----------------------------------------------------------------------------------------------


def test_a_pod_with_all_of_its_sidecars_is_all_there_is_to_wait_for() -> None:
    cluster = InjectingCluster(BOTH)
    assert awaited(cluster) == {"namespaces": ["dapr-test"], "at": "now"}
    assert len(asked(cluster)) == 1


def test_a_sidecar_may_be_an_init_container_that_goes_on() -> None:
    cluster = InjectingCluster(BOTH)
    cluster.as_init_containers = True
    awaited(cluster)


def test_an_init_container_that_ends_is_no_sidecar() -> None:
    spec = {
        "containers": [{"name": "app"}],
        "initContainers": [{"name": "osm-init"}, {"name": "daprd", "restartPolicy": "Always"}],
    }
    assert [item["name"] for item in containers({"spec": spec})] == ["app", "daprd"]


@pytest.mark.parametrize(
    ("gets", "says"),
    [
        ((), "a new pod gets no daprd and no envoy"),
        (("envoy",), "a new pod gets no daprd"),
        (("daprd", "another"), "a new pod gets no envoy"),
    ],
)
def test_what_a_pod_lacks_is_named(gets: tuple[str, ...], says: str) -> None:
    assert problem(InjectingCluster(gets)) == says


def test_a_pod_that_is_refused_is_told_in_the_words_of_whoever_refuses_it() -> None:
    message = 'admission webhook "validate.kyverno.svc" denied the request: only images of registry.example'
    assert problem(InjectingCluster(message)) == f"a new pod is refused: {message}"


def test_a_refusal_without_a_message_is_told_by_its_reason() -> None:
    class Silent(InjectingCluster):
        def _reconcile(self, path: str) -> None:
            super()._reconcile(path)
            del self.objects[path]["status"]["conditions"][0]["message"]

    assert problem(Silent("quota")) == "a new pod is refused: FailedCreate"


def test_a_failure_that_is_over_is_none() -> None:
    class Recovered(InjectingCluster):
        def _reconcile(self, path: str) -> None:
            super()._reconcile(path)
            self.objects[path]["status"]["conditions"][0]["status"] = "False"

    assert "no pod is made" in problem(Recovered("quota"))


def test_another_condition_is_no_refusal() -> None:
    class Progressing(InjectingCluster):
        def _reconcile(self, path: str) -> None:
            super()._reconcile(path)
            self.objects[path]["status"]["conditions"][0]["type"] = "Progressing"

    assert "no pod is made" in problem(Progressing("on its way"))


def test_a_controller_that_makes_no_pod_is_told() -> None:
    assert problem(InjectingCluster(None)) == "no pod is made: is the cluster's controller-manager well?"


def test_a_pod_that_is_made_a_moment_later_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 < ATTEMPT_SECONDS < 10, "a controller makes a pod within a second or two"
    monkeypatch.setattr(injection, "ATTEMPT_SECONDS", 60)
    cluster = InjectingCluster(None, BOTH)

    def later(_: float) -> None:
        cluster._reconcile(asked(cluster)[0])

    monkeypatch.setattr("steps.injection.time.sleep", later)
    awaited(cluster)
    assert len(asked(cluster)) == 1


def test_it_asks_again_with_a_new_replica_set_until_pods_are_as_they_must_be() -> None:
    cluster = InjectingCluster((), "not yet", None, BOTH)
    awaited(cluster)
    assert len(set(asked(cluster))) == 4, "a controller waits longer and longer after each refusal of one of them"


def test_the_same_problem_is_told_once_while_it_lasts(capsys: pytest.CaptureFixture[str]) -> None:
    awaited(InjectingCluster((), (), "denied", BOTH))
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(", a new pod ")[2] for line in told] == ["gets no daprd and no envoy", "is refused: denied"]


def test_pods_that_are_refused_for_what_they_are_are_not_asked_for_again() -> None:
    said = 'pods "{}" is forbidden: violates PodSecurity "restricted:latest": NET_ADMIN'
    cluster = InjectingCluster(said.format("dapr-osm-injection-probe-"))
    with pytest.raises(OperationError) as caught:
        awaited(cluster, seconds=3600)
    assert "in dapr-test, where apps are to be, a new pod is refused" in str(caught.value)
    assert "Trying again can't help." in str(caught.value)
    assert len(asked(cluster)) == 1


def test_an_injector_that_somebody_has_scaled_to_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    passed = iter(range(0, 10_000, 5))
    monkeypatch.setattr("steps.injection.time.monotonic", lambda: float(next(passed)))
    cluster = InjectingCluster(("daprd",))
    cluster.add(
        "/apis/apps/v1/namespaces/osm-system/deployments/osm-injector",
        metadata={"labels": OWNER.labels},
        spec={"replicas": 0},
    )
    with pytest.raises(OperationError) as caught:
        awaited(cluster, seconds=3600, served_by=["osm-system"])
    said = str(caught.value)
    assert "in dapr-test, a new pod gets no envoy, and waiting longer can't help:" in said
    assert "Deployment osm-system/osm-injector: ScaledToNothing" in said


def test_a_policys_refusal_has_to_last_and_counts_as_one_whatever_the_probe_is_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Naming(InjectingCluster):
        """Each refusal names the pod of its own ReplicaSet."""

        def exchange(self, *arguments: Any, **more: Any) -> str:
            answer = super().exchange(*arguments, **more)
            number = self.created[-1].rpartition("-")[2] if self.created else ""
            return answer.replace("THE-POD", f"{NAME}-{number}-x7x7x")

    passed = iter(range(0, 10_000, 5))
    monkeypatch.setattr("steps.injection.time.monotonic", lambda: float(next(passed)))
    cluster = Naming("pods THE-POD is forbidden: policy p denied request: no")
    with pytest.raises(OperationError, match="Trying again can't help"):
        awaited(cluster, seconds=3600)
    assert len(asked(cluster)) > 1, "it may have been a moment's"
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_every_namespace_is_asked_with_an_image_of_its_own() -> None:
    cluster = InjectingCluster(BOTH)
    bodies: dict[str, Any] = {}

    class Watching(InjectingCluster):
        def _post(self, path: str, body: Any) -> str:
            bodies[path] = body["spec"]["template"]["spec"]["containers"][0]["image"]
            return super()._post(path, body)

    cluster = Watching(BOTH)
    assert awaited(cluster, images={"two": "b:1", "one": "a:1"})["namespaces"] == ["one", "two"]
    assert bodies == {SETS.format("two"): "b:1", SETS.format("one"): "a:1"}


def test_a_namespace_whose_pods_lack_something_is_the_one_that_is_named() -> None:
    with pytest.raises(OperationError, match="a new pod in two would not be"):
        awaited(InjectingCluster(BOTH, ()), images={"one": "a:1", "two": "b:1"}, seconds=-1)


# --- what is asked for ------------------------------------------------------------------------------------------


def replica_set(pull_secret: str = "") -> dict[str, Any]:
    return Probe(namespace="dapr-test", image="node:1", pull_secret=pull_secret, owner=OWNER).replica_set("1")


def test_one_pod_is_asked_for_that_dapr_serves_and_nothing_runs() -> None:
    body = replica_set()
    template = body["spec"]["template"]
    assert body["spec"]["replicas"] == 1
    assert template["metadata"]["annotations"]["dapr.io/enabled"] == "true"
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["terminationGracePeriodSeconds"] == 0, "it goes at once"
    assert template["spec"]["schedulerName"] == "dapr-osm-none", "no scheduler has this name, so no node gets it"
    assert [item["image"] for item in template["spec"]["containers"]] == ["node:1"]


def test_it_carries_the_stacks_mark_and_a_label_of_its_own() -> None:
    body = replica_set()
    labels = {LABEL: "1", STACK_LABEL: "dev"}
    assert body["metadata"] == {"name": f"{NAME}-1", "labels": labels}
    assert body["spec"]["template"]["metadata"]["labels"] == labels
    assert body["spec"]["selector"] == {"matchLabels": {LABEL: "1"}}


def test_it_pulls_as_apps_do() -> None:
    assert replica_set("registry-credentials")["spec"]["template"]["spec"]["imagePullSecrets"] == [
        {"name": "registry-credentials"}
    ]
    assert "imagePullSecrets" not in replica_set()["spec"]["template"]["spec"]


def test_the_strictest_pod_security_standard_lets_it_in() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    spec = replica_set()["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert set(container["resources"]) == {"requests", "limits"}, "a quota may ask for them"


# --- what is left -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", [BOTH, ("envoy",), "denied", None], ids=["injected", "half", "refused", "no pod"])
def test_nothing_is_left_whatever_comes_of_it(outcome: Any) -> None:
    cluster = InjectingCluster(outcome)
    cluster.add("/api/v1/namespaces/dapr-test/pods/nodeapp-1", metadata={"labels": {"osm-proxy-uuid": "u"}})
    cluster.add("/api/v1/namespaces/dapr-test/secrets/envoy-bootstrap-config-u")
    before = dict(cluster.objects)
    if outcome == BOTH:
        awaited(cluster)
    else:
        problem(cluster)
    assert cluster.objects == before, "its pod, its ReplicaSet, and the Secret that OSM made for its Envoy"


def test_nothing_is_left_where_the_look_itself_fails() -> None:
    class Failing(InjectingCluster):
        def pods(self, namespace: str, label: str = "") -> list[dict[str, Any]]:
            if self.created and not self.failed:
                self.failed = True
                raise OperationError("the cluster does not answer")
            return super().pods(namespace, label)

        failed = False

    cluster = Failing(BOTH)
    with pytest.raises(OperationError, match="does not answer"):
        awaited(cluster)
    assert cluster.failed
    assert cluster.objects == {}


def test_what_an_interrupted_run_has_left_is_deleted_first() -> None:
    cluster = InjectingCluster(BOTH)
    probe = Probe(namespace="dapr-test", image="node:1", pull_secret="", owner=OWNER)
    cluster.request("POST", SETS.format("dapr-test"), body=probe.replica_set("left-over"))
    assert len(cluster.objects) == 3, "a ReplicaSet, a pod, a Secret"
    left_over = set(cluster.objects)
    awaited(cluster)
    assert cluster.objects == {}
    assert set(cluster.deleted[:3]) == left_over


def test_only_what_is_the_probes_is_deleted() -> None:
    cluster = InjectingCluster(BOTH)
    cluster.add(f"{SETS.format('dapr-test')}/nodeapp-1", metadata={"labels": {"app": "node"}})
    cluster.add(f"{SETS.format('shop')}/{NAME}-1", metadata={"labels": {LABEL: "1"}})
    before = dict(cluster.objects)
    clean(cluster, "dapr-test")
    assert cluster.objects == before


def test_a_question_that_may_not_be_asked_is_an_error_at_once() -> None:
    cluster = InjectingCluster(BOTH)
    cluster.refused_with["POST", SETS.format("dapr-test")] = 403
    with pytest.raises(ApiError, match="403"):
        awaited(cluster)

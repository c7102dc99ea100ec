"""What an app's pods must be like, and waiting until they are."""

from __future__ import annotations

import time

import pytest

from cluster.errors import ApiError, VerificationError
from model.expectation import ExpectedApp
from model.stage import Stage
from verification.pods import (
    Pods,
    await_pods,
    bare,
    deployment_pods,
    pod_problems,
    pod_selector,
    restarts,
    still_there,
)

from .live_cluster import APP, CLOCK, LiveCluster, in_a_hurry, pod
from .test_stages import expected_at


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
        name="nodeapp",
        namespace="dapr-test",
        port=3000,
        container="node",
        containers=("daprd", "node"),
        init_containers=(),
        service_account="nodeapp",
    )
    assert pod_problems(pod(), outside) == [
        "pod nodeapp-1 has container envoy, which should not be there",
        "pod nodeapp-1 has container osm-init, which should not be there",
    ]


def test_a_missing_init_container_is_found_out() -> None:
    assert pod_problems(pod(init=()), APP) == ["pod nodeapp-1 lacks container osm-init"]
    without = pod()
    del without["spec"]["initContainers"]
    assert pod_problems(without, APP) == ["pod nodeapp-1 lacks container osm-init"]


def test_a_wrong_service_account_is_found_out() -> None:
    assert pod_problems(pod(account="default"), APP) == ["pod nodeapp-1 runs as default instead of nodeapp"]


def test_an_unready_container_is_found_out() -> None:
    assert pod_problems(pod(not_ready=("daprd",)), APP) == ["pod nodeapp-1: daprd not ready"]


def test_a_pod_that_has_not_started_is_not_ready() -> None:
    new = pod()
    new["status"] = {}
    assert pod_problems(new, APP) == ["pod nodeapp-1: daprd, envoy, node not ready"]


def test_everything_that_is_wrong_with_a_pod_is_told_at_once() -> None:
    assert pod_problems(pod(("node", "extra"), account="default", not_ready=("node",)), APP) == [
        "pod nodeapp-1 lacks container daprd",
        "pod nodeapp-1 lacks container envoy",
        "pod nodeapp-1 runs as default instead of nodeapp",
        "pod nodeapp-1: node not ready",
    ]


def test_a_teams_own_container_is_no_problem() -> None:
    assert pod_problems(pod((*APP.containers, "mesh-of-the-team")), APP) == []
    unready = pod((*APP.containers, "mesh-of-the-team"), not_ready=("mesh-of-the-team",))
    assert pod_problems(unready, APP) == [], "nor is it ours to wait for"


def test_a_sidecar_may_be_an_init_container_that_goes_on() -> None:
    native = pod(("envoy", "node"), init=("daprd", "osm-init"))
    native["status"]["initContainerStatuses"] = [{"name": "daprd", "ready": True, "restartCount": 2}]
    assert pod_problems(native, APP) == []
    assert restarts(native, APP.containers) == {"daprd": 2, "envoy": 0, "node": 0}


def test_restarts_are_counted_for_each_container_that_matters_and_no_other() -> None:
    four = pod((*APP.containers, "mesh-of-the-team"))
    for number, status in enumerate(four["status"]["containerStatuses"]):
        status["restartCount"] = number
    assert restarts(four, APP.containers) == {"daprd": 0, "envoy": 1, "node": 2}


def test_pods_are_the_same_ones_while_their_uids_are() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI), replicas=2)
    pods = awaited(cluster)
    assert still_there(cluster, cluster.expected, pods)
    cluster.objects[cluster.pod_path("nodeapp", 2)]["metadata"]["uid"] = "another"
    assert not still_there(cluster, cluster.expected, pods)
    assert not still_there(cluster, cluster.expected, {**pods, "nodeapp": pods["nodeapp"][:1]})


# --- a Deployment's pods ----------------------------------------------------------------------------------------


def awaited(cluster: LiveCluster) -> Pods:
    return await_pods(cluster, cluster.expected, time.monotonic() - 1)


def test_the_pods_of_every_app_are_found_by_its_id() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI), replicas=2)
    pods = awaited(cluster)
    assert {app: [pod.name for pod in group] for app, group in pods.items()} == {
        "nodeapp": ["nodeapp-1", "nodeapp-2"],
        "pythonapp": ["pythonapp-1", "pythonapp-2"],
    }
    assert pods["nodeapp"][1].address == cluster.address("nodeapp", 2)


def test_pods_are_selected_by_all_labels_of_their_deployment() -> None:
    deployment = {"spec": {"selector": {"matchLabels": {"b": "2", "a": "1"}}}}
    assert pod_selector(deployment) == "a=1,b=2"


def test_a_deployment_with_fewer_or_more_pods_than_it_asks_for_is_waited_for() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI), replicas=2)
    del cluster.objects[cluster.pod_path("nodeapp", 2)]
    with pytest.raises(VerificationError, match="nodeapp has 1 pods instead of 2"):
        awaited(cluster)
    cluster.deployment("pythonapp")["spec"]["replicas"] = 1
    with pytest.raises(VerificationError, match="pythonapp has 2 pods instead of 1"):
        awaited(cluster)


def test_an_app_that_is_scaled_to_nothing_is_not_taken_for_a_sound_one() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    del cluster.objects[cluster.pod_path("pythonapp")]
    deployment = cluster.deployment("pythonapp")
    deployment["spec"]["replicas"] = deployment["status"]["updatedReplicas"] = 0
    with pytest.raises(VerificationError, match="Deployment pythonapp is scaled to nothing: scale it to one pod"):
        awaited(cluster)


def test_an_app_that_stays_scaled_to_nothing_is_told_before_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_hurry(monkeypatch)
    cluster = LiveCluster(expected_at(Stage.SMI))
    del cluster.objects[cluster.pod_path("pythonapp")]
    deployment = cluster.deployment("pythonapp")
    deployment["spec"]["replicas"] = deployment["status"]["updatedReplicas"] = 0
    with pytest.raises(VerificationError, match="waiting longer can't help") as caught:
        await_pods(cluster, cluster.expected, CLOCK.monotonic() + 120)
    assert "Deployment dapr-test/pythonapp: ScaledToNothing: without a pod nothing of it can be" in str(caught.value)
    assert CLOCK.now < 60


def test_a_deployment_that_is_not_there_has_no_pods() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    assert deployment_pods(cluster, "dapr-test", "none") == ([], ["Deployment none does not exist"])


def test_what_is_wrong_is_told_with_the_clusters_own_reasons() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    status = cluster.objects[cluster.pod_path("nodeapp")]["status"]["containerStatuses"][0]
    status.update(ready=False, state=waiting)
    with pytest.raises(VerificationError) as caught:
        awaited(cluster)
    assert str(caught.value).splitlines() == [
        "stage smi: the pods are not as they should be:",
        f"  pod nodeapp-1: {status['name']} not ready",
        f"  pod nodeapp-1: container {status['name']}: ImagePullBackOff: no such image",
    ]


def test_pods_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Starting(LiveCluster):
        """A cluster where nodeapp's pod is ready at the third look."""

        looks = 0

        def pods(self, namespace: str, label: str = "") -> list[dict[str, object]]:
            self.looks += label == "app=node"
            status = self.objects[self.pod_path("nodeapp")]["status"]["containerStatuses"][0]
            status["ready"] = self.looks > 2
            return super().pods(namespace, label)

    in_a_hurry(monkeypatch)
    cluster = Starting(expected_at(Stage.SMI))
    (found,) = await_pods(cluster, cluster.expected, time.monotonic() + 60)["nodeapp"]
    assert found.name == "nodeapp-1"
    assert cluster.looks == 3


# --- pods that lack a sidecar -----------------------------------------------------------------------------------


def with_app_ids(cluster: LiveCluster) -> LiveCluster:
    for path, item in cluster.objects.items():
        if "/pods/" in path:
            item["metadata"]["annotations"] = {"dapr.io/app-id": item["metadata"]["name"].rpartition("-")[0]}
    return cluster


def strip(cluster: LiveCluster, name: str, *containers: str) -> None:
    spec = cluster.objects[f"/api/v1/namespaces/dapr-test/pods/{name}"]["spec"]
    spec["containers"] = [one for one in spec["containers"] if one["name"] not in containers]


def test_pods_that_were_made_without_a_sidecar_are_found_with_what_they_lack() -> None:
    cluster = with_app_ids(LiveCluster(expected_at(Stage.SMI), replicas=2))
    assert bare(cluster, cluster.expected) == {}
    strip(cluster, "nodeapp-2", "envoy", "osm-healthcheck")
    path = "/api/v1/namespaces/dapr-test/pods/nodeapp-2"
    assert bare(cluster, cluster.expected) == {f"dapr-test/nodeapp-2 uid of {path}": "envoy, osm-healthcheck"}
    cluster.objects[path]["metadata"]["deletionTimestamp"] = "2024-05-01T12:00:00Z"
    assert bare(cluster, cluster.expected) == {}, "one that goes is replaced already"


def test_pods_of_others_lack_nothing() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    strip(cluster, "nodeapp-1", "envoy")
    assert bare(cluster, cluster.expected) == {}, "it is no app of Dapr's"
    cluster.objects["/api/v1/namespaces/dapr-test/pods/nodeapp-1"]["metadata"]["annotations"] = {
        "dapr.io/app-id": "theirs"
    }
    assert bare(cluster, cluster.expected) == {}


def test_who_may_not_look_finds_none() -> None:
    cluster = with_app_ids(LiveCluster(expected_at(Stage.SMI)))
    strip(cluster, "nodeapp-1", "envoy")
    cluster.refused_with["GET", "/api/v1/namespaces/dapr-test/pods"] = 403
    assert bare(cluster, cluster.expected) == {}
    cluster.refused_with["GET", "/api/v1/namespaces/dapr-test/pods"] = 500
    with pytest.raises(ApiError):
        bare(cluster, cluster.expected)

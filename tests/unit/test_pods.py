"""What an app's pods must be like, and waiting until they are."""

from __future__ import annotations

import time

import pytest

from cluster.errors import VerificationError
from model.expectation import ExpectedApp
from model.stage import Stage
from verification.pods import Pods, await_pods, deployment_pods, pod_problems, pod_selector

from .live_cluster import APP, LiveCluster, in_a_hurry, pod
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
    assert pod_problems(pod(not_ready=("daprd",)), APP) == ["pod nodeapp-1: 2 of 3 containers are ready"]


def test_a_pod_that_has_not_started_is_not_ready() -> None:
    new = pod()
    new["status"] = {}
    assert pod_problems(new, APP) == ["pod nodeapp-1: 0 of 3 containers are ready"]


def test_everything_that_is_wrong_with_a_pod_is_told_at_once() -> None:
    assert pod_problems(pod(("node", "extra"), account="default", not_ready=("node",)), APP) == [
        "pod nodeapp-1 lacks container daprd",
        "pod nodeapp-1 lacks container envoy",
        "pod nodeapp-1 runs as default instead of nodeapp",
        "pod nodeapp-1: 1 of 2 containers are ready",
    ]


def test_a_teams_own_container_is_no_problem() -> None:
    assert pod_problems(pod((*APP.containers, "mesh-of-the-team")), APP) == []


# --- a Deployment's pods ----------------------------------------------------------------------------------------


def awaited(cluster: LiveCluster) -> Pods:
    return await_pods(cluster, cluster.expected, time.monotonic() - 1)


def test_the_pods_of_every_app_are_found_by_its_id() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI), replicas=2)
    assert awaited(cluster) == {"nodeapp": ("nodeapp-1", "nodeapp-2"), "pythonapp": ("pythonapp-1", "pythonapp-2")}


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
        "  pod nodeapp-1: 3 of 4 containers are ready",
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
    assert await_pods(cluster, cluster.expected, time.monotonic() + 60)["nodeapp"] == ("nodeapp-1",)
    assert cluster.looks == 3

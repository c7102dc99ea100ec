from __future__ import annotations

from model.stage import Stage
from steps import bare_pods

from .live_cluster import LiveCluster
from .test_stages import expected_at

PODS = "/api/v1/namespaces/dapr-test/pods"


def test_pods_with_all_their_sidecars_stay() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    assert bare_pods.replace(cluster, cluster.expected) == []


def test_a_pod_that_was_made_without_its_envoy_is_replaced_and_no_other() -> None:
    cluster = LiveCluster(expected_at(Stage.SMI), replicas=2)
    bare = cluster.objects[f"{PODS}/nodeapp-2"]
    bare["spec"]["containers"] = [one for one in bare["spec"]["containers"] if one["name"] != "envoy"]
    assert bare_pods.replace(cluster, cluster.expected) == ["nodeapp-2"]
    assert cluster.get(f"{PODS}/nodeapp-2") is None, "it is deleted, and its controller makes another one"
    assert cluster.get(f"{PODS}/nodeapp-1") is not None

from __future__ import annotations

import copy

import pytest

from model.owner import Owner
from model.stage import Stage
from steps import bare_pods
from verification.pods import deployment_pods

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


@pytest.mark.parametrize("app", ["nodeapp", "pythonapp"])
def test_any_apps_pod_without_its_sidecars_is_replaced_and_told(app: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = LiveCluster(expected_at(Stage.SMI))
    bare = cluster.objects[f"{PODS}/{app}-1"]["spec"]
    bare["containers"] = [one for one in bare["containers"] if one["name"] not in ("daprd", "envoy")]
    assert bare_pods.replace(cluster, cluster.expected) == [f"{app}-1"]
    assert f"pod dapr-test/{app}-1 was made without daprd, envoy: it is replaced" in capsys.readouterr().err


def test_a_teams_pod_with_the_same_label_is_left_alone() -> None:
    """Their namespace may hold another app of that label; a Deployment knows its pods by their maker."""
    cluster = LiveCluster(expected_at(Stage.SMI))
    mark = Owner(stack="dev").labels
    deployment = cluster.objects["/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp"]
    deployment["spec"]["template"] = {"metadata": {"labels": {"app": "node", **mark}}}
    theirs = copy.deepcopy(cluster.objects[f"{PODS}/nodeapp-1"])
    cluster.objects[f"{PODS}/nodeapp-1"]["metadata"]["labels"] |= mark
    theirs["metadata"] |= {"name": "theirs", "uid": "theirs"}
    theirs["spec"]["containers"] = [{"name": "web"}]
    cluster.objects[f"{PODS}/theirs"] = theirs
    assert bare_pods.replace(cluster, cluster.expected) == []
    found, problems = deployment_pods(cluster, "dapr-test", "nodeapp")
    assert ([pod["metadata"]["name"] for pod in found], problems) == (["nodeapp-1"], [])

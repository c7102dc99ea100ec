"""The cluster that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.client import Cluster
from preflight import preconditions
from review import nowhere
from review.revisions import STAND_IN, STAND_INS, Engine, Revision, laid_out, without_secrets
from review.tools import ToolError
from settings import ROOT, parse


def test_the_projects_own_client_finds_an_empty_cluster(tmp_path: Path) -> None:
    with nowhere.kubeconfig(tmp_path, "prod") as path:
        cluster = Cluster.connect("prod", kubeconfig=path)
        assert cluster.uid() == nowhere.UID
        assert cluster.items("/api/v1/namespaces") == []
        assert cluster.get("/apis/apps/v1/namespaces/a/deployments/b") is None
        assert [item["metadata"]["name"] for item in cluster.items(preconditions.STORAGE_CLASSES)] == ["standard"]
        assert cluster.resources() == []


def test_it_is_gone_afterwards(tmp_path: Path) -> None:
    with nowhere.kubeconfig(tmp_path, "x") as path:
        server = Cluster.connect(kubeconfig=path).server
    assert server.startswith("http://127.0.0.1:")
    with nowhere.kubeconfig(tmp_path, "x") as path:
        assert Cluster.connect(kubeconfig=path).server != server


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/pods", 200),
        ("/api/v1/namespaces/a", 404),
        ("/api/v1/namespaces/a/pods", 200),
        ("/api/v1/namespaces/a/pods/b", 404),
        ("/apis/apps/v1/deployments", 200),
        ("/apis/apps/v1/namespaces/a/deployments/b", 404),
        ("/openapi/v2", 404),
    ],
)
def test_there_are_lists_of_everything_and_no_object(path: str, status: int) -> None:
    assert nowhere.answer("GET", path, None)[0] == status


def test_it_lets_everybody_do_everything() -> None:
    asked = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert nowhere.answer("POST", asked, {"spec": {}})[1] == {"status": {"allowed": True}}


# --- what is previewed on it ------------------------------------------------------------------------------------


def test_what_is_encrypted_is_replaced_by_stand_ins_that_the_settings_take() -> None:
    config = {
        "dapr-osm:stage": "smi",
        "dapr-osm:registryCredentials": {"secure": "v1:x"},
        "dapr-osm:apps": {"nodeapp": {"env": {"TOKEN": {"secure": "v1:x"}, "SIZE": "1"}}},
        "dapr-osm:extraPortExclusions": [5432],
    }
    kept, secrets = without_secrets(config)
    assert kept == {
        "dapr-osm:stage": "smi",
        "dapr-osm:apps": {"nodeapp": {"env": {"SIZE": "1"}}},
        "dapr-osm:extraPortExclusions": [5432],
    }
    assert secrets == {
        "dapr-osm:redisPassword": STAND_IN,
        "dapr-osm:registryCredentials": STAND_INS["registryCredentials"],
        'dapr-osm:apps["nodeapp"]["env"]["TOKEN"]': STAND_IN,
    }
    assert parse({"redisPassword": STAND_IN, "registryCredentials": STAND_INS["registryCredentials"]})


def test_null_takes_a_thing_away_and_stays() -> None:
    assert without_secrets({"dapr-osm:apps": {"pythonapp": None}})[0] == {"dapr-osm:apps": {"pythonapp": None}}


in_a_clone = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="these files are no clone")


@in_a_clone
def test_a_revision_is_laid_out_as_it_was_committed(tmp_path: Path) -> None:
    with laid_out("HEAD") as revision:
        assert (revision.folder / "__main__.py").is_file()
        assert "dapr-osm:stage" in revision.stack_file("dev")
        assert revision.stack_file("nowhere") == ""
    assert not revision.folder.exists()


def test_without_a_revision_it_is_the_working_copy() -> None:
    with laid_out(None) as revision:
        assert revision.folder == ROOT
    assert ROOT.exists(), "and is left alone"


@pytest.mark.parametrize("name", ["nowhere", "--help", ""])
def test_a_revision_that_is_none_is_told(name: str) -> None:
    with pytest.raises(ToolError, match="is no revision here"), laid_out(name):
        pass


def test_a_stack_that_a_revision_does_not_have_is_told(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"old has no Pulumi\.prod\.yaml"):
        Engine(environment={}).on_none(Revision(name="old", folder=tmp_path), "prod")

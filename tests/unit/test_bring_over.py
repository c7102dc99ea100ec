"""A stack of an earlier version, with Helm releases, is brought over without an uninstall."""

from __future__ import annotations

import base64
import gzip
import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

import bring_over as module
from bring_over import bring_over, main, manifest_paths, object_paths, releases, runtime_paths, without_resources
from cluster.errors import OperationError
from model.owner import Owner, mark_of

from .fake_cluster import CRDS, FakeCluster

OWNER = Owner(stack="dev")
SECRETS = "/api/v1/namespaces/dapr-system/secrets"
DEPLOYMENT = "/apis/apps/v1/namespaces/dapr-system/deployments/dapr-sentry"
APP = "/apis/apps/v1/namespaces/dapr-test/deployments/nodeapp"


def record(version: int, *manifest: dict[str, Any]) -> dict[str, Any]:
    """A release as Helm keeps it."""
    content = json.dumps({"manifest": yaml.safe_dump_all(manifest)}).encode()
    packed = base64.b64encode(base64.b64encode(gzip.compress(content))).decode()
    labels = {"owner": "helm", "name": "dapr", "version": str(version)}
    return {"metadata": {"labels": labels}, "data": {"release": packed}}


SENTRY = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "dapr-sentry"}}
ROLE = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRole",
    "metadata": {"name": "dapr-injector", "namespace": "dapr-system"},
}
HOOK = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "osm-cleanup", "annotations": {"helm.sh/hook": "post-delete"}},
}
STATE: dict[str, Any] = {
    "version": 3,
    "deployment": {
        "secrets_providers": {"type": "passphrase"},
        "pending_operations": [{}],
        "resources": [
            {"type": "pulumi:pulumi:Stack"},
            {
                "type": "kubernetes:helm.sh/v3:Release",
                "outputs": {"name": "dapr", "namespace": "dapr-system", "kind": "Release"},
            },
            {
                "type": "kubernetes:apps/v1:Deployment",
                "outputs": {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": "nodeapp", "namespace": "dapr-test", "uid": "1"},
                },
            },
            {
                "type": "kubernetes:config.openservicemesh.io/v1alpha2:MeshConfigPatch",
                "outputs": {
                    "apiVersion": "config.openservicemesh.io/v1alpha2",
                    "kind": "MeshConfig",
                    "metadata": {"name": "osm-mesh-config", "namespace": "osm-system", "uid": "2"},
                },
            },
            {
                "type": "command:local:Command",
                "inputs": {"create": "record-cluster-wide"},
                "outputs": {
                    "stdout": json.dumps(
                        {"customresourcedefinitions": {"components.dapr.io": False, "theirs.io": True}}
                    )
                },
            },
        ],
    },
}


def test_the_state_tells_its_releases_its_objects_and_what_it_brought_beside_them() -> None:
    assert [(found.namespace, found.name) for found in releases(STATE)] == [("dapr-system", "dapr")]
    assert dict(object_paths(STATE)) == {APP: "1"}, "a patch's object is not the stack's"
    assert list(runtime_paths(STATE)) == [f"{CRDS}/components.dapr.io"], "what was there before stays somebody else's"


def test_a_releases_objects_are_those_of_its_manifest_but_hooks() -> None:
    assert list(manifest_paths(record(1, SENTRY, ROLE, HOOK), "dapr-system")) == [
        DEPLOYMENT,
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/dapr-injector",
    ]


def test_everything_gets_the_mark_and_helms_records_go() -> None:
    fake = FakeCluster()
    helms = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "dapr"}}
    fake.add(DEPLOYMENT, metadata=helms)
    fake.add(APP, metadata={"uid": "1"})
    fake.add(f"{CRDS}/components.dapr.io")
    fake.add(f"{CRDS}/theirs.io")
    fake.add(f"{SECRETS}/sh.helm.release.v1.dapr.v1", **record(1, ROLE))
    fake.add(f"{SECRETS}/sh.helm.release.v1.dapr.v2", **record(2, SENTRY))
    assert bring_over(fake, STATE, OWNER) == 3
    for path in (DEPLOYMENT, APP, f"{CRDS}/components.dapr.io"):
        assert mark_of(fake.objects[path]["metadata"]) == "dev"
    assert "app.kubernetes.io/managed-by" not in fake.objects[DEPLOYMENT]["metadata"]["labels"]
    assert not fake.objects[DEPLOYMENT]["metadata"]["annotations"]
    assert mark_of(fake.objects[f"{CRDS}/theirs.io"]["metadata"]) is None
    assert not [path for path in fake.objects if "sh.helm.release" in path]
    assert DEPLOYMENT not in fake.deleted, "nothing is uninstalled"


def test_on_another_cluster_nothing_is_marked() -> None:
    fake = FakeCluster()
    fake.add(DEPLOYMENT)
    fake.add(APP, metadata={"uid": "another"})
    with pytest.raises(OperationError, match=r"deployments/nodeapp is there, and not the one .* Nothing was touched"):
        bring_over(fake, STATE, OWNER)
    assert fake.changes == []


class Pulumi:
    """A command line of a stack with one release.

    Attributes:
        config: The stack's config.
        asked: What was asked for.
    """

    def __init__(self, **config: str) -> None:
        self.config = {key.replace("_", ":"): {"value": value} for key, value in config.items()}
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        self.asked.append(arguments)
        answers = {
            ("stack", "export"): json.dumps(STATE),
            ("stack", "--show-name"): "org/dev",
            ("config", "--json"): json.dumps(self.config),
        }
        return answers.get((arguments[0], arguments[1]), "")


@pytest.mark.parametrize(
    ("config", "arguments", "context"),
    [
        ({}, [], None),
        ({"dapr-osm_kubeContext": "ours"}, [], "ours"),
        ({"kubernetes_context": "theirs"}, [], "theirs"),
        ({"dapr-osm_kubeContext": "ours"}, ["mine"], "mine"),
    ],
)
def test_the_cluster_is_that_of_the_stacks_context(
    config: dict[str, str],
    arguments: list[str],
    context: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPERATION_CONTEXT", raising=False)
    monkeypatch.setattr(module, "_pulumi", Pulumi(**config))
    reached: list[str | None] = []

    def connect(name: str | None = None) -> FakeCluster:
        reached.append(name)
        return FakeCluster()

    monkeypatch.setattr("cluster.client.Cluster.connect", connect)
    assert main(arguments) == 0
    assert reached == [context]
    (backup,) = tmp_path.iterdir()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_where_the_old_state_can_not_be_kept_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    fake = FakeCluster()
    fake.add(DEPLOYMENT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "_pulumi", Pulumi())
    monkeypatch.setattr(Path, "write_text", full)
    monkeypatch.setattr("cluster.client.Cluster.connect", lambda _name=None: fake)
    assert main(["ours"]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"error: the old state can't be kept in {tmp_path}/dev-")
    assert "No space left on device. Nothing was touched." in said
    assert fake.changes == []


def test_a_machine_without_pulumi_is_told_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert main([]) == 1
    assert "error: there is no `pulumi` on PATH" in capsys.readouterr().err


def test_a_stack_without_releases_is_left_alone() -> None:
    fake = FakeCluster()
    with pytest.raises(OperationError, match="there is nothing to bring over"):
        bring_over(fake, without_resources(STATE), OWNER)
    assert not fake.patched


def test_the_new_state_has_the_stacks_secrets_provider_and_nothing_else() -> None:
    empty = without_resources(STATE)
    assert empty["deployment"] == {
        "secrets_providers": {"type": "passphrase"},
        "pending_operations": [],
        "resources": [],
    }
    assert STATE["deployment"]["resources"], "what was exported stays as it is"

"""What the node is told: where volumes go, and who may make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab import cluster, node
from lab.cache import Entry
from lab.certificates import Authority
from lab.node import Node
from lab.parts import part, parts
from lab.paths import Paths, default_paths
from lab.supervisor import PartSpec


def entries(**folders: str) -> dict[str, Entry]:
    """Every part in the cache, in a folder of its name where no other is given."""
    return {row.name: Entry(Path("/cache") / folders.get(row.name.replace("-", "_"), row.name), {}) for row in parts()}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(checkout=tmp_path / "checkout", cache=tmp_path / "cache", data=tmp_path / "data", run=tmp_path / "run")


@pytest.fixture
def provisioner(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> PartSpec:
    """The provisioner of volumes as the supervisor is told to run it; its kubeconfig holds just the user's name."""
    monkeypatch.setattr(Authority, "issue", lambda *_arguments, **_options: (Path("crt"), Path("key")))
    monkeypatch.setattr(Node, "access", lambda _node, user, *_group: user)
    return next(spec for spec in Node(paths, entries()).parts(3) if spec.name == "volume-provisioner")


def options(spec: PartSpec) -> dict[str, str]:
    """The options of a part's command line."""
    return dict(argument.lstrip("-").split("=", 1) for argument in spec.argv[1:])


def objects(kind: str) -> list[Any]:
    return [item for item in node.system_objects() if item["kind"] == kind]


def test_the_one_storage_class_is_the_default_and_asks_for_the_provisioner_that_runs(provisioner: PartSpec) -> None:
    (storage_class,) = objects("StorageClass")
    assert storage_class["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert storage_class["provisioner"] == options(provisioner)["provisioner"]
    assert storage_class["reclaimPolicy"] == "Delete", "volumes go with their claims"
    assert storage_class["volumeBindingMode"] == "WaitForFirstConsumer"


def test_volumes_are_on_the_one_node_among_the_data_that_remove_takes(provisioner: PartSpec, paths: Paths) -> None:
    assert options(provisioner)["node"] == node.NODE
    assert options(provisioner)["folder"] == str(paths.volumes)
    assert paths.volumes.is_relative_to(paths.data)


def test_the_folder_of_volumes_is_the_same_inside_the_labs_mounts_and_outside() -> None:
    for covered in node.COVERED:
        assert not default_paths().volumes.is_relative_to(covered)


def test_the_provisioner_may_write_volumes_and_events_and_only_read_the_rest(provisioner: PartSpec) -> None:
    user = Path(options(provisioner)["kubeconfig"]).read_text()
    (binding,) = (item for item in objects("ClusterRoleBinding") if item["subjects"][0]["name"] == user)
    (role,) = (item for item in objects("ClusterRole") if item["metadata"]["name"] == binding["roleRef"]["name"])
    allowed = {resource: set(rule["verbs"]) for rule in role["rules"] for resource in rule["resources"]}
    assert allowed == {
        "persistentvolumes": {"list", "watch", "create", "patch", "delete"},
        "persistentvolumeclaims": {"list", "watch"},
        "storageclasses": {"list", "watch"},
        "events": {"create", "patch"},
    }


@pytest.mark.parametrize("name", ["kubernetes", "coredns", "volume_provisioner", "pause"])
def test_another_build_of_a_part_makes_another_cluster(paths: Paths, name: str) -> None:
    assert Node(paths, entries(**{name: "another"})).digest() != Node(paths, entries()).digest()


def test_charts_and_programs_that_run_in_pods_make_no_other_cluster(paths: Paths) -> None:
    assert Node(paths, entries(osm="another")).digest() == Node(paths, entries()).digest()


def test_the_provisioners_version_is_its_librarys() -> None:
    assert part("volume-provisioner").version.startswith("13.")


@pytest.mark.parametrize(
    ("states", "all_run"),
    [(("running", "running"), True), (("running", "waiting"), False), (("crashed", "running"), False)],
)
def test_a_start_waits_for_every_part(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, states: tuple[str, ...], all_run: bool
) -> None:
    known = tuple(cluster.PartStatus(str(number), state, None, 0.0, Path()) for number, state in enumerate(states))
    monkeypatch.setattr(cluster, "status", lambda _paths: cluster.Status("", "", known))
    assert cluster._every_part_runs(paths) is all_run


def test_a_lab_that_ended_has_no_running_part(paths: Paths) -> None:
    assert not cluster._every_part_runs(paths)

"""Images are assembled by hand here, so their form and their determinism are tested here too."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from lab import images, oci
from lab.cache import Entry
from lab.oci import Blob, File
from lab.parts import wanted


def layer(*files: File) -> bytes:
    """Return a layer's bytes."""
    target = io.BytesIO()
    oci.write_layer(files, target)
    return target.getvalue()


def archive(*made: oci.Image) -> dict[str, bytes]:
    """Return the members of an archive of the images."""
    target = io.BytesIO()
    oci.write_archive(made, target)
    target.seek(0)
    members = {}
    with tarfile.open(fileobj=target) as content:
        for member in content:
            file = content.extractfile(member)
            assert file is not None
            assert member.name not in members, "a blob must be in the archive once"
            members[member.name] = file.read()
    return members


def test_equal_files_make_equal_layers_whenever_they_were_written(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("content")
    files = [File(target="/b", source=program, mode=0o755), File(target="/a", content=b"x")]
    first = layer(*files)
    os.utime(program, (1, 1))
    assert layer(*reversed(files)) == first, "neither time nor order may matter"


def test_a_layer_has_parent_folders_owners_and_modes() -> None:
    made = layer(File(target="/usr/local/bin/run", content=b"#!", mode=0o755, user=5, group=6), File(target="/data"))
    with tarfile.open(fileobj=io.BytesIO(made)) as content:
        members = {member.name: member for member in content}
    assert set(members) == {"usr", "usr/local", "usr/local/bin", "usr/local/bin/run", "data"}
    assert members["usr/local"].isdir()
    assert members["data"].isdir()
    run = members["usr/local/bin/run"]
    assert (run.mode, run.uid, run.gid, run.mtime) == (0o755, 5, 6, 0)


def test_every_blob_of_an_archive_is_named_by_its_content() -> None:
    shared = Blob.of(layer(File(target="/shared", content=b"s")))
    own = Blob.of(layer(File(target="/own", content=b"o")))
    one = oci.assemble("lab.local/one:1", [shared], {"User": "1:1"})
    two = oci.assemble("lab.local/two:1", [shared, own], {"User": "2:2"})
    members = archive(one, two)
    blobs = {name: data for name, data in members.items() if name.startswith("blobs/")}
    assert len(blobs) == 6, "two manifests, two configurations and two layers, the shared one once"
    for name, data in blobs.items():
        assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"


def test_an_archives_index_leads_to_manifest_configuration_and_layers() -> None:
    blob = Blob.of(layer(File(target="/x", content=b"x")))
    members = archive(oci.assemble("lab.local/x:1", [blob], {"User": "7:7", "Cmd": ["/x"]}))

    def load(descriptor: dict[str, Any]) -> Any:
        data = members[f"blobs/{descriptor['digest'].replace(':', '/')}"]
        assert len(data) == descriptor["size"]
        return json.loads(data)

    assert json.loads(members["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(members["index.json"])["manifests"]
    assert entry["annotations"] == {"io.containerd.image.name": "lab.local/x:1"}
    manifest = load(entry)
    config = load(manifest["config"])
    assert config["config"] == {"User": "7:7", "Cmd": ["/x"]}
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]] == [blob.digest]


@pytest.fixture
def recipes(tmp_path: Path) -> dict[str, images.Recipe]:
    """Return the lab's recipes, releases without scheduler and with one among them, of parts that hold only names."""
    with_scheduler = ["daprd", "injector", "operator", "placement", "scheduler", "sentry"]
    binaries = {
        "dapr-1.12.0": ["daprd", "injector", "operator", "placement", "sentry"],
        "dapr-1.16.0": with_scheduler,
        "dapr-1.18.2": with_scheduler,
        "osm": ["osm-bootstrap", "osm-controller", "osm-healthcheck", "osm-injector", "osm-preinstall"],
    }
    entries = {}
    for part in wanted(["1.12.0", "1.16.0"]):
        folder = tmp_path / part.name
        for binary in binaries.get(part.name, [part.name]):
            (folder / "bin").mkdir(parents=True, exist_ok=True)
            (folder / "bin" / binary).touch()
        entries[part.name] = Entry(folder, {"seconds": 0})
    (tmp_path / "osm" / "osm-crds").mkdir()
    (tmp_path / "osm" / "osm-crds" / "meshconfig.yaml").touch()
    for app, name in (("node", "app.js"), ("python", "app.py")):
        (tmp_path / "apps" / app).mkdir(parents=True)
        (tmp_path / "apps" / app / name).touch()
    return {recipe.name: recipe for recipe in images.recipes(entries, tmp_path / "apps")}


def test_the_images_that_the_charts_and_the_program_name_are_there(recipes: dict[str, images.Recipe]) -> None:
    programs = ("daprd", "injector", "operator", "placement", "sentry")
    dapr = {f"dapr/{name}:{version}" for name in programs for version in ("1.12.0", "1.16.0", "1.18.2")}
    dapr |= {"dapr/scheduler:1.16.0", "dapr/scheduler:1.18.2"}  # there was none before 1.14
    osm = {"bootstrap", "controller", "crds", "healthcheck", "injector", "preinstall"}
    others = {"envoy:1.36.2", "curl:1", "redis:7", "hello-k8s-node:1", "hello-k8s-python:1", "pause:1"}
    wanted = dapr | {f"osm/osm-{name}:1.2.4" for name in osm} | {"osm/init:1.2.4"} | others
    assert set(recipes) == {f"lab.local/{name}" for name in wanted}


def test_only_the_image_that_writes_iptables_rules_runs_as_root(recipes: dict[str, images.Recipe]) -> None:
    root = {name for name, recipe in recipes.items() if recipe.user.split(":")[0] == "0"}
    assert root == {"lab.local/osm/init:1.2.4"}


def test_every_image_names_the_user_that_it_runs_as(recipes: dict[str, images.Recipe]) -> None:
    for name, recipe in recipes.items():
        user, group = recipe.user.split(":")
        contents = {file.target: file.content or b"" for file in recipe.files}
        assert f":x:{user}:".encode() in contents["/etc/passwd"], f"{name}: Dapr refuses a user without a name"
        assert f":x:{group}:".encode() in contents["/etc/group"], f"{name}: Dapr refuses a group without a name"


def test_daprs_images_have_no_entrypoint(recipes: dict[str, images.Recipe]) -> None:
    for name, recipe in recipes.items():
        if "/dapr/" in name:
            assert not recipe.entrypoint, f"{name}: the injector's first argument is the binary itself"


def test_the_apps_start_with_the_command_of_the_quickstart(recipes: dict[str, images.Recipe]) -> None:
    node, python = recipes["lab.local/hello-k8s-node:1"], recipes["lab.local/hello-k8s-python:1"]
    assert (node.folder, node.command) == ("/app", ("node", "app.js"))
    assert (python.folder, python.command) == ("/app", ("python3", "app.py"))
    assert {file.target for file in node.files} >= {"/app/app.js"}

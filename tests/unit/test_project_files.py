"""Pulumi.yaml and the stack files, held against the program."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from model import versions
from settings import KEYS, PROJECT, ROOT, SECRET_KEYS, Chart, declared_defaults, documents, parse

TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def content(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


DECLARED = content("Pulumi.yaml")["config"]


def stack_config(name: str) -> dict[str, Any]:
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content(name)["config"].items()}


@pytest.mark.parametrize("path", documents.written(), ids=lambda path: path.name)
def test_what_is_written_from_the_declarations_is_committed(path: Path) -> None:
    assert path.read_text() == documents.written()[path], "run make docs"


def test_pulumi_yaml_declares_exactly_the_keys_that_the_program_reads() -> None:
    assert [key.removeprefix(f"{PROJECT}:") for key in DECLARED] == list(KEYS)


@pytest.mark.parametrize("key", DECLARED)
def test_every_key_is_described_in_a_sentence(key: str) -> None:
    description = DECLARED[key]["description"]
    assert description.endswith("."), "it is shown as it stands"
    assert len(description) > 15


@pytest.mark.parametrize("key", DECLARED)
def test_every_default_is_of_its_declared_type(key: str) -> None:
    spec = DECLARED[key]
    if "default" in spec:
        assert type(spec["default"]) is TYPES[spec["type"]]


def test_only_the_password_has_no_default() -> None:
    assert [key for key, spec in DECLARED.items() if "default" not in spec] == [f"{PROJECT}:redisPassword"]


def test_secrets_have_no_default_in_the_clear() -> None:
    for key in SECRET_KEYS:
        assert not declared_defaults().get(key)


def test_the_defaults_agree_with_the_table_of_versions() -> None:
    defaults = declared_defaults()
    assert defaults["daprVersion"] == versions.DEFAULT_DAPR_VERSION
    assert defaults["daprVersion"] in versions.DAPR_RELEASES
    assert defaults["daprChart"] == versions.DAPR_CHART_REPOSITORY
    assert defaults["osmChart"] == versions.OSM_CHART_REPOSITORY
    assert defaults["redisImage"] == versions.REDIS_IMAGE
    assert defaults["nodeAppImage"] == versions.NODE_APP_IMAGE
    assert defaults["pythonAppImage"] == versions.PYTHON_APP_IMAGE


def test_the_defaults_with_a_password_are_a_config_that_works() -> None:
    assert parse({"redisPassword": "x"}).stage.value == declared_defaults()["stage"]


@pytest.mark.parametrize("name", ["Pulumi.dev.yaml", "Pulumi.lab.yaml"])
def test_a_stack_file_sets_only_known_keys(name: str) -> None:
    assert set(stack_config(name)) <= set(KEYS)
    assert all(key.startswith(f"{PROJECT}:") for key in content(name)["config"])


@pytest.mark.parametrize("name", ["Pulumi.dev.yaml", "Pulumi.lab.yaml"])
def test_a_stack_file_holds_no_secret_and_no_salt(name: str) -> None:
    assert set(content(name)) == {"config"}, "an encryptionsalt belongs to one person's passphrase"
    assert not set(SECRET_KEYS) & set(stack_config(name))
    assert "secure:" not in (ROOT / name).read_text()


def test_the_dev_stack_is_the_walkthroughs_end_with_everything_at_its_default() -> None:
    assert stack_config("Pulumi.dev.yaml") == {"stage": "smi"}


def test_the_lab_stack_only_says_where_things_come_from_and_how_big_they_are() -> None:
    assert set(stack_config("Pulumi.lab.yaml")) == {
        "kubeContext",
        "daprChart",
        "osmChart",
        "daprRegistry",
        "osmRegistry",
        "envoyImage",
        "curlImage",
        "redisImage",
        "nodeAppImage",
        "pythonAppImage",
        "osmValues",
    }


def test_the_lab_stacks_values_are_sizes_an_image_tag_and_a_missing_filter() -> None:
    osm = stack_config("Pulumi.lab.yaml")["osmValues"]["osm"]
    assert osm.pop("image") == {"tag": versions.OSM_RELEASE.version}
    assert osm.pop("featureFlags") == {"enableWASMStats": False}
    assert {tuple(part) for part in osm.values()} == {("resource",)}, "all else of it is sizes"


def test_the_lab_stacks_charts_are_inside_the_project_and_of_the_pinned_versions() -> None:
    config = stack_config("Pulumi.lab.yaml")
    for key in ("daprChart", "osmChart"):
        assert not config[key].startswith(("/", "..")), "the state would name one machine's folder"
    assert config["daprChart"] == ".lab/charts/dapr-{version}", "whichever release is asked for"
    assert config["osmChart"].endswith(versions.OSM_RELEASE.version)


@pytest.mark.parametrize("version", versions.DAPR_RELEASES)
def test_the_lab_stack_takes_the_chart_of_whichever_release_is_asked_for(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = stack_config("Pulumi.lab.yaml")
    monkeypatch.setattr("settings.project.ROOT", tmp_path)
    charts = {f"dapr-{one}": one for one in versions.DAPR_RELEASES}
    for name, found in {**charts, f"osm-{versions.OSM_RELEASE.version}": versions.OSM_RELEASE.version}.items():
        folder = tmp_path / ".lab" / "charts" / name
        folder.mkdir(parents=True)
        (folder / "Chart.yaml").write_text(f"version: {found}\n")
    given = parse({**config, "redisPassword": "x", "daprVersion": version})
    assert given.dapr_chart == Chart(source=f".lab/charts/dapr-{version}", version=version)
    assert given.osm_chart.source == f".lab/charts/osm-{versions.OSM_RELEASE.version}"
    assert given.dapr_values == {}, "Dapr runs as its chart says, the scheduler's volumes included"


def test_the_lab_stacks_values_override_nothing_that_the_mesh_depends_on() -> None:
    config = stack_config("Pulumi.lab.yaml")
    # The charts are the lab's to link, so their paths don't exist everywhere.
    charts = {key: declared_defaults()[key] for key in ("daprChart", "osmChart")}
    for version in versions.DAPR_RELEASES:
        given = parse({**config, **charts, "redisPassword": "x", "daprVersion": version})
        assert given.osm_values == config["osmValues"]
        assert given.dapr_values == {}, "Dapr runs as its chart says, the scheduler's volumes included"

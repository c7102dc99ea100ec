"""Pulumi.yaml and the stack files, held against the program."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments import ORDER, stack_file, stack_files
from model import versions
from settings import KEYS, PROJECT, ROOT, SECRET_KEYS, VERSION, Chart, declared_defaults, documents, parse

METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


STACK_FILES = sorted(path.name for path in ROOT.glob("Pulumi.*.yaml"))


def content(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return loaded


DECLARED = content("Pulumi.yaml")["config"]


def stack_config(name: str) -> dict[str, Any]:
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content(name)["config"].items()}


WRITTEN = [ROOT / "Pulumi.yaml", ROOT / "docs" / "settings.md"]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.name)
def test_what_is_written_from_the_declarations_is_committed(path: Path) -> None:
    assert list(documents.written()) == WRITTEN
    assert path.read_text() == documents.written()[path], "run make docs"


def test_every_table_is_written_anew_and_nothing_else_of_the_page() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    emptied = re.sub(r"(<!-- (?!end of)(.+?) -->\n)(?:\|.*\n)+(<!-- end of \2 -->)", r"\1\3", page)
    assert len(emptied) < len(page) / 2
    assert documents.with_tables(emptied) == page
    assert page.count("<!-- end of ") == len(documents.tables())


def test_only_what_is_no_longer_right_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema, tables = tmp_path / "Pulumi.yaml", tmp_path / "settings.md"
    monkeypatch.setattr(documents, "SCHEMA", schema)
    monkeypatch.setattr(documents, "TABLES", tables)
    for copy, path in zip((schema, tables), WRITTEN, strict=True):
        copy.write_text(path.read_text())
    assert documents.write() == []
    schema.write_text(schema.read_text().replace("default: smi", "default: dapr"))
    assert documents.write() == [schema]
    assert schema.read_text() == WRITTEN[0].read_text()
    tables.write_text(tables.read_text().replace("| `smi` |", "| `dapr` |"))
    assert documents.write() == [tables]
    assert tables.read_text() == WRITTEN[1].read_text()


def test_make_docs_says_what_it_has_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(documents, "write", lambda: [ROOT / "Pulumi.yaml", ROOT / "docs" / "settings.md"])
    runpy.run_module("settings", run_name="__main__")
    assert capsys.readouterr().out == "Pulumi.yaml is written anew.\ndocs/settings.md is written anew.\n"


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


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_sets_only_known_keys(name: str) -> None:
    assert set(stack_config(name)) <= set(KEYS)
    assert all(key.startswith(f"{PROJECT}:") for key in content(name)["config"])


@pytest.mark.parametrize("name", STACK_FILES)
def test_a_stack_file_holds_no_secret_in_the_clear(name: str) -> None:
    config = stack_config(name)
    assert all(set(config[key]) == {"secure"} for key in SECRET_KEYS if key in config)


def test_the_labs_stack_file_holds_no_salt() -> None:
    assert set(content("Pulumi.lab.yaml")) == {"config"}, "an encryptionsalt belongs to one lab's passphrase"
    assert "secure:" not in (ROOT / "Pulumi.lab.yaml").read_text()


def test_every_environment_has_a_stack_file_and_only_they_and_the_lab_have_one() -> None:
    assert set(STACK_FILES) == {stack_file(stack).name for stack in (*ORDER, "lab")}


@pytest.mark.parametrize("stack", ORDER)
def test_an_environments_file_is_a_config_that_works(stack: str) -> None:
    path = stack_file(stack)
    stack_files.check(path.read_text(), path.name)


def test_every_environment_after_the_first_names_a_cluster_of_its_own_and_its_versions() -> None:
    configs = [stack_config(stack_file(stack).name) for stack in ORDER[1:]]
    assert len({config["kubeContext"] for config in configs}) == len(configs), "or a stack could meet another's cluster"
    for config in configs:
        assert {"stage", "daprVersion", "redisImage"} <= set(config), "what a promotion moves is there to be seen"


def test_the_last_environment_is_protected_and_comes_from_one_registry() -> None:
    config = stack_config(stack_file(ORDER[-1]).name)
    assert config["protect"] is True
    keys = ("daprChart", "osmChart", "daprRegistry", "osmRegistry", *(key for key in KEYS if key.endswith("Image")))
    assert len({config[key].removeprefix("oci://").partition("/")[0] for key in keys}) == 1


def test_the_first_environment_is_the_walkthroughs_end_with_everything_at_its_default() -> None:
    config = {key: value for key, value in stack_config("Pulumi.dev.yaml").items() if key not in SECRET_KEYS}
    assert config == {"stage": "smi"}


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


def test_the_newest_kubernetes_that_was_tried_is_the_labs_and_the_oldest_is_what_readers_are_told() -> None:
    (line,) = [
        one for one in (ROOT / "lab/go/kubernetes/go.mod").read_text().splitlines() if "k8s.io/kubernetes v" in one
    ]
    major, minor, _ = line.split("k8s.io/kubernetes v")[1].split()[0].split(".")
    assert versions.KUBERNETES.newest == (int(major), int(minor))
    assert f"Kubernetes {'.'.join(map(str, versions.KUBERNETES.oldest))} or later" in (ROOT / "README.md").read_text()


# --- the project's own metadata -----------------------------------------------------------------------------------


def test_the_programs_version_is_its_metadatas_and_the_changelog_says_what_it_brings() -> None:
    assert METADATA["version"] == VERSION
    release, _, unreleased = VERSION.partition(".dev")
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == (f"Unreleased ({release})" if unreleased else release)


def test_the_metadata_agrees_with_what_else_says_the_same() -> None:
    assert METADATA["name"] == PROJECT
    assert METADATA["requires-python"] == ">=3.11"
    assert "Apache License" in (ROOT / METADATA["license-files"][0]).read_text()
    assert (ROOT / METADATA["readme"]).exists()


def test_a_commit_meets_the_same_gates_as_everybody() -> None:
    (repository,) = content(".pre-commit-config.yaml")["repos"]
    (hook,) = repository["hooks"]
    assert hook["entry"] == "make lint"
    recipe = (ROOT / "Makefile").read_text().partition("\nlint: ")[2].partition("\n\n")[0]
    assert re.findall(r"-m ([a-z]+(?: [a-z]+)?)", recipe) == ["ruff format", "ruff check", "mypy"]


def test_a_verification_of_your_own_cluster_asks_the_one_that_the_stack_names() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nverify: ")[2].partition("\nelse\n")[0]
    assert "ifeq ($(CLUSTER),current)" in recipe
    assert 'OPERATION_CONTEXT="$(CONTEXT)" $(PYTHON) -m steps verify' in recipe
    assert "$(LAB)" not in recipe

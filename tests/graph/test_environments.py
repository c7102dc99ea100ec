"""The committed stack files of the environments, each run as the program runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from environments import ORDER, stack_file
from environments.affected import affected
from environments.stack_files import config_of
from model.names import Namespaces
from settings import ROOT

from .program import SECRET_KEYS, run
from .recording import Graph, Recorded


@pytest.fixture(autouse=True)
def contexts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig with a context for each environment, as a CI has it."""
    path = tmp_path / "kubeconfig"
    names = [config(stack).get("kubeContext", stack) for stack in ORDER]
    contexts = [{"name": name, "context": {"cluster": name}} for name in names]
    path.write_text(yaml.safe_dump({"current-context": names[0], "contexts": contexts}))
    monkeypatch.setenv("KUBECONFIG", str(path))


def config(stack: str) -> dict[str, Any]:
    found = config_of(stack_file(stack).read_text(), stack)
    return {key: value for key, value in found.items() if key not in ("redisPassword", "registryCredentials")}


def graph_of(stack: str, **overrides: Any) -> Graph:
    given = {**config(stack), **overrides}
    registry = given.get("daprRegistry", "registry.example/daprio")
    if registry != "registry.example/daprio":
        pytest.skip(f"with images of {registry} the charts are not recorded; `make review BASE=HEAD` renders them")
    return run(**given)


def of_kind(graph: Graph, kind: str) -> list[Recorded]:
    return [one for one in graph.objects if one.type.endswith(f":{kind}")]


def images(graph: Graph) -> set[str]:
    """Every image that a pod template of a graph names."""
    found: set[str] = set()

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("image"), str):
                found.add(value["image"])
            for inner in value.values():
                look(inner)
        elif isinstance(value, list):
            for inner in value:
                look(inner)

    for resource in graph.objects:
        look(resource.plain)
    return found


@pytest.mark.parametrize("stack", ORDER)
def test_every_environments_file_is_a_stack_that_is_made(stack: str) -> None:
    graph = graph_of(stack)
    assert len(of_kind(graph, "Deployment")) >= 9, "Dapr, OSM, Redis and both apps"
    assert graph.stack_outputs["stage"] == config(stack)["stage"]


def test_production_takes_every_image_from_its_own_registry() -> None:
    found = images(graph_of("prod"))
    assert len(found) > 8
    assert {image for image in found if not image.startswith("registry.example/")} == set()
    assert {image for image in found if image.endswith(":latest") or ":" not in image} == set()


def test_production_runs_several_of_each_part() -> None:
    found = {one.object_name: one.inputs["spec"].get("replicas") for one in of_kind(graph_of("prod"), "Deployment")}
    parts = ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector")
    assert {found[name] for name in parts} == {3}
    assert {found[name] for name in ("osm-controller", "osm-injector", "nodeapp")} == {2}
    budgets = [str(one.object_name) for one in of_kind(graph_of("prod"), "PodDisruptionBudget")]
    for name in (*parts, "dapr-placement-server"):
        assert [budget for budget in budgets if budget.startswith(name)], name


def test_only_production_is_protected() -> None:
    for stack in ORDER:
        kept = {one.object_name for one in of_kind(graph_of(stack), "Namespace") if one.protect}
        where = Namespaces()
        assert kept == ({where.dapr, where.osm, where.apps} if stack == "prod" else set())


def test_production_takes_credentials_for_its_registry() -> None:
    keys = (*SECRET_KEYS, "dapr-osm:chartCredentials")
    credentials = {"username": "robot", "password": "hunter2hunter2"}
    graph = graph_of("prod", chartCredentials=credentials, secret_keys=keys)
    assert of_kind(graph, "Deployment")
    assert "hunter2" not in repr([resource.inputs for resource in graph.objects])


@pytest.mark.parametrize("stage", ["dapr", "permissive", "locked", "smi"])
@pytest.mark.parametrize("stack", ORDER)
def test_every_environment_can_be_at_every_stage(stack: str, stage: str) -> None:
    assert graph_of(stack, stage=stage).stack_outputs["stage"] == stage


def test_no_module_that_the_program_imports_is_taken_for_one_that_no_preview_reads() -> None:
    graph_of("dev")
    found = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    own = {Path(file).resolve() for file in found if isinstance(file, str)}
    paths = {str(path.relative_to(ROOT)) for path in own if path.is_relative_to(ROOT)}
    # The tests have imported more than the program does.
    tools = (".venv/", "tests/", "environments/", "lab/", "review/", "status/", "bugreport/", "bring_over.py")
    imported = {path for path in paths if not path.startswith(tools)}
    assert {"settings/keys.py", "charts.py", "stack.py"} <= imported
    for path in imported:
        assert affected([path], ORDER) == list(ORDER), path

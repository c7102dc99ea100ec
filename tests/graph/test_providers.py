"""Which cluster everything is on, whose everything is, and that the state never says how a machine reached it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.client import Cluster
from model.stage import Stage

from .conftest import CONTEXT
from .program import CLUSTER, CORNERS, STAGES, WAYS, at, empty_cluster, run
from .recording import leaves
from .views import FORCE, MARK, changed

COMMAND = "command:local:Command"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
TOOLS = {"addPreviousOutputInEnv", "create", "delete", "interpreter", "environment", "logging", "stdin"}


# --- the provider -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_object_is_written_by_the_one_provider(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert [one.name for one in graph.of_type("pulumi:providers:kubernetes")] == ["cluster"]
    assert {one.provider for one in graph.objects} == {"cluster"}
    assert {one.provider for one in graph.of_type(COMMAND)} == {""}, "Commands have no cluster of their own"


@pytest.mark.parametrize("stage", STAGES)
def test_the_provider_applies_on_the_servers_side_and_is_never_replaced_for_another_address(
    stage: Stage, kubeconfig: Path
) -> None:
    assert os.environ["KUBECONFIG"] == str(kubeconfig), "the case that matters: the SDK would write it down"
    inputs = at(stage)["cluster"].inputs
    assert inputs == {"enableServerSideApply": "true", "clusterIdentifier": "dapr-osm"}


def test_a_context_that_is_set_is_the_providers_the_commands_and_the_checks_own() -> None:
    graph = run(kubeContext=CONTEXT)
    assert graph["cluster"].inputs == {
        "enableServerSideApply": "true",
        "clusterIdentifier": "dapr-osm",
        "context": CONTEXT,
    }
    for one in graph.of_type(COMMAND):
        assert one.inputs["environment"]["OPERATION_CONTEXT"] == CONTEXT, one.name


def test_the_checks_look_at_the_cluster_of_the_context_that_is_set() -> None:
    seen: list[str | None] = []

    def connect(context: str | None = None) -> Cluster:
        seen.append(context)
        return empty_cluster()

    for context in (None, CONTEXT):
        run(kubeContext=context, connect=connect)
    assert seen == [CONTEXT, CONTEXT], "the current one, where none is set"


def test_another_context_changes_the_provider_and_the_commands_only() -> None:
    names = changed(at(Stage.SMI), run(kubeContext=CONTEXT))
    assert names == {"cluster", *(one.name for one in at(Stage.SMI).of_type(COMMAND))}


def test_kubeconfig_is_in_the_environment_again_once_the_provider_is_declared(kubeconfig: Path) -> None:
    run(stage="dapr", again=True)
    assert os.environ["KUBECONFIG"] == str(kubeconfig), "Commands inherit it"


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_no_input_names_this_machines_kubeconfig_or_folders(stage: Stage, version: str, kubeconfig: Path) -> None:
    graph = at(stage, version)
    for one in graph.everything:
        if one.parent.rpartition("::")[2].endswith("-chart"):
            continue  # paths inside of the containers
        for value, _ in leaves([one.inputs, one.outputs]):
            if isinstance(value, str):
                assert not value.startswith("/") or value.startswith("/etc/redis"), (
                    f"{one.name} holds {value!r}, and a destroy from another machine would not find it"
                )
    assert str(kubeconfig.parent) not in repr([(one.inputs, one.outputs) for one in graph.everything])
    assert CONTEXT not in repr(graph.stack_outputs)


# --- whose it is --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_object_carries_the_stacks_mark_and_is_taken_back_when_somebody_edits_it(
    stage: Stage, version: str
) -> None:
    patches = 0
    for one in at(stage, version).objects:
        metadata = one.inputs["metadata"]
        assert metadata["annotations"].items() >= FORCE.items(), f"{one.name}: an edit by hand would be a conflict"
        if one.type.endswith("Patch"):
            patches += 1
        else:
            assert metadata["labels"].items() >= MARK.items(), f"{one.name}: an interrupted run would not know it again"
    assert patches == (1 if stage.meshed else 0), "the MeshConfig is OSM's, and marked by mesh-ready"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_pods_of_the_stacks_own_workloads_carry_the_mark_too(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    own = [one for one in graph.within("hello") if one.is_kubernetes and one.inputs["kind"] in WORKLOADS]
    assert len(own) == 3
    for one in own:
        assert one.inputs["spec"]["template"]["metadata"]["labels"].items() >= MARK.items(), one.name
        assert not MARK.keys() & one.inputs["spec"]["selector"]["matchLabels"].keys(), "a selector can't be changed"


# --- commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_command_knows_its_cluster_context_and_stack(stage: Stage, version: str) -> None:
    for one in at(stage, version).of_type(COMMAND):
        given = one.inputs["environment"]
        if one.name == "cluster-noted":
            assert given == {"OPERATION_CONTEXT": "", "OPERATION_STACK": "test"}, "it finds out which cluster it is"
            continue
        assert given["OPERATION_CLUSTER"] == CLUSTER, f"{one.name} would act on any cluster"
        assert given["OPERATION_CONTEXT"] == ""
        assert given["OPERATION_STACK"] == "test"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_commands_run_the_projects_launcher_and_print_only_progress(stage: Stage, version: str) -> None:
    for one in at(stage, version).of_type(COMMAND):
        assert one.inputs["interpreter"] == ["python3", "launch.py"], "relative, so that another checkout can destroy"
        assert one.inputs["logging"] == "stderr"
        assert set(one.inputs) <= TOOLS, "no triggers, which would replace, and no dir, which would name a folder"


@pytest.mark.parametrize("stage", STAGES)
def test_the_note_of_the_cluster_is_its_components_output(stage: Stage) -> None:
    assert CLUSTER in str((at(stage).components["cluster"].outputs or {})["cluster"])

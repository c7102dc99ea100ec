"""Which way everything is written to the cluster, and that the state never says which cluster that was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from model.stage import Stage

from .conftest import CONTEXT
from .program import RELEASES, STAGES, at, run
from .recording import leaves


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_namespaces_are_only_ever_created_and_all_else_is_applied(stage: Stage, version: str) -> None:
    for one in at(stage, version).resources.values():
        if one.type.startswith("kubernetes:"):
            wanted = "cluster-create-only" if one.type == "kubernetes:core/v1:Namespace" else "cluster"
            assert one.provider == wanted, f"{one.name}: server-side apply would adopt someone else's namespace"


@pytest.mark.parametrize("stage", STAGES)
def test_the_two_providers_differ_in_server_side_apply_and_say_nothing_else(stage: Stage, kubeconfig: Path) -> None:
    assert os.environ["KUBECONFIG"] == str(kubeconfig), "the case that matters: the SDK would write it down"
    graph = at(stage)
    assert graph["cluster"].inputs == {"enableServerSideApply": "true"}
    assert graph["cluster-create-only"].inputs == {"enableServerSideApply": "false"}


def test_kubeconfig_is_in_the_environment_again_once_the_providers_are_declared(kubeconfig: Path) -> None:
    run(stage="dapr")
    assert os.environ["KUBECONFIG"] == str(kubeconfig), "Commands inherit it"


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_no_input_names_this_machines_kubeconfig_context_or_folders(
    stage: Stage, version: str, kubeconfig: Path
) -> None:
    graph = run(stage=stage.value, daprVersion=version, kubeContext=CONTEXT)
    for one in graph.everything:
        for value, _ in leaves([one.inputs, one.outputs]):
            if isinstance(value, str):
                assert str(kubeconfig.parent) not in value
                assert value != CONTEXT
                assert not value.startswith("/") or value.startswith("/etc/redis"), (
                    f"{one.name} holds {value!r}, and a destroy from another machine would not find it"
                )
    assert CONTEXT not in repr(graph.stack_outputs)


@pytest.mark.parametrize("version", RELEASES)
@pytest.mark.parametrize("stage", STAGES)
def test_commands_leave_their_provider_to_pulumi(stage: Stage, version: str) -> None:
    assert {one.provider for one in at(stage, version).of_type("command:local:Command")} == {""}

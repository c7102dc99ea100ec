"""What a stack keeps, what it protects, and what was there before it."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from model.stage import Stage

from .program import MESHED, STAGES, at, empty_cluster, run
from .recording import Graph
from .views import MARK, changed, differing

KEEPING = {"cluster-noted", "dapr-runtime", "dapr-definitions", "dapr-injector-ready", "teardown-check"}
KEEPING_IN_THE_MESH = {"osm-runtime", "osm-mesh-ready"}
HOMES = ("dapr-system", "osm-system", "dapr-test")


def planes(graph: Graph) -> set[str]:
    """Names of the control planes' objects, their namespaces included."""
    return {one.name for plane in ("dapr", "osm") for one in graph.within(plane) if one.is_kubernetes}


@pytest.mark.parametrize("stage", STAGES)
def test_what_others_use_stays_and_every_step_of_a_destroy_is_told(stage: Stage) -> None:
    one, other = at(stage), run(stage=stage.value, keepShared=True)
    # Without it the mesh would deny what it let others do.
    configured = {"exclusions-patch"} if stage.meshed else set()
    assert {made.name for made in other.everything if made.retain_on_delete} == planes(other) | configured
    told = KEEPING | (KEEPING_IN_THE_MESH if stage.meshed else set())
    assert changed(one, other) == told
    for name in told:
        assert differing(one[name].inputs, other[name].inputs) == {("stdin", "keep")}
        assert json.loads(other[name].inputs["stdin"])["keep"] is True
    deleting = {made.name for made in other.of_type("command:local:Command") if "delete" in made.inputs}
    assert deleting == told, "a step that deletes and was not told would take it away"


def test_what_kept_control_planes_pull_their_images_with_stays_too() -> None:
    """Without it none of their pods would come up on another node."""
    graph = run(stage="smi", keepShared=True, registryCredentials='{"auths": {"r.example": {"auth": "dTpw"}}}')
    secrets = {one.name: one.retain_on_delete for one in graph.objects if one.name.endswith("registry-credentials")}
    assert {name for name, stays in secrets.items() if stays} == {
        "dapr-namespace-registry-credentials",
        "osm-namespace-registry-credentials",
    }
    assert len(secrets) == 3, "the apps' goes with their namespace"


def test_what_kept_control_planes_need_of_a_teams_namespace_stays_there_too() -> None:
    """As a level of Pod Security that lets their pods in."""
    cluster = empty_cluster()
    for home in HOMES:
        cluster.add(f"/api/v1/namespaces/{home}")
    graph = run(stage="smi", keepShared=True, existingNamespaces=list(HOMES), cluster=cluster)
    patches = {one.object_name: one.retain_on_delete for one in graph.of_type("kubernetes:core/v1:NamespacePatch")}
    assert {name for name, stays in patches.items() if stays} == {"dapr-system", "osm-system"}
    assert "dapr-test" in patches


@pytest.mark.parametrize("stage", STAGES)
def test_namespaces_and_control_planes_can_be_protected(stage: Stage) -> None:
    graph = run(stage=stage.value, protect=True)
    assert {made.name for made in graph.objects if made.protect} == planes(graph) | {"hello-namespace"}
    assert graph["teardown-check"].protect, "a destroy is refused at its very first step, not when it comes to a plane"
    assert not [made.name for made in at(stage).everything if made.protect]
    assert changed(at(stage), graph) == set(), "it is Pulumi's business alone"


@pytest.mark.parametrize("stage", STAGES)
def test_namespaces_that_a_team_brings_are_joined_and_left_as_they_were(stage: Stage) -> None:
    cluster = empty_cluster()
    homes = [home for home in HOMES if stage.meshed or home != "osm-system"]
    for home in homes:
        cluster.add(f"/api/v1/namespaces/{home}")
    graph = run(stage=stage.value, existingNamespaces=homes, cluster=cluster)
    assert not graph.of_type("kubernetes:core/v1:Namespace"), "its deletion would take everything in it along"
    patches = {one.object_name: one for one in graph.of_type("kubernetes:core/v1:NamespacePatch")}
    assert sorted(patches) == sorted(homes)
    for home, one in patches.items():
        metadata = one.inputs["metadata"]
        assert metadata["annotations"]["pulumi.com/patchFieldManager"] == "dapr-osm", "so that only that is taken away"
        assert not MARK.keys() & (metadata.get("labels") or {}).keys(), f"{home} is not the stack's"
        joined = stage.meshed and home == "dapr-test"
        assert ("openservicemesh.io/monitored-by" in (metadata.get("labels") or {})) is joined
    told = graph["teardown-check"].inputs["stdin"]
    assert '"namespaces": []' in told, "none of them goes with the stack"


WRITTEN: dict[str, Any] = {
    "namespaceLabels": {home: {"level": "privileged"} for home in HOMES},
    "namespaceAnnotations": {home: {"team": "a"} for home in HOMES},
}


@pytest.mark.parametrize("home", HOMES)
def test_what_is_written_into_a_teams_namespace_is_what_was_asked_about_before(home: str) -> None:
    cluster = empty_cluster()
    cluster.add(f"/api/v1/namespaces/{home}")
    graph = run(stage="smi", existingNamespaces=[home], cluster=cluster, **WRITTEN)
    (patch,) = graph.of_type("kubernetes:core/v1:NamespacePatch")
    for kind in ("labels", "annotations"):
        marks = {key: value for key, value in patch.inputs["metadata"][kind].items() if not key.startswith("pulumi")}
        for key, value in marks.items():
            cluster.add(f"/api/v1/namespaces/{home}", metadata={kind: {key: "theirs"}})
            with pytest.raises(
                pulumi.RunError, match=f"has the {kind[:-1]} {key}=theirs.* set it to {value}|is in the"
            ):
                run(stage="smi", existingNamespaces=[home], cluster=cluster, **WRITTEN)


@pytest.mark.parametrize("stage", MESHED)
def test_only_what_made_the_namespaces_changes_where_they_are_there_already(stage: Stage) -> None:
    cluster = empty_cluster()
    cluster.add("/api/v1/namespaces/dapr-test")
    graph = run(stage=stage.value, existingNamespaces=["dapr-test"], cluster=cluster)
    assert set(graph.resources) == set(at(stage).resources)
    assert changed(at(stage), graph) == {"hello-namespace", "teardown-check"} | (
        {"verification-run"} if graph["verification-run"].inputs != at(stage)["verification-run"].inputs else set()
    )

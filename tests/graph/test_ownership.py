"""What is on the cluster under the stack's names and is not its own stops the program before anything is registered."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from model.stage import Stage
from model.versions import OSM_RELEASE
from tests.unit.fake_cluster import FakeCluster

from .charts import DNS_NAME, own, resource_of
from .live import MINE, assert_only_looked
from .program import CLUSTER, STAGES, WAYS, at, empty_cluster, noted, run
from .recording import PROJECT, STACK, Graph, Recorded, Values
from .views import changed

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
CLUSTER_ROLES = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
OTHERS = {"labels": {"dapr-osm/stack": "another"}}
PLURALS = {
    "ConfigMap": "configmaps",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
}


def path_of(inputs: Values) -> str:
    """Where an object is on the API server."""
    version, kind, metadata = inputs["apiVersion"], inputs["kind"], inputs["metadata"]
    base = f"/apis/{version}" if "/" in version else f"/api/{version}"
    home = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
    return f"{base}{home}/{PLURALS.get(kind, f'{kind.lower()}s')}/{metadata['name']}"


def refused(
    cluster: FakeCluster, *, registers: tuple[str, ...] = ("cluster",), preview: bool = False, **more: Any
) -> str:
    """What the program says; it must have registered nothing but these, and have only looked."""
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError) as caught:
        run(cluster=cluster, into=registered, preview=preview, **more)
    assert tuple(one.name for one in registered) == registers
    assert_only_looked(cluster)
    return str(caught.value)


def state_of(graph: Graph, **stdout: str) -> dict[str, Values]:
    """What the stack's state says after this run."""
    found: dict[str, Values] = {}
    for one in graph.resources.values():
        outputs = dict(one.inputs)
        if one.type == "command:local:Command":
            outputs["stdout"] = stdout.get(one.name.replace("-", "_"), "{}")
        elif one.is_kubernetes:
            outputs["metadata"] = {"name": "made-up", **one.inputs["metadata"], "uid": f"uid-of-{one.name}"}
        found[one.urn] = {"type": one.type, "outputs": outputs}
    return found


# --- the cluster --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_another_cluster_than_the_stacks_is_refused_before_anything_else(preview: bool) -> None:
    cluster = empty_cluster(uid="another")
    said = refused(cluster, registers=(), state=noted(CLUSTER), preview=preview)
    assert f"its kube-system namespace has the UID {CLUSTER}, that of https://fake.example:6443 has another" in said
    assert [path for _, path in cluster.requests] == ["/api/v1/namespaces/kube-system"], "and nothing more is looked at"


def test_the_stacks_own_cluster_is_no_other_one() -> None:
    assert changed(at(Stage.SMI), run(state=noted(CLUSTER))) == set()


def test_the_state_that_is_read_is_this_stacks_own() -> None:
    asked = [given for token, given, _ in at(Stage.SMI).invoked if token.endswith("readStackResourceOutputs")]
    assert asked == [{"stackName": "organization/dapr-osm/test"}]


# --- objects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", [Stage.DAPR, Stage.SMI])
def test_every_object_that_somebody_else_has_is_named_in_one_message(stage: Stage, version: str) -> None:
    cluster = empty_cluster()
    wanted = [
        one
        for one in at(stage, version).objects
        if one.object_name and not one.type.endswith("Patch") and not one.name.endswith("-dapr-service")
    ]
    for one in wanted:
        is_definition = one.inputs["kind"] == "CustomResourceDefinition"
        cluster.add(path_of(one.inputs), metadata=OTHERS, spec=one.plain["spec"] if is_definition else {})
    said = refused(cluster, stage=stage.value, daprVersion=version)
    for one in wanted:
        metadata = one.inputs["metadata"]
        name = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
        assert f"{one.inputs['kind']} {name} is there, of a stack another" in said, f"{one.name} would be taken over"


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_namespace_that_somebody_else_made_is_refused(stage: Stage, preview: bool) -> None:
    cluster = empty_cluster()
    cluster.add("/api/v1/namespaces/dapr-test")
    said = refused(cluster, stage=stage.value, preview=preview)
    assert "Namespace dapr-test is there, not made by this stack" in said
    assert "Nothing was touched" in said


def test_what_an_interrupted_run_left_behind_is_taken_over_without_a_question() -> None:
    cluster = empty_cluster()
    for one in at(Stage.SMI).objects:
        if one.object_name:
            cluster.add(path_of(one.inputs), metadata={"labels": MINE}, spec=one.plain.get("spec", {}))
    assert changed(at(Stage.SMI), run(cluster=cluster, state=noted(CLUSTER))) == set()


def marked() -> FakeCluster:
    """A cluster with an object that a stack of the same name has made."""
    cluster = empty_cluster()
    cluster.add("/api/v1/namespaces/dapr-test", metadata={"labels": MINE})
    return cluster


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_a_namesake_of_which_the_state_knows_nothing_is_somebody_else(preview: bool) -> None:
    said = refused(marked(), preview=preview)
    assert "Namespace dapr-test is there, of a stack test" in said
    assert "DAPR_OSM_TAKE_OVER=test pulumi up" in said, "the way out where the state was lost"


def test_a_stack_whose_state_was_lost_is_taken_over_when_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAPR_OSM_TAKE_OVER", "test")
    assert changed(at(Stage.SMI), run(cluster=marked())) == set()
    monkeypatch.setenv("DAPR_OSM_TAKE_OVER", "another")
    refused(marked())


def test_what_the_stacks_state_knows_is_its_own_though_somebody_took_the_mark_away() -> None:
    graph, cluster = at(Stage.SMI), empty_cluster()
    for one in graph.objects:
        if one.object_name:
            cluster.add(path_of(one.inputs), metadata={"uid": f"uid-of-{one.name}"}, spec=one.plain.get("spec", {}))
    state = state_of(graph, cluster_noted=json.dumps({"cluster": CLUSTER}))
    assert changed(graph, run(cluster=cluster, state=state)) == set()


def test_an_object_of_the_same_name_that_replaced_the_stacks_own_is_somebody_elses() -> None:
    graph, cluster = at(Stage.SMI), empty_cluster()
    cluster.add("/api/v1/namespaces/dapr-test", metadata={"uid": "a new one"})
    state = state_of(graph, cluster_noted=json.dumps({"cluster": CLUSTER}))
    assert "Namespace dapr-test is there" in refused(cluster, state=state)


# --- definitions --------------------------------------------------------------------------------------------------


def with_definition(name: str) -> FakeCluster:
    """A cluster where somebody's definition of this name is, of a content of its own."""
    cluster = empty_cluster()
    cluster.add_crd(name, "Thing")
    return cluster


def test_a_definition_of_another_content_is_refused_with_the_setting_that_takes_it_over() -> None:
    cluster = with_definition("components.dapr.io")
    said = refused(cluster)
    assert "CustomResourceDefinition components.dapr.io is there with another content" in said
    assert "dapr-osm:takeOverCrds" in said


def test_a_definition_that_is_taken_over_is_upgraded_and_stays_when_the_stack_goes() -> None:
    graph = run(cluster=with_definition("components.dapr.io"), takeOverCrds=True)
    taken = graph["dapr-chart/customresourcedefinition/components.dapr.io"]
    definitions = [one for one in graph.objects if one.inputs.get("kind") == "CustomResourceDefinition"]
    assert [one.name for one in definitions if one.retain_on_delete] == [taken.name]
    assert taken.inputs["metadata"]["annotations"]["dapr-osm/there-before"] == "true", "so that the next run knows, too"
    given = graph["teardown-check"].inputs["stdin"]
    assert "components.dapr.io" not in given
    assert "configurations.dapr.io" in given


def test_a_definition_of_the_same_content_is_used_as_it_is_and_stays_somebody_elses() -> None:
    (item,) = [one for one in own("dapr") if one["metadata"]["name"] == "components.dapr.io"]
    cluster = empty_cluster()
    cluster.add(f"{CRDS}/components.dapr.io", spec=item["spec"])
    graph = run(cluster=cluster)
    assert f"{CRDS}/components.dapr.io" in [path for path, _ in cluster.applied]
    assert_only_looked(cluster)
    whole = at(Stage.SMI)
    assert set(whole.resources) - set(graph.resources) == {"dapr-chart/customresourcedefinition/components.dapr.io"}
    guard = json.loads(graph["teardown-check"].inputs["stdin"])
    assert "components.dapr.io" not in guard["definitions"]["dapr-system"], "it does not go with the stack"
    noted_ones = json.loads(graph["dapr-definitions"].inputs["stdin"])["definitions"]
    assert "components.dapr.io" not in noted_ones
    assert "configurations.dapr.io" in noted_ones


@pytest.mark.parametrize("name", [OSM_RELEASE.crds[0], OSM_RELEASE.crds[-1]])
def test_a_definition_that_osm_would_write_over_is_refused_before_its_first_start(name: str) -> None:
    assert f"customresourcedefinition {name} is there" in refused(with_definition(name))


def test_outside_of_the_mesh_osms_definitions_are_nobodys_business() -> None:
    assert "osm" not in run(cluster=with_definition(OSM_RELEASE.crds[0]), stage="dapr").components


def test_what_osm_made_since_an_earlier_run_noted_it_is_the_stacks() -> None:
    state = state_of(at(Stage.SMI), cluster_noted=json.dumps({"cluster": CLUSTER}), osm_runtime="{}")
    assert changed(at(Stage.SMI), run(cluster=with_definition(OSM_RELEASE.crds[0]), state=state)) == set()


@pytest.mark.parametrize(
    "path",
    [
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/osm-webhook-osm",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/osm-validator-mesh-osm",
    ],
)
def test_webhooks_of_another_mesh_of_the_same_name_are_refused(path: str) -> None:
    cluster = empty_cluster()
    cluster.add(path)
    assert f"{path.rpartition('/')[2]} is there, not made by this stack" in refused(cluster)


# --- other stacks and Helm ----------------------------------------------------------------------------------------


def test_another_stack_on_the_cluster_is_refused_by_its_mark() -> None:
    cluster = empty_cluster()
    cluster.add(f"{CLUSTER_ROLES}/somebodys", metadata=OTHERS)
    said = refused(cluster)
    assert "stack another is on this cluster already (clusterroles/somebodys and 0 more cluster-wide objects)" in said


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
@pytest.mark.parametrize(("namespace", "name"), [("dapr-system", "dapr"), ("osm-system", "osm")])
@pytest.mark.parametrize("status", ["deployed", "pending-install"])
def test_a_helm_release_of_our_names_is_refused_with_the_way_out(
    namespace: str, name: str, status: str, preview: bool
) -> None:
    cluster = empty_cluster()
    cluster.add(
        f"/api/v1/namespaces/{namespace}/secrets/sh.helm.release.v1.{name}.v1",
        metadata={"labels": {"owner": "helm", "name": name, "status": status}},
    )
    said = refused(cluster, preview=preview)
    assert f"Helm release {namespace}/{name} ({status}) is there" in said
    assert "make bring-over" in said


@pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
def test_a_state_with_helm_releases_is_brought_over_first(preview: bool) -> None:
    urn = f"urn:pulumi:{STACK}::{PROJECT}::dapr-osm:components:DaprInstall$kubernetes:helm.sh/v3:Release::dapr-release"
    state = {urn: {"type": "kubernetes:helm.sh/v3:Release", "outputs": {"name": "dapr"}}}
    said = refused(empty_cluster(), registers=(), state=state, preview=preview)
    assert "its state has the Helm releases dapr-release" in said
    assert "make bring-over" in said


def test_a_helm_release_of_another_name_is_nobodys_business() -> None:
    cluster = empty_cluster()
    cluster.add(
        "/api/v1/namespaces/dapr-system/secrets/sh.helm.release.v1.dashboard.v1",
        metadata={"labels": {"owner": "helm", "name": "dashboard", "status": "deployed"}},
    )
    assert "dapr-injector-ready" in run(cluster=cluster)


# --- what the teardown is told ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_guard_knows_every_definition_and_namespace_that_goes_with_the_stack(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    daprs = [item["metadata"]["name"] for item in own("dapr", version) if item["kind"] == "CustomResourceDefinition"]
    assert len(daprs) >= 5
    told = json.loads(graph["teardown-check"].inputs["stdin"])
    assert {key: sorted(value) for key, value in told.pop("definitions").items()} == {
        "dapr-system": sorted(daprs),
        **({"osm-system": sorted(OSM_RELEASE.crds)} if stage.meshed else {}),
    }
    assert sorted(told.pop("namespaces")) == sorted(
        one.object_name for one in graph.of_type("kubernetes:core/v1:Namespace")
    )
    assert told == {
        "dapr_namespace": "dapr-system",
        "osm_namespace": "osm-system" if stage.meshed else None,
        "existing": [],
        "keep": False,
    }


def test_the_guard_tells_a_teams_namespace_that_the_stack_joins_from_one_that_goes_with_it() -> None:
    there = empty_cluster()
    there.add("/api/v1/namespaces/orders", metadata={"name": "orders"})
    graph = run(stage="smi", cluster=there, appsNamespace="orders", existingNamespaces=["orders"])
    told = json.loads(graph["teardown-check"].inputs["stdin"])
    assert (told["existing"], sorted(told["namespaces"])) == (["orders"], ["dapr-system", "osm-system"])


def test_a_namespace_that_a_team_brought_does_not_become_the_stacks_by_a_setting() -> None:
    """The state knows what was written into it; whoever made it is somebody else, and a destroy would delete it."""
    there = empty_cluster()
    there.add("/api/v1/namespaces/dapr-test", metadata={"uid": "uid-of-hello-namespace"})
    graph = run(stage="smi", cluster=there, existingNamespaces=["dapr-test"])
    state = state_of(graph, cluster_noted=json.dumps({"cluster": CLUSTER}))
    (patch,) = [one for one in state.values() if one["type"] == "kubernetes:core/v1:NamespacePatch"]
    patch["outputs"] |= {"kind": "Namespace", "apiVersion": "v1"}
    assert "Namespace dapr-test is there" in refused(there, stage="smi", state=state)
    there.add(
        "/api/v1/namespaces/dapr-test",
        metadata={"annotations": {"openservicemesh.io/sidecar-injection": "disabled"}},
    )
    again = run(stage="smi", cluster=there, existingNamespaces=["dapr-test"], state=state)
    assert "hello-namespace" in again.resources, "what was edited by hand is repaired"


def test_a_definition_is_known_by_the_name_of_its_resource() -> None:
    (item,) = [one for one in own("dapr", DNS_NAME) if one["metadata"]["name"] == "components.dapr.io"]
    assert resource_of("dapr", item) == "dapr-chart/customresourcedefinition/components.dapr.io"

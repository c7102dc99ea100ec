"""A chart's objects as resources of the stack: what becomes of what the chart says, and what is asked of the provider.

What charts say are recordings of the real provider's renderings; ``tests/engine/test_renderings.py`` renders them anew.
"""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from model import versions
from model.stage import Stage

from . import charts
from .charts import DNS_NAME, HOOK, own, recorded, resource_of
from .program import CREDENTIALS, DAPR_VALUES, MESHED, OSM_VALUES, STAGES, WAYS, at, run
from .recording import Graph, Recorded, RefusedError, Values, leaves
from .views import FORCE, MARK, OWN_WAIT, SKIP_AWAIT, changed

TEMPLATE = "kubernetes:helm:template"
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
PROBES = ("osm-bootstrap", "osm-controller", "osm-injector")
WAITS = ("await-workloads", "await-apps")


def pairs(graph: Graph, version: str, stage: Stage) -> list[tuple[Recorded, Values]]:
    """Every resource of both charts, with the object that the chart renders to."""
    objects = [("dapr", item) for item in own("dapr", version)]
    objects += [("osm", item) for item in own("osm")] if stage.meshed else []
    return [(graph[resource_of(chart, item)], item) for chart, item in objects]


def rendered_with(graph: Graph, chart: str) -> Values:
    """How the provider was asked for a chart."""
    (options,) = [
        options
        for token, given, _ in graph.invoked
        if token == TEMPLATE
        for options in [json.loads(given["jsonOpts"])]
        if options["release_name"] == chart
    ]
    result: Values = options
    return result


def plain(value: Any) -> Any:
    """Without nulls and empty lists."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if inner is not None and inner != []}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


def without_probes(item: Any) -> Any:
    """Without how often readiness is looked at."""
    if isinstance(item, dict):
        return {
            key: without_probes(
                {
                    k: v
                    for k, v in inner.items()
                    if k not in ("initialDelaySeconds", "periodSeconds", "failureThreshold")
                }
                if key == "readinessProbe"
                else inner
            )
            for key, inner in item.items()
        }
    return [without_probes(inner) for inner in item] if isinstance(item, list) else item


def converted(definition: Any) -> Any:
    """With the namespace of the conversion webhook in place of the chart's placeholder."""
    return json.loads(json.dumps(definition).replace('"replaceme"', '"dapr-system"'))


# --- what is asked of the provider --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_daprs_chart_is_rendered_with_mtls_off_by_the_stacks_provider(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    assert rendered_with(graph, "dapr") == {
        "chart": "dapr",
        "fetch_opts": {"repo": versions.DAPR_CHART_REPOSITORY},
        "version": version,
        "namespace": "dapr-system",
        "release_name": "dapr",
        "values": DAPR_VALUES[version],
    }
    assert {provider for token, _, provider in graph.invoked if token == TEMPLATE} == {"cluster"}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", MESHED)
def test_osms_chart_is_rendered_with_a_closed_mesh(stage: Stage, version: str) -> None:
    assert rendered_with(at(stage, version), "osm") == {
        "chart": "osm",
        "fetch_opts": {"repo": versions.OSM_CHART_REPOSITORY},
        "version": "1.2.4",
        "namespace": "osm-system",
        "release_name": "osm",
        "values": OSM_VALUES,
    }


@pytest.mark.parametrize("version", WAYS)
def test_without_a_mesh_only_daprs_chart_is_rendered(version: str) -> None:
    asked = [given for token, given, _ in at(Stage.DAPR, version).invoked if token == TEMPLATE]
    assert len(asked) == 1


def test_a_chart_in_a_registry_is_named_by_its_source() -> None:
    graph = run(daprChart="oci://mirror.example/charts/dapr", osmChart="oci://mirror.example/charts/osm")
    for chart in ("dapr", "osm"):
        asked = rendered_with(graph, chart)
        assert asked["chart"] == f"oci://mirror.example/charts/{chart}"
        assert not {"fetch_opts", "path", "repo"} & asked.keys()


def test_a_chart_may_be_named_by_its_version() -> None:
    graph = run(daprChart="https://mirror.example/{version}", osmChart="oci://mirror.example/charts/osm-{version}")
    assert rendered_with(graph, "dapr")["fetch_opts"] == {
        "repo": f"https://mirror.example/{versions.DEFAULT_DAPR_VERSION}"
    }
    assert rendered_with(graph, "dapr")["chart"] == "dapr"
    assert rendered_with(graph, "osm")["chart"] == "oci://mirror.example/charts/osm-1.2.4"


def test_where_a_chart_comes_from_changes_no_resource() -> None:
    other = run(daprChart="oci://mirror.example/charts/dapr", osmChart="oci://mirror.example/charts/osm")
    assert changed(at(Stage.SMI), other) == set()


def failing(monkeypatch: pytest.MonkeyPatch, answer: Any) -> str:
    """What the program says when the provider answers so to a rendering."""

    def render(_: Values) -> list[Values]:
        if isinstance(answer, Exception):
            raise answer
        found: list[Values] = answer
        return found

    monkeypatch.setattr("tests.graph.program.rendered", render)
    registered: list[Recorded] = []
    with pytest.raises(pulumi.RunError) as caught:
        run(into=registered)
    assert not [one.name for one in registered if one.name != "cluster"], "only the provider is there"
    return str(caught.value)


def test_a_chart_that_can_not_be_pulled_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failing(monkeypatch, RefusedError("failed to pull chart: no such host\n  at somewhere"))
    assert "\n" not in said
    assert said.startswith(
        f"dapr-osm:daprChart: {versions.DAPR_CHART_REPOSITORY} {versions.DEFAULT_DAPR_VERSION} can't"
    )
    assert "failed to pull chart: no such host" in said
    assert said.endswith("A copy may stand in the project: a path works too.")


def test_values_that_a_chart_refuses_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    said = failing(monkeypatch, RefusedError("failed to create chart from template: inMemoryStorage is refused"))
    assert "inMemoryStorage is refused" in said
    assert said.endswith("The chart does not take these values, or is not the release's.")


def test_a_chart_of_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "renders to nothing" in failing(monkeypatch, [])


def test_a_hook_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "migrate", "annotations": {HOOK: "pre-upgrade"}},
        "spec": {},
    }
    said = failing(monkeypatch, [job])
    assert "Job migrate is a Helm hook (pre-upgrade)" in said


# --- what becomes of an object ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_an_object_is_what_its_chart_says_and_the_stacks(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    for one, item in pairs(graph, version, stage):
        metadata = {key: value for key, value in item["metadata"].items() if key not in ("labels", "annotations")}
        skip = SKIP_AWAIT if item["kind"] == "Service" else OWN_WAIT if item["kind"] in WORKLOADS else {}
        wanted = {
            **item,
            "metadata": {
                **metadata,
                "labels": {**(item["metadata"].get("labels") or {}), **MARK},
                "annotations": {**(item["metadata"].get("annotations") or {}), **FORCE, **skip},
            },
        }
        wanted.pop("status", None)
        if item["kind"] in WORKLOADS:
            template = one.inputs["spec"]["template"]["metadata"]["labels"]
            assert template.items() >= item["spec"]["template"]["metadata"]["labels"].items()
        found = one.plain
        for side in (found, wanted):
            if item["metadata"]["name"] in PROBES and item["kind"] == "Deployment":
                side["spec"] = without_probes(side["spec"])
        # A definition stays as it is, but for what Dapr's operator would write into it when it starts.
        wanted = converted(wanted) if item["kind"] == "CustomResourceDefinition" else plain(wanted)
        if found["metadata"].get("namespace") and "namespace" not in wanted["metadata"]:
            assert found["metadata"].pop("namespace") == f"{one.name.partition('-')[0]}-system"
        assert found == wanted, one.name


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_every_namespaced_object_says_its_namespace_and_no_other_one_does(stage: Stage, version: str) -> None:
    wide = {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
    }
    for one, item in pairs(at(stage, version), version, stage):
        assert ("namespace" in one.inputs["metadata"]) is (item["kind"] not in wide), one.name


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_no_input_of_a_chart_holds_what_the_api_server_would_drop(stage: Stage, version: str) -> None:
    def empties(value: Any) -> bool:
        if isinstance(value, dict):
            return any(inner is None or inner == [] or empties(inner) for inner in value.values())
        return isinstance(value, list) and any(empties(inner) for inner in value)

    for one, item in pairs(at(stage, version), version, stage):
        assert item["kind"] == "CustomResourceDefinition" or not empties(one.inputs), f"{one.name} would never settle"
        assert "status" not in one.inputs


@pytest.mark.parametrize("version", WAYS)
def test_no_hook_becomes_a_resource(version: str) -> None:
    hooks = [item for item in recorded("osm")["objects"] if HOOK in (item["metadata"].get("annotations") or {})]
    assert {item["metadata"]["name"] for item in hooks} == {"osm-preinstall", "osm-cleanup"}
    assert len(hooks) == 8
    graph = at(Stage.SMI, version)
    assert not [item for item in hooks if resource_of("osm", item) in graph]
    assert HOOK not in repr([one.inputs for one in graph.everything])


@pytest.mark.parametrize("version", WAYS)
def test_osms_readiness_is_looked_at_every_second(version: str) -> None:
    graph = at(Stage.SMI, version)
    for name in PROBES:
        (container,) = [
            one
            for one in graph[f"osm-chart/deployment/{name}"].inputs["spec"]["template"]["spec"]["containers"]
            if "readinessProbe" in one
        ]
        probe = container["readinessProbe"]
        looks = (probe["initialDelaySeconds"], probe["periodSeconds"], probe["failureThreshold"])
        assert looks == (1, 1, 30), "the chart looks every ten seconds, after five"
        assert "httpGet" in probe, "what is asked stays the chart's"


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_only_workloads_have_a_time_to_be_ready_in(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    timed = {one.name for one in graph.objects if one.timeouts == ("300s", "300s")}
    assert timed == {one.name for one in graph.objects if one.inputs["kind"] in WORKLOADS}
    # A step that waits ends by itself before Pulumi ends it.
    steps = {one.name for one in graph.everything if one.timeouts == ("420s", "420s")}
    assert steps == {one.name for one in graph.everything if one.inputs.get("create") in WAITS}
    assert {one.timeouts for one in graph.everything} == {("300s", "300s"), ("420s", "420s"), ("", "")}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_the_pods_of_every_workload_are_waited_for_by_one_step_that_comes_after_it(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    waited: dict[str, str] = {}
    for step in graph.everything:
        if step.inputs.get("create") in WAITS:
            for kind, namespace, name in json.loads(step.inputs["stdin"])["workloads"]:
                assert f"{kind} {namespace}/{name}" not in waited
                waited[f"{kind} {namespace}/{name}"] = step.name
    workloads = {
        f"{one.inputs['kind']} {one.inputs['metadata']['namespace']}/{one.object_name}": one.name
        for one in graph.objects
        if one.inputs["kind"] in WORKLOADS
    }
    assert waited.keys() == workloads.keys()
    for workload, waiting in waited.items():
        assert workloads[workload] in graph.before(waiting), workload
        assert graph[workloads[workload]].inputs["metadata"]["annotations"].items() >= OWN_WAIT.items(), workload
    assert set(waited.values()) <= graph.before("verification-run")


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_no_service_is_waited_for(stage: Stage, version: str) -> None:
    services = at(stage, version).of_type("kubernetes:core/v1:Service")
    assert len(services) >= 7
    for one in services:
        assert one.inputs["metadata"]["annotations"].items() >= SKIP_AWAIT.items(), (
            f"{one.name}: ten seconds for nothing"
        )


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_what_others_write_into_a_secret_is_never_in_the_clear(stage: Stage, version: str) -> None:
    secrets = [one for one in at(stage, version).of_type("kubernetes:core/v1:Secret") if "-chart/" in one.name]
    assert "dapr-chart/secret/dapr-trust-bundle" in {one.name for one in secrets}, "sentry writes the root key there"
    for one in secrets:
        assert one.additional_secret_outputs == {"data", "stringData"}


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_nothing_of_a_chart_is_kept_or_protected_unless_asked(stage: Stage, version: str) -> None:
    for one, _ in pairs(at(stage, version), version, stage):
        assert not one.retain_on_delete
        assert not one.protect
        assert not one.ignore_changes
        assert not one.delete_before_replace


@pytest.mark.parametrize("version", WAYS)
@pytest.mark.parametrize("stage", STAGES)
def test_a_conversion_webhook_is_asked_where_dapr_is(stage: Stage, version: str) -> None:
    graph = at(stage, version)
    services = {
        one.object_name: one.inputs["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["namespace"]
        for one in graph.of_type("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")
        if "conversion" in one.inputs["spec"]
    }
    assert services == {"subscriptions.dapr.io": "dapr-system"}, "a refresh would call what its operator writes drift"


def test_osms_definitions_are_those_that_its_controller_may_read() -> None:
    """No chart has them: its ClusterRole is what tells of them."""
    (role,) = [item for item in own("osm") if item["kind"] == "ClusterRole"]
    read = {
        f"{resource}.{group}"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if group.endswith((".openservicemesh.io", ".smi-spec.io")) and "/" not in resource
    }
    assert sorted(versions.OSM_RELEASE.crds) == sorted(read)


@pytest.mark.parametrize("version", WAYS)
def test_a_release_knows_how_many_schedulers_its_chart_runs(version: str) -> None:
    sets = [item for item in own("dapr", version) if item["kind"] == "StatefulSet"]
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in sets}
    assert versions.DAPR_RELEASES[version].schedulers == replicas.get("dapr-scheduler-server", 0)


# --- settings -----------------------------------------------------------------------------------------------------


def test_seconds_reach_every_workload_and_the_steps_that_wait() -> None:
    graph = run(timeoutSeconds=777)
    workloads = [one for one in graph.objects if one.inputs["kind"] in WORKLOADS]
    assert len(workloads) == 11
    assert {one.timeouts for one in workloads} == {("777s", "777s")}
    waits = {one.name for one in graph.everything if one.inputs.get("create") in WAITS}
    assert len(waits) == 6
    steps = ("dapr-injector-ready", "hello-injection", "osm-mesh-ready", *waits)
    assert {name: json.loads(graph[name].inputs["stdin"])["seconds"] for name in steps} == dict.fromkeys(steps, 777)


def test_every_image_setting_reaches_its_container() -> None:
    graph = run(
        daprRegistry="mirror.example/dapr",
        osmRegistry="mirror.example/osm",
        envoyImage="mirror.example/envoy:1",
        curlImage="mirror.example/curl:1",
        redisImage="mirror.example/redis:1",
        nodeAppImage="mirror.example/node:1",
        pythonAppImage="mirror.example/python:1",
    )
    images = {
        container["image"]
        for one in graph.objects
        if one.inputs["kind"] in WORKLOADS
        for spec in [one.inputs["spec"]["template"]["spec"]]
        for container in [*spec["containers"], *spec.get("initContainers", [])]
    }
    assert {image for image in images if not image.startswith("mirror.example/")} == set()
    assert {f"mirror.example/{name}:1" for name in ("redis", "node", "python", "curl")} <= images
    assert "mirror.example/envoy:1" in repr(graph["osm-chart/deployment/osm-injector"].inputs) + repr(
        graph["osm-chart/configmap/preset-mesh-config"].inputs
    )
    assert rendered_with(graph, "dapr")["values"]["global"]["registry"] == "mirror.example/dapr"


@pytest.mark.parametrize("version", WAYS)
def test_further_values_are_merged_into_the_charts(version: str) -> None:
    graph = run(
        daprVersion=version,
        daprValues={"global": {"logAsJson": True}},
        osmValues={"osm": {"image": {"tag": "v1.2.4-patched"}}},
        osmRegistry="mirror.example/osm",
    )
    assert rendered_with(graph, "dapr")["values"] == {
        **DAPR_VALUES[version],
        "global": {**DAPR_VALUES[version]["global"], "logAsJson": True},
    }
    assert rendered_with(graph, "osm")["values"] == {
        "osm": {**OSM_VALUES["osm"], "image": {"registry": "mirror.example/osm", "tag": "v1.2.4-patched"}}
    }
    container = graph["osm-chart/deployment/osm-injector"].inputs["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "mirror.example/osm/osm-injector:v1.2.4-patched"


def test_charts_and_pods_name_the_pull_secret() -> None:
    graph = run(registryCredentials=CREDENTIALS)
    assert rendered_with(graph, "dapr")["values"]["global"]["imagePullSecrets"] == "registry-credentials"
    assert rendered_with(graph, "osm")["values"]["osm"]["imagePullSecrets"] == [{"name": "registry-credentials"}]
    workloads = [one for one in graph.objects if one.inputs["kind"] in WORKLOADS]
    for one in workloads:
        spec = one.inputs["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry-credentials"}], one.name


# --- the recordings -----------------------------------------------------------------------------------------------


def test_a_rendering_that_nobody_has_recorded_is_an_error() -> None:
    options = {"release_name": "osm", "version": "1.2.4", "namespace": "osm-system", "values": {"osm": {"new": 1}}}
    with pytest.raises(charts.NotRecordedError, match="python -m tests.support.rendering"):
        charts.rendered(options)


def test_what_two_further_values_change_comes_together() -> None:
    values = {
        "osm": {**OSM_VALUES["osm"], "injector": {"replicaCount": 2}, "image": {"registry": "mirror.example/osm"}}
    }
    options = {"release_name": "osm", "version": "1.2.4", "namespace": "a-mesh", "values": values}
    (injector,) = [
        item
        for item in charts.rendered(options)
        if (item["kind"], item["metadata"]["name"]) == ("Deployment", "osm-injector")
    ]
    assert injector["spec"]["replicas"] == 2
    assert injector["spec"]["template"]["spec"]["containers"][0]["image"].startswith("mirror.example/osm/")
    assert injector["metadata"]["namespace"] == "a-mesh"


def test_the_pages_release_has_no_scheduler_to_render() -> None:
    assert not [item for item in own("dapr", DNS_NAME) if "scheduler" in item["metadata"]["name"]]
    assert not [value for value, _ in leaves(own("dapr", DNS_NAME)) if value == "{version}"]

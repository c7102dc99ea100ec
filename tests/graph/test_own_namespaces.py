"""Other namespaces than the page's reach everything."""

from __future__ import annotations

from typing import Any

import pytest

from model.stage import Stage
from model.versions import DEFAULT_DAPR_VERSION

from .program import CORNERS, CREDENTIALS, SERVICES, SERVICES_OF, WAYS, at, moved_to, run
from .recording import Graph, revealed
from .views import annotations_of, arguments, expected_by

NAMESPACES: dict[str, Any] = {"daprNamespace": "a-dapr", "osmNamespace": "a-mesh", "appsNamespace": "a-home"}
RENAMED = {"dapr-system": "a-dapr", "osm-system": "a-mesh", "dapr-test": "a-home"}


def moved(stage: Stage, version: str, **more: Any) -> Graph:
    services = moved_to("a-dapr", SERVICES_OF[version])
    return run(stage=stage.value, daprVersion=version, services=services, **NAMESPACES, **more)


def said(graph: Graph) -> str:
    everything = [(one.urn, one.inputs, one.outputs, one.parent) for one in graph.everything]
    asked = [given for invoked, given, _ in graph.invoked if "helm" in invoked]
    return repr(everything) + repr(asked) + repr(graph.stack_outputs)


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_none_of_the_pages_namespaces_is_named_anywhere(stage: Stage, version: str) -> None:
    text = said(moved(stage, version, registryCredentials=CREDENTIALS))
    for namespace in RENAMED:
        assert namespace not in text


@pytest.mark.parametrize("pod", ["hello-nodeapp-pods", "hello-pythonapp-pods"])
@pytest.mark.parametrize(("key", "annotation"), [("daprNamespace", "dapr"), ("osmNamespace", "interception")])
def test_pods_follow_a_control_plane_that_moves(pod: str, key: str, annotation: str) -> None:
    services = moved_to("a-dapr", SERVICES) if key == "daprNamespace" else SERVICES
    one, other = at(Stage.SMI), run(services=services, **{key: NAMESPACES[key]})
    changed = {name for name, value in annotations_of(other, pod).items() if annotations_of(one, pod)[name] != value}
    assert changed == {f"dapr-osm/{annotation}"}, "its sidecar is told where the control plane is when it is injected"


@pytest.mark.parametrize(("stage", "version"), CORNERS)
def test_everything_else_is_as_in_the_pages_namespaces(stage: Stage, version: str) -> None:
    one, other = at(stage, version), moved(stage, version)
    assert {r.urn: (r.parent, r.provider, r.dependencies) for r in one.everything} == {
        r.urn: (r.parent, r.provider, r.dependencies) for r in other.everything
    }
    # Digests of what names a namespace follow from it.
    digests = {
        "dapr-osm/configuration",
        "dapr-osm/dapr",
        "dapr-osm/interception",
        "OPERATION_COVERS",
        "OPERATION_MESH",
        "OPERATION_RELEASE",
    }

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key not in digests}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        if isinstance(value, str):
            for name, new in RENAMED.items():
                value = value.replace(name, new)
        return value

    for name in one.resources:
        assert plain(revealed(one[name].inputs)) == plain(revealed(other[name].inputs)), name


@pytest.mark.parametrize("version", WAYS)
def test_each_is_where_it_is_asked_for(version: str) -> None:
    graph = moved(Stage.SMI, version)
    for prefix, namespace in (("dapr", "a-dapr"), ("osm", "a-mesh")):
        assert graph[f"{prefix}-namespace"].object_name == namespace
        assert arguments(graph, f"{prefix}-runtime")["namespace"] == namespace
        homes = {one.inputs["metadata"].get("namespace") for one in graph.charted(f"{prefix}-chart")}
        assert homes == {None, namespace}, "cluster-wide objects have none"
    assert graph["exclusions-patch"].inputs["metadata"]["namespace"] == "a-mesh"
    assert arguments(graph, "osm-mesh-ready")["namespace"] == "a-mesh"
    for command in ("dapr-injector-ready", "dapr-release-change", "dapr-definitions"):
        assert arguments(graph, command)["namespace"] == "a-dapr"
    looked_up = arguments(graph, "dapr-services")["services"]
    assert {service.partition("/")[0] for service in looked_up} == {"default", "a-dapr"}
    assert arguments(graph, "smi-withdraw")["namespaces"] == ["a-home"]
    assert expected_by(graph).namespaces == ("a-home",)
    assert graph.stack_outputs["namespaces"] == {"dapr": "a-dapr", "apps": ["a-home"], "osm": "a-mesh"}
    assert graph.stack_outputs["watchOrders"] == "kubectl logs -n a-home deploy/nodeapp -c node -f"
    if version == DEFAULT_DAPR_VERSION:
        (route,) = graph["hello-configuration"].inputs["spec"]["nameResolution"]["configuration"].values()
        assert route == "{appid}-dapr.a-home.svc.cluster.local:50002"

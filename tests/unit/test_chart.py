"""What becomes of a rendered chart's objects: order, marks, namespaces, probes."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.chart import (
    CLUSTER_WIDE,
    CRD,
    WORKLOADS,
    ChartObject,
    ChartPlan,
    Probe,
    UnknownHookError,
    chart_objects,
    marked_as_kept,
    waves,
)
from model.owner import STACK_LABEL, Owner, was_there_before
from model.versions import DAPR_RELEASES, OSM_RELEASE

OWNER = Owner(stack="dev")
NO_PLAN = ChartPlan()


def thing(kind: str, name: str = "it", api_version: str = "v1", **more: Any) -> dict[str, Any]:
    """An object as Helm renders it."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **more.pop("metadata", {})}, **more}


def crd(name: str = "things.example.com", **more: Any) -> dict[str, Any]:
    return thing(CRD, name, "apiextensions.k8s.io/v1", **more)


def workload(name: str, *containers: dict[str, Any], kind: str = "Deployment") -> dict[str, Any]:
    return thing(kind, name, "apps/v1", spec={"template": {"spec": {"containers": list(containers)}}})


def made(*rendered: Any, plan: ChartPlan = NO_PLAN) -> tuple[ChartObject, ...]:
    return chart_objects(rendered, namespace="dapr-system", owner=OWNER, plan=plan)


def only(rendered: dict[str, Any], plan: ChartPlan = NO_PLAN) -> ChartObject:
    (item,) = made(rendered, plan=plan)
    return item


def order(objects: Sequence[ChartObject]) -> list[list[str]]:
    return [[item.resource_name for item in wave] for wave in waves(objects)]


# --- order ------------------------------------------------------------------------------------------------------


def test_definitions_come_first_then_what_pods_need_then_objects_of_those_definitions_then_workloads() -> None:
    objects = made(
        workload("app"),
        thing("Configuration", "daprsystem", "dapr.io/v1alpha1"),
        thing("Service", "app"),
        thing("ClusterRole", "app", "rbac.authorization.k8s.io/v1"),
        crd("configurations.dapr.io"),
    )
    assert order(objects) == [
        ["customresourcedefinition/configurations.dapr.io"],
        ["clusterrole/app", "service/app"],
        ["configuration/daprsystem"],
        ["deployment/app"],
    ]


@pytest.mark.parametrize(
    "api_version",
    ["v1", "apps/v1", "batch/v1", "policy/v1", "autoscaling/v2", "rbac.authorization.k8s.io/v1", "storage.k8s.io/v1"],
)
def test_kinds_that_every_cluster_has_wait_for_no_definition(api_version: str) -> None:
    custom = thing("Thing", "custom", "example.com/v1")
    assert order(made(custom, thing("Thing", "known", api_version))) == [["thing/known"], ["thing/custom"]]


@pytest.mark.parametrize("api_version", ["example.com/v1", "k8s.io.example.com/v1", "apps.example.com/v1"])
def test_a_kind_of_any_other_group_waits_for_its_definition(api_version: str) -> None:
    assert len(waves(made(thing("Thing", "it", api_version), thing("Secret", "it")))) == 2


def test_kinds_are_those_of_kubernetes() -> None:
    """Said once more, by its documentation: a test that goes through a list can't miss what is not on it."""
    assert set(WORKLOADS) == {"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"}
    assert set(CLUSTER_WIDE) == {
        "APIService",
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }


@pytest.mark.parametrize("kind", sorted(WORKLOADS))
def test_whatever_has_pods_comes_last(kind: str) -> None:
    objects = made(thing(kind, "it", "apps/v1"), thing("Thing", "custom", "example.com/v1"))
    assert [item.kind for item in objects] == ["Thing", kind]
    assert [item.is_workload for item in objects] == [False, True]


def test_workloads_that_others_wait_for_come_one_by_one_in_the_plans_order() -> None:
    plan = ChartPlan(first=("z-first", "a-second"))
    objects = made(workload("b"), workload("a-second"), workload("z-first"), workload("a"), plan=plan)
    assert order(objects) == [
        ["deployment/z-first"],
        ["deployment/a-second"],
        ["deployment/a", "deployment/b"],
    ]


def test_what_is_called_like_a_first_workload_and_is_none_has_no_place_of_its_own() -> None:
    plan = ChartPlan(first=("dapr-sentry",))
    assert order(made(workload("dapr-sentry"), thing("Service", "dapr-sentry"), thing("Secret", "x"), plan=plan)) == [
        ["secret/x", "service/dapr-sentry"],
        ["deployment/dapr-sentry"],
    ]


def test_a_first_workload_that_the_chart_lacks_leaves_no_empty_wave() -> None:
    assert order(made(workload("a"), plan=ChartPlan(first=("gone", "gone-too")))) == [["deployment/a"]]
    assert waves(()) == []


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_does_not_depend_on_how_the_chart_renders(names: list[str]) -> None:
    rendered = [workload(name) for name in names] + [thing("Secret", name) for name in names]
    assert made(*rendered) == made(*reversed(rendered)) == made(*sorted(rendered, key=str))


def test_objects_of_one_name_are_in_order_of_their_namespaces() -> None:
    rendered = [
        thing("Role", "it", "rbac.authorization.k8s.io/v1", metadata={"namespace": namespace})
        for namespace in ("b", "c", "a")
    ]
    assert [item.namespace for item in made(*rendered)] == ["a", "b", "c"]


def test_waves_are_in_order_however_the_objects_are() -> None:
    objects = made(crd(), workload("a"), thing("Secret"))
    assert order(objects[::-1]) == order(objects)


def test_sentry_is_ready_before_any_other_of_dapr_and_bootstrap_before_any_other_of_osm() -> None:
    for release, first in ((DAPR_RELEASES["1.18.2"].chart, "dapr-sentry"), (OSM_RELEASE.chart, "osm-bootstrap")):
        container = {"name": "c"}
        assert order(made(workload("a", container), workload(first, container), plan=release))[0] == [
            f"deployment/{first}"
        ]


# --- hooks ------------------------------------------------------------------------------------------------------


def hook(name: str, when: str = "post-delete") -> dict[str, Any]:
    return thing("Job", name, "batch/v1", metadata={"annotations": {"helm.sh/hook": when}})


def test_hooks_whose_work_the_program_does_itself_are_left_out() -> None:
    plan = ChartPlan(hooks=("osm-cleanup", "osm-preinstall"))
    assert made(hook("osm-cleanup"), hook("osm-preinstall", "pre-install"), plan=plan) == ()


def test_a_hook_that_nobody_knows_is_refused_by_name_with_the_mend() -> None:
    with pytest.raises(UnknownHookError, match=r"^Job migrate is a Helm hook \(pre-upgrade\).*by the chart's values"):
        made(hook("migrate", "pre-upgrade"), plan=ChartPlan(hooks=("osm-cleanup",)))


def test_what_is_called_like_a_hook_and_is_none_is_made() -> None:
    assert len(made(thing("Job", "osm-cleanup", "batch/v1"), plan=ChartPlan(hooks=("osm-cleanup",)))) == 1


@pytest.mark.parametrize("annotations", [None, {}, {"helm.sh/resource-policy": "keep"}])
def test_an_object_with_any_other_annotations_is_no_hook(annotations: dict[str, str] | None) -> None:
    assert len(made(thing("Secret", metadata={"annotations": annotations}))) == 1


def test_empty_documents_of_a_chart_are_nothing() -> None:
    assert made({}, None) == ()


# --- what is made of each ---------------------------------------------------------------------------------------

SORTS = [
    crd(),
    thing("Secret"),
    thing("Service"),
    thing("ClusterRole", api_version="rbac.authorization.k8s.io/v1"),
    thing("MutatingWebhookConfiguration", api_version="admissionregistration.k8s.io/v1"),
    thing("Configuration", api_version="dapr.io/v1alpha1"),
    workload("it", {"name": "c"}),
]


@pytest.mark.parametrize("rendered", SORTS, ids=lambda item: item["kind"])
def test_every_object_carries_the_stacks_mark_and_is_repaired_by_force(rendered: dict[str, Any]) -> None:
    metadata = only(rendered).body["metadata"]
    assert metadata["labels"] == {STACK_LABEL: "dev"}
    assert metadata["annotations"]["pulumi.com/patchForce"] == "true"


def test_a_charts_own_labels_and_annotations_stay() -> None:
    metadata = {"labels": {"app": "x"}, "annotations": {"note": "y"}}
    assert only(thing("Secret", metadata=metadata)).body["metadata"] == {
        "name": "it",
        "namespace": "dapr-system",
        "labels": {"app": "x", STACK_LABEL: "dev"},
        "annotations": {"note": "y", "pulumi.com/patchForce": "true"},
    }


def test_no_chart_can_claim_another_mark() -> None:
    assert only(thing("Secret", metadata={"labels": {STACK_LABEL: "prod"}})).body["metadata"]["labels"] == {
        STACK_LABEL: "dev"
    }


@pytest.mark.parametrize("rendered", SORTS, ids=lambda item: item["kind"])
def test_only_services_are_not_waited_for(rendered: dict[str, Any]) -> None:
    annotations = only(rendered).body["metadata"]["annotations"]
    assert ("pulumi.com/skipAwait" in annotations) is (rendered["kind"] == "Service")


def test_an_object_without_a_namespace_goes_where_the_chart_goes() -> None:
    assert only(thing("Secret")).namespace == "dapr-system"


def test_an_object_that_names_its_namespace_stays_there() -> None:
    role = thing("RoleBinding", api_version="rbac.authorization.k8s.io/v1", metadata={"namespace": "kube-system"})
    assert only(role).namespace == "kube-system"


@pytest.mark.parametrize("kind", sorted(CLUSTER_WIDE))
@pytest.mark.parametrize("metadata", [{}, {"namespace": "dapr-system"}], ids=["none", "one, needlessly"])
def test_cluster_wide_kinds_have_no_namespace(kind: str, metadata: dict[str, str]) -> None:
    item = only(thing(kind, metadata=metadata))
    assert item.namespace is None
    assert "namespace" not in item.body["metadata"]


@pytest.mark.parametrize("rendered", [crd(status={}), thing("Service", status={"loadBalancer": {}})])
def test_a_status_is_the_clusters_and_not_the_charts(rendered: dict[str, Any]) -> None:
    assert "status" not in only(rendered).body


def test_what_the_api_server_would_drop_is_left_out_at_any_depth() -> None:
    role = thing(
        "ClusterRole",
        rules=[],
        aggregationRule=None,
        spec={"a": [{"b": [], "c": None, "d": 0, "e": False, "f": "", "g": {}}]},
    )
    body = dict(only(role).body)
    assert {"rules", "aggregationRule"} & set(body) == set(), "a preview would show them again and again"
    assert body["spec"] == {"a": [{"d": 0, "e": False, "f": "", "g": {}}]}, "these the API server keeps"


def test_a_definition_is_left_as_it_is() -> None:
    spec = {"versions": [{"schema": {"default": [], "nullable": None}}], "names": {"shortNames": []}}
    assert only(crd(spec=spec)).body["spec"] == spec, "an empty list in a schema is a default, and means something"


@pytest.mark.parametrize("rendered", SORTS, ids=lambda item: item["kind"])
def test_what_the_chart_rendered_is_not_changed_in_place(rendered: dict[str, Any]) -> None:
    before = copy.deepcopy(rendered)
    only(rendered, ChartPlan(probes=(Probe(workload="it", period_seconds=1, failure_threshold=3),)))
    assert rendered == before


# --- probes -----------------------------------------------------------------------------------------------------

READINESS = {"httpGet": {"path": "/ready"}, "initialDelaySeconds": 5, "periodSeconds": 10, "timeoutSeconds": 4}
PLAN = ChartPlan(probes=(Probe(workload="osm-controller", period_seconds=1, failure_threshold=30),))


def probed(item: ChartObject) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = item.body["spec"]["template"]["spec"]["containers"]
    return containers


def test_a_probe_is_looked_at_as_often_as_the_plan_says_and_else_stays_the_charts() -> None:
    item = only(workload("osm-controller", {"name": "c", "readinessProbe": READINESS, "image": "i"}), PLAN)
    assert probed(item) == [
        {
            "name": "c",
            "image": "i",
            "readinessProbe": {
                "httpGet": {"path": "/ready"},
                "timeoutSeconds": 4,
                "initialDelaySeconds": 1,
                "periodSeconds": 1,
                "failureThreshold": 30,
            },
        }
    ]


def test_a_workload_with_another_probe_is_else_the_charts() -> None:
    rendered = workload("osm-controller", {"name": "c", "readinessProbe": READINESS})
    rendered["spec"] |= {"replicas": 3}
    rendered["spec"]["template"] |= {"metadata": {"labels": {"app": "osm"}}}
    rendered["spec"]["template"]["spec"] |= {"serviceAccountName": "osm"}
    spec = only(rendered, PLAN).body["spec"]
    assert (spec["replicas"], spec["template"]["metadata"]) == (3, {"labels": {"app": "osm"}})
    assert spec["template"]["spec"]["serviceAccountName"] == "osm"


def test_a_container_without_a_readiness_probe_gets_none() -> None:
    plain = {"name": "c", "livenessProbe": READINESS}
    item = only(workload("osm-controller", plain, {"name": "d", "readinessProbe": READINESS}), PLAN)
    assert probed(item)[0] == plain
    assert probed(item)[1]["readinessProbe"]["periodSeconds"] == 1


def test_another_workloads_probe_stays_the_charts() -> None:
    item = only(workload("osm-injector", {"name": "c", "readinessProbe": READINESS}), PLAN)
    assert probed(item)[0]["readinessProbe"] == READINESS


def test_what_is_called_like_a_probed_workload_and_has_no_pods_is_left_alone() -> None:
    assert only(thing("Service", "osm-controller", spec={"ports": [{"port": 1}]}), PLAN).body["spec"] == {
        "ports": [{"port": 1}]
    }


# --- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_version", "kind", "token"),
    [
        ("v1", "Secret", "kubernetes:core/v1:Secret"),
        ("apps/v1", "Deployment", "kubernetes:apps/v1:Deployment"),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition",
        ),
        ("dapr.io/v1alpha1", "Configuration", "kubernetes:dapr.io/v1alpha1:Configuration"),
    ],
)
def test_a_resources_type_names_group_version_and_kind(api_version: str, kind: str, token: str) -> None:
    assert only(thing(kind, api_version=api_version)).resource_type == token


def test_a_resources_name_is_as_kubectl_writes_it() -> None:
    assert only(thing("ServiceAccount", "dapr-operator")).resource_name == "serviceaccount/dapr-operator"


def test_a_definition_knows_that_it_is_one() -> None:
    assert only(crd()).is_definition
    assert not only(thing("Secret")).is_definition


def test_a_conversion_webhook_is_asked_in_the_releases_namespace() -> None:
    def definition(namespace: str) -> dict[str, Any]:
        service = {"name": "dapr-webhook", "namespace": namespace}
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "subscriptions.dapr.io"},
            "spec": {"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": service}}}},
        }

    def asked(given: dict[str, Any]) -> str:
        (made,) = chart_objects([given], namespace="dapr-system", owner=Owner(stack="dev"), plan=ChartPlan())
        return str(made.body["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["namespace"])

    placeholder = definition("replaceme")
    assert asked(placeholder) == "dapr-system"
    assert placeholder == definition("replaceme"), "what was rendered stays as it is"
    assert asked(definition("elsewhere")) == "elsewhere", "only the placeholder is filled in"


# --- conversion webhooks ----------------------------------------------------------------------------------------


def converting(**service: str) -> dict[str, Any]:
    client = {"service": {"name": "dapr-webhook", **service}, "caBundle": "Q0E="} if service else {"url": "https://x"}
    return crd(spec={"conversion": {"strategy": "Webhook", "webhook": {"clientConfig": client}}, "versions": []})


def conversion(rendered: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = only(rendered).body["spec"]["conversion"]["webhook"]["clientConfig"]
    return found


def test_a_definitions_conversion_is_asked_where_the_chart_is_installed() -> None:
    rendered = converting(namespace="replaceme")
    assert conversion(rendered) == {
        "service": {"name": "dapr-webhook", "namespace": "dapr-system"},
        "caBundle": "Q0E=",
    }, "Dapr's operator would write it there, and a refresh would call that drift"
    assert rendered == converting(namespace="replaceme"), "what the chart rendered is not changed in place"


@pytest.mark.parametrize("service", [{"namespace": "elsewhere"}, {}], ids=["another namespace", "an address"])
def test_a_conversion_that_names_its_place_stays(service: dict[str, str]) -> None:
    rendered = converting(**service)
    assert only(rendered).body["spec"] == rendered["spec"]


@pytest.mark.parametrize("spec", [{}, {"conversion": {"strategy": "None"}}])
def test_a_definition_without_a_conversion_webhook_gets_none(spec: dict[str, Any]) -> None:
    assert only(crd(spec=spec)).body["spec"] == spec


def test_what_was_there_before_is_marked_so_and_the_rest_is_not() -> None:
    rendered = [
        {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}}
        for name in ("a.dapr.io", "b.dapr.io")
    ]
    made = chart_objects(rendered, namespace="dapr-system", owner=Owner(stack="dev"), plan=ChartPlan())
    kept = marked_as_kept(made, {"b.dapr.io"})
    assert [was_there_before(item.body["metadata"]) for item in kept] == [False, True]
    assert all(was_there_before(item.body["metadata"]) is False for item in made), "what was given stays as it is"

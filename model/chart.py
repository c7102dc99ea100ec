"""A Helm chart's objects as a stack's own resources: what of them is made, in which order, and under which names.

Charts are rendered by the Kubernetes provider. What comes out is plain objects, which this module makes ready: marked
as the stack's, put into their namespace, freed of what the API server would drop, and ordered by what they wait for.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from model.owner import KEPT_ANNOTATION, STACK_LABEL, Owner

Object = Mapping[str, Any]

HOOK: Final = "helm.sh/hook"
# What Dapr's definitions have for the namespace of their conversion webhook.
PLACEHOLDER: Final = "replaceme"
CRD: Final = "CustomResourceDefinition"
WORKLOADS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"})
# Kinds without a namespace that a chart may bring; source: `kubectl api-resources --namespaced=false`.
CLUSTER_WIDE: Final = frozenset(
    {
        "APIService",
        "ClusterRole",
        "ClusterRoleBinding",
        "CSIDriver",
        CRD,
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
)
# The API groups that every cluster has; an object of another one needs its CustomResourceDefinition first.
BUILT_IN: Final = ("", "apps", "batch", "autoscaling", "policy", "extensions")

# The stack's own objects are the stack's: an edit by hand is shown and repaired, not a conflict.
FORCE: Final[Mapping[str, str]] = {"pulumi.com/patchForce": "true"}
# Pulumi waits ten seconds for a Service's endpoints; the workloads behind it are waited for anyway.
SKIP_AWAIT: Final[Mapping[str, str]] = {"pulumi.com/skipAwait": "true"}
# Pulumi has Kubernetes delete what depends on an object, and then change it once more, which a webhook may refuse;
# one of a control plane that has gone holds it up for ever. What nothing depends on goes in one step.
IN_ONE_STEP: Final[Mapping[str, str]] = {"pulumi.com/deletionPropagationPolicy": "background"}

# Kinds whose pods a step of the stack's own waits for: it knows when waiting can't help. Pulumi's wait ends once their
# controller has seen them; without any, a delete would not wait for the pods to go either.
AWAITED: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
OWN_WAIT: Final[Mapping[str, str]] = {"pulumi.com/waitFor": "jsonpath={.status.observedGeneration}"}
# The labels and annotations that this program writes to a chart's objects.
WRITTEN: Final = frozenset({STACK_LABEL, KEPT_ANNOTATION, *FORCE, *SKIP_AWAIT, *OWN_WAIT})


class UnknownHookError(ValueError):
    """A chart has a hook that this program would silently leave out."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """How often a workload's readiness is looked at, in place of what its chart says.

    Attributes:
        workload: The workload's name.
        period_seconds: Seconds between two looks, and before the first one.
        failure_threshold: Looks that may fail in a row.
    """

    workload: str
    period_seconds: int
    failure_threshold: int


@dataclass(frozen=True, kw_only=True)
class ChartPlan:
    """What this program knows of a chart beyond what the chart says.

    Attributes:
        first: Workloads that have to be ready before the other ones start, in order.
        hooks: Names of the chart's hooks, whose work this program does itself.
        probes: Readiness probes that are looked at more often.
    """

    first: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ChartObject:
    """One object of a chart, ready to be registered.

    Attributes:
        body: The whole object.
        wave: Its place in the order: everything of a lower wave is ready first.
    """

    body: Object
    wave: int

    @property
    def kind(self) -> str:
        """Its kind."""
        return str(self.body["kind"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def namespace(self) -> str | None:
        """Its namespace, or None."""
        value = self.body["metadata"].get("namespace")
        return None if value is None else str(value)

    @property
    def resource_type(self) -> str:
        """Pulumi's type token: ``kubernetes:apps/v1:Deployment``, ``kubernetes:core/v1:Secret``."""
        version = str(self.body["apiVersion"])
        return f"kubernetes:{version if '/' in version else f'core/{version}'}:{self.kind}"

    @property
    def resource_name(self) -> str:
        """What follows the component's name in the resource's: kind and name, as kubectl writes them."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def is_definition(self) -> bool:
        """Whether it is a CustomResourceDefinition."""
        return self.kind == CRD

    @property
    def is_workload(self) -> bool:
        """Whether it has pods, which are waited for."""
        return self.kind in WORKLOADS

    @property
    def pods(self) -> int | None:
        """How many pods it wants; None where that is no number."""
        count = self.body["spec"].get("replicas", 1)
        return count if isinstance(count, int) and not isinstance(count, bool) else None

    @property
    def is_awaited(self) -> bool:
        """Whether a step of the stack's own waits for its pods; Pulumi does for the others'."""
        return self.kind in AWAITED


def chart_objects(
    rendered: Iterable[Object], *, namespace: str, owner: Owner, plan: ChartPlan
) -> tuple[ChartObject, ...]:
    """A rendered chart's objects, in order.

    Args:
        rendered: What the chart renders to, hooks included.
        namespace: The namespace that it is installed into.
        owner: The stack.
        plan: What is known of the chart.

    Raises:
        UnknownHookError: The chart has a hook that is not in the plan.
    """
    objects = [
        ChartObject(body=_ready(item, namespace, owner, plan), wave=_wave(item, plan))
        for item in rendered
        if item and not _is_known_hook(item, plan)
    ]
    return tuple(sorted(objects, key=lambda item: (item.wave, item.kind, item.namespace or "", item.name)))


def marked_as_kept(objects: Iterable[ChartObject], names: Collection[str]) -> tuple[ChartObject, ...]:
    """The objects, those of these names marked as there before the stack: upgraded by it, and kept when it goes."""
    return tuple(
        replace(item, body=_annotated(item.body, KEPT_ANNOTATION)) if item.name in names else item for item in objects
    )


def _annotated(body: Object, annotation: str) -> Object:
    metadata = body["metadata"]
    return {**body, "metadata": {**metadata, "annotations": {**metadata["annotations"], annotation: "true"}}}


def waves(objects: Sequence[ChartObject]) -> list[list[ChartObject]]:
    """The objects by wave, lowest first; no wave is empty."""
    return [[item for item in objects if item.wave == wave] for wave in sorted({item.wave for item in objects})]


def _is_known_hook(item: Object, plan: ChartPlan) -> bool:
    hook = (item["metadata"].get("annotations") or {}).get(HOOK)
    if hook is None:
        return False
    name = item["metadata"]["name"]
    if name not in plan.hooks:
        raise UnknownHookError(
            f"{item['kind']} {name} is a Helm hook ({hook}), and this program, which installs a chart's objects "
            "without Helm, does not know what it is for. Turn it off by the chart's values."
        )
    return True


def _wave(item: Object, plan: ChartPlan) -> int:
    """Definitions; what pods need; objects of those definitions; then the workloads, those of ``first`` one by one."""
    if item["kind"] == CRD:
        return 0
    if item["kind"] not in WORKLOADS:
        return 1 if _is_built_in(item) else 2
    name = item["metadata"]["name"]
    return 3 + (plan.first.index(name) if name in plan.first else len(plan.first))


def _is_built_in(item: Object) -> bool:
    group = str(item["apiVersion"]).rpartition("/")[0]
    return group in BUILT_IN or group.endswith(".k8s.io")


def _ready(item: Object, namespace: str, owner: Owner, plan: ChartPlan) -> Object:
    body = _with_conversion(item, namespace) if item["kind"] == CRD else _without_empties(item)
    body.pop("status", None)
    metadata = dict(body["metadata"])
    if item["kind"] in CLUSTER_WIDE:
        metadata.pop("namespace", None)
    else:
        metadata.setdefault("namespace", namespace)
    metadata["labels"] = {**(metadata.get("labels") or {}), **owner.labels}
    skip = SKIP_AWAIT if item["kind"] == "Service" else OWN_WAIT if item["kind"] in AWAITED else {}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **FORCE, **skip}
    body["metadata"] = metadata
    for probe in plan.probes:
        if item["kind"] in WORKLOADS and metadata["name"] == probe.workload:
            body = _with_probe(body, probe)
    return body


def _with_conversion(definition: Object, namespace: str) -> dict[str, Any]:
    """A definition whose conversion webhook is asked in the release's namespace.

    Dapr's chart has a placeholder there, which its operator replaces when it starts; a refresh would call that drift.
    """
    service = definition.get("spec", {}).get("conversion", {}).get("webhook", {}).get("clientConfig", {}).get("service")
    if service is None or service.get("namespace") != PLACEHOLDER:
        return dict(definition)
    spec = copy.deepcopy(dict(definition["spec"]))
    spec["conversion"]["webhook"]["clientConfig"]["service"]["namespace"] = namespace
    return {**definition, "spec": spec}


def _without_empties(value: Any) -> Any:
    """Without nulls and empty lists, which the API server drops: a preview would show them again and again."""
    if isinstance(value, Mapping):
        return {key: _without_empties(inner) for key, inner in value.items() if inner is not None and inner != []}
    if isinstance(value, list):
        return [_without_empties(inner) for inner in value]
    return value


def _with_probe(body: Object, probe: Probe) -> Object:
    spec = body["spec"]
    pod = spec["template"]["spec"]
    looks = {
        "initialDelaySeconds": probe.period_seconds,
        "periodSeconds": probe.period_seconds,
        "failureThreshold": probe.failure_threshold,
    }
    containers = [
        {**container, "readinessProbe": {**container["readinessProbe"], **looks}}
        if "readinessProbe" in container
        else container
        for container in pod["containers"]
    ]
    template = {**spec["template"], "spec": {**pod, "containers": containers}}
    return {**body, "spec": {**spec, "template": template}}

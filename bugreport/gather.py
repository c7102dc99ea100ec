"""Reading all that belongs into a report. Whatever can't be read is noted, and the rest goes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import yaml

from bugreport.redaction import Redaction, names_in
from bugreport.versions import versions
from cluster.client import Cluster, Object
from cluster.discovery import Resource
from cluster.errors import OperationError
from cluster.kinds import preferred
from model.owner import STACK_LABEL
from status.shape import Status
from status.sight import Sight
from verification.envoy import ADMIN_PORT

# The end of each container's log, and of the one that ran before it.
LOG_LINES: Final = 2000
LOG_BYTES: Final = 512 * 1024
# What an Envoy tells of itself, by its admin interface.
ENVOY: Final = {
    "config_dump.json": "/config_dump?include_eds",
    "clusters.json": "/clusters?format=json",
    "listeners.json": "/listeners?format=json",
    "certs.json": "/certs",
    "stats.txt": "/stats?usedonly",
    "server_info.json": "/server_info",
}
# Kinds that repeat others, or that are measurements.
LEFT_OUT: Final = ("PodMetrics", "NodeMetrics", "ControllerRevision", "Lease", "EndpointSlice")
# Of the whole cluster also these, whoever made them: they decide about the stack's pods.
CLUSTER_WIDE: Final = (
    "Node",
    "StorageClass",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
)


@dataclass
class Report:
    """What was gathered: texts by the names of their files, ready to be given away.

    Attributes:
        files: The texts.
        redaction: What was taken out of them.
        missing: What could not be gathered, with the reason.
        left_out: Files that the guard refused.
    """

    redaction: Redaction
    files: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Gathering:
    """One gathering, bounded in time."""

    sight: Sight
    namespaces: Sequence[str]
    deadline: float

    def until(self, what: str, look: Callable[[], Any], otherwise: Any) -> Any:
        """Look, unless time is up."""
        if time.monotonic() > self.deadline:
            self.sight.note(what, "there was no time left for it")
            return otherwise
        return self.sight.sees(what, look, otherwise)


def gather(
    cluster: Cluster,
    *,
    namespaces: Sequence[str],
    mark: str | None,
    status: Status | None,
    secrets: Sequence[str],
    seconds: float,
) -> Report:
    """Gather a report.

    Args:
        cluster: The cluster.
        namespaces: Where the stack is.
        mark: The stack's mark, or None where there is none.
        status: Its status, or None.
        secrets: Further secrets that must not be in it: this user's own credentials.
        seconds: For so long new things are begun with.
    """
    doing = _Gathering(sight=Sight(cluster, namespaces), namespaces=namespaces, deadline=time.monotonic() + seconds)
    objects = dict(_objects(doing, mark))
    redaction = Redaction()
    redaction.learn(secrets)
    everything = [item for items in objects.values() for item in items]
    redaction.public.update(names_in(everything), namespaces)
    for item in everything:
        if item.get("kind") == "Secret":
            redaction.learn_secret(item)
    raw: dict[str, str] = {}
    for name, items in objects.items():
        raw[name] = _as_yaml([redaction.object(_lean(item)) for item in items])
    raw |= dict(_events(objects))
    pods = [item for item in everything if item.get("kind") == "Pod"]
    for texts in doing.sight.side_by_side(partial(_of_pod, doing, pod) for pod in pods):
        raw |= texts
    raw["versions.json"] = json.dumps(versions(), indent=2)
    if status is not None:
        raw["status.json"] = json.dumps(status.as_dict(), indent=2)
    report = Report(redaction=redaction, missing={one.what: one.why for one in doing.sight.unseen})
    return finished(report, raw)


def finished(report: Report, raw: dict[str, str]) -> Report:
    """Take secrets out of the texts, and leave out what the guard still refuses."""
    for name, text in raw.items():
        # Objects have been gone through by their structure, and by their texts with it.
        plain = text if name.startswith("objects/") else report.redaction.text(text)
        report.files[name] = report.redaction.scrub(plain)
    for name, text in list(report.files.items()):
        try:
            report.redaction.check(text)
        except RuntimeError:
            del report.files[name]
            report.left_out.append(name)
    return report


def _objects(doing: _Gathering, mark: str | None) -> Iterator[tuple[str, list[Object]]]:
    kinds = [
        kind
        for kind in preferred(doing.until("kinds that the cluster serves", doing.sight.cluster.resources, []))
        if "list" in kind.verbs and kind.kind not in LEFT_OUT and not (kind.kind == "Event" and kind.group)
    ]
    asked: list[tuple[str, Callable[[], list[Object]]]] = []
    for kind in kinds:
        plural = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        if kind.namespaced:
            for namespace in doing.namespaces:
                asked.append((f"objects/{namespace}/{plural}.yaml", partial(_list, doing, kind, namespace, "")))
        elif kind.kind in CLUSTER_WIDE:
            asked.append((f"objects/cluster/{plural}.yaml", partial(_list, doing, kind, None, "")))
        elif mark is not None:
            asked.append((f"objects/cluster/{plural}.yaml", partial(_list, doing, kind, None, f"{STACK_LABEL}={mark}")))
    found = doing.sight.side_by_side(look for _, look in asked)
    for (name, _), items in zip(asked, found, strict=True):
        if items:
            yield name, items


def _list(doing: _Gathering, kind: Resource, namespace: str | None, selector: str) -> list[Object]:
    where = f"{kind.plural} in {namespace}" if namespace else kind.plural
    query = {"labelSelector": selector} if selector else None
    items: list[Object] = doing.until(
        where, partial(doing.sight.cluster.items, kind.path(namespace), query), list[Object]()
    )
    # A list leaves out what all of its items are.
    return [{"apiVersion": kind.group_version, "kind": kind.kind, **item} for item in items]


def _lean(item: Object) -> Object:
    """An object without what only makes it long: who wrote which field, and the schemas of definitions."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    lean = {**item, "metadata": metadata}
    if item.get("kind") == "CustomResourceDefinition":
        versions_of = [{**one, "schema": "left out"} for one in item["spec"].get("versions") or ()]
        lean["spec"] = {**item["spec"], "versions": versions_of}
    return lean


def _as_yaml(items: Sequence[Any]) -> str:
    # Never folded: a secret of several words would not be found over two lines, and cost the whole file.
    return yaml.safe_dump_all(items, sort_keys=False, allow_unicode=True, width=sys.maxsize)


def _events(objects: dict[str, list[Object]]) -> Iterator[tuple[str, str]]:
    """Events as people read them, beside the objects that they are."""
    for name, items in objects.items():
        if name.endswith("/events.yaml"):
            lines = sorted(
                f"{one.get('lastTimestamp') or one.get('eventTime') or ''} {one.get('type', '')} "
                f"{one.get('involvedObject', {}).get('kind', '')}/{one.get('involvedObject', {}).get('name', '')} "
                f"{one.get('reason', '')}: {one.get('message', '')}"
                for one in items
            )
            yield f"events/{name.split('/')[1]}.txt", "\n".join(lines) + "\n"


def _of_pod(doing: _Gathering, pod: Object) -> dict[str, str]:
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    spec, texts = pod["spec"], {}
    for container in [*spec.get("initContainers", ()), *spec["containers"], *spec.get("ephemeralContainers", ())]:
        for previous in (False, True):
            one = container["name"]
            lines = doing.until(
                f"logs in {namespace}",
                partial(
                    doing.sight.cluster.log, namespace, name, one, lines=LOG_LINES, size=LOG_BYTES, previous=previous
                ),
                [],
            )
            if lines:
                texts[f"logs/{namespace}/{name}/{one}{'.previous' if previous else ''}.log"] = "\n".join(lines) + "\n"
    if any(one["name"] == "envoy" for one in spec["containers"]):
        for file, path in ENVOY.items():
            text = _ask_envoy(doing, namespace, name, path)
            if text is None:
                # What does not answer once is not asked five times more.
                break
            texts[f"envoy/{namespace}/{name}/{file}"] = text
    return texts


def _ask_envoy(doing: _Gathering, namespace: str, pod: str, path: str) -> str | None:
    def ask() -> str:
        answer = doing.sight.cluster.http_from_pod(namespace, pod, ADMIN_PORT, path)
        if answer.status != 200:
            raise OperationError(f"it answers {answer.status}")
        return answer.body

    found: str | None = doing.until(f"the Envoy of {namespace}/{pod}", ask, None)
    return found

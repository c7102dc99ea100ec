"""Whether both charts, with a stack's own values, still bring what the stack stands on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from model import names
from model.chart import ChartObject
from model.versions import DaprRelease
from preflight.finding import Finding, breaks
from preflight.subject import Subject
from settings import PROJECT

WEBHOOKS: Final = "MutatingWebhookConfiguration"


def parts(subject: Subject) -> Iterator[Finding]:
    """Control planes with a part that has no pod, and an injector that would keep its own away."""
    if subject.dapr:
        yield from _workloads(subject.dapr, of_dapr(subject.settings.dapr), "Dapr", "daprValues")
        yield from _webhooks(subject.dapr)
    if subject.osm:
        yield from _workloads(subject.osm, names.OSM_DEPLOYMENTS, "OSM", "osmValues")


def of_dapr(release: DaprRelease) -> tuple[str, ...]:
    """The workloads that an app of the mesh can't do without."""
    return (*names.DAPR_WORKLOADS, *((names.SCHEDULER_SERVICE,) if release.scheduler else ()))


def _workloads(objects: tuple[ChartObject, ...], needed: tuple[str, ...], whose: str, key: str) -> Iterator[Finding]:
    counts = {item.name: item.pods for item in objects if item.is_awaited}
    mend = f"Let {PROJECT}:{key} leave it on, with a replicaCount of 1 or more."
    for name in needed:
        if name not in counts:
            yield breaks(f"{whose}'s chart makes no {name}", "Nothing of the mesh works without it", mend)
    for name, count in counts.items():
        if count is None:
            yield breaks(f"{whose}'s {name} would have a number of pods that is none", mend=mend)
        elif count < 1 and name in needed:
            yield breaks(f"{whose}'s {name} would have {count} pods", "Nothing of the mesh works without it", mend)


def _webhooks(objects: tuple[ChartObject, ...]) -> Iterator[Finding]:
    for item in objects:
        for webhook in item.body.get("webhooks") or () if item.kind == WEBHOOKS else ():
            if webhook.get("failurePolicy") == "Fail" and not webhook.get("namespaceSelector"):
                yield breaks(
                    f"{item.kind} {item.name} would let no pod in while nobody answers it",
                    "Dapr's own pods come first, and it is asked about every pod of the cluster",
                    f"Leave webhookFailurePolicy out of {PROJECT}:daprValues, or set "
                    "dapr_sidecar_injector.namespaceSelector so that only the apps' namespaces are meant.",
                )

"""What of a running stack can't be changed, or takes something along that is nobody's to lose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cluster.client import Object
from model.helm_values import SCHEDULER_STORAGE
from model.quantity import quantity
from preflight.finding import Finding, Level, breaks, warns
from preflight.others import in_namespace
from preflight.preconditions import STORAGE_CLASSES, claims_of
from preflight.subject import NAMESPACES, Subject
from settings import PROJECT

# By what a part of the stack is known, wherever it is.
SENTRY: Final = "dapr-sentry"
CONTROLLER: Final = "osm-controller"


def moves(subject: Subject) -> Iterator[Finding]:
    """Control planes that would move to another namespace. There can be one of each only, and it is everybody's."""
    where = subject.settings.namespaces
    parts = [("daprNamespace", SENTRY, where.dapr, "Dapr")]
    if subject.meshed:
        parts.append(("osmNamespace", CONTROLLER, where.osm, "OSM"))
    for key, anchor, wanted, what in parts:
        found = sorted(place for kind, place, name in subject.deployed if (kind, name) == ("Deployment", anchor))
        if found and wanted not in found:
            yield breaks(
                f"{PROJECT}:{key} is {wanted}, and this stack's {what} runs in {found[0]}",
                "A control plane can't move: what it has registered for the whole cluster leads to where it is, and "
                "its certificates and volumes stay behind",
                f"Run `pulumi config set {PROJECT}:{key} {found[0]}`. To have it elsewhere, run `pulumi destroy` then, "
                "and begin anew.",
            )


def namespaces(subject: Subject) -> Iterator[Finding]:
    """Namespaces of the stack's own that would go, with what others have in them; and others' pods among its own."""
    yield from _going(subject)
    for home in subject.homes:
        if home in subject.there:
            yield from _alike(subject, home)


def _alike(subject: Subject, namespace: str) -> Iterator[Finding]:
    """Pods of others that the selectors of an app's, or of Redis's, would take for theirs."""
    groups = {
        group.template["metadata"]["labels"]["app"]: group for group in subject.groups if group.namespace == namespace
    }
    for pod in subject.cluster.metadata(f"{NAMESPACES}/{namespace}/pods", {"labelSelector": "app"}):
        metadata = pod["metadata"]
        group = groups.get(metadata["labels"]["app"])
        if group is None or subject.owner.owns(metadata) or group.owns(pod):
            continue
        yield Finding(
            level=Level.WARNS if group.key in subject.deployed else Level.BREAKS,
            what=f"Pod {namespace}/{metadata['name']} has the label app={metadata['labels']['app']}, by which the "
            f"stack's Deployment and Service {group.name} know their own",
            why="Calls and connections would go to it as well, and without a maker it would become the Deployment's",
            mend="Give it another label, or take another namespace.",
        )


def _going(subject: Subject) -> Iterator[Finding]:
    own = {
        item["metadata"]["name"]: item
        for item in subject.cluster.metadata(NAMESPACES, {"labelSelector": _mark(subject)})
    }
    for name in sorted(own.keys() & subject.settings.existing_namespaces):
        yield breaks(
            f"{PROJECT}:existingNamespaces names {name}, which this stack has made itself",
            "Pulumi would delete it at the end of the update, with all that is in it",
            "Remove it there. To keep such a namespace for good, let a team make one, and move the apps to it.",
        )
    for name in sorted(own.keys() & set(subject.namespaces)):
        if own[name]["metadata"].get("deletionTimestamp"):
            # No refusal: a destroy that goes on where it was interrupted asks the same.
            yield warns(
                f"namespace {name} of this stack is still being deleted, as by a destroy that was interrupted",
                "The API server refuses everything new in it, so an `up` would fail half-way",
                "Wait until it is gone, then run `pulumi up --refresh`. If it stays: "
                f"`kubectl get namespace {name} -o yaml` says what holds it.",
            )
    if subject.settings.keep_shared:
        return
    for name in sorted(own.keys() - set(subject.used)):
        if strangers := sorted(in_namespace(subject.cluster, name, subject.owner)):
            yield breaks(
                f"namespace {name} goes with this update, and also holds {', '.join(strangers)}",
                "They are not of this stack, and would be deleted with it",
                "Move or delete them first.",
            )


def _mark(subject: Subject) -> str:
    ((name, value),) = subject.owner.labels.items()
    return f"{name}={value}"


def scheduler(subject: Subject) -> Iterator[Finding]:
    """The scheduler's claims, which outlive every change of its StatefulSet as they are."""
    settings = subject.settings
    claims = claims_of(subject)
    if not claims:
        return
    if not subject.needs_volumes:
        why = (
            f"Dapr {settings.dapr.version} has no scheduler"
            if not settings.dapr.scheduler
            else "the scheduler would keep its jobs in memory"
        )
        yield warns(
            f"{why}, and {len(claims)} volumes of this stack's scheduler hold jobs and reminders",
            "They stand still until the volumes are used again",
            "Where they matter, let them run out first, or keep a release and values that use the volumes.",
        )
        return
    yield from _sizes(subject, claims)
    yield from _classes(subject, claims)


def _sizes(subject: Subject, claims: list[Object]) -> Iterator[Finding]:
    wanted = _storage_size(subject.settings.dapr_values)
    namespace = subject.settings.namespaces.dapr
    small = [claim for claim in claims if (quantity(_size(claim)) or 0) < (quantity(wanted) or 0)]
    if not small:
        return
    classes = {item["metadata"]["name"]: item for item in subject.cluster.items(STORAGE_CLASSES)}
    may_grow = all((classes.get(_class(claim)) or {}).get("allowVolumeExpansion") for claim in small)
    back = f"Set dapr_scheduler.cluster.storageSize in {PROJECT}:daprValues back to {_size(small[0])}"
    shown = subject.of_dapr_values(wanted)
    patch = f'{{"spec":{{"resources":{{"requests":{{"storage":"{shown}"}}}}}}}}'
    grow = (
        ", or grow them yourself first: "
        + "; ".join(f"kubectl -n {namespace} patch pvc {one['metadata']['name']} -p '{patch}'" for one in small)
        if may_grow
        else "; their StorageClass can't grow them, so a new size means `pulumi destroy` and to begin anew"
    )
    yield breaks(
        f"the volumes of Dapr's scheduler are asked to have {shown}, and "
        f"{', '.join(one['metadata']['name'] for one in small)} have {_size(small[0])}",
        "Kubernetes makes a claim once; a StatefulSet that asks for more takes those that are there as they are",
        f"{back}{grow}.",
    )


def _classes(subject: Subject, claims: list[Object]) -> Iterator[Finding]:
    wanted = subject.storage.storage_class
    others = [claim for claim in claims if wanted and _class(claim) and _class(claim) != wanted]
    if others:
        yield breaks(
            f"the volumes of Dapr's scheduler are asked to be of StorageClass {subject.of_dapr_values(wanted)}, and "
            f"{', '.join(one['metadata']['name'] for one in others)} are of {_class(others[0])}",
            "Kubernetes makes a claim once, and volumes don't move",
            f"Set dapr_scheduler.cluster.storageClassName in {PROJECT}:daprValues back to {_class(others[0])}; another "
            "class means `pulumi destroy` and to begin anew.",
        )


def _storage_size(values: Mapping[str, Any]) -> str:
    scheduler_values: Any = values
    for key in ("dapr_scheduler", "cluster"):
        scheduler_values = scheduler_values.get(key) if isinstance(scheduler_values, Mapping) else None
    given = scheduler_values.get("storageSize") if isinstance(scheduler_values, Mapping) else None
    return str(given or SCHEDULER_STORAGE)


def _size(claim: Object) -> str:
    return str(
        ((claim.get("spec") or {}).get("resources") or {}).get("requests", {}).get("storage") or SCHEDULER_STORAGE
    )


def _class(claim: Object) -> str:
    return str((claim.get("spec") or {}).get("storageClassName") or "")

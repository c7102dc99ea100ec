"""What a control plane makes by itself, beside its chart's objects: noting what was there before, and taking it away.

``record-runtime`` runs before a control plane starts and notes which of those objects were there already.
``remove-runtime`` runs after it has gone and deletes the others: what this stack brought, and only that.
``withdraw-webhooks`` runs before it goes, so that the API server asks nobody who no longer answers; where somebody else
has removed it, a destroy begins with that.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from cluster.client import Cluster, Object
from cluster.diagnosis import conditions
from cluster.kinds import CRDS, PATHS, namespaced_path
from cluster.progress import say
from model.arguments import RuntimeObjects
from model.names import OSM_WEBHOOKS
from model.owner import Owner
from steps import definitions

# A pod has thirty seconds to end.
STOP_SECONDS: Final = 60
POLL_SECONDS: Final = 0.5
# Under this a record has the paths of what was in the control plane's namespace before it: a team's brings something.
THERE_BEFORE: Final = "thereBefore"


def in_namespace(cluster: Cluster, wanted: RuntimeObjects) -> Iterator[str]:
    """Paths of those that are in the control plane's namespace now."""
    for resource, names in wanted.namespaced.items():
        base = namespaced_path(resource, wanted.namespace)
        if any(name.endswith("*") for name in names):
            there = [item["metadata"]["name"] for item in cluster.items(base)]
            prefixes = tuple(name.removesuffix("*") for name in names)
            yield from (f"{base}/{name}" for name in there if name.startswith(prefixes))
        else:
            yield from (f"{base}/{name}" for name in names if cluster.get(f"{base}/{name}") is not None)


def record(cluster: Cluster, wanted: RuntimeObjects, owner: Owner, previous: str | None) -> str:
    """Which objects are someone else's: those that are there before the control plane is.

    Args:
        cluster: The cluster.
        wanted: The objects to look for.
        owner: The stack; what carries its mark is its own, from an interrupted run.
        previous: What this printed before, when it runs again. It stands for the objects it was about: those that
            have come since are ours. Only what was not looked for then, since it is another release's, is now.

    Returns:
        JSON: by kind, for each name whether it was there; and what was in the namespace.
    """
    known: dict[str, dict[str, bool]] = json.loads(previous) if previous else {}
    recorded = {
        kind: {
            name: known[kind][name]
            if name in known.get(kind, {})
            else _is_foreign(cluster, f"{PATHS[kind]}/{name}", owner)
            for name in names
        }
        for kind, names in {**wanted.cluster_wide, CRDS: wanted.definitions}.items()
    }
    if not previous:
        # A record of an earlier version has none of them, and they are ours by then.
        there = {path: True for path in in_namespace(cluster, wanted) if _is_foreign(cluster, path, owner)}
        recorded |= {THERE_BEFORE: there} if there else {}
    for kind, names in recorded.items():
        if foreign := [name for name, there in names.items() if there]:
            say(f"{kind} {', '.join(foreign)}: there before this stack, so they stay when it goes")
    # What an earlier release brought and this one lacks is still ours to remove.
    kinds = [*known, *(kind for kind in recorded if kind not in known)]
    return json.dumps({kind: {**known.get(kind, {}), **recorded.get(kind, {})} for kind in kinds})


def _is_foreign(cluster: Cluster, path: str, owner: Owner) -> bool:
    found = cluster.get(path)
    return found is not None and not owner.owns(found["metadata"])


def ours(recorded: str) -> dict[str, list[str]]:
    """Of what :func:`record` printed, the names that are this stack's, by kind."""
    known: dict[str, dict[str, bool]] = json.loads(recorded)
    return {kind: [name for name, foreign in names.items() if not foreign] for kind, names in known.items()}


def mark(cluster: Cluster, wanted: RuntimeObjects, owner: Owner, recorded: str) -> None:
    """Give what the control plane has made the stack's mark, so that an interrupted run knows it again."""
    paths = [f"{PATHS[kind]}/{name}" for kind, names in ours(recorded).items() for name in names]
    for path in [*paths, *_made_in_namespace(cluster, wanted, recorded)]:
        found = cluster.get(path)
        if found is not None and not owner.owns(found["metadata"]):
            cluster.request("PATCH", path, body={"metadata": {"labels": owner.labels}})


def _made_in_namespace(cluster: Cluster, wanted: RuntimeObjects, recorded: str) -> list[str]:
    """Paths of those in the control plane's namespace that were not there before it."""
    before = json.loads(recorded).get(THERE_BEFORE, {})
    return [path for path in in_namespace(cluster, wanted) if path not in before]


def remove(cluster: Cluster, wanted: RuntimeObjects, owner: Owner, recorded: str) -> None:
    """Delete the objects that this stack brought.

    Args:
        cluster: The cluster.
        wanted: The objects that may be there.
        owner: The stack.
        recorded: What :func:`record` printed.

    Raises:
        OperationError: Someone else's custom resources still use one of the definitions.
    """
    mine = ours(recorded)
    _stop(cluster, wanted.namespace, owner)
    # Webhooks first: without the control plane nobody answers them, and they would block what follows.
    for kind, names in mine.items():
        if kind != CRDS:
            _delete_all(cluster, [f"{PATHS[kind]}/{name}" for name in names])
    definitions.check_unused(cluster, mine.get(CRDS, []), own_namespace=wanted.namespace, owner=owner)
    _delete_all(cluster, _made_in_namespace(cluster, wanted, recorded))
    definitions.remove(cluster, mine.get(CRDS, []), own_namespace=wanted.namespace, owner=owner)


def _stop(cluster: Cluster, namespace: str, owner: Owner) -> None:
    """End workloads of this stack's that the state does not know of, after a run that was killed.

    They would make again what is deleted here.
    """
    selector = owner.query
    bases = [f"/apis/apps/v1/namespaces/{namespace}/{plural}" for plural in ("deployments", "statefulsets")]
    running = [
        f"{base}/{item['metadata']['name']}"
        for base in bases
        for item in cluster.items(base, selector)
        if not item["metadata"].get("deletionTimestamp")
    ]
    _delete_all(cluster, running)
    # A team's namespace has other pods too.
    beginnings = tuple(f"{path.rpartition('/')[2]}-" for path in running)
    deadline = time.monotonic() + STOP_SECONDS
    while running and any(
        pod.get("status", {}).get("phase") == "Running" and pod["metadata"]["name"].startswith(beginnings)
        for pod in cluster.pods(namespace)
    ):
        if time.monotonic() > deadline:
            say(f"pods of {namespace} are still there after {STOP_SECONDS} s; going on")
            return
        time.sleep(POLL_SECONDS)


def withdraw_webhooks(cluster: Cluster, webhooks: Mapping[str, Sequence[str]], owner: Owner) -> None:
    """Delete webhook configurations of this stack's; whoever answers them goes next."""
    for kind, names in webhooks.items():
        for name in names:
            path = f"{PATHS[kind]}/{name}"
            found = cluster.get(path)
            if found is not None and owner.owns(found["metadata"]):
                _delete_all(cluster, [path])


def withdraw_unanswered(cluster: Cluster, owner: Owner) -> None:
    """Delete webhook configurations of this stack's that nobody answers, as where somebody has removed OSM by hand.

    The API server would refuse whatever they are to be asked about, also the last change of an object that is being
    deleted, which would never go. Whoever makes them does so again when it starts.
    """
    for kind in OSM_WEBHOOKS:
        for found in cluster.items(PATHS[kind], owner.query):
            if owner.made(found["metadata"]) and any(_is_unanswered(cluster, hook) for hook in found["webhooks"]):
                say(f"nobody answers the webhooks of {found['metadata']['name']}, so that changes would be refused")
                _delete_all(cluster, [f"{PATHS[kind]}/{found['metadata']['name']}"])


def _is_unanswered(cluster: Cluster, webhook: Object) -> bool:
    service = webhook["clientConfig"].get("service")
    if webhook.get("failurePolicy", "Fail") != "Fail" or service is None:
        return False
    found = cluster.get(f"/api/v1/namespaces/{service['namespace']}/services/{service['name']}")
    selector = ((found or {}).get("spec") or {}).get("selector") or {}
    if not selector:
        return found is None
    pods = cluster.pods(service["namespace"], ",".join(f"{key}={value}" for key, value in selector.items()))
    return not any(conditions(pod, "Ready", "True") for pod in pods)


def _delete_all(cluster: Cluster, paths: Sequence[str]) -> None:
    for path in paths:
        if cluster.delete(path):
            say(f"deleted {'/'.join(path.split('/')[-2:])}")

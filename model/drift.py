"""What others have written into the stack's objects, as the API server notes it: who, when, and which fields.

With server-side apply a field has the managers that want it. Who overwrites one takes it away from the stack, and who
adds one has it alone; so whatever another manager has in an object of the stack's came from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from model.owner import OURS, was_there_before

# Those of Kubernetes' controllers and of both control planes, which fill in what is theirs.
CONTROLLERS: Final = re.compile(
    r"(kube-(controller-manager|scheduler|apiserver|proxy)|kubelet|cloud-controller-manager|horizontal-pod-autoscaler"
    r"|osm-(bootstrap|controller|injector)|(dapr-)?(operator|sentry|injector|placement|scheduler)|daprd"
    r"|volume-provisioner|pv-controller|endpoint.*-controller|clusterrole-aggregation-controller)(\.exe)?"
)
SHOWN_FIELDS: Final = 6
# `kubectl rollout restart` notes when: it changes nothing that the stack says, and no `up` takes it away.
RESTARTED: Final = "annotations.kubectl.kubernetes.io/restartedAt"


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What somebody else has written into an object of the stack's.

    Attributes:
        object: The object: ``Deployment dapr-test/nodeapp``.
        manager: Who, as the API server noted it: ``kubectl-edit``.
        at: When, or None where it was not noted.
        fields: What: ``spec.replicas``.
    """

    object: str
    manager: str
    at: str | None
    fields: tuple[str, ...]


def of_object(kind: str, metadata: Mapping[str, Any]) -> Iterator[Drift]:
    """What others have written into one object."""
    entries = metadata.get("managedFields") or ()
    ours = max((str(one.get("time", "")) for one in entries if OURS.fullmatch(one.get("manager", ""))), default="")
    where = f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else metadata["name"]
    for entry in entries:
        manager = str(entry.get("manager", ""))
        if OURS.fullmatch(manager) or CONTROLLERS.fullmatch(manager) or entry.get("subresource") == "status":
            continue
        if was_there_before(metadata) and str(entry.get("time", "")) <= ours:
            # What the stack took over had an owner before.
            continue
        written = paths(entry.get("fieldsV1") or {})
        fields = [field for field in written if not field.startswith("status") and not field.endswith(RESTARTED)]
        if fields:
            rest = len(fields) - SHOWN_FIELDS
            shown = fields if rest <= 0 else [*fields[:SHOWN_FIELDS], f"and {rest} more"]
            yield Drift(object=f"{kind} {where}", manager=manager, at=entry.get("time"), fields=tuple(shown))


def paths(fields: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The fields of an entry as people write them: ``spec.replicas``, ``spec.containers[name=app].image``."""
    found = []
    for key, inner in fields.items():
        kind, _, name = key.partition(":")
        if key == ".":
            continue
        if kind == "k":
            path = prefix + "[" + re.sub(r'[{}"]', "", name).replace(":", "=") + "]"
        elif kind == "v":
            path = prefix + "[" + name.strip('"') + "]"
        else:
            path = f"{prefix}.{name}" if prefix else name
        found += paths(inner, path) or [path]
    return found

"""What a team lays over its app's pods, and what of a pod the mesh depends on.

An overlay has the shape of a pod template (``metadata``, ``spec``) and is merged over the pod like Helm values over a
chart's: so any field of Kubernetes' is there to be set, without a key for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

# Lists whose entries are told apart by one of their fields; all others are values, replaced as a whole.
# Source: the patchMergeKey tags of k8s.io/api/core/v1.
MERGE_KEYS: Final[Mapping[str, str]] = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "env": "name",
    "volumeMounts": "mountPath",
}


def merged(pod: Mapping[str, Any], overlay: Mapping[str, Any]) -> dict[str, Any]:
    """A pod template with an overlay over it.

    Objects are merged deeply, and lists of :data:`MERGE_KEYS` entry by entry, new ones at their end. Of everything else
    the overlay's counts. Null removes what is there.
    """
    result = dict(pod)
    for key, value in overlay.items():
        mine = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            result[key] = merged(mine if isinstance(mine, Mapping) else {}, value)
        elif key in MERGE_KEYS and _are_objects(value):
            result[key] = _merged_lists(mine if _are_objects(mine) else [], value, MERGE_KEYS[key])
        else:
            result[key] = value
    return result


def _are_objects(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(entry, Mapping) for entry in value)


def _merged_lists(mine: Any, over: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
    result = [dict(entry) for entry in mine]
    for entry in over:
        name = entry.get(key)
        place = next((index for index, one in enumerate(result) if name is not None and one.get(key) == name), None)
        if place is None:
            result.append(merged({}, entry))
        else:
            result[place] = merged(result[place], entry)
    return result

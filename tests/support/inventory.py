"""Everything that is on a cluster, and the difference between two such inventories."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.client import ApiError, Cluster

IGNORES: Final = Path(__file__).with_name("inventory_ignores.yaml")

Key = tuple[str, str, str]
"""Kind with its API group, namespace ("" for none), name."""


@dataclass(frozen=True)
class Ignores:
    """What a cluster changes by itself: kinds, and fields of kinds."""

    kinds: frozenset[str]
    fields: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def load(cls) -> Ignores:
        """Read the one file that says so; each entry has a reason."""
        content = yaml.safe_load(IGNORES.read_text())
        for entry in (*content["kinds"], *content["fields"]):
            assert entry["reason"], f"{entry} has no reason"
        return cls(
            kinds=frozenset(entry["kind"] for entry in content["kinds"]),
            fields=tuple((entry["kind"], tuple(entry["path"])) for entry in content["fields"]),
        )


def take(cluster: Cluster) -> dict[Key, str]:
    """Every object of every kind that the API server lists, as normalised JSON."""
    ignores = Ignores.load()
    found: dict[Key, str] = {}
    for path, kind, plural in _resources(cluster):
        if kind in ignores.kinds:
            continue
        for item in cluster.items(f"{path}/{plural}"):
            metadata = item["metadata"]
            for where, field in ignores.fields:
                if where in ("*", kind):
                    _drop(item, field)
            key = (kind, metadata.get("namespace", ""), metadata["name"])
            found[key] = json.dumps(item, sort_keys=True, indent=1)
    return found


def difference(before: dict[Key, str], after: dict[Key, str]) -> list[str]:
    """What was added, removed or changed, a line each."""
    lines = [f"left over: {_shown(key)}" for key in sorted(after.keys() - before.keys())]
    lines += [f"missing: {_shown(key)}" for key in sorted(before.keys() - after.keys())]
    for key in sorted(before.keys() & after.keys()):
        if before[key] != after[key]:
            old, new = before[key].splitlines(), after[key].splitlines()
            changed = [f"- {line.strip()}" for line in old if line not in new]
            changed += [f"+ {line.strip()}" for line in new if line not in old]
            lines.append(f"changed: {_shown(key)}: {'; '.join(changed)}")
    return lines


def _shown(key: Key) -> str:
    kind, namespace, name = key
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def _drop(item: Any, field: tuple[str, ...]) -> None:
    for part in field[:-1]:
        item = item.get(part) if isinstance(item, dict) else None
    if isinstance(item, dict):
        item.pop(field[-1], None)


def _resources(cluster: Cluster) -> list[tuple[str, str, str]]:
    """Path, kind with group, and plural of everything that can be listed, in each group's preferred version."""
    groups = cluster.get("/apis")
    assert groups is not None
    paths = {"/api/v1": ""} | {
        f"/apis/{group['preferredVersion']['groupVersion']}": group["name"] for group in groups["groups"]
    }
    found = []
    for path, group in paths.items():
        try:
            listed = cluster.get(path)
        except ApiError as error:
            raise AssertionError(f"the API group at {path} does not answer: {error}") from error
        for resource in (listed or {"resources": []})["resources"]:
            if "list" in resource["verbs"] and "/" not in resource["name"]:
                kind = resource["kind"] + (f".{group}" if group else "")
                found.append((path, kind, resource["name"]))
    return found

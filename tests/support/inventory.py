"""Everything that is on a cluster, and the difference between two such inventories."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.kubectl import Kubectl

IGNORES: Final = Path(__file__).with_name("inventory_ignores.yaml")

Key = tuple[str, str, str]
"""Kind with its API group, namespace ("" for none), name."""

# What is on every cluster that runs: of the core group and of others, in namespaces and in none.
ALWAYS: Final[tuple[Key, ...]] = (
    ("Namespace", "", "kube-system"),
    ("Service", "default", "kubernetes"),
    ("ServiceAccount", "default", "default"),
    ("ClusterRole.rbac.authorization.k8s.io", "", "cluster-admin"),
    ("Role.rbac.authorization.k8s.io", "kube-system", "extension-apiserver-authentication-reader"),
)


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


def take(kubectl: Kubectl) -> dict[Key, str]:
    """Every object of every kind that the API server lists, as normalised JSON.

    Raises:
        AssertionError: What every cluster has is not among it, so nothing would be proved by a comparison.
    """
    ignores = Ignores.load()
    found: dict[Key, str] = {}
    for item in kubectl.everything():
        key = _key(item)
        if key[0] in ignores.kinds:
            continue
        for where, field in ignores.fields:
            if where in ("*", key[0]):
                _drop(item, field)
        found[key] = json.dumps(item, sort_keys=True, indent=1)
    absent = [_shown(key) for key in ALWAYS if key not in found]
    assert not absent, f"an inventory without {', '.join(absent)} is none"
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


def _key(item: dict[str, Any]) -> Key:
    group, _, version = item["apiVersion"].rpartition("/")
    assert version, f"{item['kind']} has no version"
    metadata = item["metadata"]
    return (f"{item['kind']}.{group}" if group else item["kind"], metadata.get("namespace", ""), metadata["name"])

"""Brings a stack of an earlier version of this program, which had Helm releases, over to this one.

Nothing is uninstalled in between. Every object that the old state speaks of, and every object of its Helm releases,
gets the stack's mark; Helm's records of the releases go; and the state is emptied, so that the next ``pulumi up`` takes
over what carries the mark. The old state is kept in a file. Run again, it goes on where it was interrupted.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml

from cluster.client import Cluster
from cluster.errors import ApiError, OperationError
from cluster.kinds import PATHS, path_of
from model.chart import CLUSTER_WIDE, HOOK
from model.owner import Owner

RELEASE: Final = "kubernetes:helm.sh/v3:Release"
COMMAND: Final = "command:local:Command"
# What Helm wrote to say that an object is its own.
HELM_ANNOTATIONS: Final = ("meta.helm.sh/release-name", "meta.helm.sh/release-namespace")
# Where a stack's config names its context.
CONTEXTS: Final = ("dapr-osm:kubeContext", "kubernetes:context")
HELM_LABEL: Final = "app.kubernetes.io/managed-by"

State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Release:
    """A Helm release in the old state.

    Attributes:
        namespace: Its namespace.
        name: Its name.
    """

    namespace: str
    name: str


def resources(state: State) -> list[Mapping[str, Any]]:
    """The resources of an exported state."""
    return list((state.get("deployment") or {}).get("resources") or [])


def releases(state: State) -> list[Release]:
    """The Helm releases of a state."""
    return [
        Release(namespace=str(found["outputs"]["namespace"]), name=str(found["outputs"]["name"]))
        for found in resources(state)
        if found["type"] == RELEASE and found.get("outputs")
    ]


def object_paths(state: State) -> Iterator[tuple[str, str]]:
    """Where the Kubernetes objects are that a state made itself, each with its UID."""
    for found in resources(state):
        outputs = found.get("outputs") or {}
        metadata = outputs.get("metadata")
        patch = str(found["type"]).endswith("Patch")
        if isinstance(metadata, Mapping) and "uid" in metadata and "kind" in outputs and not patch:
            where = metadata.get("namespace")
            path = path_of(str(outputs["apiVersion"]), str(outputs["kind"]), where, metadata["name"])
            yield path, str(metadata["uid"])


def runtime_paths(state: State) -> Iterator[str]:
    """Where the cluster-wide objects are that no release holds, and that were not there before the stack."""
    for found in resources(state):
        outputs = found.get("outputs") or {}
        if found["type"] != COMMAND or (found.get("inputs") or {}).get("create") != "record-cluster-wide":
            continue
        recorded: dict[str, dict[str, bool]] = json.loads(outputs["stdout"])
        for kind, names in recorded.items():
            yield from (f"{PATHS[kind]}/{name}" for name, foreign in names.items() if not foreign)


def without_resources(state: State) -> State:
    """The same stack, with nothing in it."""
    return {**state, "deployment": {**state["deployment"], "resources": [], "pending_operations": []}}


def manifest_paths(secret: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """Where the objects of a Helm release are, by the record that Helm keeps of it."""
    packed = base64.b64decode(base64.b64decode(secret["data"]["release"]))
    text = json.loads(gzip.decompress(packed))["manifest"]
    for item in yaml.safe_load_all(text):
        if item and HOOK not in (item["metadata"].get("annotations") or {}):
            where = None if item["kind"] in CLUSTER_WIDE else item["metadata"].get("namespace") or namespace
            yield path_of(item["apiVersion"], item["kind"], where, item["metadata"]["name"])


def records(cluster: Cluster, release: Release) -> list[Mapping[str, Any]]:
    """Helm's records of a release, oldest first."""
    found = cluster.items(
        f"/api/v1/namespaces/{release.namespace}/secrets", {"labelSelector": f"owner=helm,name={release.name}"}
    )
    return sorted(found, key=lambda item: int(item["metadata"]["labels"]["version"]))


def mark(cluster: Cluster, path: str, owner: Owner) -> bool:
    """Give an object the stack's mark, and take Helm's away; whether it is there."""
    metadata = {
        "labels": {**owner.labels, HELM_LABEL: None},
        "annotations": dict.fromkeys(HELM_ANNOTATIONS),
    }
    try:
        cluster.request("PATCH", path, body={"metadata": metadata})
    except ApiError as error:
        if error.status == 404:
            return False
        raise
    return True


def check_same(cluster: Cluster, objects: Mapping[str, str]) -> None:
    """Refuse a cluster that is not the state's: what has only the names of its objects is somebody else's.

    Args:
        cluster: The cluster.
        objects: The UIDs of the state's objects, by path.
    """
    for path, uid in objects.items():
        there = cluster.partial(path)
        if there is not None and there["metadata"].get("uid") != uid:
            raise OperationError(
                f"{path} is there, and not the one that the state of this stack knows: {cluster.server} is another "
                "cluster, or somebody has made it anew. Nothing was touched. Name the stack's context "
                "(python -m bring_over CONTEXT), or run `pulumi refresh` with the earlier version first."
            )


def bring_over(cluster: Cluster, state: State, owner: Owner) -> int:
    """Mark everything and remove Helm's records; how many objects there are.

    Raises:
        OperationError: The state has no Helm release of this program's, is another cluster's, or the cluster can't be
            changed.
    """
    found = releases(state)
    if not found:
        raise OperationError("this stack has no Helm release: there is nothing to bring over. Run `pulumi up`.")
    objects = dict(object_paths(state))
    check_same(cluster, objects)
    paths = [*objects, *runtime_paths(state)]
    for release in found:
        for record in records(cluster, release)[-1:]:
            paths += manifest_paths(record, release.namespace)
    there = [path for path in dict.fromkeys(paths) if mark(cluster, path, owner)]
    for release in found:
        for record in records(cluster, release):
            cluster.delete(f"/api/v1/namespaces/{release.namespace}/secrets/{record['metadata']['name']}")
    return len(there)


def _pulumi(*arguments: str, stdin: str | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own CLI
            ["pulumi", "--non-interactive", *arguments],  # noqa: S607 - found on PATH, as the user's
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        raise OperationError(
            "there is no `pulumi` on PATH, which has the stack's state. Install Pulumi's CLI"
        ) from None
    if done.returncode != 0:
        raise OperationError(f"pulumi {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _context() -> str | None:
    """The context that the environment names, or the stack's config."""
    config = json.loads(_pulumi("config", "--json") or "{}")
    said = [os.environ.get("OPERATION_CONTEXT"), *((config.get(key) or {}).get("value") for key in CONTEXTS)]
    return next(filter(None, said), None)


def _keep(backup: Path, text: str) -> None:
    """Write a file that only this user may read; without it nothing is begun."""
    try:
        backup.touch(mode=0o600)
        backup.write_text(text)
    except OSError as error:
        raise OperationError(
            f"the old state can't be kept in {backup.absolute()}: {error.strerror}. Nothing was touched. Run it from a "
            "folder that can be written to and has room."
        ) from error


def main(arguments: Sequence[str]) -> int:
    """Bring the selected stack over; its exit code."""
    try:
        context = arguments[0] if arguments else _context()
        text = _pulumi("stack", "export")
        state: State = json.loads(text)
        name = _pulumi("stack", "--show-name").strip().rpartition("/")[2]
        backup = Path(f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.state.json")
        _keep(backup, text)
        count = bring_over(Cluster.connect(context), state, Owner(stack=name))
        _pulumi("stack", "import", stdin=json.dumps(without_resources(state)))
    except OperationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} objects are marked as stack {name}'s. The old state is in {backup}.")
    print(f"Now run once: DAPR_OSM_TAKE_OVER={name} pulumi up")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Bringing a chart's CustomResourceDefinitions up to date, which Helm never does.

Helm installs the definitions in a chart's ``crds/`` folder once. An upgrade leaves them as they are, and a newer
control plane then misses kinds that it watches.
"""

from __future__ import annotations

import io
import json
import tarfile
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urljoin

import yaml

from operations.cluster import Cluster, Object
from operations.cluster_wide import CRDS, PATHS
from operations.errors import OperationError
from operations.progress import say

DOWNLOAD_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class ChartSource:
    """Where a chart is.

    Attributes:
        source: A repository's URL, or the path of a chart folder or archive.
        name: The chart's name in a repository.
        version: Its version.
    """

    source: str
    name: str
    version: str


def update(cluster: Cluster, chart: ChartSource, record: str, previous: str | None) -> str:
    """Bring the cluster's definitions to those of a chart, before its release is upgraded.

    Args:
        cluster: The cluster.
        chart: The chart that comes next.
        record: What ``record-cluster-wide`` printed; someone else's definitions are left alone.
        previous: What this printed last, if it ran before. Where it did not, and the cluster has none of them, the
            release is new, and Helm installs them.

    Returns:
        JSON: the version that the definitions are of. An older chart leaves the newer ones as they are, since objects
        may use what only those know.

    Raises:
        OperationError: The chart can't be read.
    """
    foreign: Mapping[str, bool] = json.loads(record).get(CRDS, {})
    if previous:
        at = str(json.loads(previous)["version"])
        if _number(chart.version) <= _number(at):
            return json.dumps({"version": at})
    elif not any(cluster.get(f"{PATHS[CRDS]}/{name}") for name, theirs in foreign.items() if not theirs):
        return json.dumps({"version": chart.version})
    for definition in definitions(chart):
        name = definition["metadata"]["name"]
        if foreign.get(name):
            say(f"{CRDS}/{name} is not of this stack: left as it is")
            continue
        _put(cluster, definition)
        say(f"{CRDS}/{name} is of {chart.version} now")
    return json.dumps({"version": chart.version})


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("."))


def _put(cluster: Cluster, definition: Object) -> None:
    path = PATHS[CRDS]
    name = definition["metadata"]["name"]
    there = cluster.get(f"{path}/{name}")
    if there is None:
        cluster.request("POST", path, body=definition)
        return
    # What Helm and the control plane have written into it stays: labels, and the way to the conversion webhook.
    changed = {**there, "spec": {**definition["spec"]}}
    changed.pop("status", None)
    if "conversion" in definition["spec"] and "conversion" in there["spec"]:
        changed["spec"]["conversion"] = there["spec"]["conversion"]
    cluster.request("PUT", f"{path}/{name}", body=changed)


def definitions(chart: ChartSource) -> list[Object]:
    """The CustomResourceDefinitions in a chart's ``crds/`` folder.

    Raises:
        OperationError: The chart can't be read.
    """
    try:
        found = [
            document
            for text in _files(chart)
            for document in yaml.safe_load_all(text)
            if document and document.get("kind") == "CustomResourceDefinition"
        ]
    except (
        OSError,
        URLError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        tarfile.TarError,
        yaml.YAMLError,
    ) as error:
        raise OperationError(
            f"the CustomResourceDefinitions of chart {chart.name} {chart.version} can't be read from {chart.source}: "
            f"{error or type(error).__name__}"
        ) from error
    if not found:
        raise OperationError(f"chart {chart.name} {chart.version} at {chart.source} has no crds/ folder")
    return found


def _files(chart: ChartSource) -> Iterable[bytes]:
    if chart.source.startswith("oci://"):
        raise ValueError("charts in an OCI registry are not read here; use a repository or a path for the upgrade")
    if chart.source.startswith(("https://", "http://")):
        return _archived(_download(_archive_url(chart)))
    path = Path(chart.source)
    if path.is_dir():
        return [file.read_bytes() for file in sorted((path / "crds").glob("*.yaml"))]
    return _archived(path.read_bytes())


def _archive_url(chart: ChartSource) -> str:
    repository = chart.source.rstrip("/") + "/"
    index: dict[str, Any] = yaml.safe_load(_download(urljoin(repository, "index.yaml")))
    for entry in index["entries"][chart.name]:
        if str(entry["version"]) == chart.version:
            return urljoin(repository, str(entry["urls"][0]))
    raise ValueError(f"there is no version {chart.version} of {chart.name}")


def _download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DOWNLOAD_SECONDS) as answer:  # noqa: S310 - the settings allow http(s) only
        content: bytes = answer.read()
    return content


def _archived(archive: bytes) -> list[bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        members = [member for member in opened.getmembers() if _is_definition(member.name)]
        files = [opened.extractfile(member) for member in sorted(members, key=lambda member: member.name)]
        return [file.read() for file in files if file is not None]


def _is_definition(name: str) -> bool:
    parts = name.split("/")
    return len(parts) == 3 and parts[1] == "crds" and name.endswith(".yaml")

"""Where charts come from."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import yaml

from settings import project
from settings.declaration import Refusal, Rule
from settings.names import Text
from settings.problem import Words

REPOSITORIES: Final = ("https://", "http://")
REGISTRY: Final = "oci://"
# Stands for the release's version.
VERSION: Final = "{version}"


def is_url(source: str) -> bool:
    """Whether a chart is fetched, rather than found in the project."""
    return source.startswith((*REPOSITORIES, REGISTRY))


def location(source: str) -> Iterator[Refusal]:
    """What keeps a text from saying where a chart is, wherever that turns out to be."""
    if not is_url(source):
        if re.match(r"[^/]*:/", source):
            # Like a URL it may hold a password.
            rule = "is a URL that begins with none of https://, http://, oci://"
            yield Refusal(rule=rule, mend="Write it so, in small letters.", show=False)
        elif Path(source).is_absolute():
            yield Refusal(rule="is an absolute path", mend="Write it relative to the project.")
        return
    # A password may be in it, so the value is not shown from here on.
    url = _split(source)
    if url is None or any(sign.isspace() for sign in source):
        yield Refusal(rule="is not a URL with a host", mend="Write it as https://host/path.", show=False)
    elif url.username is not None or url.password is not None:
        yield Refusal(
            rule="holds a user, and anybody may read it",
            mend=f"Set {project.PROJECT}:chartCredentials with --secret instead.",
            show=False,
        )
    elif source.startswith(REGISTRY) and ":" in source.removesuffix(VERSION).rpartition("/")[2] and url.path:
        yield Refusal(rule="ends in a tag", mend="Remove it: the release's version is added.")


def _split(source: str) -> Any:
    try:
        url = urlsplit(source)
        return url if url.hostname and (url.port is None or url.port) else None
    except ValueError:
        return None


def found(source: str, version: str, chart: str) -> Iterator[Refusal]:
    """What keeps a path from being this version of a chart.

    Args:
        source: The path, relative to the project.
        version: The version that is wanted.
        chart: The chart's name.
    """
    path = project.ROOT / source
    # Unlike Path's, this one takes names that no file may have.
    if not source or not os.path.exists(path):
        yield Refusal(
            rule="is neither a URL (https://, http://, oci://) nor an existing path",
            mend=Words("Paths are relative to the project; there is no {source}.", source=source or "empty path"),
        )
        return
    said = _said(path)
    if said is None:
        what = "a folder without a chart" if path.is_dir() else "a file that is no chart's archive"
        mend = "Point it at a folder with a Chart.yaml, or at what helm package makes of one."
        yield Refusal(rule=f"is {what}: no Chart.yaml that says a version", mend=mend)
    elif str(said["version"]) != version:
        yield Refusal(rule=f"holds version {said['version']}, not {version}", mend=f"Point it at a chart of {version}.")
    elif said.get("name", chart) != chart:
        yield Refusal(rule=f"holds the chart {said['name']}, not {chart}", mend=f"Point it at {chart}'s.")


def _said(path: Path) -> dict[str, Any] | None:
    """A chart's own Chart.yaml, where it is a folder or an archive with one that says a version."""
    try:
        content = yaml.safe_load((path / "Chart.yaml").read_text() if path.is_dir() else _archived(path))
    except Exception:
        # What is damaged fails in the words of whoever unpacks it.
        return None
    return content if isinstance(content, dict) and "version" in content else None


def _archived(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        # The chart's own lies in a single folder; charts that it depends on lie deeper.
        names = (name for name in archive.getnames() if name.count("/") <= 1 and name.endswith("Chart.yaml"))
        member = archive.extractfile(next(names, ""))
        return member.read() if member else b""


Location = Annotated[Text, Rule("chart-location", location, "a URL (https://, http://, oci://) or a path")]

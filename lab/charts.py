"""Helm charts as a release would publish them, and a repository that serves them on loopback for tests."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import re
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import yaml

from lab.errors import LabError
from lab.parts import ChartPart
from lab.parts import charts as chart_parts
from lab.paths import Paths

RECIPE = "1"
"""Counts changes of `release` that change what it makes."""

UNRELEASED = "0.0.0"
"""The version that Dapr's source tree gives its chart and subcharts; their release pipeline replaces it."""


def release(source: Path, target: Path, *, version: str, app_version: str) -> None:
    """Copy a chart's source to `target` and give it the versions that its release carries.

    Only what stands at the unreleased version is changed, so a chart that already names its version stays as it is.
    """
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    for chart in target.rglob("Chart.yaml"):
        text = chart.read_text()
        text = re.sub(rf"(version: )(['\"]?){re.escape(UNRELEASED)}\2", rf"\g<1>\g<2>{version}\g<2>", text)
        text = re.sub(rf"(appVersion: )(['\"]?){re.escape(UNRELEASED)}\2", rf"\g<1>\g<2>{app_version}\g<2>", text)
        chart.write_text(text)
    named = yaml.safe_load((target / "Chart.yaml").read_text())
    if (named["version"], named["appVersion"]) != (version, app_version):
        raise LabError(f"The chart in {source} is version {named['version']}, not {version}")


def name(part: ChartPart) -> str:
    """Return the name and version under which a checkout sees the chart: `dapr-1.12.0`."""
    return part.name.removeprefix("chart-")


def link(paths: Paths, chart_folders: dict[str, Path]) -> None:
    """Make `.lab/charts/NAME-VERSION` in the checkout lead to the built charts, and drop links to former ones."""
    paths.charts.mkdir(parents=True, exist_ok=True)
    for old in paths.charts.iterdir():
        if old.is_symlink() and old.name not in chart_folders:
            old.unlink()
    for label, folder in chart_folders.items():
        here = paths.charts / label
        if here.is_symlink() and here.readlink() == folder:
            continue
        if here.is_dir() and not here.is_symlink():
            # A copy, such as an archive of the checkout leaves behind; everything here is the lab's to replace.
            shutil.rmtree(here)
        here.unlink(missing_ok=True)
        here.symlink_to(folder)


def package(folder: Path) -> bytes:
    """Return a chart as Helm packages it: a .tgz with the chart's name as its only top folder, the same each time."""
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())["name"]
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = tarfile.TarInfo(f"{chart}/{path.relative_to(folder)}")
                member.size, member.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    archive.addfile(member, content)
    return gzip.compress(plain.getvalue(), mtime=0)


def write_repository(folders: list[Path], target: Path) -> None:
    """Write a Helm repository of the charts into `target`: their packages and the index that names them."""
    entries: dict[str, list[dict[str, object]]] = {}
    for folder in folders:
        chart = yaml.safe_load((folder / "Chart.yaml").read_text())
        file = f"{chart['name']}-{chart['version']}.tgz"
        data = package(folder)
        (target / file).write_bytes(data)
        entry = {**chart, "urls": [file], "digest": hashlib.sha256(data).hexdigest(), "created": "1970-01-01T00:00:00Z"}
        entries.setdefault(chart["name"], []).append(entry)
    index = {"apiVersion": "v1", "entries": entries, "generated": "1970-01-01T00:00:00Z"}
    (target / "index.yaml").write_text(yaml.safe_dump(index, sort_keys=True))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serve_repository(folders: list[Path], scratch: Path) -> Iterator[str]:
    """Serve the charts as a Helm repository on a free loopback port while the block runs; yield its address.

    It tries the way a user with internet takes (a chart's name and its repository's address) without internet.
    `scratch` is an empty folder for the packages.
    """
    write_repository(folders, scratch)
    handler = functools.partial(_Quiet, directory=str(scratch))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def exposed(paths: Paths) -> list[Path]:
    """Return the folders of the charts that the checkout sees; they are there once the lab was built.

    Of the releases on demand those that this checkout was given.
    """
    seen = ((part, paths.charts / name(part)) for part in chart_parts())
    return [folder for part, folder in seen if not part.on_demand or folder.exists()]

"""Charts as a release publishes them, and the repository that serves them."""

from __future__ import annotations

import hashlib
import io
import tarfile
import urllib.request
from pathlib import Path

import pytest
import yaml

from lab import charts
from lab.errors import LabError
from lab.paths import Paths


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a chart as it stands in a source tree: no version yet, and one subchart."""
    chart = tmp_path / "source"
    (chart / "charts" / "sub").mkdir(parents=True)
    (chart / "templates").mkdir()
    (chart / "Chart.yaml").write_text(
        "apiVersion: v1\nappVersion: '0.0.0'\nname: dapr\nversion: '0.0.0'\n"
        "dependencies:\n  - name: sub\n    version: '0.0.0'\n    repository: file://sub\n"
    )
    (chart / "charts" / "sub" / "Chart.yaml").write_text("apiVersion: v1\nname: sub\nversion: '0.0.0'\n")
    (chart / "templates" / "x.yaml").write_text("kind: ConfigMap\n")
    (chart / "templates" / "x.yaml").chmod(0o444)
    return chart


def released(source: Path) -> Path:
    """Return the chart's release."""
    target = source.parent / "released"
    charts.release(source, target, version="1.12.0", app_version="1.12.0")
    return target


def test_a_released_chart_carries_its_version_everywhere(source: Path) -> None:
    target = released(source)
    chart = yaml.safe_load((target / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == ("1.12.0", "1.12.0")
    assert chart["dependencies"][0]["version"] == "1.12.0"
    assert yaml.safe_load((target / "charts" / "sub" / "Chart.yaml").read_text())["version"] == "1.12.0"


def test_a_chart_of_another_version_is_refused(source: Path) -> None:
    (source / "Chart.yaml").write_text("apiVersion: v1\nappVersion: v9\nname: dapr\nversion: 9.0.0\n")
    with pytest.raises(LabError, match="version 9"):
        released(source)


def test_a_package_is_the_same_each_time_and_holds_the_chart_in_one_folder(source: Path) -> None:
    target = released(source)
    data = charts.package(target)
    assert charts.package(target) == data
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert set(archive.getnames()) == {"dapr/Chart.yaml", "dapr/charts/sub/Chart.yaml", "dapr/templates/x.yaml"}


def test_the_repository_serves_an_index_and_the_packages_it_names(source: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with charts.serve_repository([released(source)], scratch) as address:
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{address}/index.yaml") as answer:  # noqa: S310 - loopback
            index = yaml.safe_load(answer.read())
        (entry,) = index["entries"]["dapr"]
        with urllib.request.urlopen(f"{address}/{entry['urls'][0]}") as answer:  # noqa: S310 - loopback
            data = answer.read()
    assert entry["version"] == "1.12.0"
    assert hashlib.sha256(data).hexdigest() == entry["digest"]


def test_a_checkout_sees_exactly_the_built_charts(tmp_path: Path) -> None:
    paths = Paths(checkout=tmp_path, cache=tmp_path, data=tmp_path)
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    charts.link(paths, {"dapr-1.0.0": tmp_path / "old", "osm-1.0.0": tmp_path / "old"})
    charts.link(paths, {"osm-1.0.0": tmp_path / "new"})
    (link,) = paths.charts.iterdir()
    assert link.name == "osm-1.0.0"
    assert link.resolve() == tmp_path / "new"

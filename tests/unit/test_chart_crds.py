"""Bringing a chart's CustomResourceDefinitions up to date before an upgrade."""

from __future__ import annotations

import functools
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from operations.chart_crds import ChartSource, definitions, update
from operations.cluster import Object
from operations.errors import OperationError
from tests.unit.fake_cluster import CRDS, FakeCluster

RECORD = json.dumps({"customresourcedefinitions": {"old.dapr.io": False, "theirs.dapr.io": True}})
AT_1_12 = json.dumps({"version": "1.12.0"})


class Writing(FakeCluster):
    """A cluster that takes POST and PUT."""

    def request(self, method: str, path: str, query: Any = None, body: Any = None) -> str:
        if method == "POST":
            self.objects[f"{path}/{body['metadata']['name']}"] = body
        elif method == "PUT":
            self.objects[path] = body
        else:
            return super().request(method, path, query, body)
        self.requests.append((method, path))
        return "{}"


def definition(name: str, **spec: Any) -> Object:
    """A definition as a chart has it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {"group": "dapr.io", "new": True, **spec},
    }


@pytest.fixture
def chart(tmp_path: Path) -> ChartSource:
    """A chart folder of 1.18.1 with three definitions."""
    crds = tmp_path / "dapr" / "crds"
    crds.mkdir(parents=True)
    (crds / "a.yaml").write_text(yaml.safe_dump_all([definition("old.dapr.io"), definition("theirs.dapr.io")]))
    (crds / "b.yaml").write_text(yaml.safe_dump(definition("new.dapr.io")))
    return ChartSource(source=str(tmp_path / "dapr"), name="dapr", version="1.18.1")


@pytest.fixture
def cluster() -> Writing:
    """A cluster with two of them, one of someone else's."""
    fake = Writing()
    for name in ("old.dapr.io", "theirs.dapr.io"):
        fake.add(f"{CRDS}/{name}", metadata={"labels": {"helm": "yes"}, "resourceVersion": "7"}, spec={"new": False})
    return fake


def writes(cluster: Writing) -> list[tuple[str, str]]:
    """What was changed."""
    return [(method, path) for method, path in cluster.requests if method != "GET"]


def test_a_new_release_leaves_its_definitions_to_helm(chart: ChartSource) -> None:
    empty = Writing()
    assert json.loads(update(empty, chart, RECORD, None)) == {"version": "1.18.1"}
    assert writes(empty) == []


def test_definitions_of_a_stack_from_before_this_step_are_brought_up_to_date(
    cluster: Writing, chart: ChartSource
) -> None:
    update(cluster, chart, RECORD, None)
    assert ("PUT", f"{CRDS}/old.dapr.io") in writes(cluster)


def test_an_upgrade_changes_what_is_there_and_adds_what_is_missing(cluster: Writing, chart: ChartSource) -> None:
    assert json.loads(update(cluster, chart, RECORD, AT_1_12)) == {"version": "1.18.1"}
    assert sorted(writes(cluster)) == [("POST", CRDS), ("PUT", f"{CRDS}/old.dapr.io")]
    changed = cluster.objects[f"{CRDS}/old.dapr.io"]
    assert changed["spec"]["new"] is True
    assert changed["metadata"] == {"name": "old.dapr.io", "labels": {"helm": "yes"}, "resourceVersion": "7"}


def test_someone_elses_definition_is_left_as_it_is(cluster: Writing, chart: ChartSource) -> None:
    update(cluster, chart, RECORD, AT_1_12)
    assert cluster.objects[f"{CRDS}/theirs.dapr.io"]["spec"] == {"new": False}


def test_the_way_to_a_conversion_webhook_stays_as_the_control_plane_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "crds").mkdir()
    new = definition("old.dapr.io", conversion={"webhook": {"clientConfig": {"service": {"namespace": "replaceme"}}}})
    (tmp_path / "crds" / "a.yaml").write_text(yaml.safe_dump(new))
    fake = Writing()
    live = {"webhook": {"clientConfig": {"caBundle": "x", "service": {"namespace": "dapr-system"}}}}
    fake.add(f"{CRDS}/old.dapr.io", spec={"conversion": live})
    update(fake, ChartSource(source=str(tmp_path), name="dapr", version="1.18.1"), RECORD, AT_1_12)
    assert fake.objects[f"{CRDS}/old.dapr.io"]["spec"]["conversion"] == live


@pytest.mark.parametrize(("version", "at"), [("1.18.1", "1.18.1"), ("1.12.0", "1.18.1"), ("1.9.6", "1.12.0")])
def test_definitions_are_never_taken_back(chart: ChartSource, cluster: Writing, version: str, at: str) -> None:
    older = ChartSource(source=chart.source, name="dapr", version=version)
    assert json.loads(update(cluster, older, RECORD, json.dumps({"version": at}))) == {"version": at}
    assert writes(cluster) == []


def archive(chart: ChartSource) -> bytes:
    """The chart as Helm packages it, with a subchart whose definitions are not the chart's own."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w:gz") as opened:
        for file in sorted(Path(chart.source).rglob("*.yaml")):
            opened.add(file, f"dapr/crds/{file.name}")
            opened.add(file, f"dapr/charts/sub/crds/{file.name}")
    return plain.getvalue()


def test_an_archive_holds_the_same_definitions_as_its_folder(chart: ChartSource, tmp_path: Path) -> None:
    file = tmp_path / "dapr-1.18.1.tgz"
    file.write_bytes(archive(chart))
    packed = ChartSource(source=str(file), name="dapr", version="1.18.1")
    assert definitions(packed) == definitions(chart)
    assert len(definitions(packed)) == 3


@pytest.fixture
def repository(chart: ChartSource, tmp_path: Path) -> Iterator[str]:
    """A chart repository on loopback."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "dapr-1.18.1.tgz").write_bytes(archive(chart))
    index = {
        "entries": {"dapr": [{"version": "1.12.0", "urls": ["x"]}, {"version": "1.18.1", "urls": ["dapr-1.18.1.tgz"]}]}
    }
    (folder / "index.yaml").write_text(yaml.safe_dump(index))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_repository_gives_the_same_definitions(chart: ChartSource, repository: str) -> None:
    assert definitions(ChartSource(source=repository, name="dapr", version="1.18.1")) == definitions(chart)


def test_a_version_that_a_repository_lacks_is_named(repository: str) -> None:
    with pytest.raises(OperationError, match=r"dapr 1\.19\.0 can't be read from http.*no version 1\.19\.0"):
        definitions(ChartSource(source=repository, name="dapr", version="1.19.0"))


@pytest.mark.parametrize("source", ["oci://registry.example/dapr", "http://127.0.0.1:1", "no/such/folder"])
def test_a_chart_that_can_not_be_read_is_named(source: str) -> None:
    with pytest.raises(OperationError, match=f"dapr 1.18.1 .*{source}"):
        definitions(ChartSource(source=source, name="dapr", version="1.18.1"))

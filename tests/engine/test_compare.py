"""The real engine, provider and charts on a cluster that is not there: each environment, and two revisions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from environments import ORDER
from model.versions import DEFAULT_DAPR_VERSION, OSM_RELEASE
from review.changes import Op, changes
from review.compare import compared
from review.events import Preview
from review.report import review
from review.revisions import Engine, Revision
from settings import ROOT
from tests.support import rendering

# What no revision has.
UNCOMMITTED = (".git", ".venv", ".lab", ".review", ".*_cache", ".hypothesis", "__pycache__", "node_modules")


@pytest.fixture(scope="module")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("charts")
    rendering.chart("dapr", DEFAULT_DAPR_VERSION, folder)
    rendering.chart("osm", OSM_RELEASE.version, folder)
    return folder


@pytest.fixture(scope="module")
def nobodys(engine: dict[str, str]) -> Engine:
    """An engine that has the provider, and neither state nor cluster."""
    binaries = Path(engine["PATH"].split(os.pathsep)[0])
    provider = rendering.provider_binary()
    if not (binaries / provider.name).exists():
        (binaries / provider.name).symlink_to(provider)
    return Engine(environment=engine)


@pytest.fixture
def revision(charts: Path, tmp_path: Path) -> Revision:
    """The project as it is, with charts that need no network."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*UNCOMMITTED), symlinks=True)
    (folder / "charts.local").symlink_to(charts)
    for stack in ORDER:
        file = folder / f"Pulumi.{stack}.yaml"
        kept = [line for line in file.read_text().splitlines() if "Chart:" not in line]
        kept += [f"  dapr-osm:daprChart: charts.local/dapr-{DEFAULT_DAPR_VERSION}"]
        kept += [f"  dapr-osm:osmChart: charts.local/osm-{OSM_RELEASE.version}"]
        file.write_text("\n".join(kept) + "\n")
    return Revision(name="the project", folder=folder)


def objects(preview: Preview) -> set[str]:
    return {change.title for change in changes(preview) if not change.is_step}


@pytest.mark.parametrize("stack", ORDER)
def test_every_environment_is_previewed_without_a_cluster_or_a_secret(
    stack: str, nobodys: Engine, revision: Revision
) -> None:
    preview = nobodys.on_none(revision, stack)
    assert preview.errors == ()
    assert preview.finished
    assert preview.stack == stack
    assert {"Deployment dapr-system/dapr-operator", "TrafficTarget dapr-test/pythodapp-traffic-target"} <= objects(
        preview
    )
    assert all(change.op is Op.CREATE for change in changes(preview))


def test_two_revisions_differ_in_what_was_changed_and_in_nothing_else(
    nobodys: Engine, revision: Revision, tmp_path: Path
) -> None:
    changed = Revision(name="changed", folder=tmp_path / "changed")
    shutil.copytree(revision.folder, changed.folder, symlinks=True)
    file = changed.folder / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("stage: smi", "stage: locked"))
    program = changed.folder / "Pulumi.yaml"
    program.write_text(program.read_text().replace("library/redis:7.2", "library/redis:7.4"))
    base, head = nobodys.both(revision, changed, "dev", cluster=False)
    found = review(compared(base, head))
    titles = {change.title: change.op for change in found.changes if not change.is_step}
    assert titles["TrafficTarget dapr-test/pythodapp-traffic-target"] is Op.DELETE
    assert titles["HTTPRouteGroup dapr-test/nodeapp-service-routes"] is Op.DELETE
    assert titles["Deployment dapr-test/redis"] is Op.UPDATE
    assert not [title for title in titles if "dapr-system" in title or "osm-system" in title]
    assert compared(base, base).steps
    assert not changes(compared(base, base))


def test_a_revision_that_can_not_be_previewed_says_why(nobodys: Engine, revision: Revision) -> None:
    file = revision.folder / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("stage: smi", "stage: smy"))
    preview = nobodys.on_none(revision, "dev")
    assert not preview.finished
    assert any('"smy" is not one of dapr, permissive, locked, smi' in error for error in preview.errors)

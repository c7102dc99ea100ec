"""Dapr releases on demand: built, imported and linked for those who ask, in nobody's way otherwise."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection
from pathlib import Path

import pytest

from lab import api, build, charts, cluster, images, oci
from lab.cache import Cache, Entry
from lab.console import Progress
from lab.errors import LabError
from lab.gomod import required_version
from lab.oci import Blob
from lab.parts import GO, GoPart, dapr_versions, part, wanted
from lab.paths import Paths
from model.versions import DAPR_RELEASES, DEFAULT_DAPR_VERSION

ON_DEMAND = "1.16.0"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Return the paths of a checkout and a cache of the test's own."""
    return Paths(checkout=tmp_path / "checkout", cache=tmp_path / "cache", data=tmp_path / "data", run=tmp_path / "run")


def make_built(paths: Paths, dapr: Collection[str] = ()) -> dict[str, Entry]:
    """Put the wanted parts into the cache, without content, and return them."""
    cache = Cache(paths.cache)
    return {row.name: cache.build(row.name, build.key(row), lambda _folder: None) for row in wanted(dapr)}


def test_only_the_release_that_the_stack_installs_is_built_unasked() -> None:
    unasked = {row.version for row in wanted() if row.name.startswith("dapr-")}
    assert unasked == {DEFAULT_DAPR_VERSION}, "every other one costs everyone minutes"


def test_asking_for_a_release_adds_its_programs_and_its_chart_and_nothing_else() -> None:
    added = [row.name for row in wanted([ON_DEMAND]) if row not in wanted()]
    assert added == [f"dapr-{ON_DEMAND}", f"chart-dapr-{ON_DEMAND}"]


def test_asking_for_the_release_of_every_start_changes_nothing() -> None:
    assert wanted([DEFAULT_DAPR_VERSION]) == wanted()


def test_a_release_that_the_lab_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(LabError, match=re.escape("no Dapr 1.13.0, 2.0.0. It has 1.12.0, 1.16.0, ")):
        wanted(["1.13.0", ON_DEMAND, "2.0.0"])


def test_the_lab_has_every_release_that_the_program_knows() -> None:
    assert set(DAPR_RELEASES) <= set(dapr_versions())


@pytest.mark.parametrize("version", dapr_versions())
def test_a_releases_folder_pins_that_release_and_builds_the_programs_that_the_table_names(version: str) -> None:
    go_mod = GO / f"dapr-{version}" / "go.mod"
    assert required_version(go_mod, "github.com/dapr/dapr") == version
    (tools,) = re.findall(r"^tool \((.*?)^\)", go_mod.read_text(), re.MULTILINE | re.DOTALL)
    programs = [tool.rsplit("/", 1)[1] for tool in tools.split()]
    assert part(f"dapr-{version}").source == f"Go github.com/dapr/dapr/cmd/{{{','.join(programs)}}}"
    assert ("scheduler" in programs) == (version >= "1.14"), "Dapr has a scheduler since 1.14"


@pytest.mark.parametrize("version", dapr_versions())
def test_every_daprd_has_redis_and_the_resolvers_that_its_release_needs(version: str) -> None:
    row = part(f"dapr-{version}")
    assert isinstance(row, GoPart)
    (trimmed,) = row.trimmed
    ((folder, files),) = trimmed.keep
    assert folder == "cmd/daprd/components"
    assert {"state_redis.go", "secretstores_kubernetes.go", "nameresolution_kubernetes.go"} <= set(files)
    assert ("nameresolution_nameformat.go" in files) == (version >= "1.18"), "calls by DNS name come from it"


def test_a_plain_build_neither_builds_nor_needs_a_release_on_demand(paths: Paths) -> None:
    made = make_built(paths)
    assert set(build.build(paths)) == set(made)


def test_a_release_once_built_is_found_again_when_it_is_asked_for(paths: Paths) -> None:
    make_built(paths, [ON_DEMAND])
    assert f"dapr-{ON_DEMAND}" in build.build(paths, [ON_DEMAND])
    assert f"dapr-{ON_DEMAND}" not in build.build(paths)


def test_the_release_asked_for_is_all_that_is_built(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    make_built(paths)
    built: list[str] = []
    monkeypatch.setattr(build, "_make", lambda row, *_: built.append(row.name))
    build.build(paths, [ON_DEMAND])
    assert built == [f"dapr-{ON_DEMAND}", f"chart-dapr-{ON_DEMAND}"]


def test_a_release_on_demand_has_images_only_where_it_was_asked_for(paths: Paths) -> None:
    entries = make_built(paths, [ON_DEMAND])
    for name, entry in entries.items():
        (entry.folder / "bin").mkdir()
        (entry.folder / "bin" / ("daprd" if name.startswith("dapr-") else name)).touch()
    (entries["osm"].folder / "osm-crds").mkdir()
    plain = {name: entry for name, entry in entries.items() if not part(name).on_demand}

    def names(given: dict[str, Entry]) -> set[str]:
        return {recipe.name for recipe in images.recipes(given, paths.apps)}

    assert names(entries) - names(plain) == {f"lab.local/dapr/daprd:{ON_DEMAND}"}


def test_a_plain_start_keeps_the_chart_of_a_release_that_was_asked_for_once(paths: Paths) -> None:
    asked = make_built(paths, [ON_DEMAND])
    charts.link(paths, cluster.charts_to_link(paths, asked))
    (asked[f"chart-dapr-{ON_DEMAND}"].folder / "chart").mkdir()
    charts.link(paths, cluster.charts_to_link(paths, build.build(paths)))
    link = paths.charts / f"dapr-{ON_DEMAND}"
    assert link.readlink() == asked[f"chart-dapr-{ON_DEMAND}"].folder / "chart"
    assert link in charts.exposed(paths)


def test_a_chart_that_is_no_longer_built_leaves_no_link(paths: Paths) -> None:
    asked = make_built(paths, [ON_DEMAND])
    charts.link(paths, cluster.charts_to_link(paths, asked))
    (asked[f"chart-dapr-{ON_DEMAND}"].folder / "part.json").unlink()
    charts.link(paths, cluster.charts_to_link(paths, build.build(paths)))
    assert not (paths.charts / f"dapr-{ON_DEMAND}").is_symlink()


def test_a_checkout_that_did_not_ask_for_a_release_sees_no_chart_of_it(paths: Paths) -> None:
    make_built(paths, [ON_DEMAND])
    charts.link(paths, cluster.charts_to_link(paths, build.build(paths)))
    assert f"dapr-{ON_DEMAND}" not in {link.name for link in paths.charts.iterdir()}
    assert f"dapr-{ON_DEMAND}" not in {folder.name for folder in charts.exposed(paths)}


def test_tests_ask_the_lab_for_releases_as_people_do(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Collection[str]] = []
    monkeypatch.setattr(cluster, "start", lambda _paths, dapr: seen.append(dapr))
    api.start()
    api.start(dapr=(ON_DEMAND,))
    assert seen == [(), (ON_DEMAND,)]


CTR = """\
#!/bin/sh
echo "$*" >> {log}
case "$*" in
*"images list"*) printf 'REF TYPE DIGEST\\n%s application/x %s\\n' {name} {digest} ;;
*"images import"*) tar -t > {imported} ;;
*) exit 1 ;;
esac
"""


def test_a_running_cluster_gets_the_images_it_lacks_and_keeps_the_others(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = functools.partial(oci.assemble, config={"User": "1:1"})
    there = make("lab.local/there:1", [Blob.of(b"there")])
    asked = make("lab.local/dapr/daprd:1", [Blob.of(b"asked")])
    log, imported = tmp_path / "log", tmp_path / "imported"
    ctr = tmp_path / "bin" / "ctr"
    ctr.parent.mkdir()
    ctr.write_text(CTR.format(log=log, imported=imported, name=there.name, digest=there.manifest.digest))
    ctr.chmod(0o755)
    monkeypatch.setenv("PATH", str(ctr.parent), prepend=":")

    with Progress("Trying it") as progress:
        cluster.import_images(paths, [there, asked], progress)
    assert f"blobs/{asked.manifest.digest.replace(':', '/')}" in imported.read_text().split()
    assert f"blobs/{there.manifest.digest.replace(':', '/')}" not in imported.read_text().split()

    with Progress("Trying it") as progress:
        cluster.import_images(paths, [there], progress)
    words = [line.split("k8s.io ", 1)[1] for line in log.read_text().splitlines()]
    assert words == ["images list", "images import -", "images list"], "nothing is ever removed"

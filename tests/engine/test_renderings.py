"""What graph tests run on is what the real provider renders today: charts, provider and recordings belong together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.route import Route
from model.versions import DAPR_RELEASES, OSM_RELEASE
from tests.graph import charts
from tests.support import rendering
from tests.support.rendering import RECORDED, RELEASE_OF, Object, Renderer


@pytest.fixture(scope="module")
def renderer() -> Iterator[Renderer]:
    """The provider, on no cluster."""
    with rendering.renderer(rendering.provider_binary()) as started:
        yield started


@pytest.fixture(scope="module")
def recordings() -> dict[str, Object]:
    """Everything, rendered anew."""
    return dict(rendering.recordings(rendering.provider_binary()))


def test_the_recordings_are_what_the_provider_renders(recordings: dict[str, Object]) -> None:
    """Mend: ``python -m tests.support.rendering``."""
    assert {path.name for path in RECORDED.iterdir()} == set(recordings)
    for name, recorded in recordings.items():
        assert json.loads((RECORDED / name).read_text()) == recorded, f"{name} is of another chart or provider"


def test_a_release_of_every_way_is_recorded() -> None:
    assert set(RELEASE_OF) == {release.route for release in DAPR_RELEASES.values()} == set(Route)
    for route, version in RELEASE_OF.items():
        assert DAPR_RELEASES[version].route is route


@pytest.mark.parametrize("route", list(Route), ids=lambda route: route.value)
def test_rendering_twice_gives_the_same_so_that_no_preview_shows_a_change(
    route: Route, renderer: Renderer, tmp_path: Path
) -> None:
    version = RELEASE_OF[route]
    folder = rendering.chart("dapr", version, tmp_path)
    values = rendering.released(rendering.DAPR_BASE[route], version)
    one, two = (renderer.render(folder, name="dapr", namespace="dapr-system", values=values) for _ in range(2))
    assert one == two
    assert len(one) > 30


@pytest.mark.parametrize("route", list(Route), ids=lambda route: route.value)
def test_another_namespace_is_named_wherever_the_first_one_was(
    route: Route, renderer: Renderer, tmp_path: Path
) -> None:
    """The graph tests' charts move by it."""
    version = RELEASE_OF[route]
    folder = rendering.chart("dapr", version, tmp_path)
    values = rendering.released(rendering.DAPR_BASE[route], version)
    moved = renderer.render(folder, name="dapr", namespace="a-dapr", values=values)
    options = {"release_name": "dapr", "version": version, "namespace": "a-dapr", "values": values}
    assert sorted(rendering.condensed(moved, version), key=rendering.key_of) == sorted(
        rendering.condensed(charts.rendered(options), version), key=rendering.key_of
    )


def test_osm_too_moves_to_another_namespace(renderer: Renderer, tmp_path: Path) -> None:
    folder = rendering.chart("osm", OSM_RELEASE.version, tmp_path)
    options = {
        "release_name": "osm",
        "version": OSM_RELEASE.version,
        "namespace": "a-mesh",
        "values": rendering.OSM_BASE,
    }
    moved = renderer.render(folder, name="osm", namespace="a-mesh", values=rendering.OSM_BASE)
    assert sorted(rendering.condensed(moved, "1.2.4"), key=rendering.key_of) == sorted(
        rendering.condensed(charts.rendered(options), "1.2.4"), key=rendering.key_of
    )

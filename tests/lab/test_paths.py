"""Several labs on a machine: what is of each, what they share, and what one leaves to the others."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from lab import cluster
from lab.errors import LabError
from lab.paths import NUMBER_VARIABLE, Paths, default_paths


def numbered(number: str, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """The paths that a command takes for a lab."""
    monkeypatch.setenv(NUMBER_VARIABLE, number)
    return default_paths()


def test_a_second_lab_shares_the_build_cache_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAPR_OSM_LAB_DATA", raising=False)
    first, second = numbered("", monkeypatch), numbered("2", monkeypatch)
    assert first == numbered("1", monkeypatch), "without a number it is the first"
    assert first.cache == second.cache
    for own in ("data", "run", "lock", "port", "cgroup", "kubeconfig", "control", "containerd"):
        assert getattr(first, own) != getattr(second, own), own
    assert (first.port, second.port) == (16443, 16444)
    assert first.lock == Path("/run/dapr-osm-lab.lock")
    assert second.data == Path("/var/lib/dapr-osm-lab-2")


def test_a_second_lab_has_data_of_its_own_wherever_the_firsts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAPR_OSM_LAB_DATA", "/mnt/a b/lab")
    assert numbered("1", monkeypatch).data == Path("/mnt/a b/lab")
    assert numbered("2", monkeypatch).data == Path("/mnt/a b/lab-2")


@pytest.mark.parametrize("number", ["x", "0", "-1", "01", "100", "1.5", " "])
def test_a_number_that_no_lab_can_have_is_told(number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="DAPR_OSM_LAB_NUMBER is .*: set it to a number from 1 to 99"):
        numbered(number, monkeypatch)


def test_folders_that_another_lab_covers_stay_until_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered = tmp_path / "covered"
    monkeypatch.setattr("lab.node.COVERED", (str(covered),))
    run = tmp_path / "run" / "dapr-osm-lab"
    paths = Paths(checkout=tmp_path, cache=tmp_path, data=tmp_path, run=run)
    other = run.with_name("dapr-osm-lab-2.lock")
    run.parent.mkdir()
    cluster._make_folders(paths)
    assert json.loads((tmp_path / cluster.MADE).read_text()) == [str(covered)]
    with other.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        cluster._remove_folders(paths)
        assert covered.is_dir()
    cluster._remove_folders(paths)
    assert not covered.exists(), "its lock is not held any more"
    assert not (tmp_path / cluster.MADE).exists()

"""The lab's copy of the stack's configuration, and where `--config-file` goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import pulumi
from lab.errors import LabError
from lab.paths import Paths
from lab.stack_config import COMMITTED, PASSWORD, SALT, StackConfig, merge

SECRET = {"secure": "v1:encrypted"}
WORKING = Path("/data/Pulumi.lab.yaml")


class FakePulumi:
    """Stands in for Pulumi's CLI: notes what it was asked and writes what `stack init` and `config set` write."""

    def __init__(self, *, stacks: str = "[]") -> None:
        """Prepare."""
        self.calls: list[tuple[list[str], str | None]] = []
        self.stacks = stacks

    def __call__(self, arguments: list[str], folder: Path, stdin: str | None) -> str:
        """Do as Pulumi does."""
        self.calls.append((arguments, stdin))
        if arguments[:2] == ["config", "set"]:
            (folder / COMMITTED).write_text(yaml.safe_dump({SALT: "v1:first", "config": {PASSWORD: SECRET}}))
        return self.stacks if arguments[:2] == ["stack", "ls"] else ""


@pytest.fixture
def config(tmp_path: Path) -> StackConfig:
    """Return the configuration of a new lab."""
    (tmp_path / "data").mkdir()
    committed = tmp_path / COMMITTED
    committed.write_text("config:\n  dapr-osm:daprRegistry: lab.local/dapr\n")
    return StackConfig(committed=committed, data=tmp_path / "data")


def refreshed(config: StackConfig) -> tuple[dict[str, Any], list[str]]:
    """Refresh the copy; return its content and what was said."""
    said: list[str] = []
    return yaml.safe_load(config.refresh(said.append).read_text()), said


def test_the_copy_holds_the_committed_values_the_salt_and_the_encrypted_password(config: StackConfig) -> None:
    before = config.committed.read_bytes()
    config.create_stack(FakePulumi())
    content, said = refreshed(config)
    assert content[SALT] == "v1:first"
    assert content["config"] == {"dapr-osm:daprRegistry": "lab.local/dapr", PASSWORD: SECRET}
    assert config.committed.read_bytes() == before, "the committed file must never be dirtied"
    assert said == []


def test_the_password_is_random_and_never_an_argument(config: StackConfig, tmp_path: Path) -> None:
    first, second = FakePulumi(), FakePulumi()
    config.create_stack(first)
    (tmp_path / "other").mkdir()
    StackConfig(committed=config.committed, data=tmp_path / "other").create_stack(second)
    passwords = [stdin for fake in (first, second) for _, stdin in fake.calls if stdin is not None]
    assert len(set(passwords)) == 2
    assert min(map(len, passwords)) >= 32
    arguments = [argument for fake in (first, second) for given, _ in fake.calls for argument in given]
    assert not set(passwords) & set(arguments)


def test_a_stack_is_made_once(config: StackConfig) -> None:
    fake = FakePulumi()
    config.create_stack(fake)
    count = len(fake.calls)
    config.create_stack(fake)
    assert len(fake.calls) == count


def test_an_interrupted_first_try_is_begun_again_without_forcing_a_stack_away(config: StackConfig) -> None:
    fake = FakePulumi(stacks='[{"name": "lab"}]')
    config.create_stack(fake)
    (removal,) = [arguments for arguments, _ in fake.calls if arguments[:2] == ["stack", "rm"]]
    assert "--force" not in removal, "a stack with resources must survive"


def test_a_users_change_of_the_copy_stays_while_the_committed_file_does(config: StackConfig) -> None:
    config.create_stack(FakePulumi())
    content, _ = refreshed(config)
    content["config"]["dapr-osm:stage"] = "locked"
    config.working.write_text(yaml.safe_dump(content))
    again, said = refreshed(config)
    assert again["config"]["dapr-osm:stage"] == "locked"
    assert said == []


def test_a_changed_committed_file_starts_the_copy_again_and_says_so(config: StackConfig) -> None:
    config.create_stack(FakePulumi())
    content, _ = refreshed(config)
    content["config"] |= {"dapr-osm:stage": "locked", PASSWORD: {"secure": "v1:by the user"}}
    config.working.write_text(yaml.safe_dump(content))
    config.committed.write_text("config:\n  dapr-osm:daprRegistry: elsewhere\n")
    again, said = refreshed(config)
    assert again["config"] == {"dapr-osm:daprRegistry": "elsewhere", PASSWORD: {"secure": "v1:by the user"}}
    assert again[SALT] == "v1:first", "without its salt no secret could be read"
    assert len(said) == 1
    assert "keeping salt and password" in said[0]


def test_a_missing_stack_file_is_told(config: StackConfig) -> None:
    config.committed.unlink()
    with pytest.raises(LabError, match=COMMITTED):
        refreshed(config)


def test_merging_takes_nothing_but_salt_and_password_from_the_old_copy() -> None:
    old = {SALT: "s", "secretsprovider": "x", "config": {PASSWORD: SECRET, "dapr-osm:stage": "dapr"}}
    assert merge({"config": None}, old) == {SALT: "s", "config": {PASSWORD: SECRET}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["up", "--yes"], ["up", "--config-file", str(WORKING), "--yes"]),
        (["config", "set", "stage", "locked"], ["config", "--config-file", str(WORKING), "set", "stage", "locked"]),
        (["-v", "3", "preview"], ["-v", "3", "preview", "--config-file", str(WORKING)]),
        (["--color=never", "destroy"], ["--color=never", "destroy", "--config-file", str(WORKING)]),
        (["up", "--stack", "lab"], ["up", "--config-file", str(WORKING), "--stack", "lab"]),
        (["config", "set", "--", "-s", "x"], ["config", "--config-file", str(WORKING), "set", "--", "-s", "x"]),
        (["stack", "output"], ["stack", "output"]),
        (["up", "--config-file", "mine.yaml"], ["up", "--config-file", "mine.yaml"]),
        (["up", "--config-file=mine.yaml"], ["up", "--config-file=mine.yaml"]),
        (["preview", "-s", "other"], ["preview", "-s", "other"]),
        (["preview", "--stack=other"], ["preview", "--stack=other"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_the_copy_is_handed_to_the_sub_commands_that_take_it(given: list[str], expected: list[str]) -> None:
    assert pulumi.with_config_file(given, WORKING) == expected


def test_another_cluster_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths(checkout=tmp_path, cache=tmp_path, data=tmp_path)
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/.kube/config")
    with pytest.raises(LabError, match=r"serves only the lab.*README\.md"):
        pulumi.refuse_other_cluster(paths)
    monkeypatch.setenv("KUBECONFIG", str(paths.kubeconfig))
    pulumi.refuse_other_cluster(paths)
    monkeypatch.delenv("KUBECONFIG")
    pulumi.refuse_other_cluster(paths)


def test_pulumis_environment_leads_nowhere_but_to_the_lab(tmp_path: Path) -> None:
    paths = Paths(checkout=tmp_path / "checkout", cache=tmp_path, data=tmp_path / "data")
    environment = pulumi.environment(paths)
    assert environment["PATH"].split(":")[:2] == [str(paths.bin), str(tmp_path / "checkout" / ".venv" / "bin")]
    assert environment["KUBECONFIG"] == str(paths.kubeconfig)
    for name in ("PULUMI_HOME", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        assert Path(environment[name]).is_relative_to(paths.data), name
    assert environment["PULUMI_BACKEND_URL"] == f"file://{paths.data}/state"

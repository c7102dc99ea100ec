"""Pulumi's real engine without a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from lab import api
from tests.support.stack import Stack


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder needs Pulumi's engine."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables for a CLI of its own: no plugin, no state, no kubeconfig of anyone's."""
    binaries = tmp_path_factory.mktemp("bin")
    api.pulumi_binaries(binaries)
    return {
        "PATH": os.pathsep.join([str(binaries), str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PULUMI_HOME": str(tmp_path_factory.mktemp("home")),
        "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "HOME": str(tmp_path_factory.mktemp("home-without-kubeconfig")),
        "KUBECONFIG": "",
    }


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig with two contexts, for a cluster where nothing listens."""
    file = tmp_path / "kubeconfig"
    file.write_text(
        yaml.safe_dump(
            {
                "current-context": "staging",
                "contexts": [{"name": name, "context": {"cluster": "gone"}} for name in ("staging", "prod")],
                "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
            }
        )
    )
    return file


@pytest.fixture
def stack(engine: dict[str, str], kubeconfig: Path, tmp_path: Path) -> Stack:
    """A new stack with nothing but its password set."""
    state = tmp_path / "state"
    state.mkdir()
    environment = engine | {"PULUMI_BACKEND_URL": f"file://{state}", "KUBECONFIG": str(kubeconfig)}
    made = Stack(name="errors", folder=tmp_path / "stack", environment=environment, base={})
    made.init()
    return made

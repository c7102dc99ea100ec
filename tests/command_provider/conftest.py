"""Fixtures: where Pulumi and the plugin come from, and a fresh stack for each test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from lab import api

from .stack import Stack

# The version of the published SDK that the stand-in follows: the engine looks the plugin up by it.
PLUGIN_VERSION = "1.2.1"


@pytest.fixture(scope="session")
def pulumi_bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with Pulumi's binaries and the plugin, as the lab builds them."""
    directory = tmp_path_factory.mktemp("pulumi-bin")
    api.pulumi_binaries(directory)
    return directory


@pytest.fixture(scope="session")
def pulumi_environment(pulumi_bin: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return an environment for Pulumi in which the plugin is installed and nothing else is reachable or inherited."""
    python = Path(sys.executable).parent
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")} | {
        "PATH": f"{python}:{pulumi_bin}:{os.environ['PATH']}",
        "PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi-home")),
        "PULUMI_CONFIG_PASSPHRASE": "only for tests",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    plugin = pulumi_bin / "pulumi-resource-command"
    pulumi = shutil.which("pulumi", path=environment["PATH"])
    assert pulumi is not None, "pulumi_bin checked that it is there"
    subprocess.run(  # noqa: S603 - the command is this fixture's own
        [pulumi, "plugin", "install", "resource", "command", PLUGIN_VERSION, "--file", str(plugin)],
        env=environment,
        check=True,
        capture_output=True,
        timeout=60,
    )
    return environment


@pytest.fixture
def stack(tmp_path: Path, pulumi_environment: Mapping[str, str]) -> Stack:
    """Return a new, empty stack. It is not destroyed: nothing outside its temporary folder belongs to it."""
    return Stack.create(tmp_path, pulumi_environment)

"""Sixty apps: more than an environment variable would hold what is expected of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from settings import ROOT

from .program import run
from .recording import Graph
from .views import expected_by

NUMBER = 60
NAMES = [f"an-app-with-a-long-name-{number:02}" for number in range(NUMBER)]
APPS: dict[str, Any] = {
    name: {"namespace": f"team-{number}", "image": "mirror.example/app:1", "port": 8080}
    for number, name in enumerate(NAMES)
}
POLICIES: dict[str, Any] = {
    f"policy-{number:02}": {"destination": name, "sources": [NAMES[number - 1]]} for number, name in enumerate(NAMES)
}
# What Linux hands over to a process in one text (MAX_ARG_STRLEN: 32 pages), and what is far from it.
LONGEST_VARIABLE = 128 * 1024
SHORT = 1024


@pytest.fixture(scope="module")
def sixty() -> Graph:
    """A stack of sixty apps that may be called from a namespace of its own each; verified not at all."""
    return run(daprVersion="1.12.0", apps=APPS, policies=POLICIES, verify="off")


def test_nothing_that_grows_with_the_apps_is_in_an_environment(sixty: Graph) -> None:
    for command in sixty.of_type("command:local:Command"):
        for name, value in command.inputs["environment"].items():
            assert len(str(value)) < SHORT, f"{command.name}: {name}"


def test_what_is_expected_grows_with_the_apps_and_not_with_their_pairs() -> None:
    together = {name: {**fields, "namespace": "team"} for name, fields in APPS.items()}
    few = dict(list(together.items())[: NUMBER // 2])
    one, other = (
        run(daprVersion="1.12.0", apps=apps, policies={}, verify="off")["verification-run"].inputs["stdin"]
        for apps in (few, together)
    )
    assert len(other) < 2.2 * len(one)
    assert len(expected_by(run(daprVersion="1.12.0", apps=together, policies={}, verify="off")).calls) > NUMBER**2 / 2


def test_a_real_process_takes_the_arguments_as_the_graph_has_them(sixty: Graph, tmp_path: Path) -> None:
    context = {"cluster": "c", "user": "u"}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    command = sixty["verification-run"]
    done = subprocess.run(  # noqa: S603 - this project's own code
        [sys.executable, command.inputs["interpreter"][1], "verify"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "KUBECONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)},
        input=command.inputs["stdin"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"stage": "smi", "verified": "no: dapr-osm:verify is off"}

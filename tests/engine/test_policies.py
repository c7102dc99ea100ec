"""The policy pack under Pulumi's real engine: as an executable, which needs no language host.

The objects go to a folder instead of a cluster, so that an ``up`` is possible as well.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from policy import NAME
from policy.rules import RULES, Asks
from review.events import Preview, Violation, parse
from settings import ROOT
from tests.support import rendering

PACK: Final = ROOT / "policy" / "pack"
PROGRAM: Final = Path(__file__).with_name("policies_program.py")
TIMEOUT_SECONDS: Final = 120
POD: Final = {"containers": [{"name": "main", "image": "ghcr.io/dapr/x:1", "securityContext": {"runAsNonRoot": True}}]}

Objects = dict[str, dict[str, Any]]


def entry(token: str, kind: str, name: str, *, secret: tuple[str, ...] = (), **props: Any) -> dict[str, Any]:
    version = token.removeprefix("kubernetes:").removeprefix("core/").rpartition(":")[0]
    metadata = {"name": name, "namespace": "shop"}
    return {
        "token": token,
        "props": {"apiVersion": version, "kind": kind, "metadata": metadata, **props},
        "secret": secret,
    }


# One that keeps every rule.
KEPT: Final[Objects] = {
    "mesh": entry(
        "kubernetes:config.openservicemesh.io/v1alpha2:MeshConfig",
        "MeshConfig",
        "osm-mesh-config",
        spec={"traffic": {"enablePermissiveTrafficPolicyMode": False, "outboundPortExclusionList": [6379]}},
    ),
    "account": entry("kubernetes:core/v1:ServiceAccount", "ServiceAccount", "app"),
    "app": entry(
        "kubernetes:apps/v1:Deployment",
        "Deployment",
        "app",
        spec={
            "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}}, "spec": {**POD, "serviceAccountName": "app"}},
        },
    ),
    "password": entry(
        "kubernetes:core/v1:Secret", "Secret", "password", secret=("stringData",), stringData={"password": "hunter22"}
    ),
    "target": entry(
        "kubernetes:access.smi-spec.io/v1alpha3:TrafficTarget",
        "TrafficTarget",
        "target",
        spec={
            "destination": {"kind": "ServiceAccount", "name": "app", "namespace": "shop"},
            "sources": [{"kind": "ServiceAccount", "name": "app", "namespace": "shop"}],
        },
    ),
}
TITLES: Final = {
    "mesh": "MeshConfig shop/osm-mesh-config",
    "app": "Deployment shop/app",
    "target": "TrafficTarget shop/target",
    "dapr": "Configuration shop/daprsystem",
}


def broken(rule: str) -> tuple[str, Objects]:
    """The same, but for one thing that a rule forbids: that object's resource, and all of them."""
    objects = copy.deepcopy(KEPT)
    container = objects["app"]["props"]["spec"]["template"]["spec"]["containers"][0]
    traffic = objects["mesh"]["props"]["spec"]["traffic"]
    if rule == "images":
        container["image"] = "ghcr.io/dapr/x:latest"
        return "app", objects
    if rule == "privileged":
        container["securityContext"] = {"privileged": True, "runAsNonRoot": True}
        return "app", objects
    if rule == "exclusions":
        traffic["outboundPortExclusionList"] = [50002]
        return "mesh", objects
    if rule == "permissive":
        traffic["enablePermissiveTrafficPolicyMode"] = True
        return "mesh", objects
    if rule == "one-mtls":
        token, on = "kubernetes:dapr.io/v1alpha1:Configuration", {"mtls": {"enabled": True}}
        objects["dapr"] = entry(token, "Configuration", "daprsystem", spec=on)
        return "dapr", objects
    if rule == "wildcards":
        objects["target"]["props"]["spec"]["sources"][0]["namespace"] = "*"
        return "target", objects
    if rule == "secrets":
        container["env"] = [{"name": "DB_PASSWORD", "value": "hunter22"}]
        return "app", objects
    if rule == "accounts":
        objects["target"]["props"]["spec"]["sources"][0]["name"] = "stranger"
        return "target", objects
    raise ValueError(rule)


ASKED: Final = [rule.name for rule in RULES.values() if rule.asks is not Asks.PLAN and rule.name != "unused-exceptions"]


@dataclass(frozen=True, kw_only=True)
class Project:
    """A throw-away stack, with the pack."""

    folder: Path
    environment: Mapping[str, str]

    def declare(self, objects: Objects) -> None:
        """Make the program declare these objects."""
        (self.folder / "objects.json").write_text(json.dumps(objects))

    def config(self, **rules: Any) -> list[str]:
        """Flags for the pack, with this config."""
        file = self.folder / "policies.json"
        file.write_text(json.dumps(rules))
        return ["--policy-pack", str(PACK), "--policy-pack-config", str(file)]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Pulumi."""
        return subprocess.run(  # noqa: S603 - the project's own commands
            ["pulumi", "--non-interactive", "--color", "never", *arguments],  # noqa: S607 - found through PATH
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    def preview(self, *flags: str) -> tuple[int, Preview]:
        """A preview's exit code, and its events as the review reads them."""
        done = self.run("preview", "--json", *flags)
        return done.returncode, parse(done.stdout.splitlines(), name=done.stderr)


@pytest.fixture(scope="module")
def kubernetes(engine: dict[str, str]) -> dict[str, str]:
    """The engine with the Kubernetes plugin, and without anything of whoever runs this."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")} | engine
    environment["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
    install = ["pulumi", "plugin", "install", "resource", "kubernetes", "4.25.0", "--file"]
    subprocess.run([*install, str(rendering.provider_binary())], env=environment, check=True, capture_output=True)  # noqa: S603 - the fixture's own
    return environment


@pytest.fixture(scope="module")
def pack_environment() -> None:
    """The pack's own packages, as `make policy` installs them."""
    subprocess.run(["make", "policy/.venv/.ready"], cwd=ROOT, check=True, capture_output=True)  # noqa: S607 - the project's own


@pytest.fixture
def project(kubernetes: dict[str, str], pack_environment: None, tmp_path: Path) -> Iterator[Project]:
    """A stack with nothing in it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: policies\nruntime: python\n")
    shutil.copyfile(PROGRAM, tmp_path / "__main__.py")
    made = Project(folder=tmp_path, environment={**kubernetes, "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}"})
    assert made.run("stack", "init", "test").returncode == 0
    made.declare(KEPT)
    yield made


def told(preview: Preview) -> list[Violation]:
    return list(preview.violations)


def test_a_stack_that_keeps_every_rule_passes(project: Project) -> None:
    code, preview = project.preview(*project.config(all="mandatory"))
    assert (code, told(preview)) == (0, [])
    assert preview.packs == {NAME}, "it was asked"


@pytest.mark.parametrize("rule", ASKED)
def test_a_violation_stops_a_preview_and_names_its_object(project: Project, rule: str) -> None:
    name, objects = broken(rule)
    project.declare(objects)
    code, preview = project.preview(*project.config(all="mandatory"))
    mine = [violation for violation in told(preview) if violation.policy == rule]
    assert code == 1
    assert len(mine) == 1, told(preview)
    assert mine[0].stops
    assert mine[0].message.startswith(f"{TITLES[name]}: ")
    assert mine[0].urn.endswith(f"::{name}")
    assert "hunter22" not in repr(preview)


def test_a_secrets_data_is_marked_by_the_provider_where_the_program_forgot(project: Project) -> None:
    """So nothing of it is in the clear, and the rule has nothing to find."""
    objects = copy.deepcopy(KEPT)
    objects["password"]["secret"] = ()
    project.declare(objects)
    code, preview = project.preview(*project.config(all="mandatory"))
    assert (code, told(preview)) == (0, [])
    assert "hunter22" not in repr(preview.steps)


def test_a_state_is_held_against_the_policies_without_program_and_cluster(project: Project) -> None:
    """What a provider wrote into it before it marked Secrets is found."""
    assert project.run("up", "--yes", "--skip-preview").returncode == 0
    flags = project.config(all="mandatory")
    done = project.run("policy", "analyze", "--stack", "test", *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    state = json.loads(project.run("stack", "export", "--show-secrets").stdout)
    (secret,) = (one for one in state["deployment"]["resources"] if one["urn"].endswith("::password"))
    secret["inputs"]["stringData"] = {"password": "hunter22"}
    (project.folder / "state.json").write_text(json.dumps(state))
    done = project.run("policy", "analyze", "--file", "state.json", *flags)
    assert done.returncode != 0
    assert "Secret shop/password: password of its stringData is no secret to Pulumi" in done.stdout + done.stderr
    assert "hunter22" not in done.stdout + done.stderr


def test_an_advisory_violation_stops_nothing(project: Project) -> None:
    project.declare(broken("permissive")[1])
    code, preview = project.preview(*project.config(all="advisory"))
    assert code == 0
    assert [(violation.policy, violation.mandatory) for violation in told(preview)] == [("permissive", False)]


def test_an_exception_with_a_reason_lets_its_object_pass_and_no_other(project: Project) -> None:
    project.declare(broken("permissive")[1])
    for named, passes in ((TITLES["mesh"], True), ("MeshConfig shop/another", False)):
        exceptions = [{"object": named, "reason": "the move to the mesh is on", "until": "2999-12-31"}]
        code, preview = project.preview(*project.config(all="mandatory", permissive={"exceptions": exceptions}))
        assert code == (0 if passes else 1)
        assert [one.policy for one in told(preview)] == ([] if passes else ["permissive", "unused-exceptions"])


def test_an_exception_without_a_reason_is_an_error_before_anything_is_asked(project: Project) -> None:
    done = project.run("preview", *project.config(images={"exceptions": [{"object": TITLES["app"]}]}))
    assert done.returncode != 0
    assert "reason is required" in done.stdout + done.stderr


def test_what_a_preview_does_not_know_yet_is_said_and_asked_by_up(project: Project) -> None:
    objects = copy.deepcopy(KEPT)
    objects["app"]["unknown"] = True
    project.declare(objects)
    code, preview = project.preview(*project.config(all="mandatory"))
    assert code == 0
    assert {violation.policy for violation in told(preview)} >= {"images", "privileged", "exclusions"}
    assert {violation.asked for violation in told(preview)} == {False}
    assert project.run("up", "--yes", "--skip-preview", *project.config(all="mandatory")).returncode == 0


def test_up_stops_before_the_object_is_made(project: Project) -> None:
    project.declare(broken("privileged")[1])
    done = project.run("up", "--yes", "--skip-preview", *project.config(all="mandatory"))
    assert done.returncode != 0
    assert "container main is privileged" in done.stdout
    rendered = [path.name for path in (project.folder / "rendered").rglob("*.yaml")]
    assert not any("deployment" in name for name in rendered)


def test_up_passes_where_every_rule_is_kept(project: Project) -> None:
    done = project.run("up", "--yes", *project.config(all="mandatory"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert any("deployment" in path.name for path in (project.folder / "rendered").rglob("*.yaml"))


def test_the_pack_ends_with_its_engine(project: Project) -> None:
    """Also where the engine was killed and could end nobody."""
    parent = subprocess.Popen(  # noqa: S603 - the project's own
        ["/bin/sh", "-c", f'"{PACK}" 127.0.0.1:1 & echo $!; wait'],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert parent.stdout.readline().strip().isdigit(), "it serves, and says where"
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    parent.stdout.close()
    assert not Path(f"/proc/{child}").exists()

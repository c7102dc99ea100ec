"""The walkthrough on a real cluster, forwards and back: every stage, every move, and what is left behind."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from bugreport.gather import gather
from cluster.client import Cluster
from lab import api
from settings import VERSION
from status.look import look
from tests.e2e.judge import DEFAULT, PROMISES, judge
from tests.e2e.moves import expected, folded
from tests.support import inventory, lab
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack, Step

STAGES = tuple(PROMISES)
# How long a cluster may take to tidy up after itself: endpoints, and objects that go with their namespace.
SETTLE_SECONDS = 30


@dataclass
class Walk:
    """The one stack that walks, and where it is. A step that failed ends it: what follows would prove nothing."""

    stack: Stack
    before: dict[inventory.Key, str]
    at: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    broken: bool = False

    def to(self, stage: str) -> None:
        """Move to a stage with one ``up``."""
        assert not self.broken, "an earlier step of the walk failed"
        self.broken = True
        self.stack.configure(stage=stage)
        start = time.monotonic()
        self.stack.up()
        self.seconds[f"{self.at} -> {stage}"] = time.monotonic() - start
        self.at, self.broken = stage, False


@pytest.fixture(scope="module")
def walk(empty_cluster: None, stack_folder: Path) -> Iterator[Walk]:
    """The stack ``walk``, on a cluster without any Dapr or OSM."""
    stack = lab.stack("walk", stack_folder)
    walking = Walk(stack=stack, before=inventory.take(lab.kubectl()))
    yield walking
    if stack.resources():
        stack.destroy()
    for move, seconds in walking.seconds.items():
        print(f"up {move}: {seconds:.0f} s")


def assert_nothing_left(before: dict[inventory.Key, str]) -> None:
    """The cluster is as it was, once it has tidied up after itself."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while left := inventory.difference(before, inventory.take(lab.kubectl())):
        if time.monotonic() > deadline:
            raise AssertionError("\n".join(left))
        time.sleep(1)


@pytest.mark.parametrize("stage", STAGES)
def test_forwards_one_up_reaches_the_next_stage_and_every_move_from_it_previews_just_its_steps(
    walk: Walk, kubectl: Kubectl, stage: str
) -> None:
    walk.to(stage)
    judge(kubectl, stage)
    others = [other for other in STAGES if other != stage]
    with ThreadPoolExecutor() as side_by_side:
        found = dict(zip(others, side_by_side.map(partial(previewed, walk.stack), others), strict=True))
    assert found == {other: expected(stage, other) for other in others}


def previewed(stack: Stack, stage: str) -> set[Step]:
    """The steps of a move to a stage."""
    with stack.apart(stage=stage) as there:
        return folded(there.preview())


@pytest.mark.parametrize("stage", ["locked", "permissive", "dapr"])
def test_backwards_one_up_reaches_the_stage_before(walk: Walk, kubectl: Kubectl, stage: str) -> None:
    walk.to(stage)
    judge(kubectl, stage)


def test_up_reaches_the_last_stage_in_one_go(walk: Walk, kubectl: Kubectl) -> None:
    walk.to("smi")
    judge(kubectl, "smi")


def test_an_unchanged_stack_previews_no_change(walk: Walk) -> None:
    walk.stack.run("preview", "--expect-no-changes")


def test_a_second_up_changes_nothing(walk: Walk) -> None:
    walk.stack.run("up", "--yes", "--skip-preview", "--expect-no-changes")


def test_a_refresh_finds_nothing_changed(walk: Walk) -> None:
    walk.stack.run("refresh", "--yes", "--skip-preview", "--expect-no-changes")


def test_the_outputs_tell_an_operator_what_is_there(walk: Walk) -> None:
    outputs = walk.stack.outputs()
    assert outputs["stage"] == "smi"
    assert outputs["versions"] == {"program": VERSION, "dapr": DEFAULT, "osm": "1.2.4"}
    assert outputs["namespaces"] == {"dapr": "dapr-system", "osm": "osm-system", "apps": ["dapr-test"]}
    assert [row["port"] for row in outputs["exclusions"]["meshPorts"]] == [50005, 8201, 6379, 50006]
    assert {row["port"] for row in outputs["exclusions"]["podPorts"]} == {80, 443}
    assert all(row["reason"] for rows in outputs["exclusions"].values() for row in rows)
    assert outputs["verification"]["orders"]["persisted"] >= 3
    assert outputs["verification"]["verified"]
    assert outputs["watchOrders"] == "kubectl logs -n dapr-test deploy/nodeapp -c node -f"


def test_the_password_is_nowhere_in_the_clear(walk: Walk, kubectl: Kubectl) -> None:
    password = walk.stack.password
    assert password not in str(walk.stack.state())
    assert password not in walk.stack.file.read_text()
    for kind in ("pods", "deployments", "components.dapr.io", "configmaps"):
        assert password not in kubectl.run("get", kind, "-A", "-o", "json"), f"in a {kind}"
    arguments = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(password.encode() in line for line in arguments), "in a process's arguments"


def test_the_kubeconfig_is_nowhere_in_the_state_and_its_context_only_where_the_setting_goes(walk: Walk) -> None:
    for resource in walk.stack.resources():
        held = json.dumps([resource.get(part) for part in ("id", "inputs", "outputs")])
        assert str(lab.kubectl().kubeconfig) not in held, resource["urn"]
        named = resource["type"] in ("pulumi:providers:kubernetes", "command:local:Command")
        assert named or "dapr-osm-lab" not in held, f"the context's name in {resource['urn']}"


def test_no_key_of_daprs_or_of_the_meshs_authority_is_in_the_state_in_the_clear(walk: Walk, kubectl: Kubectl) -> None:
    state = json.dumps(walk.stack.state())
    for namespace, name in (("dapr-system", "dapr-trust-bundle"), ("osm-system", "osm-ca-bundle")):
        data = kubectl.get("secret", name, "-n", namespace)["data"]
        assert data, name
        for key, value in data.items():
            if "crt" not in key and "expiration" not in key:
                assert value not in state, f"{name}: {key}"


def test_a_status_from_the_cluster_alone_says_what_the_stack_is_and_that_all_is_well(walk: Walk) -> None:
    status = look(lab.cluster(), stack="walk")
    assert status.problems == ()
    assert status.unseen == ()
    assert (status.stage, status.versions.dapr, status.versions.osm) == ("smi", DEFAULT, "1.2.4")
    assert status.mesh is not None
    assert status.mesh.ports == status.mesh.declared_ports == (6379, 8201, 50005, 50006)
    assert {pod.app: pod.sidecars for pod in status.pods if pod.app} == dict.fromkeys(
        ("nodeapp", "pythonapp"), ("daprd", "envoy")
    )
    assert status.orders is not None
    assert status.orders.persisted > 0
    assert {one.name for one in status.certificates} >= {
        "the mesh's authority ca.crt",
        "Dapr's ca.crt",
        "sidecar nodeapp.dapr-test.cluster.local",
    }
    assert not status.drift


def test_a_viewers_status_says_what_he_may_not_see_and_takes_nothing_of_it_for_a_problem(
    walk: Walk, kubectl: Kubectl
) -> None:
    cluster = Cluster.connect(kubeconfig=api.user_kubeconfig("dapr-osm-viewer"))
    kubectl.run("create", "clusterrolebinding", "dapr-osm-viewer", "--clusterrole=view", "--user=dapr-osm-viewer")
    try:
        status = look(cluster, stack="walk")
    finally:
        kubectl.run("delete", "clusterrolebinding", "dapr-osm-viewer")
    assert (status.stage, status.problems) == (None, ())
    assert {"the MeshConfig", "certificates of sidecars"} <= {one.what for one in status.unseen}
    assert [one.ready for one in status.workloads if one.part == "app"] == [1, 1]


def test_a_bug_report_has_both_envoys_and_no_secret_of_the_cluster(walk: Walk, kubectl: Kubectl) -> None:
    namespaces = ["dapr-system", "osm-system", "dapr-test"]
    report = gather(
        lab.cluster(), namespaces=namespaces, mark="walk", status=None, secrets=[walk.stack.password], seconds=60
    )
    assert report.missing == {}
    assert report.left_out == []
    envoys = {name.split("/")[2].split("-")[0] for name in report.files if name.endswith("config_dump.json")}
    assert envoys == {"nodeapp", "pythonapp"}
    text = "\n".join(report.files.values())
    secrets = [item for namespace in namespaces for item in kubectl.items("secrets", "-n", namespace)]
    assert len(secrets) >= 5
    for secret in secrets:
        for key, value in (secret.get("data") or {}).items():
            if "key" in key or "password" in key:
                plain = base64.b64decode(value).decode()
                lines = [line for line in plain.splitlines() if len(line) >= 12 and "-----" not in line]
                assert not [line for line in [value, *lines] if line in text], secret["metadata"]["name"]


def test_another_password_reaches_redis_and_every_daprd(walk: Walk, kubectl: Kubectl) -> None:
    walk.stack.set_password()
    assert walk.stack.preview() == {
        Step(op="replace", name="hello-redis-password"),
        *(
            Step(op="update", name=name)
            for name in (
                "hello-redis-server",
                "hello-redis-ready",
                "hello-redis-component",
                "hello-secret-reader",
                "hello-nodeapp-pods",
                "hello-pythonapp-pods",
                "hello-ready",
                "verification-run",
            )
        ),
    }
    walk.to("smi")
    judge(kubectl, "smi")


def test_destroy_leaves_the_cluster_as_it_was(walk: Walk) -> None:
    walk.stack.destroy()
    assert walk.stack.resources() == []
    assert_nothing_left(walk.before)

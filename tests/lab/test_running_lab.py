"""The real lab: what it promises while it runs, and that it leaves nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from lab import api, cgroups, cluster, node, users
from lab.parts import part, wanted
from lab.paths import LAB
from model.versions import OSM_RELEASE


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Return what kubectl prints."""
    argv = [str(api.kubectl()), f"--kubeconfig={api.kubeconfig()}", *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=True).stdout  # noqa: S603


@pytest.fixture(scope="module")
def lab() -> None:
    """Start the lab where it doesn't run."""
    api.start()


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_starting_a_running_lab_is_quick_and_changes_nothing() -> None:
    before = (api.paths().run / "pid").read_text()
    began = time.monotonic()
    api.start()
    assert time.monotonic() - began < 10
    assert (api.paths().run / "pid").read_text() == before, "the same supervisor must go on"
    assert api.is_running()


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_the_kubeconfig_leads_to_the_lab_through_loopback_only() -> None:
    view = json.loads(kubectl("config", "view", "-o", "json"))
    assert view["current-context"] == LAB
    assert [entry["cluster"]["server"] for entry in view["clusters"]] == [users.from_the_machine(api.paths())]
    assert api.kubeconfig().stat().st_mode & 0o077 == 0, "it is the administrator's"


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_who_uses_the_lab_is_an_ordinary_administrator_who_may_do_everything() -> None:
    user = json.loads(kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    assert user["username"] == users.ADMINISTRATOR
    assert set(user["groups"]) == {"system:authenticated"}, "in system:masters nothing would ever be refused"
    assert kubectl("auth", "can-i", "*", "*", "--all-namespaces").strip() == "yes"


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_a_further_user_is_known_by_name_and_groups_and_may_do_nothing() -> None:
    kubeconfig = api.user_kubeconfig("lab-test-deployer", ["lab-test-team"])
    argv = [str(api.kubectl()), f"--kubeconfig={kubeconfig}"]
    who = subprocess.run([*argv, "auth", "whoami", "-o", "json"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    user = json.loads(who)["status"]["userInfo"]
    assert user["username"] == "lab-test-deployer"
    assert set(user["groups"]) == {"lab-test-team", "system:authenticated"}
    refused = subprocess.run([*argv, "get", "namespaces"], capture_output=True, text=True, check=False)  # noqa: S603
    assert 'User "lab-test-deployer" cannot list resource "namespaces"' in refused.stderr


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_the_machines_own_network_knows_nothing_of_the_lab() -> None:
    addresses = subprocess.run(["ip", "-o", "address"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert node.NODE_IP not in addresses
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert "KUBE-" not in rules
    assert str(api.paths().data) not in Path("/proc/self/mounts").read_text()


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_a_pod_resolves_a_service_and_can_be_entered() -> None:
    name = f"lab-test-{os.getpid()}"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {
                    "name": "main",
                    "image": "lab.local/curl:1",
                    "command": ["sleep", "600"],
                    "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False},
                }
            ],
        },
    }
    kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    try:
        kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        url = "https://kubernetes.default.svc/version"
        answer = kubectl("exec", name, "--", "curl", "--silent", "--insecure", "--max-time", "10", url)
        assert json.loads(answer)["minor"] == part("kubernetes").version.split(".")[1]
    finally:
        kubectl("delete", "pod", name, "--wait")


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("group", [None, 65532])
def test_a_claim_gets_a_volume_that_any_user_writes_to_and_that_goes_with_it(group: int | None) -> None:
    namespace = f"lab-test-volume-{os.getpid()}"
    metadata = {"name": "kept", "namespace": namespace}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata,
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Gi"}}},
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsUser": 65532, "runAsGroup": 65532, "runAsNonRoot": True}
            | ({} if group is None else {"fsGroup": group}),
            "volumes": [{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}],
            "containers": [
                {
                    "name": "main",
                    "image": "lab.local/redis:7",
                    "command": ["sleep", "600"],
                    "volumeMounts": [{"name": "kept", "mountPath": "/kept"}],
                }
            ],
        },
    }
    kubectl("create", "namespace", namespace)
    try:
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [claim, pod]}))
        kubectl("wait", "--for=condition=Ready", "pod/kept", f"--namespace={namespace}", "--timeout=60s")
        in_pod = ("exec", "kept", f"--namespace={namespace}", "--")
        kubectl(*in_pod, "sh", "-c", "mkdir -p /kept/own && echo written > /kept/own/file")
        bound = (
            "get",
            "persistentvolumeclaim",
            "kept",
            f"--namespace={namespace}",
            "-o",
            "jsonpath={.spec.volumeName}",
        )
        volume = kubectl(*bound)
        folder = api.paths().volumes / volume
        assert (folder / "own" / "file").read_text() == "written\n"
        assert (folder / "own" / "file").stat().st_uid == 65532
        assert folder.stat().st_gid == (group or 0), "the kubelet hands it to the pod's fsGroup"
    finally:
        kubectl("delete", "namespace", namespace, "--wait", "--timeout=60s")
    deadline = time.monotonic() + 15
    while folder.exists() or kubectl("get", "persistentvolume", volume, "--ignore-not-found"):
        assert time.monotonic() < deadline, "the volume stayed after its claim was gone"
        time.sleep(0.2)


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_pulumi_finds_its_plugins_state_and_stack() -> None:
    argv = [str(api.pulumi_cli()), "plugin", "ls", "--json"]
    done = subprocess.run(argv, env=os.environ | api.environment(), capture_output=True, text=True, check=True)  # noqa: S603
    plugins = {(plugin["name"], plugin["version"]) for plugin in json.loads(done.stdout)}
    assert plugins >= {("kubernetes", "4.25.0"), ("command", "1.2.1")}


@pytest.mark.lab
@pytest.mark.usefixtures("lab")
def test_the_committed_charts_of_the_stack_file_are_there() -> None:
    folders = {folder.name for folder in api.chart_folders()}
    default = {row.version for row in wanted() if row.name.startswith("dapr-")}
    assert folders >= {f"dapr-{version}" for version in default} | {f"osm-{OSM_RELEASE.version}"}
    for folder in api.chart_folders():
        assert (folder / "Chart.yaml").is_file(), folder


@pytest.mark.lab_lifecycle
def test_a_stopped_lab_comes_back_with_its_objects() -> None:
    api.start()
    name = f"kept-{os.getpid()}"
    kubectl("create", "configmap", name)
    assert cluster.stop(api.paths())
    assert not api.is_running()
    assert cgroups.left(api.paths().cgroup) == []
    api.start()
    kubectl("get", "configmap", name)
    kubectl("delete", "configmap", name)


@pytest.mark.lab_lifecycle
def test_a_removed_lab_leaves_nothing_but_the_build_cache() -> None:
    api.start()
    data, run = api.paths().data, api.paths().run
    made = json.loads((data / cluster.MADE).read_text())
    network = os.readlink(f"/proc/{(run / 'pid').read_text().strip()}/ns/net")
    assert network != os.readlink("/proc/self/ns/net"), "the lab must have a network of its own"
    cluster.remove(api.paths())
    mounts = Path("/proc/self/mounts").read_text()
    processes = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert not data.exists()
    assert not run.exists()
    assert not api.paths().lock.exists()
    assert LAB not in mounts
    assert cgroups.left(api.paths().cgroup) == []
    assert "KUBE-" not in rules
    assert "node0" not in links
    assert network not in _networks(), "a process still lives in the lab's network"
    for word in ("lab.supervisor", "lab.relay", str(data), str(run), str(api.paths().cache)):
        assert word not in processes, f"{word} still runs"
    assert not [path for path in made if Path(path).exists()], "folders made for the lab must go with it"
    assert (api.paths().cache / "parts").is_dir(), "the build cache stays"


def _networks() -> set[str]:
    """Return the network namespaces that processes live in."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/ns/net"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(path))
    return found

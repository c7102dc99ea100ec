"""Starts, watches, stops and removes a cluster of this machine."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab import cgroups, charts, debian, images, node, oci, preflight, pulumi, users
from lab.build import build, key, tell_of_waiting
from lab.cache import Cache, Entry, kept_json
from lab.commands import output, tail
from lab.console import Progress, duration, say
from lab.errors import LabError
from lab.parts import charts as chart_parts
from lab.paths import Paths

TOOLS = ("kubectl", "pulumi", "pulumi-language-python", "pulumi-language-python-exec")
"""What people and Pulumi run."""

PATIENCE = 180.0
"""Seconds that a cluster gets to become ready; it usually needs fifteen."""

MARK = ".dapr-osm-lab"
"""A file that says that a data folder is the lab's: `remove` deletes no folder without it."""

MADE = "made-folders.json"
"""Names the machine's folders that the lab made to be covered; they are removed when the cluster stops."""


@dataclass(frozen=True)
class PartStatus:
    """What the supervisor knows of one part."""

    name: str
    state: str
    code: int | None
    since: float
    log: Path

    @property
    def report(self) -> str:
        """Return a crash with its log's last lines."""
        when = datetime.fromtimestamp(self.since, UTC).strftime("%H:%M:%S UTC")
        code = self.code or 0
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        return f"{self.name} ended at {when} ({how}). Its last lines:\n{tail(self.log)}\n  The whole log: {self.log}"


@dataclass(frozen=True)
class Status:
    """What the supervisor answers."""

    digest: str
    setup_failure: str
    parts: tuple[PartStatus, ...]

    @property
    def crashed(self) -> list[PartStatus]:
        """The parts that ended although nobody asked them to."""
        return [part for part in self.parts if part.state == "crashed"]


def ask(paths: Paths, request: str) -> Status | None:
    """Send the supervisor a request; None means that no lab runs.

    Raises:
        PermissionError: This user may not know, so nothing is said of it.
    """
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        try:
            client.connect(str(paths.control))
            client.sendall(request.encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
            # One that ends amid its answer has none.
            raw: dict[str, Any] = json.loads(answer)
        except PermissionError as error:
            raise PermissionError(error.errno, error.strerror, str(paths.control)) from error
        except (OSError, ValueError):
            return None
    parts = tuple(
        PartStatus(name, part["state"], part["code"], part["since"], Path(part["log"]))
        for name, part in raw["parts"].items()
    )
    return Status(raw["digest"], raw["setup_failure"], parts)


def status(paths: Paths) -> Status | None:
    """Return what runs, or None."""
    return ask(paths, "status")


@contextlib.contextmanager
def _lock(paths: Paths, patience: float = 0.0) -> Iterator[int | None]:
    """Hold the lab's one lock and yield its descriptor; yield None where someone holds it for too long."""
    with paths.lock.open("a") as file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    yield None
                    return
                time.sleep(0.05)
            else:
                yield file.fileno()
                return


def _is_held(lock: Path) -> bool:
    """Tell whether a lab holds its lock."""
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def prepare(paths: Paths, dapr: Collection[str] = ()) -> tuple[Mapping[str, Entry], list[oci.Image]]:
    """Install, build and link whatever the cluster, Pulumi and the Dapr releases need and is not there yet."""
    cache = Cache(paths.cache)
    debian.install(cache)
    entries = build(paths, dapr)
    waits = contextlib.nullcontext() if images.are_built(paths, entries) else cache.locked(tell_of_waiting)
    with waits:
        made = images.images(paths, entries)
    charts.link(paths, charts_to_link(paths, entries))
    return entries, made


def charts_to_link(paths: Paths, entries: Mapping[str, Entry]) -> dict[str, Path]:
    """Return the charts of the entries, and those on demand that this checkout was given earlier and are still built.

    A stack may go on using a release that was asked for once, so a plain start takes no chart away from it.
    """
    cache, folders = Cache(paths.cache), {}
    for part in chart_parts():
        name = charts.name(part)
        entry = entries.get(part.name)
        if entry is None and (paths.charts / name).is_symlink():
            entry = cache.find(part.name, key(part))
        if entry is not None:
            folders[name] = entry.folder / "chart"
    return folders


def place_binaries(entries: Mapping[str, Entry], folder: Path, *names: str) -> None:
    """Put binaries side by side into a folder, from whichever parts hold them.

    Copies, not links: Pulumi takes its language host without a warning only from beside its own resolved path, and
    the language host looks for its executor in the same way.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tool = next(path for entry in entries.values() if (path := entry.folder / "bin" / name).exists())
        placed = folder / name
        if placed.is_file() and not placed.is_symlink() and _same_file(placed, tool):
            continue
        temporary = placed.with_name(f"{placed.name}.new")
        shutil.copy2(tool, temporary)
        temporary.rename(placed)


def _same_file(one: Path, other: Path) -> bool:
    """Tell whether a copy is still of this file; the cache never changes a file in place."""
    left, right = one.stat(), other.stat()
    return (left.st_size, left.st_mtime_ns) == (right.st_size, right.st_mtime_ns)


def start(paths: Paths, dapr: Collection[str] = ()) -> None:
    """Start the cluster and wait until it is ready; where it runs already, only look after it.

    `dapr` names releases that are to be built and imported beside those that every start has.
    """
    began = time.monotonic()
    running = _settled_status(paths)
    if running is None:
        try:
            preflight.require(paths)
        except LabError:
            # What is in the way may be the lab itself, started by another command a moment ago.
            if (running := _settled_status(paths)) is None:
                raise
    cold = not (paths.cache / "parts").is_dir()
    new = not (paths.data / MARK).exists()
    entries, made = prepare(paths, dapr)
    link_ready = time.monotonic()
    if not _launch(paths, entries):
        place_binaries(entries, paths.bin, *TOOLS)
        # A lab that an earlier version of this package started may know fewer users.
        users.write(paths)
        _mend(paths)
        _compare(paths, entries)
    with Progress("Starting the cluster" if running is None else "Looking after the cluster") as progress:
        _wait(paths, made, progress)
    pulumi.install_plugins(paths, entries)
    if running is None:
        cache = Cache(paths.cache)
        if cold:
            cache.note_time("build of everything missing", link_ready - began)
        kind = "new cluster" if new else "kept cluster"
        cache.note_time(f"start of a {kind}, parts built", time.monotonic() - link_ready)


def _mend(paths: Paths) -> None:
    """Report every part that crashed since the last look, and start it again."""
    running = status(paths)
    for part in running.crashed if running else ():
        say(part.report)
        say(f"Starting {part.name} again.")
        ask(paths, f"restart {part.name}")


def _compare(paths: Paths, entries: Mapping[str, Entry]) -> None:
    """Say so where the running cluster was started from other parts than this checkout's."""
    running = status(paths)
    if running is not None and running.digest != node.Node(paths, entries).digest():
        say("The running cluster is made of other parts than this checkout's; `stop` and `start` it to change that.")


def _settled_status(paths: Paths) -> Status | None:
    """Return what runs, after whoever is starting or stopping the cluster has come to an end."""
    deadline = time.monotonic() + 60
    while (running := status(paths)) is None:
        with _lock(paths) as lock:
            if lock is not None:
                return None
        if time.monotonic() > deadline:
            raise LabError(
                f"Something has held {paths.lock} for a minute without a lab that answers; `remove` ends it."
            )
        time.sleep(0.1)
    return running


def _launch(paths: Paths, entries: Mapping[str, Entry]) -> bool:
    """Start the supervisor in namespaces of its own; tell whether that was needed."""
    if _settled_status(paths) is not None:
        return False
    with _lock(paths) as lock:
        if lock is None:
            # Someone was faster by a hair.
            return _launch(paths, entries)
        shutil.rmtree(paths.run, ignore_errors=True)
        paths.run.mkdir(mode=0o700)
        paths.data.mkdir(parents=True, exist_ok=True)
        paths.data.chmod(0o700)
        (paths.data / MARK).touch()
        paths.logs.mkdir(exist_ok=True)
        place_binaries(entries, paths.bin, *TOOLS)
        # Addresses of pods that ran before the last stop are free again: no pod has outlived it.
        shutil.rmtree(paths.data / "covering" / "var-lib-cni", ignore_errors=True)
        _make_folders(paths)
        cgroups.create(paths.cgroup)
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", paths.port))
            except OSError as error:
                raise LabError(f"Port {paths.port} of this machine's loopback is taken: {error}") from error
            listener.listen(128)
            spec = paths.run / "spec.json"
            spec.write_text(node.Node(paths, entries).spec(listener.fileno()).dump())
            with (paths.logs / "supervisor.log").open("ab") as log:
                # `setsid --fork` lets it go on without this process, and without being this process's child.
                subprocess.run(  # noqa: S603 - the lab's own supervisor
                    [
                        *("setsid", "--fork", "sh", "-c", 'echo $$ > "$0"; exec "$@"', str(paths.run / "pid")),
                        *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
                        *(sys.executable, "-m", "lab.supervisor", str(spec)),
                    ],
                    cwd="/",
                    env=os.environ | {"PYTHONPATH": str(paths.checkout)},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(lock, listener.fileno()),
                    check=True,
                )
        _await_supervisor(paths)
    return True


def _pid(paths: Paths) -> int | None:
    """Return the process that holds the lab's namespaces, or None where there is none."""
    try:
        pid = int((paths.run / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    return pid if b"lab.supervisor" in command else None


def _await_supervisor(paths: Paths) -> None:
    """Wait until the supervisor answers."""
    began = time.monotonic()
    while (running := status(paths)) is None:
        waited = time.monotonic() - began
        if waited > 15 or (waited > 1 and _pid(paths) is None):
            raise LabError(f"The supervisor did not start. Its last lines:\n{tail(paths.logs / 'supervisor.log')}")
        time.sleep(0.05)
    if running.setup_failure:
        ask(paths, "stop")
        raise LabError(f"The lab's network could not be made: {running.setup_failure}")


def _make_folders(paths: Paths) -> None:
    """Make the folders that the lab's own cover in its namespace, and remember which are the lab's making."""
    record = paths.data / MADE
    made = set(kept_json(record) or ())
    made |= {path for path in node.COVERED if not Path(path).exists()}
    record.write_text(json.dumps(sorted(made)))
    for path in made:
        Path(path).mkdir(parents=True, exist_ok=True)


def _remove_folders(paths: Paths) -> None:
    """Remove the folders that the lab made, where they are still empty and no other lab covers them.

    Where a folder goes that another mount namespace has something mounted on, the kernel unmounts that.
    """
    record = paths.data / MADE
    if record.exists() and not any(_is_held(lock) for lock in paths.other_locks):
        for path in kept_json(record) or ():
            with contextlib.suppress(OSError):
                Path(path).rmdir()
        record.unlink()


@dataclass(frozen=True)
class _Kubectl:
    """The lab's kubectl, as the lab itself."""

    paths: Paths

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Return what it prints."""
        argv = [str(self.paths.kubectl), f"--kubeconfig={self.paths.own_kubeconfig}", *arguments]
        return output(argv, what=f"kubectl {arguments[0]}", stdin=stdin)


def _until(paths: Paths, what: str, condition: Callable[[], bool]) -> None:
    """Wait for a condition; a part that crashes meanwhile, or too long a wait, is an error that says why."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        running = status(paths)
        if running is None:
            raise LabError(f"The lab ended while waiting for {what}:\n{tail(paths.logs / 'supervisor.log')}")
        if running.crashed:
            raise LabError("\n".join(part.report for part in running.crashed))
        if time.monotonic() > deadline:
            states = ", ".join(f"{part.name} {part.state}" for part in running.parts)
            raise LabError(f"Waited {duration(PATIENCE)} for {what} in vain. {states}. Logs: {paths.logs}")
        time.sleep(0.2)


def _succeeds(call: Callable[[], object]) -> Callable[[], bool]:
    """Return the condition that a call raises no `LabError` and answers nothing false."""

    def condition() -> bool:
        try:
            return bool(call())
        except LabError:
            return False

    return condition


def _wait(paths: Paths, made: list[oci.Image], progress: Progress) -> None:
    """Wait until the cluster is usable, importing images meanwhile."""
    kubectl = _Kubectl(paths)
    started = _started(paths)

    def step(name: str, condition: Callable[[], bool], after: Callable[[], object] = lambda: None) -> None:
        if not condition():
            progress.begin(name)
            _until(paths, name, condition)
            after()
            progress.end(name)

    step("containerd", lambda: paths.containerd.exists() and _succeeds(lambda: _ctr(paths, "version"))())
    with ThreadPoolExecutor(max_workers=1) as pool:
        # Importing keeps the disk busy, the rest waits for answers: beside each other.
        importing = pool.submit(import_images, paths, made, progress)
        step("the API server", _succeeds(lambda: kubectl("get", "--raw=/readyz")))
        objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": node.system_objects()})
        apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=lab", "-f", "-")
        step("the lab's own objects", _succeeds(lambda: kubectl(*apply, stdin=objects)))
        importing.result()
    step("the default ServiceAccount", _succeeds(lambda: kubectl("get", "serviceaccount", "default", "-o", "name")))
    step("the node", _succeeds(lambda: _node_ready(kubectl, started)))
    # Most parts show by their work that they run; claims wait for the provisioner of volumes in silence.
    step("every part", lambda: _every_part_runs(paths))
    step("the cluster's names", lambda: _names_resolve(paths))
    step("news of the kept pods", _succeeds(lambda: not _stale_pods(kubectl, started)))


def _every_part_runs(paths: Paths) -> bool:
    """Tell whether no part of the running cluster still waits for another, or has ended."""
    running = status(paths)
    return running is not None and all(part.state == "running" for part in running.parts)


def _started(paths: Paths) -> float:
    """Return when the supervisor was started."""
    return (paths.run / "pid").stat().st_mtime


def _node_ready(kubectl: _Kubectl, started: float) -> bool:
    """Tell whether the node is ready according to a kubelet of this start and not of the one before the last stop."""
    lease = kubectl("get", "lease", "-n", "kube-node-lease", node.NODE, "-o", "jsonpath={.spec.renewTime}")
    renewed = datetime.fromisoformat(lease.strip()).timestamp()
    path = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    return renewed > started and kubectl("get", "node", node.NODE, "-o", path) == "True"


def _stale_pods(kubectl: _Kubectl, started: float) -> list[str]:
    """Return the pods whose containers are said to run since before this start: they ended with the last stop.

    Until the kubelet has said so, whoever looks at them is misled.
    """
    return [
        pod["metadata"]["name"]
        for pod in json.loads(kubectl("get", "pods", "--all-namespaces", "-o", "json"))["items"]
        for container in pod.get("status", {}).get("containerStatuses", [])
        if (since := container["state"].get("running", {}).get("startedAt"))
        # The API gives whole seconds, rounded down.
        and datetime.fromisoformat(since).timestamp() < int(started)
    ]


def _names_resolve(paths: Paths) -> bool:
    """Tell whether the cluster's name service answers at its Service's address, seen from the node."""
    name = f"kubernetes.default.svc.{node.DNS_DOMAIN}"
    argv = [
        "nsenter",
        "--target",
        str(_pid(paths)),
        "--net",
        sys.executable,
        "-m",
        "lab.dns",
        node.DNS_SERVICE_IP,
        name,
    ]
    done = subprocess.run(argv, cwd=paths.checkout, capture_output=True, check=False)  # noqa: S603 - fixed
    return done.returncode == 0


def _ctr(paths: Paths, *arguments: str) -> str:
    """Return what containerd's own client prints."""
    argv = ["ctr", "--address", str(paths.containerd), "--namespace", "k8s.io", *arguments]
    return output(argv, what=f"ctr {' '.join(arguments[:2])}")


def present_images(paths: Paths) -> dict[str, str]:
    """Return the images in containerd: name and digest."""
    rows = [line.split() for line in _ctr(paths, "images", "list").splitlines()[1:]]
    return {row[0]: row[2] for row in rows}


def import_images(paths: Paths, made: list[oci.Image], progress: Progress) -> None:
    """Import the images that containerd lacks or has with other content."""
    present = present_images(paths)
    missing = [image for image in made if present.get(image.name) != image.manifest.digest]
    if not missing:
        return
    step = f"importing {len(missing)} images"
    progress.begin(step)
    argv = ["ctr", "--address", str(paths.containerd), "--namespace", "k8s.io", "images", "import", "-"]
    with subprocess.Popen(  # noqa: S603 - fixed
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - for the type checker
        with contextlib.suppress(BrokenPipeError), process.stdin:
            oci.write_archive(missing, process.stdin)
        said = process.stdout.read().decode(errors="replace")
    if process.returncode != 0:
        raise LabError(f"Importing the images failed: {said.strip()[-2000:]}")
    progress.end(step)


def stop(paths: Paths) -> bool:
    """Stop everything and keep the cluster's data; tell whether anything ran."""
    began = time.monotonic()
    ran, free = False, False
    while not free and time.monotonic() < began + 20:
        # Asked again and again, for it may be starting just now.
        ran = ask(paths, "stop") is not None or ran
        with _lock(paths, patience=1) as lock:
            free = lock is not None
    if not free:
        _kill(paths)
    with _lock(paths, patience=10) as lock:
        if lock is None:
            raise LabError(f"Something still holds {paths.lock}; no part of the lab was removed.")
        stuck = cgroups.remove(paths.cgroup)
        _remove_folders(paths)
        shutil.rmtree(paths.run, ignore_errors=True)
    if stuck:
        raise LabError(f"The lab stopped, but these cgroups could not be removed: {', '.join(map(str, stuck))}")
    if ran:
        Cache(paths.cache).note_time("stop", time.monotonic() - began)
    return ran


def _kill(paths: Paths) -> None:
    """Kill a supervisor that doesn't end; the kernel then ends everything in its process namespace."""
    pid = _pid(paths)
    if pid is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def remove(paths: Paths) -> bool:
    """Stop everything and remove all but the build cache; tell whether there was anything."""
    began = time.monotonic()
    there = stop(paths)
    if (paths.data / MARK).exists():
        there = True
        shutil.rmtree(paths.data)
        Cache(paths.cache).note_time("remove", time.monotonic() - began)
    elif paths.data.exists() and any(paths.data.iterdir()):
        raise LabError(f"{paths.data} is not the lab's (it has no file {MARK}); it was left alone.")
    paths.lock.unlink(missing_ok=True)
    return there

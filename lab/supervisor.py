"""Runs the lab's parts, keeps their logs and notices when one ends.

It is process 1 of the lab's own process namespace: when it ends, the kernel ends everything the lab ever started,
containers included. It needs nothing but the standard library and a specification in JSON, so it goes on working when
the checkout that started it is gone, and tests run it with parts of their own.

A part that ends is not started again by itself: a lab that hides crashes would hide the reason for a failing test.
`lab start` says so, shows the log and starts the part again.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 10.0
"""Seconds that the parts get to end by themselves before they are killed."""

ROOMY = {"GOGC": "400"}
"""Has the cluster's programs collect garbage less often: a fifth less of the processors' time, for more memory."""


@dataclass(frozen=True, kw_only=True)
class PartSpec:
    """One program to run."""

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()
    """What must be there first, in the words of `is_there`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    descriptors: tuple[int, ...] = ()
    """Descriptors that the part inherits under their numbers."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything the supervisor is told."""

    digest: str
    """What the parts and their settings were made of; a checkout compares it with its own."""
    control: str
    """Path of the socket that the supervisor answers on."""
    logs: str
    setup: tuple[tuple[str, ...], ...]
    """Commands to run before any part, each of which must succeed."""
    parts: tuple[PartSpec, ...]
    """In the order in which they are started; they are stopped in reverse."""

    def dump(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)

    @staticmethod
    def load(text: str) -> Spec:
        """Return what `dump` wrote."""
        raw = json.loads(text)
        parts = tuple(
            PartSpec(
                name=part["name"],
                argv=tuple(part["argv"]),
                after=tuple(part["after"]),
                environment=part["environment"],
                descriptors=tuple(part["descriptors"]),
            )
            for part in raw["parts"]
        )
        setup = tuple(tuple(argv) for argv in raw["setup"])
        return Spec(digest=raw["digest"], control=raw["control"], logs=raw["logs"], setup=setup, parts=parts)


def is_there(need: str) -> bool:
    """Tell whether a need is met.

    `unix:PATH` and `tcp:HOST:PORT` are met when something accepts connections there, `readyz:HOST:PORT` when an API
    server says that it is ready, its built-in permissions included: without those other parts would end at once.
    """
    kind, _, rest = need.partition(":")
    host, _, port = rest.rpartition(":")
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(rest)
        elif kind == "tcp":
            with socket.create_connection((host, int(port)), timeout=1):
                pass
        elif kind == "readyz":
            # Nothing secret is sent, and whoever could answer in its place is inside the lab's own namespace.
            trust = ssl._create_unverified_context()  # noqa: S323
            with contextlib.closing(http.client.HTTPSConnection(host, int(port), timeout=1, context=trust)) as server:
                server.request("GET", "/readyz")
                return server.getresponse().status == http.client.OK
        else:
            raise ValueError(f"no such need: {need}")
    except (OSError, http.client.HTTPException):
        return False
    return True


@dataclass
class _Running:
    """What is known of a part."""

    spec: PartSpec
    state: str = "waiting"
    pid: int = 0
    code: int | None = None
    since: float = 0.0


class Supervisor:
    """Starts parts when what they need is there, collects what ends, answers on the control socket."""

    def __init__(self, spec: Spec) -> None:
        """Prepare; nothing is started yet."""
        self.spec = spec
        self.parts = {part.name: _Running(part) for part in spec.parts}
        self.stopping = False
        self.setup_failure = ""
        self.logs = Path(spec.logs)

    def log(self, name: str) -> Path:
        """Return the path of a part's log."""
        return self.logs / f"{name}.log"

    def rotate(self) -> None:
        """Put the logs of the run before aside, so that a log's last lines are of this run."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for name in self.parts:
            log = self.log(name)
            if log.exists():
                log.rename(log.with_suffix(".log.1"))

    def setup(self) -> None:
        """Run the commands that prepare the namespaces, up to the first that fails."""
        for argv in self.spec.setup:
            done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - the lab's own
            if done.returncode != 0:
                self.setup_failure = f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}"
                return

    def start_ready(self) -> None:
        """Start every waiting part whose needs are met."""
        for part in self.parts.values():
            if part.state == "waiting" and all(is_there(need) for need in part.spec.after):
                self._start(part)

    def _start(self, part: _Running) -> None:
        """Start a part, its output going to the end of its log."""
        log = self.log(part.spec.name)
        part.since = time.time()
        with log.open("ab") as file:
            try:
                process = subprocess.Popen(  # noqa: S603 - the lab's own parts
                    part.spec.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=os.environ | ROOMY | dict(part.spec.environment),
                    pass_fds=part.spec.descriptors,
                    start_new_session=True,
                    cwd="/",
                )
            except OSError as error:
                file.write(f"{part.spec.argv[0]} could not be started: {error}\n".encode())
                part.state, part.code = "crashed", 127
                return
        part.state, part.pid, part.code = "running", process.pid, None
        # Children are collected by `reap`, orphans of containers among them; subprocess must not wait for this one.
        process.returncode = 0

    def reap(self) -> None:
        """Collect every process that ended and note which of them was a part."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for part in self.parts.values():
                if part.pid == pid and part.state == "running":
                    part.code = os.waitstatus_to_exitcode(status)
                    part.state = "stopped" if self.stopping else "crashed"
                    part.since = time.time()

    def status(self) -> dict[str, Any]:
        """Return what is known, for the lab's command to show."""
        return {
            "digest": self.spec.digest,
            "setup_failure": self.setup_failure,
            "parts": {
                name: {
                    "state": part.state,
                    "code": part.code,
                    "since": part.since,
                    "log": str(self.log(name)),
                    "waits_for": list(part.spec.after) if part.state == "waiting" else [],
                }
                for name, part in self.parts.items()
            },
        }

    def stop(self) -> None:
        """End the parts in reverse order; what doesn't end in time is killed by the kernel with this process."""
        self.stopping = True
        deadline = time.monotonic() + PATIENCE
        order = list(reversed(self.parts.values()))
        # The store of the cluster's state goes last, after everybody who writes to it.
        first_part = order.pop()
        self._end(order, deadline)
        self._end([first_part], deadline)

    def _end(self, parts: Sequence[_Running], deadline: float) -> None:
        """Ask the parts to end, and wait until they did or the time is up."""
        for part in parts:
            if part.state == "running":
                os.kill(part.pid, signal.SIGTERM)
        while time.monotonic() < deadline and any(part.state == "running" for part in parts):
            self.reap()
            time.sleep(0.02)
        for part in parts:
            if part.state == "running":
                os.kill(part.pid, signal.SIGKILL)

    def answer(self, request: str) -> str:
        """Carry out a line from the control socket: `status`, `restart PART` or `stop`."""
        command, _, name = request.strip().partition(" ")
        if command == "restart" and name in self.parts and self.parts[name].state == "crashed":
            self.parts[name].state = "waiting"
            self.start_ready()
        elif command == "stop":
            self.stopping = True
        return json.dumps(self.status())

    def run(self) -> None:
        """Run until told to stop."""
        self.rotate()
        with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
            listener.bind(self.spec.control)
            listener.listen()
            listener.settimeout(5)
            selector.register(listener, selectors.EVENT_READ)
            self.setup()
            while not self.stopping:
                if not self.setup_failure:
                    self.start_ready()
                self.reap()
                waiting = any(part.state == "waiting" for part in self.parts.values())
                for _ in selector.select(timeout=0.1 if waiting else 0.5):
                    self._serve(listener)
            self.stop()

    def _serve(self, listener: socket.socket) -> None:
        """Answer one client; one that misbehaves is dropped."""
        try:
            client, _ = listener.accept()
            with client:
                client.settimeout(5)
                request = client.recv(4096).decode()
                client.sendall(self.answer(request).encode())
        except OSError as error:
            print(f"control socket: {error}", flush=True)


def main(arguments: list[str]) -> None:
    """Run the specification in the file that is named."""
    supervisor = Supervisor(Spec.load(Path(arguments[0]).read_text()))

    def end(_signal: int, _frame: object) -> None:
        supervisor.stopping = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    supervisor.run()


if __name__ == "__main__":
    main(sys.argv[1:])

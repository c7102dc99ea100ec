"""The cluster as kubectl shows it: what the tests judge by, independent of the program's own verification."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

# What OSM excludes for one pod, by direction.
INBOUND_PORTS: Final = "openservicemesh.io/inbound-port-exclusion-list"
OUTBOUND_PORTS: Final = "openservicemesh.io/outbound-port-exclusion-list"


@dataclass(frozen=True, kw_only=True)
class Kubectl:
    """kubectl with one kubeconfig.

    Attributes:
        binary: Where it is.
        kubeconfig: Which cluster it talks to.
    """

    binary: Path
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run it; its output."""
        done = subprocess.run(  # noqa: S603 - kubectl on the lab's cluster
            [str(self.binary), "--kubeconfig", str(self.kubeconfig), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def get(self, *arguments: str) -> dict[str, Any]:
        """``kubectl get ... -o json``."""
        found: dict[str, Any] = json.loads(self.run("get", *arguments, "-o", "json"))
        return found

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """The items of a list; none where the kind does not exist."""
        done = subprocess.run(  # noqa: S603 - kubectl on the lab's cluster
            [str(self.binary), "--kubeconfig", str(self.kubeconfig), "get", *arguments, "-o", "json"],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if "have a resource type" in done.stderr or "could not find the requested resource" in done.stderr:
            return []
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout)["items"])

    def living_pods(self, namespace: str, app: str) -> list[dict[str, Any]]:
        """The pods with a label ``app``, without those on their way out."""
        pods = self.items("pods", "-n", namespace, "-l", f"app={app}")
        return [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def persisted(self, seconds: float, namespace: str = "dapr-test", *, least: int | None = None) -> int:
        """Watch nodeapp's log for so long; how many orders it persisted meanwhile.

        Args:
            seconds: How long, or how long at most.
            namespace: Where nodeapp is.
            least: With so many, nothing more is waited for.
        """
        return self._logged(r"Successfully persisted state for Order ID: \d+$", seconds, namespace, least)

    def received(self, seconds: float, namespace: str = "dapr-test") -> int:
        """Watch nodeapp's log for so long; how many orders came to it meanwhile, whatever became of them."""
        return self._logged(r"Got a new order! Order ID: \d+$", seconds, namespace, None)

    def _logged(self, pattern: str, seconds: float, namespace: str, least: int | None) -> int:
        # As the container runtime writes it before each line; it is this machine's clock, too.
        start = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        end = time.monotonic() + seconds
        while True:
            time.sleep(max(0.0, end - time.monotonic()) if least is None else 0.5)
            count = 0
            for pod in self.living_pods(namespace, "node"):
                lines = self.run(
                    *("logs", "-n", namespace, pod["metadata"]["name"], "-c", "node"),
                    *("--timestamps", f"--since-time={start}"),
                ).splitlines()
                stamped = [line.partition(" ") for line in lines]
                count += sum(stamp >= start and re.match(pattern, text) is not None for stamp, _, text in stamped)
            if (least is not None and count >= least) or time.monotonic() >= end:
                return count

    def log_of(self, app: str, container: str, seconds: int, namespace: str = "dapr-test") -> str:
        """What a container of each of an app's living pods has printed in the last seconds."""
        return "".join(
            self.run("logs", "-n", namespace, pod["metadata"]["name"], "-c", container, f"--since={seconds}s")
            for pod in self.living_pods(namespace, app)
        )

    def kept_by_dapr(self, deployment: str, key: str, value: str) -> str:
        """Have an app's daprd keep something in the state store, and read it back; nothing of it is left there."""
        with self.forwarded("dapr-test", f"deployment/{deployment}", 3500) as url:

            def ask(method: str, path: str, body: Any = None) -> str:
                request = urllib.request.Request(  # noqa: S310 - loopback
                    f"{url}/v1.0/state/statestore{path}",
                    method=method,
                    data=None if body is None else json.dumps(body).encode(),
                    headers={"Content-Type": "application/json"},
                )
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
                    return str(answer.read().decode())

            ask("POST", "", [{"key": key, "value": value}])
            try:
                return str(json.loads(ask("GET", f"/{key}")))
            finally:
                ask("DELETE", f"/{key}")

    @contextmanager
    def forwarded(self, namespace: str, target: str, port: int) -> Iterator[str]:
        """A URL on loopback that leads to a pod's own loopback."""
        process = subprocess.Popen(  # noqa: S603 - kubectl on the lab's cluster
            [
                str(self.binary),
                "--kubeconfig",
                str(self.kubeconfig),
                "port-forward",
                "-n",
                namespace,
                target,
                f":{port}",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            match = re.search(r"127\.0\.0\.1:(\d+)", process.stdout.readline())
            assert match, f"kubectl port-forward to {target} did not start"
            yield f"http://127.0.0.1:{match.group(1)}"
        finally:
            process.terminate()
            process.wait(timeout=10)
            if process.stdout is not None:
                process.stdout.close()

    def everything(self) -> list[dict[str, Any]]:
        """Every object of every kind that can be listed, each kind in its group's preferred version."""
        kinds = self.run("api-resources", "--verbs=list", "-o", "name").split()
        return list(self.get(",".join(kinds), "--all-namespaces", "--show-managed-fields")["items"])

    def envoy_counter(self, deployment: str, name: str) -> int:
        """One counter of the Envoy in a Deployment's pod."""
        with (
            self.forwarded("dapr-test", f"deployment/{deployment}", 15000) as url,
            urllib.request.urlopen(f"{url}/stats", timeout=10) as answer,  # noqa: S310 - loopback
        ):
            for line in answer.read().decode().splitlines():
                found, _, value = line.rpartition(": ")
                if found == name:
                    return int(value)
        return 0

"""Says at once, and all together, why this machine can't run the lab, and what to do about each thing."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab import debian
from lab.errors import LabError
from lab.gomod import go_directive
from lab.parts import DEBIAN_SUITE, GoPart, parts
from lab.paths import Paths

GIB = 1024**3
MEMORY = 6 * GIB
CACHE_SPACE = 20 * GIB
"""Room for a cold build: the parts and images (2.3 GiB), Go's build cache (11) and modules (7)."""
DATA_SPACE = 4 * GIB

CLUSTER_WAY = (
    "Without the lab, on a cluster of your own with Pulumi's CLI and internet: "
    "see the part about your own cluster in README.md."
)


def require(paths: Paths) -> None:
    """Raise with everything that is in the way."""
    problems = check(paths)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise LabError(f"This machine can't run the lab:\n{listed}\n{CLUSTER_WAY}")


def require_to_build(paths: Paths) -> None:
    """Raise with everything that is in the way of building; the port and the kernel don't matter for that."""
    problems = [problem for one in _to_build(paths) if (problem := one())]
    if problems:
        raise LabError("This machine can't build the lab:\n" + "\n".join(f"  - {problem}" for problem in problems))


def check(paths: Paths) -> list[str]:
    """Return what is in the way, each as one line with its mend."""
    if sys.platform != "linux":
        return [f"it runs {platform.system()}, and the lab needs Linux"]
    checks = [
        *_to_build(paths),
        lambda: memory(available_memory()),
        lambda: disk("cluster's data", paths.data, DATA_SPACE),
        lambda: _port(paths.port),
        _kernel,
    ]
    return [problem for one in checks if (problem := one())]


def _to_build(paths: Paths) -> list[Callable[[], str]]:
    """Return the checks of what a build needs."""
    space = GIB if (paths.cache / "parts").is_dir() else CACHE_SPACE
    return [_root, _machine, _debian, _python, _go, lambda: disk("build cache", paths.cache, space)]


def _root() -> str:
    return "" if os.geteuid() == 0 else "it needs root, to make namespaces: run the same command as root"


def _machine() -> str:
    name = platform.machine()
    return "" if name == "x86_64" else f"it is {name}, and the lab's images are made for x86_64"


def _debian() -> str:
    suite = debian.suite_of_this_machine()
    if suite == DEBIAN_SUITE:
        return ""
    return f"it runs {suite or 'no Debian'}, and the lab takes programs from Debian {DEBIAN_SUITE}: use that release"


def _python() -> str:
    found = sys.version_info[:2]
    return "" if found >= (3, 11) else f"Python {found[0]}.{found[1]} is too old: run it with Python 3.11 or later"


def _go() -> str:
    wanted = max(
        go_directive(part.path / "go.mod") for part in parts() if isinstance(part, GoPart) if part.path.is_dir()
    )
    name = f"{wanted[0]}.{wanted[1]}"
    if shutil.which("go") is None:
        return f"Go is not on PATH: install Go {name} or later"
    folder = next(part.path for part in parts() if isinstance(part, GoPart))
    argv = ["go", "env", "GOVERSION"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode != 0:
        return f"Go can't build the lab ({done.stderr.strip()}): install Go {name} or later"
    return ""


def available_memory(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Return the bytes of memory that can be had now."""
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def memory(available: int) -> str:
    """Judge the memory."""
    if available >= MEMORY:
        return ""
    return f"{available / GIB:.1f} GiB of memory are free, and it needs {MEMORY // GIB} GiB: end something large"


def disk(what: str, folder: Path, needed: int) -> str:
    """Judge the room for a folder that may not exist yet."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return ""
    move = "DAPR_OSM_LAB_CACHE" if what == "build cache" else "DAPR_OSM_LAB_DATA"
    return (
        f"{free / GIB:.1f} GiB are free for the {what} at {folder}, and it needs {needed // GIB} GiB: "
        f"free some, or name another place in {move}"
    )


def _port(port: int) -> str:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return f"port {port} of its loopback is taken: end what listens there (`ss -ltnp` names it)"
    return ""


def _kernel() -> str:
    """Try what the lab does to a kernel, in namespaces that vanish at once."""
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return ""
    script = (
        "mount -t tmpfs none /mnt && mkdir /mnt/a /mnt/b /mnt/c /mnt/d && "
        "mount -t overlay -o lowerdir=/mnt/a,upperdir=/mnt/b,workdir=/mnt/c none /mnt/d"
    )
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
    if done.returncode != 0:
        return f"its kernel refuses namespaces or overlay mounts ({done.stderr.strip()}): use a virtual machine"
    if shutil.which("iptables") and shutil.which("ip"):
        rule = "iptables -t nat -A POSTROUTING -m comment --comment lab -j MASQUERADE"
        rule += " && ip link add lab0 type veth peer name lab1"
        argv = ["unshare", "--net", "sh", "-c", rule]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - fixed
        if done.returncode != 0:
            return f"its kernel lacks iptables or veth ({done.stderr.strip()}): use a virtual machine"
    return ""

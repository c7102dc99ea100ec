"""What the lab takes from Debian: programs installed on the machine, and a root file system for its images.

Installing is all that is done to the machine. Debian's packages would start their services (etcd, containerd); that
is prevented while they are installed, and services that run already are left alone. The lab never talks to them.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab.cache import Cache
from lab.commands import output, run_logged
from lab.console import Progress

PACKAGES = {
    "containerd": "runs the pods",
    "containernetworking-plugins": "gives pods their network",
    "etcd-server": "holds the cluster's state",
    "iproute2": "makes the lab's network",
    "iptables": "kube-proxy's Services",
    "mmdebstrap": "makes the root file system of images",
    "openssl": "makes the cluster's certificates",
    "runc": "starts containers",
    "util-linux": "makes the lab's namespaces",
}
"""Debian packages that the machine needs, and what for."""

ROOTFS_RECIPE = "1"
"""Counts changes of `make_rootfs` that change what it makes."""

SERVICE_POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian's way for an administrator to say that installing a package must not start its services."""

LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/include/*")
"""What no container reads."""


def missing_packages() -> list[str]:
    """Return the packages that are not installed."""
    query = ["dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n", *PACKAGES]
    done = subprocess.run(query, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    installed = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("installed ")}
    return sorted(set(PACKAGES) - installed)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services, unless the machine already has a policy of its own."""
    if SERVICE_POLICY.exists():
        yield
        return
    SERVICE_POLICY.write_text("#!/bin/sh\nexit 101\n")
    SERVICE_POLICY.chmod(0o755)
    try:
        yield
    finally:
        SERVICE_POLICY.unlink()


def install(cache: Cache) -> None:
    """Install the packages that are missing, all at once."""
    missing = missing_packages()
    if not missing:
        return
    log = cache.log("debian")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with Progress("Preparing the machine") as progress, _no_services():
        step = f"installing Debian's {', '.join(missing)}"
        progress.begin(step)
        run_logged(["apt-get", "update", "-q"], log, what="Updating Debian's package lists", env=quiet)
        argv = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing]
        run_logged(argv, log, what="Installing Debian packages", env=quiet)
        progress.end(step)


def apt_sources(suite: str, folder: Path = Path("/etc/apt")) -> list[Path]:
    """Return the machine's own source files that serve `suite`, so that its mirror and settings are used.

    Sources of others (a vendor's repository) are left out: their keys and pins don't belong in an image.
    """
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [
        file
        for file in files
        if file.suffix in (".list", ".sources") and file.is_file() and _serves(file.read_text(), suite)
    ]


def _serves(text: str, suite: str) -> bool:
    """Tell whether the active lines of a source file name the suite and Debian's own components."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    words = " ".join(lines).split()
    return any(word in (suite, f"{suite}-security", f"{suite}-updates") for word in words) and "main" in words


def make_rootfs(suite: str, packages: tuple[str, ...], target: Path, log: Path) -> None:
    """Make a minimal root file system of Debian with the given packages, as a tar archive."""
    run_logged(
        [
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(packages)}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
            "--dpkgopt=path-include=/usr/share/doc/*/copyright",
            suite,
            str(target),
            *(str(path) for path in apt_sources(suite)),
        ],
        log,
        what="Making the root file system",
        env={"SOURCE_DATE_EPOCH": "0"},
    )


def suite_of_this_machine() -> str:
    """Return the code name of the running Debian release, or an empty string where it is no Debian."""
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/etc/os-release").read_text().splitlines():
            if line.startswith("VERSION_CODENAME="):
                return line.partition("=")[2].strip('"')
    return ""


def architecture() -> str:
    """Return Debian's name of this machine's architecture."""
    return output(["dpkg", "--print-architecture"], what="Asking Debian for the architecture").strip()

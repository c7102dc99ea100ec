"""Where the lab keeps its things.

Four places, each with its own lifetime:

- the checkout (`.lab/` in it holds links only),
- the build cache, shared by all checkouts of this user and never removed by the lab,
- the data of one cluster of this machine, kept by `stop` and removed by `remove`,
- the runtime folder, emptied at each start as a reboot would do.

A machine has one lab, unless `DAPR_OSM_LAB_NUMBER` names a further one: tests wait half of their time, so several run.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

CACHE_VARIABLE = "DAPR_OSM_LAB_CACHE"
DATA_VARIABLE = "DAPR_OSM_LAB_DATA"
NUMBER_VARIABLE = "DAPR_OSM_LAB_NUMBER"

LAB = "dapr-osm-lab"
"""Name of the kubeconfig's context, which settings name whichever lab it is, and of the first lab's folders."""

RUNS = Path("/run")
"""Fixed, not overridable: it holds the locks that make it one lab of each number, and sockets need short paths."""

FIRST_PORT = 16443
"""The first lab's API server on the machine's loopback; each further lab has the next port."""


def folder_name(number: int) -> str:
    """Return what a lab's folders and the root of each of its cgroups are called."""
    return LAB if number == 1 else f"{LAB}-{number}"


@dataclass(frozen=True, kw_only=True)
class Paths:
    """All paths of one checkout's view of the lab."""

    checkout: Path
    cache: Path
    data: Path
    run: Path = RUNS / LAB
    number: int = 1
    """Which of this machine's labs it is, from 1 on."""

    @property
    def lock(self) -> Path:
        """Beside `run`, so that emptying the runtime folder can't lift the lock."""
        return self.run.with_name(f"{self.run.name}.lock")

    @property
    def other_locks(self) -> list[Path]:
        """The locks of this machine's other labs."""
        return [path for path in self.run.parent.glob(f"{LAB}*.lock") if path != self.lock]

    @property
    def port(self) -> int:
        """The API server's port on the machine's loopback."""
        return FIRST_PORT + self.number - 1

    @property
    def cgroup(self) -> str:
        """The name of the lab's corner of every cgroup hierarchy."""
        return folder_name(self.number)

    @property
    def package(self) -> Path:
        """The folder of the Python package `lab`."""
        return self.checkout / "lab"

    @property
    def go(self) -> Path:
        """The folder with one Go module for each tool."""
        return self.package / "go"

    @property
    def apps(self) -> Path:
        """The two quickstart apps."""
        return self.package / "apps"

    @property
    def charts(self) -> Path:
        """Links to the built charts, at a place that a committed stack file can name."""
        return self.checkout / ".lab" / "charts"

    @property
    def virtual_environment(self) -> Path:
        """The project's virtual environment, which the Python program of `pulumi up` runs in."""
        return self.checkout / ".venv"

    @property
    def kubeconfig(self) -> Path:
        """Administrator's access to the cluster from anywhere on this machine."""
        return self.data / "kubeconfig"

    @property
    def own_kubeconfig(self) -> Path:
        """The lab's own access, past all permissions; nobody else is to use it."""
        return self.data / "configuration" / "lab.kubeconfig"

    @property
    def users(self) -> Path:
        """One kubeconfig for each further user that someone asked for."""
        return self.data / "users"

    @property
    def logs(self) -> Path:
        """One log for each part of the running cluster."""
        return self.data / "logs"

    @property
    def volumes(self) -> Path:
        """One folder for each volume that a claim got."""
        return self.data / "volumes"

    @property
    def bin(self) -> Path:
        """Links to the binaries of the parts in use."""
        return self.data / "bin"

    @property
    def kubectl(self) -> Path:
        """The cluster's own release of kubectl."""
        return self.bin / "kubectl"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.run / "control.sock"

    @property
    def containerd(self) -> Path:
        """The lab's containerd, never the machine's."""
        return self.run / "containerd.sock"


def default_paths() -> Paths:
    """Return the paths for the checkout that this package was imported from, with the environment's overrides.

    Raises:
        LabError: There can be no lab of that number.
    """
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    given = os.environ.get(NUMBER_VARIABLE) or "1"
    if not re.fullmatch("[1-9][0-9]?", given):
        raise LabError(f"{NUMBER_VARIABLE} is {given!r}: set it to a number from 1 to 99, or unset it.")
    number = int(given)
    name = folder_name(number)
    data = Path(os.environ.get(DATA_VARIABLE) or Path("/var/lib") / LAB).absolute()
    return Paths(
        checkout=Path(__file__).resolve().parent.parent,
        cache=Path(os.environ.get(CACHE_VARIABLE) or cache_home / LAB).absolute(),
        # Each has its own, wherever it is: two clusters in one folder would destroy each other.
        data=data if number == 1 else data.with_name(f"{data.name}-{number}"),
        run=RUNS / name,
        number=number,
    )

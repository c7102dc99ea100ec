"""What tests use of the lab: where it is, whether it runs, how to start it and how to run Pulumi in it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lab import build, charts, cluster, pulumi, users
from lab.charts import serve_repository
from lab.paths import Paths, default_paths

__all__ = ["Paths", "chart_folders", "environment", "is_running", "kubeconfig", "kubectl", "paths", "pulumi_cli"]
__all__ += ["pulumi_binaries", "run_pulumi", "serve_repository", "start", "user_kubeconfig", "working_stack_file"]


def paths() -> Paths:
    """Return the lab's paths as this checkout sees them."""
    return default_paths()


def environment() -> dict[str, str]:
    """Return the variables that make Pulumi use the lab; add them to the environment of a process."""
    return pulumi.environment(paths())


def is_running() -> bool:
    """Tell whether the lab runs and none of its parts has crashed."""
    running = cluster.status(paths())
    return running is not None and not running.crashed


def start(dapr: Collection[str] = ()) -> None:
    """Start the lab and wait until it is ready; quick where it runs already.

    `dapr` names releases on demand: their images and charts are there afterwards, built first where they never were.
    """
    cluster.start(paths(), dapr)


def kubeconfig() -> Path:
    """Return the path of the administrator's kubeconfig."""
    return paths().kubeconfig


def user_kubeconfig(user: str, groups: Collection[str] = ()) -> Path:
    """Return the path of a kubeconfig for any user, who has no rights but those that a test binds to the name.

    The context is called like the administrator's. The user lasts until the lab is removed.
    """
    return users.kubeconfig(paths(), user, groups)


def kubectl() -> Path:
    """Return the path of kubectl."""
    return paths().kubectl


def pulumi_cli() -> Path:
    """Return the path of Pulumi's CLI."""
    return paths().bin / "pulumi"


def pulumi_binaries(folder: Path) -> None:
    """Put Pulumi's CLI, its language host and the command provider into a folder, building what is missing."""
    cluster.place_binaries(build.build(paths()), folder, *cluster.TOOLS, "pulumi-resource-command")


def run_pulumi(*arguments: str) -> int:
    """Run Pulumi in this checkout on the lab's stack, with its output shown; return its exit code."""
    return pulumi.run(paths(), arguments)


def working_stack_file() -> Path:
    """Return the lab's copy of `Pulumi.lab.yaml`, with salt and password, brought up to date with the committed one."""
    return pulumi.prepare(paths())


def chart_folders() -> list[Path]:
    """Return the folders of the charts of Dapr and OSM."""
    return charts.exposed(paths())

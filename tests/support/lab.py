"""Stacks and clients for the lab's cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cluster.client import Cluster
from lab import api
from tests.support.kubectl import Kubectl
from tests.support.stack import Stack, committed_config


def kubectl() -> Kubectl:
    """The lab's kubectl, on the lab's cluster."""
    return Kubectl(binary=api.kubectl(), kubeconfig=api.kubeconfig())


def cluster() -> Cluster:
    """The operations' client, on the lab's cluster."""
    return Cluster.connect(kubeconfig=api.kubeconfig())


def stack(name: str, folder: Path, **config: Any) -> Stack:
    """A stack of this project for the lab's cluster; its state is in the lab's own backend.

    Args:
        name: The stack's name.
        folder: Where its config file is kept.
        config: Settings beside those of ``Pulumi.lab.yaml``.
    """
    api.working_stack_file()  # makes the lab's backend and passphrase where this is their first use
    base = committed_config("Pulumi.lab.yaml") | {f"dapr-osm:{key}": value for key, value in config.items()}
    made = Stack(name=name, folder=folder, environment=api.environment(), base=base)
    made.init()
    return made

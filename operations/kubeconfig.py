"""Which cluster is meant: the one setting for it is KUBECONFIG, with its current context.

The Kubernetes provider, every Command and every check find file and context there by themselves, so neither
ever becomes part of the stack's state.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from operations.errors import OperationError

# Seconds until a cluster that says nothing counts as out of reach.
CONNECT_SECONDS: Final = 5


@dataclass(frozen=True, kw_only=True)
class Kubeconfig:
    """What matters of one or several merged kubeconfig files.

    Attributes:
        files: The files that exist, in order.
        current: The current context's name, or "".
        contexts: All contexts' names.
    """

    files: tuple[Path, ...]
    current: str
    contexts: tuple[str, ...]


def paths(environ: Mapping[str, str]) -> list[Path]:
    """The files that KUBECONFIG names, or the one that kubectl reads without it."""
    named = [Path(part).expanduser() for part in environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return named or [Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config"]


def read(environ: Mapping[str, str]) -> Kubeconfig:
    """Merge the kubeconfig files as kubectl does: the first file that says something wins.

    Raises:
        OperationError: A file can't be read as a kubeconfig.
    """
    files = tuple(path for path in paths(environ) if path.is_file())
    contents = [_content(path) for path in files]
    return Kubeconfig(files=files, current=_current(contents), contexts=tuple(_named(contents, "contexts")))


def _content(path: Path) -> dict[str, Any]:
    """One file, checked as far as it is used here."""
    try:
        content = yaml.safe_load(path.read_text()) or {}
        return {"current-context": str(content.get("current-context") or "")} | {
            kind: {str(entry["name"]): entry for entry in content.get(kind) or []} for kind in ("contexts", "clusters")
        }
    except (OSError, ValueError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise OperationError(f"{path} can't be read as a kubeconfig: {type(error).__name__}: {error}") from error


def _current(contents: list[dict[str, Any]]) -> str:
    return next((content["current-context"] for content in contents if content["current-context"]), "")


def _named(contents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The entries of all files; of two with the same name, the first one counts."""
    merged: dict[str, Any] = {}
    for content in contents:
        for name, entry in content[kind].items():
            merged.setdefault(name, entry)
    return merged


def check_reachable(environ: Mapping[str, str]) -> None:
    """Fail at once where nothing listens at the current context's cluster; providers would try for minutes.

    A cluster behind a proxy is not tried: there is no direct way to it.

    Raises:
        OperationError: Nothing answers there.
    """
    contents = [_content(path) for path in paths(environ) if path.is_file()]
    current = _current(contents)
    context = (_named(contents, "contexts").get(current) or {}).get("context") or {}
    cluster = (_named(contents, "clusters").get(str(context.get("cluster"))) or {}).get("cluster") or {}
    server = urlsplit(str(cluster.get("server") or ""))
    proxied = cluster.get("proxy-url") or any(environ.get(name) for name in ("HTTPS_PROXY", "https_proxy"))
    if not server.hostname or proxied:
        return
    port = server.port or (80 if server.scheme == "http" else 443)
    try:
        socket.create_connection((server.hostname, port), timeout=CONNECT_SECONDS).close()
    except OSError as error:
        raise OperationError(
            f'the cluster of context "{current}" does not answer at {server.geturl()}: {error}. '
            "Start it, or choose another: kubectl config use-context NAME."
        ) from error


def check_context(expected: str | None, environ: Mapping[str, str]) -> None:
    """Fail where no cluster is named, or another one than the stack is for.

    Args:
        expected: The context that must be current (``dapr-osm:kubeContext``), or None for any.
        environ: The environment, with KUBECONFIG and HOME.

    Raises:
        OperationError: There is no usable context, or it is not the expected one.
    """
    found = read(environ)
    if not found.files:
        if expected is None and not environ.get("KUBECONFIG") and "KUBERNETES_SERVICE_HOST" in environ:
            return  # in a pod, with its ServiceAccount
        missing = ", ".join(str(path) for path in paths(environ))
        raise OperationError(
            f"there is no kubeconfig: {missing} does not exist. Set KUBECONFIG to the file that names your cluster."
        )
    there = ", ".join(found.contexts) or "none"
    where = ", ".join(str(path) for path in found.files)
    if expected is not None and expected not in found.contexts:
        raise OperationError(
            f'dapr-osm:kubeContext: "{expected}" is not a context of {where} (there: {there}). '
            "Set KUBECONFIG to the file that holds it, or mend the setting."
        )
    if not found.current:
        raise OperationError(
            f"{where} has no current context (contexts: {there}). Choose one: kubectl config use-context NAME."
        )
    if found.current not in found.contexts:
        raise OperationError(
            f'{where}: the current context "{found.current}" does not exist (contexts: {there}). '
            "Choose one: kubectl config use-context NAME."
        )
    if expected is not None and found.current != expected:
        raise OperationError(
            f'dapr-osm:kubeContext: this stack is for "{expected}", but "{found.current}" is current in {where}. '
            f"Run: kubectl config use-context {expected}"
        )

"""Which cluster is meant: KUBECONFIG's files, merged as kubectl merges them, and a context in them.

The Kubernetes provider finds them by itself, by the same rules; so no credential ever becomes part of the stack's
state.
"""

from __future__ import annotations

import difflib
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from cluster.errors import OperationError
from cluster.proxies import proxy_for

# Seconds until a cluster that says nothing counts as out of reach.
CONNECT_SECONDS: Final = 5
# Where Kubernetes puts a pod's own credentials.
SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
# What no path has, and a kubeconfig's content does, as YAML, as JSON or encoded: a file's name has 255 letters.
CONTENT: Final = re.compile(r"[\n{]|[^/\\:;]{256}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A context, cluster or user of a kubeconfig.

    Attributes:
        file: The file that it stands in; relative paths are relative to its folder.
        content: What it says. Not shown, since it may hold credentials.
    """

    file: Path
    content: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Entry(file={str(self.file)!r})"


@dataclass(frozen=True, kw_only=True)
class Kubeconfig:
    """One or several kubeconfig files, merged.

    Attributes:
        files: The files that exist, in order.
        current: The current context's name, or "".
        contexts: All contexts, by name.
        clusters: All clusters, by name.
        users: All users, by name.
    """

    files: tuple[Path, ...]
    current: str
    contexts: Mapping[str, Entry]
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]

    @property
    def where(self) -> str:
        """The files, for a message."""
        return ", ".join(str(path) for path in self.files)


class _Loader(yaml.SafeLoader):
    """Reads YAML as kubectl does, for which a date is a text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}

# The lists of a kubeconfig, and what the entries of each keep their content under.
_KINDS: Final = {"contexts": "context", "clusters": "cluster", "users": "user"}


def paths(environ: Mapping[str, str]) -> list[Path]:
    """The files that KUBECONFIG names, or the one that kubectl reads without it.

    Raises:
        OperationError: It names none.
    """
    given = environ.get("KUBECONFIG", "")
    if CONTENT.search(given):
        # Not shown, since it may hold credentials.
        raise OperationError(
            "KUBECONFIG names no file: it seems to hold a kubeconfig itself. Write that into a file, and set "
            "KUBECONFIG to the file's path; in GitLab, make it a variable of the type File."
        )
    named = [Path(part) for part in given.split(os.pathsep) if part]
    return list(dict.fromkeys(named)) or [Path(environ.get("HOME") or "~").expanduser() / ".kube" / "config"]


def read(environ: Mapping[str, str]) -> Kubeconfig:
    """Merge the kubeconfig files as kubectl does.

    Of entries with the same name the first file's counts, as a whole; the current context is the first that is set.

    Raises:
        OperationError: A file can't be read as a kubeconfig.
    """
    return merge(path for path in paths(environ) if _is_there(path))


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        # Such as a folder that this user may not enter.
        raise _unreadable(path, str(error.strerror)) from None
    return True


def merge(files: Iterable[Path]) -> Kubeconfig:
    """Merge these files, all of which exist; the first one counts most."""
    files = tuple(files)
    current = ""
    merged: dict[str, dict[str, Entry]] = {kind: {} for kind in _KINDS}
    for file in files:
        content = _content(file)
        current = current or _checked(file, "current-context", content.get("current-context"), str, "")
        for kind, entries in merged.items():
            for name, entry in _entries(file, kind, content).items():
                entries.setdefault(name, entry)
    return Kubeconfig(files=files, current=current, **merged)


def _content(file: Path) -> Mapping[str, Any]:
    try:
        content = yaml.load(file.read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        # Its own text would quote the file, credentials and all.
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _unreadable(file, f"it is no YAML: {error.problem}{where}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _unreadable(file, str(reason)) from None
    checked: Mapping[str, Any] = _checked(file, "the file", content, dict, {})
    return checked


def _entries(file: Path, kind: str, content: Mapping[str, Any]) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for index, item in enumerate(_checked(file, kind, content.get(kind), list, [])):
        place = f"{kind}[{index}]"
        item = _checked(file, place, item, dict, {})
        name = _checked(file, f"{place}.name", item.get("name"), str, "")
        if name in found:
            raise _unreadable(file, f'two of its {kind} are called "{name}"')
        inner = _KINDS[kind]
        found[name] = Entry(file=file, content=_checked(file, f"{place}.{inner}", item.get(inner), dict, {}))
    return found


_TYPES: Final = {str: "a text", bool: "true or false", list: "a list", dict: "a map"}


def _checked(file: Path, place: str, value: Any, kind: type[Any], default: Any) -> Any:
    """A value of a file, which must be of this kind; null is like nothing."""
    if value is None:
        return default
    if not isinstance(value, kind):
        raise _unreadable(file, f"{place} must be {_TYPES[kind]}")
    return value


def _unreadable(file: Path, reason: str) -> OperationError:
    return OperationError(
        f"{file} can't be read as a kubeconfig: {reason}. Mend the file, or take it out of KUBECONFIG."
    )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A context, and what it leads to.

    Attributes:
        context: Its name.
        cluster: The cluster's entry.
        cluster_name: Its name.
        user: The user's entry; an empty one where the context's user does not exist, who is nobody.
        user_name: Its name.
    """

    context: str
    cluster: Entry
    cluster_name: str
    user: Entry
    user_name: str


def choose(found: Kubeconfig, context: str) -> Chosen:
    """What an existing context leads to.

    Raises:
        OperationError: The context names no cluster that exists.
    """
    entry = found.contexts[context]
    names = {
        key: _checked(entry.file, f'context "{context}": {key}', entry.content.get(key), str, "")
        for key in ("cluster", "user")
    }
    if names["cluster"] not in found.clusters:
        raise OperationError(
            f'{entry.file}: context "{context}": cluster: "{names["cluster"]}" is not a cluster of {found.where} '
            f"{_instead(names['cluster'], found.clusters)}. Mend it: kubectl config set-context {context} "
            "--cluster=NAME."
        )
    return Chosen(
        context=context,
        cluster=found.clusters[names["cluster"]],
        cluster_name=names["cluster"],
        user=found.users.get(names["user"], Entry(file=entry.file, content={})),
        user_name=names["user"],
    )


def in_pod(environ: Mapping[str, str]) -> bool:
    """Whether this runs in a pod, where its ServiceAccount says who it is."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST") and environ.get("KUBERNETES_SERVICE_PORT"))


def check_context(expected: str | None, environ: Mapping[str, str]) -> str | None:
    """Fail where no cluster is named.

    Args:
        expected: The context to use (``dapr-osm:kubeContext``), or None for the current one.
        environ: The environment, with KUBECONFIG and HOME.

    Returns:
        The context that counts, or None in a pod, where the cluster is the pod's own.

    Raises:
        OperationError: There is no such context.
    """
    found = read(environ)
    if not found.files:
        if expected is None and not environ.get("KUBECONFIG") and in_pod(environ):
            return None
        missing = ", ".join(str(path) for path in paths(environ))
        raise OperationError(
            f"there is no kubeconfig: {missing} does not exist. Set KUBECONFIG to the file that names your cluster."
        )
    return effective_context(found, expected)


def effective_context(found: Kubeconfig, expected: str | None) -> str:
    """The expected context, or the current one; it exists.

    Raises:
        OperationError: It does not.
    """
    if expected is not None:
        if expected not in found.contexts:
            raise OperationError(
                f'dapr-osm:kubeContext: "{expected}" is not a context of {found.where} '
                f"{_instead(expected, found.contexts)}. Set KUBECONFIG to the file that holds it, or mend the setting."
            )
        return expected
    there = _names(found.contexts)
    if not found.current:
        raise OperationError(
            f"{found.where} has no current context (contexts: {there}). Choose one: kubectl config use-context NAME."
        )
    if found.current not in found.contexts:
        raise OperationError(
            f'{found.where}: the current context "{found.current}" does not exist (contexts: {there}). '
            "Choose one: kubectl config use-context NAME."
        )
    return found.current


def _names(entries: Mapping[str, Entry]) -> str:
    return ", ".join(entries) or "none"


def _instead(name: str, entries: Mapping[str, Entry]) -> str:
    """What there is, and what was probably meant."""
    near = difflib.get_close_matches(name, entries, n=1)
    return f"(there: {_names(entries)})" + (f'; did you mean "{near[0]}"?' if near else "")


def check_reachable(environ: Mapping[str, str], context: str | None = None) -> None:
    """Fail at once where nothing listens at the cluster; providers would try for minutes.

    A cluster behind a proxy is not tried: there is no direct way to it.

    Args:
        environ: The environment, with KUBECONFIG and HOME.
        context: The context that counts, or None for the current one.

    Raises:
        OperationError: Nothing answers there.
    """
    found = read(environ)
    name = context or found.current
    if name not in found.contexts:
        return
    entry = found.clusters.get(str(found.contexts[name].content.get("cluster")))
    cluster = entry.content if entry else {}
    address = str(cluster.get("server") or "")
    try:
        server = urlsplit(address)
        if not server.hostname or cluster.get("proxy-url") or proxy_for(address, environ):
            return
        port = server.port or (80 if server.scheme == "http" else 443)
        socket.create_connection((server.hostname, port), timeout=CONNECT_SECONDS).close()
    except ValueError:
        # No address; whoever reads all of the kubeconfig says so.
        return
    except OSError as error:
        raise OperationError(
            f'the cluster of context "{name}" does not answer at {server.geturl()}: {error}. '
            "Start it, or choose another: kubectl config use-context NAME."
        ) from error

"""A small client for what checks, steps and the verification need of a cluster, in plain dictionaries.

There are no classes for the kinds: the objects here are of many of them, some of them custom.
"""

from __future__ import annotations

import json
import os
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode

import urllib3

from cluster import discovery, portforward
from cluster.access import find_access
from cluster.discovery import Discovery, Resource
from cluster.errors import ApiError, ForbiddenError, OperationError
from cluster.portforward import Answer
from cluster.transport import CONNECTIONS, Reply, Transport

__all__ = ["Answer", "ApiError", "Cluster", "Object", "parallel"]

Object = dict[str, Any]
T = TypeVar("T")

# Seconds for one request, connecting and answering.
REQUEST_TIMEOUT: Final = 15
# Seconds for one that changes something: somebody's webhook may take thirty, and then it is done all the same.
CHANGE_TIMEOUT: Final = 40
# Seconds between the tries of a request that may be tried again: an API server that starts anew is given half a minute.
PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0, 5.0)

JSON: Final = "application/json"
PARTIAL: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PATCHES: Final = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
# An answer is taken in such pieces where there may be many items.
PAGE: Final = 500

PatchKind = Literal["merge", "strategic", "apply"]
Propagation = Literal["Background", "Foreground", "Orphan"]


class Cluster:
    """One cluster as one user. Safe to use from several threads."""

    _uid: str | None = None

    def __init__(self, transport: Transport) -> None:
        """Use a way to an API server."""
        self._transport = transport

    @classmethod
    def connect(cls, context: str | None = None, kubeconfig: Path | None = None) -> Cluster:
        """Reach just what kubectl and the provider reach.

        Args:
            context: A context other than the current one.
            kubeconfig: A kubeconfig other than the ones that KUBECONFIG names.

        Raises:
            OperationError: There is no usable kubeconfig.
        """
        return cls(Transport(find_access(os.environ, context, kubeconfig), os.environ))

    @property
    def server(self) -> str:
        """The API server's URL."""
        return self._transport.server

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> str:
        """One request to the API server; its answer as text. A PATCH is a JSON merge patch.

        What changes nothing is tried again for half a minute where the API server is away or too busy; anything else
        only where it can't have been done.

        Args:
            method: The HTTP method.
            path: The path below the server's URL.
            query: Parameters.
            body: An object to send.

        Raises:
            ApiError: The API server said no.
            OperationError: It did not answer.
        """
        return self.exchange(method, path, query, body)

    def exchange(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        accept: str = JSON,
        content: str | None = None,
    ) -> str:
        """A request whose answer is wanted in another form, or whose body is of another type.

        Args:
            method: The HTTP method.
            path: The path below the server's URL.
            query: Parameters.
            body: An object to send.
            accept: The form of the answer.
            content: The body's type.
        """
        headers = {"Accept": accept if accept != JSON else f"{JSON}, */*"}
        if body is not None:
            headers["Content-Type"] = content or (PATCHES["merge"] if method == "PATCH" else JSON)
        address = f"{path}?{urlencode(list(query.items()), doseq=True)}" if query else path
        sent = None if body is None else json.dumps(body).encode()
        changes = _changes(method, path, query or {})
        seconds = CHANGE_TIMEOUT if changes else REQUEST_TIMEOUT
        for pause in (*PAUSES, None):
            try:
                reply = self._transport.send(method, address, headers=headers, body=sent, seconds=seconds)
            except urllib3.exceptions.HTTPError as error:
                if pause is None or not _may_repeat(error, changes=changes) or _hangs(error, query or {}):
                    raise OperationError(f"the cluster does not answer at {self._transport.server}: {error}") from error
                time.sleep(pause)
                continue
            if reply.status < 400:
                return self._said(method, path, reply)
            if pause is None or not _is_busy(reply, method, changes=changes):
                break
            time.sleep(max(pause, min(reply.retry_after or 0, PAUSES[-1])))
        raise ApiError(method, path, reply.status, reply.body)

    def _said(self, method: str, path: str, reply: Reply) -> str:
        """What an API server says, and not a page of whoever stands before it."""
        said = no_api_server(self._transport.server, f"{reply.status} {reply.kind}")
        if reply.status >= 300:
            raise ApiError(method, path, reply.status, said)
        if "html" in reply.kind:
            raise OperationError(said)
        return reply.body

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Object | None:
        """One object or list, or None where there is none."""
        return _or_none(lambda: self.request("GET", path, query))

    def items(self, path: str, query: Mapping[str, Any] | None = None) -> list[Object]:
        """A list's items; none where the kind does not exist."""
        found = self.get(path, query)
        return list((found or {}).get("items") or [])

    def partial(self, path: str) -> Object | None:
        """One object's metadata alone, or None where there is none: no Secret's content ever gets here."""
        return _or_none(lambda: self.exchange("GET", path, accept=PARTIAL))

    def metadata(self, path: str, query: Mapping[str, Any] | None = None) -> list[Object]:
        """The metadata of a list's items; none where the kind does not exist."""
        found: list[Object] = []
        asked: dict[str, Any] = {**(query or {}), "limit": PAGE}
        while True:
            try:
                page = _or_none(partial(self.exchange, "GET", path, asked, accept=PARTIAL_LIST))
            except ApiError as error:
                if error.status != 410 or "continue" not in asked:
                    raise
                # The API server no longer knows the list as it was at the first piece; all at once it always does.
                found, asked = [], dict(query or {})
                continue
            found += (page or {}).get("items") or []
            more = page and page.get("metadata", {}).get("continue")
            if not more:
                return found
            asked["continue"] = more

    def patch(
        self,
        path: str,
        body: Object,
        kind: PatchKind = "merge",
        *,
        field_manager: str | None = None,
        force: bool = False,
        dry_run: bool = False,
    ) -> Object:
        """Change an object; the object as it is then.

        Args:
            path: Where the object is.
            body: What to change.
            kind: ``merge`` (lists are replaced), ``strategic`` (known lists are merged by key) or ``apply`` (the
                fields are the manager's from then on, and the object is made where it does not exist).
            field_manager: Who changes it. ``apply`` needs it.
            force: Whether ``apply`` takes over fields that are another manager's.
            dry_run: Whether the API server only says what would come of it.
        """
        query = {"fieldManager": field_manager} if field_manager else {}
        query |= {"force": "true"} if force else {}
        query |= {"dryRun": "All"} if dry_run else {}
        if kind == "merge":
            return as_object(self.request("PATCH", path, query, body))
        return as_object(self.exchange("PATCH", path, query, body, content=PATCHES[kind]))

    def delete(self, path: str, *, uid: str | None = None, propagation: Propagation = "Background") -> bool:
        """Delete an object; tells whether it was there.

        Args:
            path: Where the object is.
            uid: Only this very object; another one that has its name by now is left alone.
            propagation: What becomes of the objects that it owns.
        """
        options: Object = {"propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self.request("DELETE", path, body=options)
        except ApiError as error:
            if error.status == 404 or (uid and error.status == 409 and "UID in precondition" in error.reason):
                return False
            raise
        return True

    def uid(self) -> str:
        """What tells this cluster from every other one: the UID of its namespace kube-system.

        Raises:
            OperationError: It can't be read.
        """
        if self._uid is None:
            try:
                namespace = self.partial("/api/v1/namespaces/kube-system")
            except ApiError as error:
                if error.status != 403:
                    raise
                raise ForbiddenError(
                    f"this user may not look at the namespace kube-system, by whose UID a cluster is known: "
                    f"{error.reason}. Have an administrator grant it; deploy/deployer.yaml has all that it takes."
                ) from error
            if namespace is None:
                raise OperationError("the cluster has no namespace kube-system, by whose UID it would be known")
            uid = (namespace.get("metadata") or {}).get("uid")
            if not uid:
                raise OperationError(no_api_server(self.server, "an object without metadata"))
            self._uid = str(uid)
        return self._uid

    def server_version(self) -> str:
        """The API server's version, such as ``v1.33.1``."""
        return str(as_object(self.request("GET", "/version"))["gitVersion"])

    def discover(self) -> Discovery:
        """Every kind that the cluster serves, and the groups that do not answer."""
        return discovery.discover(lambda path, accept: self.exchange("GET", path, accept=accept))

    def resources(self) -> list[Resource]:
        """Every kind that the cluster serves, in all its versions, the preferred one of each group first."""
        return list(self.discover().resources)

    def may(
        self,
        verb: str,
        group: str,
        resource: str,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> bool:
        """Whether this user may do something.

        Args:
            verb: Such as ``create``.
            group: The resource's API group; "" for the core's.
            resource: Its plural.
            namespace: Where; None for all namespaces, or for kinds without.
            name: One object's name; None for any.
            subresource: Such as ``portforward``.
        """
        asked = {"verb": verb, "group": group, "resource": resource, "namespace": namespace, "name": name}
        asked["subresource"] = subresource
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }
        return bool(as_object(self.request("POST", ACCESS_REVIEWS, body=review))["status"]["allowed"])

    def pods(self, namespace: str, label: str = "") -> list[Object]:
        """A namespace's pods, those that are being deleted too."""
        return self.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": label} if label else None)

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        """The latest lines of a container's log, each with its timestamp in front; none if it hasn't started."""
        query = {"container": container, "sinceSeconds": since_seconds, "timestamps": "true"}
        return self._read_log(namespace, pod, query)

    def log(
        self, namespace: str, pod: str, container: str, *, lines: int, size: int, previous: bool = False
    ) -> list[str]:
        """The end of a container's log, with timestamps; none if it hasn't started.

        Args:
            namespace: The pod's namespace.
            pod: Its name.
            container: The container.
            lines: So many lines at the most.
            size: So many bytes at the most.
            previous: Whether it is about the container that ran before the present one.
        """
        query = {"container": container, "tailLines": lines, "limitBytes": size, "timestamps": "true"}
        return self._read_log(namespace, pod, query | ({"previous": "true"} if previous else {}))

    def last_words(self, namespace: str, pod: str, container: str, lines: int) -> list[str]:
        """The last lines of the container that ran before the present one; none if there was none."""
        return self._read_log(namespace, pod, {"container": container, "previous": "true", "tailLines": lines})

    def final_words(self, namespace: str, pod: str, container: str, lines: int) -> list[str]:
        """The last lines of the present container; none if it hasn't started."""
        return self._read_log(namespace, pod, {"container": container, "tailLines": lines})

    def _read_log(self, namespace: str, pod: str, query: Mapping[str, Any]) -> list[str]:
        try:
            return self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query).splitlines()
        except ApiError as error:
            if error.status in (400, 404):
                return []
            raise

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        """Ask a port of a pod's own loopback, as ``kubectl port-forward`` does.

        Raises:
            ForbiddenError: This user may not.
            OperationError: Nothing answers there.
        """
        return portforward.get(self._transport, namespace, pod, port, path, REQUEST_TIMEOUT)


ACCESS_REVIEWS: Final = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def _or_none(ask: Callable[[], str]) -> Object | None:
    try:
        return as_object(ask())
    except ApiError as error:
        if error.status == 404:
            return None
        raise


def as_object(answer: str) -> Object:
    """An API server's answer.

    Raises:
        OperationError: It is none.
    """
    try:
        found = json.loads(answer)
    except ValueError as error:
        raise OperationError(no_api_server("the address in the kubeconfig", ascii(answer[:60]))) from error
    if not isinstance(found, dict):
        raise OperationError(no_api_server("the address in the kubeconfig", ascii(answer[:60])))
    return found


def no_api_server(where: str, said: str) -> str:
    """What is said where something else than an API server answers."""
    return (
        f"{where} answers, but not as an API server does ({said.strip()}). Is it the cluster's, and does no proxy or "
        "login stand before it? `kubectl version` asks the same."
    )


def _changes(method: str, path: str, query: Mapping[str, Any]) -> bool:
    """Whether a request may change something."""
    return method != "GET" and query.get("dryRun") != "All" and path != ACCESS_REVIEWS


def _may_repeat(error: urllib3.exceptions.HTTPError, *, changes: bool) -> bool:
    """Whether a request that had no answer may be sent again."""
    if isinstance(error, urllib3.exceptions.NameResolutionError | urllib3.exceptions.LocationValueError):
        return False
    if isinstance(error, urllib3.exceptions.ProxyError):
        # Nothing has reached the server. A proxy that says no will say it again, one that finds no server may find it.
        said = str(error.original_error)
        return "Tunnel connection failed" not in said or any(f"failed: {code}" in said for code in BUSY)
    if isinstance(error, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
        return True
    if isinstance(error, urllib3.exceptions.SSLError):
        # A server that goes away amid the greeting, not one that shows the wrong certificate.
        return not changes and isinstance(error.args[0] if error.args else None, ssl.SSLEOFError)
    return not changes


def _hangs(error: urllib3.exceptions.HTTPError, query: Mapping[str, Any]) -> bool:
    """Whether a dry run waits for a webhook of somebody's that does not answer; it would again."""
    return query.get("dryRun") == "All" and isinstance(error, urllib3.exceptions.ReadTimeoutError)


# Statuses of a server, or of a load balancer before it, that will likely answer in a moment.
BUSY: Final = (502, 503, 504)
# What a server says that is well itself: whoever converts objects of somebody's kind does not answer.
NO_CONVERSION: Final = "conversion webhook for "
# What it says of what it has not done, since somebody's webhook does not answer; one that hangs would hang again.
NOT_CALLED: Final = "failed calling webhook"
HANGS: Final = "context deadline exceeded"


def _is_busy(reply: Reply, method: str, *, changes: bool) -> bool:
    """Whether a refused request may be sent again.

    A 429 was not done, nor what a webhook was to be asked about; a GET's 500 is a server that starts or ends.
    """
    if reply.status == 429:
        return True
    if reply.status == 500 and changes:
        return NOT_CALLED in reply.body and HANGS not in reply.body
    if reply.status == 500:
        return method == "GET" and NO_CONVERSION not in reply.body
    return not changes and reply.status in BUSY


def parallel(calls: Iterable[Callable[[], T]]) -> list[T]:
    """Make these calls side by side; their results in order, or the first error in that order."""
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as pool:
        futures = [pool.submit(call) for call in calls]
        try:
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

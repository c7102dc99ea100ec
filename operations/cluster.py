"""A small client for what the operations need of a cluster, in plain dictionaries.

Built on the official Kubernetes client, which knows every way to authenticate; its generated classes are left
out, since the objects here are of many kinds, some of them custom.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward

from operations.errors import ForbiddenError, OperationError
from operations.kubeconfig import read

Object = dict[str, Any]

# Seconds for one request, connecting and answering.
REQUEST_TIMEOUT = 15


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a pod said to an HTTP request.

    Attributes:
        status: The HTTP status.
        body: The body as text.
    """

    status: int
    body: str


class ApiError(OperationError):
    """The API server refused a request.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, method: str, path: str, status: int, answer: str) -> None:
        """Say what was refused, in the API server's own words."""
        try:
            reason = str(json.loads(answer)["message"])
        except (ValueError, KeyError, TypeError):
            reason = answer[:300]
        self.status = status
        super().__init__(f"{method} {path}: {status}: {reason}")


class Cluster:
    """The cluster that KUBECONFIG's current context names."""

    def __init__(self, api: client.ApiClient) -> None:
        """Use a client that is configured already."""
        self._api = api

    @classmethod
    def connect(cls, kubeconfig: Path | None = None) -> Cluster:
        """Connect as kubectl would.

        Args:
            kubeconfig: A kubeconfig other than the one that KUBECONFIG names.

        Raises:
            OperationError: There is no usable kubeconfig.
        """
        configuration = client.Configuration()
        try:
            if kubeconfig or read(os.environ).files:
                config.load_kube_config(str(kubeconfig) if kubeconfig else None, client_configuration=configuration)
            else:
                config.load_incluster_config(client_configuration=configuration)
        except (config.ConfigException, OSError) as error:
            raise OperationError(f"the kubeconfig can't be used: {error}") from error
        return cls(client.ApiClient(configuration))

    def request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> str:
        """One request to the API server; its answer as text. A PATCH is a JSON merge patch.

        Raises:
            ApiError: The API server said no.
            OperationError: It did not answer.
        """
        sent = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": "application/json, */*", "Content-Type": sent}
        call = self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._api.call_api(*call, _request_timeout=REQUEST_TIMEOUT)
            response.read()
        except (urllib3.exceptions.HTTPError, ApiException) as error:
            raise OperationError(f"the cluster does not answer: {error}") from error
        text = bytes(response.data).decode(errors="replace")
        if not 200 <= response.status < 300:
            raise ApiError(method, path, response.status, text)
        return text

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Object | None:
        """One object or list, or None where there is none."""
        try:
            found: Object = json.loads(self.request("GET", path, query))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return found

    def items(self, path: str, query: Mapping[str, Any] | None = None) -> list[Object]:
        """A list's items; none where the kind does not exist."""
        found = self.get(path, query)
        return list(found["items"]) if found else []

    def delete(self, path: str) -> bool:
        """Delete an object; tells whether it was there."""
        try:
            self.request("DELETE", path, body={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def pods(self, namespace: str, label: str = "") -> list[Object]:
        """A namespace's pods, those that are being deleted too."""
        return self.items(f"/api/v1/namespaces/{namespace}/pods", {"labelSelector": label} if label else None)

    def logs(self, namespace: str, pod: str, container: str, since_seconds: int) -> list[str]:
        """The latest lines of a container's log, each with its timestamp in front; none if it hasn't started."""
        query = {"container": container, "sinceSeconds": since_seconds, "timestamps": "true"}
        try:
            return self.request("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log", query).splitlines()
        except ApiError as error:
            if error.status in (400, 404):
                return []
            raise

    def http_from_pod(self, namespace: str, pod: str, port: int, path: str) -> Answer:
        """Ask a port of a pod's own loopback, as ``kubectl port-forward`` does.

        Raises:
            OperationError: Nothing answers there.
        """
        with _forwarded(self._api, namespace, pod, port) as connection:
            try:
                return _http_get(connection, path)
            except (OSError, HTTPException) as error:
                raise OperationError(f"port {port} of pod {namespace}/{pod} does not answer: {error}") from error


@contextmanager
def _forwarded(api: client.ApiClient, namespace: str, pod: str, port: int) -> Iterator[Any]:
    core = client.CoreV1Api(api)
    try:
        forward = portforward(core.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
    except ApiException as error:
        problem = f"can't forward port {port} of pod {namespace}/{pod}: {error.reason}"
        if error.status != 403:
            raise OperationError(problem) from error
        mend = "The verification needs the permission to create pods/portforward there."
        raise ForbiddenError(f"{problem}. {mend}") from error
    connection = forward.socket(port)
    try:
        connection.settimeout(REQUEST_TIMEOUT)
        yield connection
    finally:
        connection.close()


def _http_get(connection: Any, path: str) -> Answer:
    http = HTTPConnection("localhost")
    http.sock = connection
    http.request("GET", path, headers={"Connection": "close"})
    response = http.getresponse()
    return Answer(status=response.status, body=response.read().decode(errors="replace"))

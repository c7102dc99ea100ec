"""An API server on loopback that notes what arrives and answers as it is told."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.client import Cluster
from lab.certificates import Authority

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A request as it came in.

    Attributes:
        method: Its method.
        path: Its path, with the query.
        headers: All headers, in order, names in lower case.
        body: Its body.
        subject: The common name of the client's certificate, or None.
        peer: The client's port, by which connections are told apart.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    subject: str | None
    peer: int

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What to answer.

    Attributes:
        status: The HTTP status; 0 for cutting the connection.
        body: The body.
        headers: More headers.
    """

    status: int = 200
    body: str = "{}"
    headers: dict[str, str] = field(default_factory=dict)


Answering = Callable[[Arrived], Told]


class ApiServer(ThreadingHTTPServer):
    """The server.

    Attributes:
        arrived: Every request so far.
        answer: Says what to answer.
        authority: Who issued its certificate, or None where it speaks plain HTTP.
    """

    daemon_threads = True

    def __init__(
        self, authority: Authority | None = None, hosts: Sequence[str] = ("127.0.0.1", "localhost"), port: int = 0
    ) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.arrived: list[Arrived] = []
        self.answer: Answering = lambda arrived: Told()
        self.authority = authority
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*authority.issue("server-" + "-".join(hosts), "server", hosts=hosts))
            context.load_verify_locations(authority.certificate)
            context.verify_mode = ssl.CERT_OPTIONAL
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http{'s' if self.authority else ''}://127.0.0.1:{self.port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no finding."""

    @property
    def last(self) -> Arrived:
        return self.arrived[-1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        subject = None
        if isinstance(self.connection, ssl.SSLSocket) and (shown := self.connection.getpeercert()):
            names: Any = shown["subject"]
            subject = dict(part for [part] in names)["commonName"]
        arrived = Arrived(
            method=self.command,
            path=self.path,
            headers=tuple((name.lower(), value) for name, value in self.headers.items()),
            body=body,
            subject=subject,
            peer=self.client_address[1],
        )
        self.server.arrived.append(arrived)
        told = self.server.answer(arrived)
        if told.status == 0:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(told.status)
        content = told.body.encode()
        for name, value in {"Content-Type": "application/json", "Content-Length": len(content), **told.headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def log_message(self, *arguments: Any) -> None:
        """Nothing: the tests look at what arrived."""


@contextmanager
def serving(server: ApiServer) -> Iterator[ApiServer]:
    """Run a server for a while."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def kubeconfig(path: Path, server: str, cluster: dict[str, Any] | None = None, /, **user: Any) -> Path:
    """Write a kubeconfig with one context, "c", that is current."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        "clusters": [{"name": "k", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def client(folder: Path, server: str, cluster: dict[str, Any] | None = None, /, **user: Any) -> Cluster:
    """A client with a kubeconfig of its own."""
    return Cluster.connect(kubeconfig=kubeconfig(folder / "config", server, cluster, **user))

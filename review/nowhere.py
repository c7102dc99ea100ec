"""A cluster that is not there: an API server on loopback, empty and willing, for previews that need no real one.

It has a default StorageClass, no object of anybody's, and lets everybody do everything. Whatever is applied to it in a
dry run comes back as it is. So a preview on it shows all that a stack declares, as a first install.
"""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import yaml

VERSION: Final = {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
UID: Final = "00000000-0000-4000-8000-000000000000"
DEFAULT_CLASS: Final = {"storageclass.kubernetes.io/is-default-class": "true"}

Object = Mapping[str, Any]

# Everything that it has, by path.
THERE: Final[Mapping[str, Object]] = {
    "/version": VERSION,
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/api/v1/namespaces/kube-system": {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "kube-system", "uid": UID},
    },
    "/apis/storage.k8s.io/v1/storageclasses": {
        "kind": "StorageClassList",
        "items": [{"metadata": {"name": "standard", "annotations": DEFAULT_CLASS}, "provisioner": "none"}],
    },
}
# Questions, and what is answered.
ANSWERS: Final[Mapping[str, Object]] = {
    "selfsubjectaccessreviews": {"status": {"allowed": True}},
    "selfsubjectreviews": {"status": {"userInfo": {"username": "nobody"}}},
}


def answer(method: str, path: str, body: Any) -> tuple[int, Object]:
    """Status and body of an answer.

    Args:
        method: The HTTP method.
        path: The path, without a query.
        body: What was sent, or None.
    """
    if method == "GET" and path in THERE:
        return 200, THERE[path]
    if method == "POST" and (found := ANSWERS.get(path.rpartition("/")[2])) is not None:
        return 201, found
    if method in ("POST", "PATCH") and isinstance(body, dict):
        return 200, body
    if method == "GET" and _is_collection(path):
        return 200, {"kind": "List", "apiVersion": "v1", "metadata": {}, "items": []}
    return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}


def _is_collection(path: str) -> bool:
    """Whether a path names all objects of a kind: it then has an odd number of parts below the API's version."""
    found = re.fullmatch(r"/(?:api/[^/]+|apis/[^/]+/[^/]+)/(.+)", path)
    return found is not None and len(found[1].split("/")) % 2 == 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = yaml.safe_load(content) if content else None
        except (yaml.YAMLError, UnicodeDecodeError):
            body = None
        status, found = answer(self.command, urllib.parse.urlsplit(self.path).path, body)
        written = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def kubeconfig(folder: Path, context: str) -> Iterator[Path]:
    """A kubeconfig for it, which is good for as long as the context lasts.

    Args:
        folder: Where to write it.
        context: Its one context's name.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    path = folder / "kubeconfig"
    try:
        named = {"name": context}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": context,
                    "contexts": [{**named, "context": {"cluster": context, "user": context}}],
                    "clusters": [{**named, "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
                    "users": [{**named, "user": {}}],
                }
            )
        )
        yield path
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

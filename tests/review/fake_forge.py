"""GitHub's and GitLab's comments, on loopback: as much of the APIs as a comment needs."""

from __future__ import annotations

import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None


@dataclass
class FakeForge:
    """What it holds, and what it was asked.

    Attributes:
        kind: ``github`` or ``gitlab``.
        comments: The comments that are there.
        requests: What it was asked.
        answers: Statuses to answer with instead, by method.
        say: What such an answer says.
        wait: How many seconds such an answer asks to wait; none where empty.
        gone: Ids of comments that somebody deletes before they are written.
        commits: By commit, the requests that it is part of.
    """

    kind: str
    comments: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    answers: dict[str, list[int]] = field(default_factory=dict)
    say: str = "no"
    wait: str = ""
    gone: set[int] = field(default_factory=set)
    commits: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    url: str = ""

    def add(self, body: str, *, author: str = "someone", count: int = 1) -> int:
        for _ in range(count):
            number = len(self.comments) + 1
            self.comments.append(
                {"id": number, "body": body, "user": {"login": author}, "author": {"username": author}}
            )
        return len(self.comments)

    def sent(self, *methods: str) -> list[Request]:
        return [request for request in self.requests if request.method in methods]

    def bodies(self) -> dict[int, str]:
        return {comment["id"]: comment["body"] for comment in self.comments}


class _Handler(BaseHTTPRequestHandler):
    forge: FakeForge

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PATCH = do_PUT = do_GET

    def _answer(self) -> None:
        forge, method = self.forge, self.command
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parsed = urllib.parse.urlsplit(self.path)
        forge.requests.append(Request(method, self.path, dict(self.headers), body))
        if forge.answers.get(method):
            status = forge.answers[method].pop(0)
            headers = {"Location": "http://127.0.0.1:1/elsewhere"} if status in (301, 302, 307) else {}
            self._reply(
                status, {"message": forge.say}, {**headers, **({"Retry-After": forge.wait} if forge.wait else {})}
            )
        elif (found := self._requests(parsed.path)) is not None:
            self._reply(200, found)
        elif parsed.path == "/user":
            self._reply(200, {"username": "bot"})
        elif parsed.path not in self._known(method):
            self._reply(404, {"message": "Not Found"})
        elif method == "GET":
            self._page(urllib.parse.parse_qs(parsed.query))
        elif method == "POST":
            forge.add(body["body"] if body else "", author="bot")
            self._reply(201, forge.comments[-1])
        else:
            comment = next(c for c in forge.comments if parsed.path.endswith(f"/{c['id']}"))
            comment["body"] = body["body"] if body else ""
            self._reply(200, comment)

    def _requests(self, path: str) -> list[dict[str, Any]] | None:
        for commit, found in self.forge.commits.items():
            github = f"/repos/team/mesh/commits/{commit}/pulls"
            gitlab = f"/projects/team%2Fmesh/repository/commits/{commit}/merge_requests"
            if path == {"github": github, "gitlab": gitlab}[self.forge.kind]:
                return found
        return None

    def _known(self, method: str) -> set[str]:
        there = [comment["id"] for comment in self.forge.comments if comment["id"] not in self.forge.gone]
        if self.forge.kind == "github":
            one = {f"/repos/team/mesh/issues/comments/{number}" for number in there}
            return one if method == "PATCH" else {"/repos/team/mesh/issues/7/comments"}
        notes = "/projects/team%2Fmesh/merge_requests/7/notes"
        return {f"{notes}/{number}" for number in there} if method == "PUT" else {notes}

    def _page(self, query: dict[str, list[str]]) -> None:
        size, page = int(query["per_page"][0]), int(query["page"][0])
        found = self.forge.comments[(page - 1) * size : page * size]
        more = page * size < len(self.forge.comments)
        if self.forge.kind == "github":
            headers = {"Link": f'<{self.forge.url}/?page={page + 1}>; rel="next"'} if more else {}
        else:
            headers = {"X-Next-Page": str(page + 1) if more else ""}
        self._reply(200, found, headers)

    def _reply(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving(kind: str) -> Iterator[FakeForge]:
    """A forge that answers while it is wanted."""
    forge = FakeForge(kind)
    handler = type("Handler", (_Handler,), {"forge": forge})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

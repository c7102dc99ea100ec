"""As much of Dapr's HTTP API as the two apps use, served on loopback from a thread."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request that Dapr got."""

    method: str
    path: str
    content_type: str | None
    body: str

    @property
    def value(self) -> object:
        """Return the body, which must be JSON."""
        value: object = json.loads(self.body)
        return value


@dataclass(kw_only=True)
class FakeDapr:
    """What Dapr was asked, and how it is to answer from now on."""

    port: int
    calls: list[Call] = field(default_factory=list)
    # An answer to everything in place of the ordinary one.
    failure: tuple[int, str] | None = None
    # While clear, requests are taken and not answered.
    answering: threading.Event = field(default_factory=threading.Event)
    state: dict[str, object] = field(default_factory=dict)

    def answer(self, call: Call) -> tuple[int, str]:
        """Do as Dapr does: save a list of keys and values, give one back, pass an invocation on."""
        self.calls.append(call)
        self.answering.wait(timeout=30)
        if self.failure is not None:
            return self.failure
        store, _, key = call.path.removeprefix("/v1.0/state/").partition("/")
        if not call.path.startswith("/v1.0/state/"):
            return 200, ""
        if call.method == "GET":
            found = self.state.get(f"{store}/{key}")
            return (204, "") if found is None else (200, json.dumps(found))
        items = call.value
        assert isinstance(items, list), "Dapr's state API takes a list"
        self.state |= {f"{store}/{item['key']}": item["value"] for item in items}
        return 204, ""


@contextmanager
def serve() -> Iterator[FakeDapr]:
    """Serve a fake Dapr on a free port for as long as the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        """Hands every request to the fake."""

        def respond(self) -> None:
            """Read, ask the fake, answer; a caller that is gone by then is none of our business."""
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            content_type = self.headers.get("Content-Type")
            call = Call(method=self.command, path=self.path, content_type=content_type, body=body)
            status, answer = dapr.answer(call)
            try:
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer.encode())))
                self.end_headers()
                self.wfile.write(answer.encode())
            except OSError:
                self.close_connection = True

        do_GET = do_POST = respond  # the names that http.server looks for

        def log_message(self, format: str, *args: object) -> None:
            """Keep the test's output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    dapr = FakeDapr(port=server.server_port)
    dapr.answering.set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield dapr
    finally:
        dapr.answering.set()
        server.shutdown()
        thread.join()
        server.server_close()

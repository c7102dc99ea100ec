"""nodeapp: what it takes, what it saves, what it logs, how it ends."""

import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from .fake_dapr import FakeDapr
from .process import APPS, App, child_of, free_port, namespaces, running, running_as_first_process

NODE = shutil.which("node") or ""
COMMAND = (NODE, APPS / "node" / "app.js")

pytestmark = pytest.mark.skipif(not NODE, reason="node isn't installed here")


@dataclass(frozen=True, kw_only=True)
class NodeApp:
    """The running app and its address."""

    app: App
    port: int

    def request(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        """Send one request, its body as JSON unless it is text or bytes, and return code and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        raw = body if body is None or isinstance(body, str | bytes) else json.dumps(body)
        try:
            connection.request(method, path, body=raw, headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def order(self, order_id: object) -> int:
        """Send a new order and return the answer's code."""
        return self.request("POST", "/neworder", {"data": {"orderId": order_id}})[0]

    @property
    def lines(self) -> list[str]:
        """Return what it has logged after its greeting."""
        return self.app.lines[1:]


@contextmanager
def nodeapp(dapr_port: int, tmp_path: Path, *, first_process: bool = False, **environment: str) -> Iterator[NodeApp]:
    """Run the app against a Dapr on this port and wait until it listens."""
    port = free_port()
    run = running_as_first_process if first_process else running
    settings = {"APP_PORT": str(port), "DAPR_HTTP_PORT": str(dapr_port), **environment}
    with run(COMMAND, settings, tmp_path / "log") as app:
        app.wait_for_line(f"Node App listening on port {port}!")
        yield NodeApp(app=app, port=port)


def test_an_order_is_saved_through_dapr_and_logged_in_the_contracts_words(dapr: FakeDapr, tmp_path: Path) -> None:
    """Exactly these two lines: the walkthrough and the verification read them."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.order(42) == 200
        assert node.lines == ["Got a new order! Order ID: 42", "Successfully persisted state for Order ID: 42"]
    (call,) = dapr.calls
    assert (call.method, call.path, call.content_type) == ("POST", "/v1.0/state/statestore", "application/json")
    assert call.value == [{"key": "order", "value": {"orderId": 42}}]


def test_the_quickstarts_sample_with_a_number_in_quotes_is_an_order_too(dapr: FakeDapr, tmp_path: Path) -> None:
    """It is saved as it came."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.order("42") == 200
        assert node.lines[-1] == "Successfully persisted state for Order ID: 42"
    assert dapr.calls[0].value == [{"key": "order", "value": {"orderId": "42"}}]


def test_the_last_order_comes_back_from_dapr(dapr: FakeDapr, tmp_path: Path) -> None:
    """And before the first one there is nothing, which is no error."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.request("GET", "/order") == (204, "")
        for number in (1, 2):
            assert node.order(number) == 200
        status, body = node.request("GET", "/order")
    assert (status, json.loads(body)) == (200, {"orderId": 2})
    assert dapr.calls[-1].path == "/v1.0/state/statestore/order"


def test_the_state_store_is_a_setting(dapr: FakeDapr, tmp_path: Path) -> None:
    """Its name is a part of the address, for saving and for reading."""
    with nodeapp(dapr.port, tmp_path, STATE_STORE_NAME="other store") as node:
        node.order(1)
        node.request("GET", "/order")
    assert [call.path for call in dapr.calls] == ["/v1.0/state/other%20store", "/v1.0/state/other%20store/order"]


def test_an_order_that_dapr_refuses_is_logged_on_one_line_and_answered_with_500(dapr: FakeDapr, tmp_path: Path) -> None:
    """It isn't called persisted, and the next one may go through."""
    dapr.failure = 500, '{"errorCode":"ERR_STATE_SAVE",\n "message":"no Redis"}'
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.order(1) == 500
        assert node.lines == [
            "Got a new order! Order ID: 1",
            'Failed to persist state: HTTP 500 => {"errorCode":"ERR_STATE_SAVE", "message":"no Redis"}',
        ]
        dapr.failure = None
        assert node.order(2) == 200
        assert node.lines[-1] == "Successfully persisted state for Order ID: 2"


def test_an_order_without_a_dapr_is_logged_and_answered_with_500(tmp_path: Path) -> None:
    """The app itself goes on: Dapr may only be restarting."""
    with nodeapp(free_port(), tmp_path) as node:
        assert node.order(1) == 500
        assert node.lines[-1].startswith("Failed to persist state: connect ECONNREFUSED")
        assert node.request("GET", "/order")[0] == 500
        assert node.lines[-1].startswith("Failed to get state: connect ECONNREFUSED")
        assert node.app.process.poll() is None


def test_a_dapr_that_does_not_answer_costs_five_seconds_at_most(dapr: FakeDapr, tmp_path: Path) -> None:
    """The sender is told within its own patience."""
    dapr.answering.clear()
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.order(1) == 500
        assert node.lines[-1] == "Failed to persist state: Dapr did not answer within 5000 ms"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "null",
        "[]",
        '{"data": null}',
        '{"data": {}}',
        '{"data": {"orderId": 1.5}}',
        '{"data": {"orderId": "a\\nb"}}',
    ],
)
def test_what_is_no_order_is_answered_with_400_and_not_saved(dapr: FakeDapr, tmp_path: Path, body: str) -> None:
    """Nor does it get to write lines of its own making into the log."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.request("POST", "/neworder", body)[0] == 400
        (line,) = node.lines
        assert line.startswith("Refused POST /neworder: ")
        assert node.order(1) == 200, "the app goes on"
    assert len(dapr.calls) == 1


def test_a_body_without_bounds_is_answered_with_413(dapr: FakeDapr, tmp_path: Path) -> None:
    """A pod's memory limit is small."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.request("POST", "/neworder", " " * (64 * 1024 + 1))[0] == 413
        assert node.order(1) == 200, "the app goes on"


def test_the_ports_are_those_it_was_told(dapr: FakeDapr, tmp_path: Path) -> None:
    """As in the quickstart: texts, in the answer and in the log."""
    with nodeapp(dapr.port, tmp_path, DAPR_GRPC_PORT="50001") as node:
        status, body = node.request("GET", "/ports")
        assert (status, json.loads(body)) == (200, {"DAPR_HTTP_PORT": str(dapr.port), "DAPR_GRPC_PORT": "50001"})
        assert node.lines == [f"DAPR_HTTP_PORT: {dapr.port}", "DAPR_GRPC_PORT: 50001"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/neworder"), ("POST", "/order")])
def test_nothing_else_is_there(dapr: FakeDapr, tmp_path: Path, method: str, path: str) -> None:
    """Dapr asks for some paths at its start and takes 404 for "doesn't have that"."""
    with nodeapp(dapr.port, tmp_path) as node:
        assert node.request(method, path)[0] == 404


@pytest.mark.parametrize("name", ["APP_PORT", "DAPR_HTTP_PORT"])
@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_wrong_port_ends_it_with_the_reason(tmp_path: Path, name: str, port: str) -> None:
    """Rather than listening or calling somewhere else."""
    with running(COMMAND, {name: port}, tmp_path / "log") as app:
        assert app.process.wait(timeout=10) == 1
        assert app.lines == [f'{name}: "{port}" is not a TCP port (1-65535)']


def test_a_taken_port_ends_it_with_the_reason(tmp_path: Path) -> None:
    """The container then restarts, visibly."""
    with socket.socket(socket.AF_INET6) as taken:
        taken.bind(("::", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with running(COMMAND, {"APP_PORT": str(port)}, tmp_path / "log") as app:
            assert app.process.wait(timeout=10) == 1
            assert app.lines[0].startswith(f"Cannot listen on port {port}: ")


def test_sigterm_ends_it_at_once_though_a_connection_is_open(dapr: FakeDapr, tmp_path: Path) -> None:
    """Dapr keeps its connections to the app."""
    with nodeapp(dapr.port, tmp_path) as node, socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(b"GET /ports HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
        assert node.app.stop() == 0


def test_sigterm_ends_it_at_once_though_an_order_is_under_way(dapr: FakeDapr, tmp_path: Path) -> None:
    """Its sender learns from the closed connection that it is lost."""
    dapr.answering.clear()
    order = b'{"data": {"orderId": 1}}'
    head = f"POST /neworder HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(order)}\r\n\r\n".encode()
    with nodeapp(dapr.port, tmp_path) as node, socket.create_connection(("127.0.0.1", node.port)) as connection:
        connection.sendall(head + order)
        node.app.wait_until(lambda: dapr.calls, "Dapr is asked")
        assert node.app.stop() == 0
        assert connection.recv(100) == b""


@pytest.mark.skipif(namespaces() is None, reason="making a process namespace isn't allowed here")
def test_sigterm_ends_it_at_once_as_a_containers_first_process(dapr: FakeDapr, tmp_path: Path) -> None:
    """Where a signal without a handler does nothing."""
    with nodeapp(dapr.port, tmp_path, first_process=True) as node:
        assert node.app.stop(child_of(node.app.process)) == 0

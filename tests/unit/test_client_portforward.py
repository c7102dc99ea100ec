"""A pod's own loopback, through an API server that is friendly, says no, or says nothing."""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import client as client_module
from cluster.client import Answer, Cluster
from cluster.errors import ForbiddenError, OperationError
from lab.certificates import Authority

from .api_server import client, needs_openssl

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
# Source: RFC 6455, what a server proves that it understood the upgrade with.
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Wire:
    """The server's end of a port-forward.

    Attributes:
        head: The request for the upgrade.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._file = connection.makefile("rb")
        lines = []
        while (line := self._file.readline()) not in (b"\r\n", b""):
            lines.append(line.decode().strip())
        self.head = lines

    def close(self) -> None:
        self._file.close()

    def refuse(self, status: str, body: str) -> None:
        self.connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    def accept(self, port: int, more: bytes = b"") -> None:
        """Agree, and say which port each channel is of; what else is given goes out in the same packet."""
        key = next(line.partition(": ")[2] for line in self.head if line.lower().startswith("sec-websocket-key"))
        proof = base64.b64encode(hashlib.sha1(key.encode() + MAGIC, usedforsecurity=False).digest()).decode()
        answer = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {proof}\r\nSec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n"
        )
        number = struct.pack("<H", port)
        self.connection.sendall(answer.encode() + frame(b"\x00" + number) + frame(b"\x01" + number) + more)

    def send(self, *frames: bytes) -> None:
        for one in frames:
            self.connection.sendall(one)

    def receive(self) -> tuple[int, bytes]:
        """One frame of the client's: its opcode, and what it holds."""
        first, second = self._file.read(2)
        size = second & 0x7F
        assert second & 0x80, "a client's frames are masked"
        assert size != 127
        if size == 126:
            [size] = struct.unpack("!H", self._file.read(2))
        mask = self._file.read(4)
        masked = self._file.read(size)
        return first & 0x0F, bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))

    def asked(self) -> str:
        """What the client sent to the port, up to the end of an HTTP request."""
        data = b""
        while b"\r\n\r\n" not in data:
            opcode, payload = self.receive()
            assert (opcode, payload[0]) == (2, 0), "data goes out on channel 0, as binary"
            data += payload[1:]
        return data.decode()


def frame(payload: bytes, opcode: int = 2, *, final: bool = True) -> bytes:
    size = len(payload)
    head = bytes([(0x80 if final else 0) | opcode])
    if size < 126:
        return head + bytes([size]) + payload
    return (
        head
        + (bytes([126]) + struct.pack("!H", size) if size < 65536 else bytes([127]) + struct.pack("!Q", size))
        + payload
    )


def data(payload: bytes) -> bytes:
    return frame(b"\x00" + payload)


Talk = Callable[[Wire], Any]
Serve = Callable[[Talk], Cluster]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts an API server that talks as it is told, once; gives a client of it."""
    with contextlib.ExitStack() as stack:

        def start(talk: Talk, context: ssl.SSLContext | None = None, **cluster: Any) -> Cluster:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            problems: list[BaseException] = []

            def run() -> None:
                connection, _ = server.accept()
                with context.wrap_socket(connection, server_side=True) if context else connection as wrapped:
                    wire = Wire(wrapped)
                    try:
                        talk(wire)
                    except BaseException as problem:
                        problems.append(problem)
                    finally:
                        wire.close()

            thread = threading.Thread(target=run, daemon=True)
            thread.start()

            def end() -> None:
                thread.join(30)
                assert not problems, problems

            stack.callback(end)
            address = f"http{'s' if context else ''}://127.0.0.1:{server.getsockname()[1]}"
            return client(tmp_path, address, cluster, token="t")

        yield start


def get(cluster: Cluster, port: int = 3500) -> Answer:
    return cluster.http_from_pod("n", "p-1", port, "/v1.0/x?y=z")


def fails(cluster: Cluster, error: type[OperationError] = OperationError) -> str:
    with pytest.raises(error) as caught:
        get(cluster)
    assert error is not OperationError or not isinstance(caught.value, ForbiddenError)
    return str(caught.value)


def until_gone(wire: Wire) -> None:
    """Say nothing until the client has given up."""
    with contextlib.suppress(OSError):
        while wire.connection.recv(1024):
            pass


def test_a_request_reaches_the_port_and_its_answer_comes_back(serve: Serve) -> None:
    seen: list[Any] = []

    def talk(wire: Wire) -> None:
        wire.accept(3500)
        seen.extend([wire.head, wire.asked()])
        wire.send(data(HELLO))

    assert get(serve(talk)) == Answer(status=200, body="hello")
    head, asked = seen
    assert head[0] == "GET /api/v1/namespaces/n/pods/p-1/portforward?ports=3500 HTTP/1.1"
    headers = dict(line.lower().split(": ", 1) for line in head[1:])
    assert headers["authorization"] == "bearer t"
    assert (headers["upgrade"], headers["connection"]) == ("websocket", "upgrade")
    assert (headers["sec-websocket-version"], headers["sec-websocket-protocol"]) == ("13", "v4.channel.k8s.io")
    assert asked.startswith("GET /v1.0/x?y=z HTTP/1.1\r\nHost: localhost:3500\r\n")
    assert "Connection: close\r\n" in asked


@needs_openssl
def test_it_works_with_tls_as_well(serve: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    authority.create()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", "server", hosts=["127.0.0.1"]))
    large = b"x" * 200_000

    def talk(wire: Wire) -> None:
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"
        wire.accept(3500)
        wire.asked()
        wire.send(data(answer + large[:100_000]) + data(large[100_000:]))

    trusted = {"certificate-authority": str(authority.certificate)}
    assert get(serve(talk, context, **trusted)).body == large.decode()


def test_an_answer_may_come_in_parts_of_any_kind(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        for byte in HELLO[:20]:
            wire.send(data(bytes([byte])))
        wire.send(frame(b"ping", opcode=9))
        assert wire.receive() == (10, b"ping"), "a ping is answered"
        # One message of several frames, with a ping between them.
        wire.send(frame(b"\x00" + HELLO[20:25], final=False), frame(b"again", opcode=9))
        assert wire.receive() == (10, b"again")
        wire.send(frame(HELLO[25:30], opcode=0, final=False), frame(HELLO[30:], opcode=0))
        wire.send(frame(b"", opcode=2), frame(b"\x00"), frame(b"", opcode=8))

    assert get(serve(talk)) == Answer(status=200, body="hello")


def test_an_answer_may_come_at_once(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500, data(HELLO))

    assert get(serve(talk)).body == "hello", "what comes with the upgrade's answer is not lost"


def test_an_answer_without_a_length_ends_with_the_port(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(data(b"HTTP/1.1 200 OK\r\n\r\nhel"), data(b"lo"), frame(b"", opcode=8))

    assert get(serve(talk)).body == "hello"


def test_an_answer_without_a_length_that_is_cut_is_an_error(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(data(b"HTTP/1.1 200 OK\r\n\r\nhel"))

    assert fails(serve(talk)) == "port 3500 of pod n/p-1 does not answer: the connection was closed"


@pytest.mark.parametrize("length", [150, 3000])
def test_a_long_path_fits(length: int, serve: Serve) -> None:
    asked: list[str] = []

    def talk(wire: Wire) -> None:
        wire.accept(15000)
        asked.append(wire.asked())
        wire.send(data(HELLO))

    path = "/stats?filter=" + "a" * length
    assert serve(talk).http_from_pod("n", "p-1", 15000, path).status == 200
    assert path in asked[0]


FORBIDDEN = (
    '{"kind": "Status", "message": "pods \\"p-1\\" is forbidden: User \\"ann\\" cannot %s resource '
    '\\"pods/portforward\\" in API group \\"\\" in the namespace \\"n\\""}'
)


@pytest.mark.parametrize("verb", ["get", "create"])
def test_a_refused_port_forward_names_the_missing_right(verb: str, serve: Serve) -> None:
    message = fails(serve(lambda wire: wire.refuse("403 Forbidden", FORBIDDEN % verb)), ForbiddenError)
    assert message.startswith('can\'t forward port 3500 of pod n/p-1: pods "p-1" is forbidden: User "ann" cannot')
    assert f"needs the right to {verb} pods/portforward in namespace n" in message


def test_a_refusal_in_other_words_names_the_usual_right(serve: Serve) -> None:
    message = fails(serve(lambda wire: wire.refuse("403 Forbidden", "no")), ForbiddenError)
    assert "needs the right to create pods/portforward in namespace n" in message


def test_a_pod_that_is_gone_is_told_in_the_servers_words(serve: Serve) -> None:
    said = '{"message": "pods \\"p-1\\" not found"}'
    assert '404: pods "p-1" not found' in fails(serve(lambda wire: wire.refuse("404 Not Found", said)))


def test_a_server_that_does_not_upgrade_is_told(serve: Serve) -> None:
    assert "200: welcome" in fails(serve(lambda wire: wire.refuse("200 OK", "welcome")))


def test_a_port_that_nothing_listens_at_is_told_in_the_nodes_words(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(frame(b"\x01dial tcp4 127.0.0.1:3500: connect: connection refused\n"))
        until_gone(wire)

    message = fails(serve(talk))
    assert message == ("port 3500 of pod n/p-1 does not answer: dial tcp4 127.0.0.1:3500: connect: connection refused")


ENDINGS = {
    "nothing": b"",
    "the end": frame(b"", opcode=8),
    "no data": data(b""),
    "half a head": data(HELLO[:20]) + frame(b"", opcode=8),
    "half a body": data(HELLO[:-2]) + frame(b"", opcode=8),
    "half a frame": data(HELLO)[:-1],
    "no frame": b"\x82\xff" + b"\xff" * 8,
}


@pytest.mark.parametrize("sent", ENDINGS.values(), ids=ENDINGS)
def test_a_pod_that_closes_amid_its_answer_is_an_error(sent: bytes, serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(sent)

    assert "port 3500 of pod n/p-1 does not answer: " in fails(serve(talk))


def test_an_answer_that_breaks_off_is_closed_and_not_left_to_the_collector(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(ENDINGS["half a head"])

    fails(serve(talk))
    # Whatever it finds to complain of, pytest makes an error of this test: from Python 3.13 on.
    gc.collect()


def test_something_else_than_http_is_an_error(serve: Serve) -> None:
    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(data(b"\x00\x01 something else\r\n\r\n"))

    assert "does not answer: " in fails(serve(talk))


def test_an_upgrade_that_is_swallowed_ends_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.1)
    message = fails(serve(until_gone))
    assert message.startswith("can't forward port 3500 of pod n/p-1: no answer within 0.1 s.")
    assert "load balancer" in message


def test_a_pod_that_says_nothing_ends_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.1)

    def talk(wire: Wire) -> None:
        wire.accept(3500)
        until_gone(wire)

    assert fails(serve(talk)) == "port 3500 of pod n/p-1 does not answer: no answer within 0.1 s"


def test_a_pod_that_never_ends_its_answer_ends_in_time(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", 0.2)

    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.send(data(b"HTTP/1.1 200 OK\r\n\r\n"))
        with contextlib.suppress(OSError):
            while True:
                wire.send(data(b"x"))

    assert "no answer within 0.2 s" in fails(serve(talk))


def test_a_server_that_is_away_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert "can't forward port 3500 of pod n/p-1: " in fails(client(tmp_path, f"http://127.0.0.1:{port}"))


def test_no_connection_is_left_open(serve: Serve) -> None:
    ended = threading.Event()

    def talk(wire: Wire) -> None:
        wire.accept(3500)
        wire.asked()
        wire.send(data(HELLO))
        until_gone(wire)
        ended.set()

    cluster = serve(talk)
    assert get(cluster).body == "hello"
    assert ended.wait(30), "else each look at a pod would leave one"

"""HTTP to a port of a pod's own loopback, through the API server, as ``kubectl port-forward`` reaches it.

The way is a WebSocket (RFC 6455) whose messages begin with a channel: 0 carries the port's data, 1 what went wrong.
Everything is bounded: a load balancer that swallows the upgrade, or a pod that accepts and says nothing, ends in an
error.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import socket
import struct
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from typing import Any, Final

import urllib3

from cluster.errors import ApiError, ForbiddenError, OperationError, reason_of
from cluster.transport import Transport

# Source: Kubernetes, the port-forward's version that WebSockets speak.
PROTOCOL: Final = "v4.channel.k8s.io"
DATA: Final = 0
ERROR: Final = 1
# Source: RFC 6455, opcodes.
CONTINUATION: Final = 0x0
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
# The API server sends data in small pieces; a length beyond this is none of its messages.
LARGEST_FRAME: Final = 64 * 1024 * 1024
CLOSED: Final = "the connection was closed"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a pod said to an HTTP request.

    Attributes:
        status: The HTTP status.
        body: The body as text.
    """

    status: int
    body: str


class _ForwardError(Exception):
    """The API server or the node says why a port can't be reached."""


def get(transport: Transport, namespace: str, pod: str, port: int, path: str, seconds: float) -> Answer:
    """One GET.

    Args:
        transport: The way to the API server.
        namespace: The pod's namespace.
        pod: Its name.
        port: The port on its loopback.
        path: The path, with its query.
        seconds: The bound for reaching the pod, and for its answer.

    Raises:
        ForbiddenError: This user may not forward ports there.
        OperationError: Nothing answers there.
    """
    response = _upgrade(transport, namespace, pod, port, seconds)
    try:
        stream = _Stream(response, time.monotonic() + seconds)
        request = (
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n"
        )
        stream.send(request.encode())
        # Closed at once, also where it breaks off: Python 3.13 complains of one that nobody has closed.
        with contextlib.closing(HTTPResponse(stream, method="GET")) as answer:  # type: ignore[arg-type]
            answer.begin()
            stream.may_end = True
            return Answer(status=answer.status, body=answer.read().decode(errors="replace"))
    except TimeoutError as error:
        raise _silent(namespace, pod, port, f"no answer within {seconds:g} s") from error
    except (OSError, HTTPException, _ForwardError) as error:
        raise _silent(namespace, pod, port, str(error) or CLOSED) from error
    finally:
        response.close()


def _silent(namespace: str, pod: str, port: int, reason: str) -> OperationError:
    return OperationError(f"port {port} of pod {namespace}/{pod} does not answer: {reason}")


def _upgrade(transport: Transport, namespace: str, pod: str, port: int, seconds: float) -> urllib3.BaseHTTPResponse:
    """Open the way; the response is the one that says so."""
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        "Sec-WebSocket-Protocol": PROTOCOL,
    }
    problem = f"can't forward port {port} of pod {namespace}/{pod}"
    try:
        response = transport.upgrade(path, headers=headers, seconds=seconds)
        if response.status == 101:
            return response
        said = response.data.decode(errors="replace")
        response.release_conn()
    except urllib3.exceptions.ReadTimeoutError as error:
        raise OperationError(
            f"{problem}: no answer within {seconds:g} s. Does a load balancer or a proxy before the API server let "
            "WebSockets through?"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise OperationError(f"{problem}: {error}") from error
    reason = reason_of(said)
    if response.status == 403:
        verb = _refused_verb(reason)
        raise ForbiddenError(
            f"{problem}: {reason}. This user needs the right to {verb} pods/portforward in namespace {namespace}; "
            "the verification asks the pods' own daprd and Envoy that way."
        )
    refusal = ApiError("GET", path, response.status, said)
    raise OperationError(f"{problem}: {refusal}") from refusal


def _refused_verb(reason: str) -> str:
    """The verb that the API server asked for: ``get`` by rules of old, ``create`` too by those of new releases."""
    found = re.search(r'cannot (\w+) resource "pods/portforward"', reason)
    return found[1] if found else "create"


class _Stream(io.RawIOBase):
    """The port's data, as a file to read from and to send to.

    Attributes:
        may_end: Whether the data may end here. Python takes an answer's head that is cut off for a whole one.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, deadline: float) -> None:
        super().__init__()
        connection: Any = response.connection
        self._socket: socket.socket = connection.sock
        # What the API server sent right behind its answer to the upgrade waits in the answer's own buffer.
        self._file: io.BufferedReader = response._fp.fp  # type: ignore[attr-defined]
        self._deadline = deadline
        self._begun: set[int] = set()
        self._pending = b""
        self._ended = False
        self.may_end = False

    def makefile(self, mode: str) -> io.BufferedReader:
        """What the HTTP client asks of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; none at the end."""
        while not self._pending and not self._ended:
            self._next()
        if not self._pending and not self.may_end:
            raise _ForwardError(CLOSED)
        size = min(len(buffer), len(self._pending))
        buffer[:size], self._pending = self._pending[:size], self._pending[size:]
        return size

    def send(self, data: bytes) -> None:
        """Send bytes to the port."""
        self._frame(BINARY, bytes([DATA]) + data)

    def _next(self) -> None:
        """Take one message."""
        opcode, payload = self._message()
        if opcode == CLOSE:
            self._ended = True
        elif opcode == PING:
            self._frame(PONG, payload)
        elif opcode == BINARY and payload:
            channel, data = payload[0], payload[1:]
            if channel not in self._begun:
                # The first message of each channel is the port's number.
                self._begun.add(channel)
            elif channel == ERROR and data:
                raise _ForwardError(data.decode(errors="replace").strip())
            elif channel == DATA:
                self._pending += data

    def _message(self) -> tuple[int, bytes]:
        """One whole message, of as many frames as it has; what comes between them is control."""
        opcode, payload = CONTINUATION, b""
        while True:
            first, second = self._exactly(2)
            length = second & 0x7F
            if length > 125:
                length = struct.unpack("!H" if length == 126 else "!Q", self._exactly(2 if length == 126 else 8))[0]
            if length > LARGEST_FRAME or second & 0x80:
                raise _ForwardError("the API server sent no WebSocket frame")
            data = self._exactly(length)
            kind = first & 0x0F
            if kind >= CLOSE:
                if kind == CLOSE or not opcode:
                    return kind, data
                if kind == PING:
                    self._frame(PONG, data)
                continue
            opcode, payload = opcode or kind, payload + data
            if first & 0x80:
                return opcode, payload

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            more = self._file.read1(size - len(data))
            if not more:
                raise _ForwardError(CLOSED)
            data += more
        return data

    def _frame(self, opcode: int, payload: bytes) -> None:
        """Send one frame; a client's are masked."""
        size = len(payload)
        head = bytes([0x80 | opcode])
        head += bytes([0x80 | size]) if size < 126 else bytes([0xFE]) + struct.pack("!H", size)
        mask = os.urandom(4)
        self._socket.sendall(head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload)))

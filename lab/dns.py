"""Asks a name server one question; run inside the lab's network to see that the cluster's names are answered."""

from __future__ import annotations

import secrets
import socket
import struct
import sys

NO_ERROR = 0


def question(name: str, identity: int) -> bytes:
    """Return the packet that asks for a name's IPv4 addresses."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.rstrip(".").split("."))
    return struct.pack(">HHHHHH", identity, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def is_answer(packet: bytes, identity: int) -> bool:
    """Tell whether the packet answers that question with at least one record."""
    if len(packet) < 12:
        return False
    answered, flags, _, records = struct.unpack(">HHHH", packet[:8])
    return bool(answered == identity and flags & 0x8000 and flags & 0x000F == NO_ERROR and records > 0)


def resolves(server: str, name: str, timeout: float = 2.0) -> bool:
    """Tell whether the server knows the name."""
    identity = secrets.randbits(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        try:
            client.sendto(question(name, identity), (server, 53))
            return is_answer(client.recv(4096), identity)
        except OSError:
            return False


if __name__ == "__main__":
    sys.exit(0 if resolves(sys.argv[1], sys.argv[2]) else 1)

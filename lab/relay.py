"""Carries connections from the machine's loopback into the lab's network namespace, where the API server listens.

A socket belongs to the namespace it was made in, whoever holds it. So the lab's command makes a listening socket on
the machine's loopback and hands it down to this process, which lives in the lab's namespace: what it accepts comes from
the machine, what it dials is in the lab. No route and no interface joins the two.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

CHUNK = 256 * 1024


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one direction until its end, then pass the end on."""
    with contextlib.suppress(ConnectionError, OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def serve(listener: socket.socket, host: str, port: int) -> None:
    """Relay every connection of `listener` to `host`:`port`, for ever."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, port)
        except OSError:
            # The API server is not up: the caller sees its connection closed and tries again.
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        for end in (far_writer, writer):
            end.close()

    server = await asyncio.start_server(connected, sock=listener)
    async with server:
        await server.serve_forever()


def main(arguments: list[str]) -> None:
    """Serve the inherited socket of that descriptor: `relay DESCRIPTOR HOST PORT`."""
    descriptor, host, port = arguments
    asyncio.run(serve(socket.socket(fileno=int(descriptor)), host, int(port)))


if __name__ == "__main__":
    main(sys.argv[1:])

"""A proxy of our own for git: whatever git, its redirects or its submodules call passes the gate here.

It knows CONNECT alone, so a redirect to plain http ends here too, and it connects to the very address that was
checked. It lives on loopback for as long as the fetch, before any step of the run.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from builder.contexts.gate import Gate
from builder.faults import ContextRefused
from shared.errors import SlipwayError, Unavailable
from shared.network import Target

_HEAD_LIMIT: Final = 16 * 1024
_HEAD_SECONDS: Final = 10.0
_CONNECT_SECONDS: Final = 10.0
_PIECE: Final = 64 * 1024


class Tunnel:
    """An async context; `url` is what git is given as its proxy.

    At most `limit` bytes come in through all connections together. `fault` is the last reason why something
    was not called or was cut off, None if there was none.
    """

    def __init__(self, gate: Gate, limit: int) -> None:
        self._gate = gate
        self._limit = limit
        self._received = 0
        self.fault: SlipwayError | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._tasks = set[asyncio.Task[None]]()
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=_HEAD_LIMIT)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(_Peer(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, client: "_Peer") -> None:
        async with _closed(client):
            try:
                target = await _asked(client)
                server = await self._connect(target)
            except SlipwayError as fault:
                self.fault = fault
                client.writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                return
            async with _closed(server):
                client.writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._join(client, server)

    async def _connect(self, target: Target) -> "_Peer":
        for address in await self._gate.addresses(target):
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return _Peer(*await asyncio.open_connection(address, target.port))
        raise Unavailable(f"The host {target.host} does not answer on port {target.port}.")

    async def _join(self, client: "_Peer", server: "_Peer") -> None:
        """Pass on what each side says until the server has no more to say, or the client has gone."""
        up = asyncio.create_task(_pump(client, server))
        try:
            await self._receive(server, client)
        finally:
            up.cancel()
            await asyncio.wait({up})

    async def _receive(self, server: "_Peer", client: "_Peer") -> None:
        with contextlib.suppress(OSError):
            while data := await server.reader.read(_PIECE):
                self._received += len(data)
                if self._received > self._limit:
                    self.fault = ContextRefused(f"the repository is larger than {self._limit} bytes")
                    return
                client.writer.write(data)
                await client.writer.drain()


@dataclass(frozen=True, slots=True)
class _Peer:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@contextlib.asynccontextmanager
async def _closed(peer: _Peer) -> AsyncIterator[None]:
    try:
        yield
    finally:
        peer.writer.close()
        with contextlib.suppress(OSError):
            await peer.writer.wait_closed()


async def _pump(source: _Peer, sink: _Peer) -> None:
    with contextlib.suppress(OSError):
        while data := await source.reader.read(_PIECE):
            sink.writer.write(data)
            await sink.writer.drain()
        sink.writer.write_eof()


async def _asked(client: _Peer) -> Target:
    try:
        async with asyncio.timeout(_HEAD_SECONDS):
            head = await client.reader.readuntil(b"\r\n\r\n")
        method, authority, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
        parts = urlsplit(f"//{authority}")
        target = Target((parts.hostname or "").lower().rstrip("."), parts.port or 0)
    except (TimeoutError, ValueError, OSError, EOFError, asyncio.LimitOverrunError):
        raise ContextRefused("git asked its proxy for something that is not a connection") from None
    if method != "CONNECT":
        raise ContextRefused("the git server sends us to an address that is not https")
    return target

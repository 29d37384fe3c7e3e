"""When a service counts as ready: it gives the answer that its callers need."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

HTTP_STATUS_FIELDS = 2
PROBE_SECONDS = 5
INTERVAL_SECONDS = 0.05

type Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class HttpCheck:
    """Asks for a path on loopback; any status below 500 counts, since 401 too comes from a service that is up."""

    port: int
    path: str = "/"
    authority: Path | None = None

    async def __call__(self) -> bool:
        """Ask once."""
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                status = await self._status()
        except (OSError, TimeoutError, ValueError):
            return False
        return status < HTTPStatus.INTERNAL_SERVER_ERROR

    async def _status(self) -> int:
        context = ssl.create_default_context(cafile=str(self.authority)) if self.authority else None
        name = "localhost" if context else None
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, server_hostname=name)
        try:
            head = f"GET {self.path} HTTP/1.1\r\nHost: localhost:{self.port}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            fields = (await reader.readline()).split()
            if len(fields) < HTTP_STATUS_FIELDS:
                raise ValueError("not an HTTP answer")
            return int(fields[1])
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@dataclass(frozen=True)
class AllOf:
    """Ready when every part is."""

    checks: tuple[Check, ...]

    async def __call__(self) -> bool:
        """Ask all parts at once."""
        return all(await asyncio.gather(*(check() for check in self.checks)))


async def until_ready(check: Check) -> None:
    """Ask until the answer is yes."""
    while not await check():  # noqa: ASYNC110 - another process has no event to wait for
        await asyncio.sleep(INTERVAL_SECONDS)

"""Fetch one file, however often the connection breaks."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final

import httpx

from builder.faults import ContextRefused, reason
from shared.errors import Unavailable

_ATTEMPTS: Final = 6
_FIRST_DELAY: Final = 0.2

type Open = Callable[[Mapping[str, str]], AbstractAsyncContextManager[httpx.Response]]
"""Sends the request with further headers and opens the answer."""

type Check = Callable[[httpx.Response], None]
"""Raises ContextRefused for an answer that stays as it is; only success and what may pass are left."""


class Download:
    """Writes the body of a GET to `spool`, at most `limit` bytes of it.

    An attempt goes on where the last one broke off, as long as the server says that the file is the same.
    """

    def __init__(self, open_: Open, check: Check, spool: Path, limit: int) -> None:
        self._open = open_
        self._check = check
        self._spool = spool
        self._limit = limit
        self._etag = ""

    async def run(self) -> httpx.Headers:
        """Return the headers of the last answer. Raises ContextRefused, never quoting the address."""
        self._spool.write_bytes(b"")
        delay = _FIRST_DELAY
        for left in reversed(range(_ATTEMPTS)):
            try:
                return await self._attempt()
            except httpx.HTTPError as fault:
                why = type(fault).__name__
            except (Unavailable, _Passing) as fault:
                why = reason(fault) if isinstance(fault, Unavailable) else str(fault)
            if left:
                await asyncio.sleep(delay)
                delay *= 2
        raise ContextRefused(f"the archive cannot be fetched ({why}, {_ATTEMPTS} attempts)")

    async def _attempt(self) -> httpx.Headers:
        have = self._spool.stat().st_size
        headers = {"Range": f"bytes={have}-", "If-Match": self._etag} if have and self._etag else {}
        async with self._open({"Accept-Encoding": "identity", **headers}) as answer:
            self._check(answer)
            have = _start(answer, have)
            self._etag = _strong(answer.headers.get("ETag", ""))
            await self._store(answer, have)
            return answer.headers

    async def _store(self, answer: httpx.Response, have: int) -> None:
        with self._spool.open("r+b") as file:
            file.truncate(have)
            file.seek(have)
            async for piece in answer.aiter_raw():
                have += len(piece)
                if have > self._limit:
                    raise ContextRefused(f"the archive is larger than {self._limit} bytes")
                file.write(piece)


class _Passing(Exception):
    """An answer that may be better next time."""


def _start(answer: httpx.Response, have: int) -> int:
    """Return where the body of an answer belongs in the file."""
    if answer.status_code == httpx.codes.OK:
        return 0
    told = answer.headers.get("Content-Range", f"bytes {have}-")
    if answer.status_code == httpx.codes.PARTIAL_CONTENT and have and told.startswith(f"bytes {have}-"):
        return have
    raise _Passing(f"HTTP {answer.status_code}")


def _strong(etag: str) -> str:
    """Return an ETag that a server compares byte by byte; a weak one never matches."""
    return "" if etag.startswith("W/") else etag

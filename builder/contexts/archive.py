"""An uploaded archive: fetched through its signed address, then unpacked."""

import asyncio
from pathlib import Path

import httpx

from builder.contexts.source import Context
from builder.contexts.unpack import unpack
from builder.faults import ContextRefused
from shared.grant import Limits

_ATTEMPTS = 6
_FIRST_DELAY = 0.2
_PASSING = frozenset({408, 429, 500, 502, 503, 504})


class UploadedArchive:
    """The archive that a client uploaded for this run; `url` is signed and never shown."""

    def __init__(self, http: httpx.AsyncClient, url: str, limits: Limits, spool: Path) -> None:
        self._http = http
        self._url = url
        self._limits = limits
        self._spool = spool
        self._etag = ""

    async def fetch(self, root: Path) -> Context:
        """Fetch, then unpack in a thread; the spooled archive is removed in any case."""
        try:
            await self._download()
            await asyncio.to_thread(unpack, self._spool, root, self._limits)
        finally:
            self._spool.unlink(missing_ok=True)
        return Context(root)

    async def _download(self) -> None:
        """Go on where the last attempt broke off, as long as the archive is the same one."""
        delay = _FIRST_DELAY
        self._spool.write_bytes(b"")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._attempt()
            except httpx.HTTPError as fault:
                reason = type(fault).__name__
            except _Passing as fault:
                reason = str(fault)
            else:
                return
            if attempt < _ATTEMPTS:
                await asyncio.sleep(delay)
                delay *= 2
        raise ContextRefused(f"the uploaded archive cannot be fetched ({reason}, {_ATTEMPTS} attempts)")

    async def _attempt(self) -> None:
        have = self._spool.stat().st_size
        headers = {"Range": f"bytes={have}-", "If-Match": self._etag} if have and self._etag else {}
        async with self._http.stream("GET", self._url, headers=headers) as answer:
            _check(answer)
            self._etag = answer.headers.get("ETag", "")
            if answer.status_code == httpx.codes.OK:
                have = 0
            with self._spool.open("r+b") as file:
                file.truncate(have)
                file.seek(have)
                async for piece in answer.aiter_raw():
                    have += len(piece)
                    if have > self._limits.archive_bytes:
                        raise ContextRefused(f"the archive is larger than {self._limits.archive_bytes} bytes")
                    file.write(piece)


class _Passing(Exception):
    """An answer that may be better next time."""


def _check(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ContextRefused("the context was never uploaded, or is gone")
    if answer.status_code in _PASSING:
        raise _Passing(f"HTTP {answer.status_code}")
    raise ContextRefused(f"storage refused to give the uploaded archive (HTTP {answer.status_code})")

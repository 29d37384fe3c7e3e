"""Archives: what a client uploaded, and what lies behind an https address."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from builder.contexts.download import Download
from builder.contexts.following import following
from builder.contexts.gate import Gate
from builder.contexts.source import Context
from builder.contexts.unpack import Meter, unpack_beside
from builder.faults import ContextRefused
from shared.contexts import ArchiveContext
from shared.grant import Limits

_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_HEAD: Final = 512
_ZIPS: Final = (b"PK\x03\x04", b"PK\x05\x06")
_PAGES: Final = (b"<!doctype", b"<html", b"<head", b"<?xml")


class UploadedArchive:
    """The archive that a client uploaded for this run; `url` is signed and never shown."""

    def __init__(self, http: httpx.AsyncClient, url: str, limits: Limits, spool: Path) -> None:
        self._http = http
        self._url = url
        self._limits = limits
        self._spool = spool

    async def fetch(self, root: Path) -> Context:
        """Fetch, then unpack in a thread; the spooled archive is removed in any case."""
        try:
            await Download(self._open, _check_upload, self._spool, self._limits.archive_bytes).run()
            await unpack_beside(self._spool, root, Meter(self._limits))
        finally:
            self._spool.unlink(missing_ok=True)
        return Context(root)

    @asynccontextmanager
    async def _open(self, headers: Mapping[str, str]) -> AsyncIterator[httpx.Response]:
        async with self._http.stream("GET", self._url, headers=dict(headers)) as answer:
            yield answer


@dataclass(frozen=True, slots=True)
class RemoteArchive:
    """An archive behind an https address. `http` goes through `gate`; `spool` is where the archive lies meanwhile."""

    context: ArchiveContext
    http: httpx.AsyncClient
    gate: Gate
    limits: Limits
    spool: Path

    async def fetch(self, root: Path) -> Context:
        """Fetch, then unpack in a thread; the spooled archive is removed in any case."""
        try:
            headers = await Download(self._open, _check_remote, self.spool, self.limits.archive_bytes).run()
            _check_content(self.spool, headers.get("Content-Type", ""))
            await unpack_beside(self.spool, root, Meter(self.limits))
        finally:
            self.spool.unlink(missing_ok=True)
        return Context(root)

    def _open(self, headers: Mapping[str, str]) -> AbstractAsyncContextManager[httpx.Response]:
        return following(self.context, self.http, self.gate, headers)


def _check_upload(answer: httpx.Response) -> None:
    if answer.is_success or answer.status_code in _PASSING:
        return
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ContextRefused("the context was never uploaded, or is gone")
    raise ContextRefused(f"storage refused to give the uploaded archive (HTTP {answer.status_code})")


def _check_remote(answer: httpx.Response) -> None:
    if answer.is_success or answer.status_code in _PASSING:
        return
    match answer.status_code:
        case httpx.codes.NOT_FOUND | httpx.codes.GONE:
            why = "nothing is at that address"
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            why = "the server asks for a login, or does not accept the one that it was given"
        case _:
            why = "the server does not give the archive"
    raise ContextRefused(f"{why} (HTTP {answer.status_code})")


def _check_content(spool: Path, kind: str) -> None:
    """Say what came instead of an archive where that is plain to see."""
    with spool.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise ContextRefused("the server gave an empty file")
    if head.startswith(_ZIPS):
        raise ContextRefused("the server gave a zip file, not a tar archive")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_PAGES):
        shown = "a web page" if kind.startswith("text/html") or b"html" in head.lower() else "a text"
        raise ContextRefused(
            f"the server gave {shown}, not an archive; the address of a git repository has to end in .git"
        )

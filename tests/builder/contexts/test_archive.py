"""An uploaded archive arrives whole or with a reason."""

import asyncio
import gzip
import io
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from builder.contexts.archive import UploadedArchive
from builder.faults import ContextRefused
from shared.grant import Limits

URL = "https://blobs.example/sources/a.tar.gz?sig=very-secret"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.contexts.download._FIRST_DELAY", 0.001)


def archive() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        info = tarfile.TarInfo("f")
        info.size = 5000
        tar.addfile(info, io.BytesIO(bytes(range(250)) * 20))
    return gzip.compress(raw.getvalue(), 0)


class _Broken(httpx.AsyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data
        raise httpx.ReadError("reset")


def fetch(tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response], limits: Limits | None = None) -> Path:
    async def scenario() -> Path:
        root = tmp_path / "root"
        root.mkdir()
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            source = UploadedArchive(http, URL, limits or Limits(), tmp_path / "spool")
            return (await source.fetch(root)).root

    return asyncio.run(scenario())


def whole(request: httpx.Request) -> httpx.Response:
    data = archive()
    start = int(request.headers.get("Range", "bytes=0-")[6:-1])
    headers = {"ETag": '"one"', "Content-Length": str(len(data) - start)}
    return httpx.Response(206 if start else 200, stream=httpx.ByteStream(data[start:]), headers=headers)


def test_a_broken_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("Range"))
        if len(asked) < 4:
            start = int(request.headers.get("Range", "bytes=0-")[6:-1])
            stream = _Broken(archive()[start : start + 1000])
            return httpx.Response(206 if start else 200, stream=stream, headers={"ETag": '"one"'})
        assert request.headers["If-Match"] == '"one"'
        return whole(request)

    root = fetch(tmp_path, answer)
    assert (root / "f").stat().st_size == 5000
    assert asked == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]
    assert not (tmp_path / "spool").exists()


@pytest.mark.parametrize("fault", [503, 429, httpx.ConnectError("down"), httpx.ReadTimeout("late")])
def test_a_passing_fault_is_tried_again(tmp_path: Path, fault: int | Exception) -> None:
    faults = [fault, fault]

    def answer(request: httpx.Request) -> httpx.Response:
        if not faults:
            return whole(request)
        given = faults.pop()
        if isinstance(given, Exception):
            raise given
        return httpx.Response(given, stream=httpx.ByteStream(b""))

    assert (fetch(tmp_path, answer) / "f").exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "never uploaded"), (403, "HTTP 403"), (412, "HTTP 412"), (503, "HTTP 503, 6 attempts")],
)
def test_what_cannot_be_had_is_one_sentence_without_the_address(tmp_path: Path, status: int, words: str) -> None:
    with pytest.raises(ContextRefused, match=words) as raised:
        fetch(tmp_path, lambda _: httpx.Response(status, stream=httpx.ByteStream(b"")))
    assert "very-secret" not in str(raised.value)


def test_an_archive_over_the_limit_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ContextRefused, match="larger than 1000 bytes"):
        fetch(tmp_path, whole, Limits(archive_bytes=1000))
    assert not (tmp_path / "spool").exists()

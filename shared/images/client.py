"""Drivers of registry operations: one for `httpx.Client`, one for `httpx.AsyncClient`.

The HTTP client is the caller's: its trust store, proxies and connection pool. Here are the bounds of each
request: no redirect on its own, a body no larger than the request allows, an end to slow answers.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, Final

import httpx

from shared.errors import SlipwayError, TooLarge, Unavailable
from shared.images.exchange import Exchange, Request, Response

_PIECE: Final = 1024**2
_TIMEOUT: Final = httpx.Timeout(20.0, connect=10.0)


def perform[T](client: httpx.Client, operation: Exchange[T]) -> T:
    """Run an operation to its end. Raises what the operation raises, and `Unavailable` for a dead network."""
    try:
        request = next(operation)
        while True:
            request = operation.send(_send(client, request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        operation.close()


async def perform_async[T](client: httpx.AsyncClient, operation: Exchange[T]) -> T:
    """Run an operation to its end. Raises what the operation raises, and `Unavailable` for a dead network."""
    try:
        request = next(operation)
        while True:
            request = operation.send(await _send_async(client, request))
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        operation.close()


def _send(client: httpx.Client, request: Request) -> Response:
    deadline = monotonic() + request.seconds
    try:
        content = _read(request.upload.path) if request.upload else request.content
        with client.stream(**_arguments(request), content=content) as answer:
            body = _Body(request, answer)
            for chunk in answer.iter_bytes():
                body.take(chunk, late=monotonic() > deadline)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _unreachable(request, error) from None
    return Response(answer.status_code, _headers(answer), bytes(body.data))


async def _send_async(client: httpx.AsyncClient, request: Request) -> Response:
    try:
        content = _read_async(request.upload.path) if request.upload else request.content
        stream = client.stream(**_arguments(request), content=content)
        async with asyncio.timeout(request.seconds), stream as answer:
            body = _Body(request, answer)
            async for chunk in answer.aiter_bytes():
                body.take(chunk, late=False)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as error:
        raise _unreachable(request, error) from None
    return Response(answer.status_code, _headers(answer), bytes(body.data))


class _Body:
    """The body of an answer on its way: into memory, or into the request's sink."""

    def __init__(self, request: Request, answer: httpx.Response) -> None:
        _refuse_encoding(request, answer)
        self.data = bytearray()
        self._request = request
        self._size = 0
        sink = request.sink if answer.status_code == httpx.codes.OK else None
        self._limit = sink.limit if sink else request.limit
        self._write = sink.write if sink else self.data.extend

    def take(self, chunk: bytes, *, late: bool) -> None:
        """Take the next piece. Raises TooLarge and Unavailable at the bounds of the request."""
        self._size += len(chunk)
        subject = self._request.subject
        if self._size > self._limit:
            raise TooLarge(f"{subject}: the registry's answer is larger than {self._limit} bytes.")
        if late:
            raise Unavailable(f"{subject}: the registry's answer takes longer than {self._request.seconds:.0f} s.")
        self._write(chunk)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            yield piece


async def _read_async(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as stream:
        while piece := await asyncio.to_thread(stream.read, _PIECE):
            yield piece


def _arguments(request: Request) -> dict[str, Any]:
    length = {"content-length": str(request.upload.size)} if request.upload else {}
    return {
        "method": request.method,
        "url": request.url,
        "headers": {"accept-encoding": "identity", **length, **request.headers},
        "data": request.form,
        "follow_redirects": False,
        "timeout": _TIMEOUT,
    }


def _headers(answer: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _refuse_encoding(request: Request, answer: httpx.Response) -> None:
    # Without compression the bound on the body is a bound on memory too.
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable(f"{request.subject}: the registry compresses its answer, though asked not to.")


def _unreachable(request: Request, error: Exception) -> SlipwayError:
    # Only the kind: the text of an httpx error may quote the address, and a signed one is a secret.
    host = httpx.URL(request.url).host if not isinstance(error, httpx.InvalidURL) else "its registry"
    return Unavailable(f"{request.subject}: {host} does not answer ({type(error).__name__}).")

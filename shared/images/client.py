"""Drivers of registry operations: one for `httpx.Client`, one for `httpx.AsyncClient`.

The HTTP client is the caller's: its trust store, proxies and connection pool. Here are the bounds of each
request: no redirect on its own, a body no larger than the request allows, an end to slow answers.
"""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import httpx

from shared.errors import SlipwayError, TooLarge, Unavailable
from shared.images.exchange import Exchange, Request, Response

REQUEST_SECONDS: Final = 60.0
"""How long one request may take, body included."""

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
    deadline = monotonic() + REQUEST_SECONDS
    body = bytearray()
    try:
        with client.stream(**_arguments(request)) as answer:
            _refuse_encoding(request, answer)
            for chunk in answer.iter_bytes():
                body += chunk
                _check(request, len(body), late=monotonic() > deadline)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise _unreachable(request, error) from None
    return Response(answer.status_code, _headers(answer), bytes(body))


async def _send_async(client: httpx.AsyncClient, request: Request) -> Response:
    body = bytearray()
    try:
        async with asyncio.timeout(REQUEST_SECONDS), client.stream(**_arguments(request)) as answer:
            _refuse_encoding(request, answer)
            async for chunk in answer.aiter_bytes():
                body += chunk
                _check(request, len(body), late=False)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, TimeoutError) as error:
        raise _unreachable(request, error) from None
    return Response(answer.status_code, _headers(answer), bytes(body))


def _arguments(request: Request) -> dict[str, Any]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": {"accept-encoding": "identity", **request.headers},
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


def _check(request: Request, size: int, *, late: bool) -> None:
    if size > request.limit:
        raise TooLarge(f"{request.subject}: the registry's answer is larger than {request.limit} bytes.")
    if late:
        raise Unavailable(f"{request.subject}: the registry's answer takes longer than {REQUEST_SECONDS:.0f} s.")


def _unreachable(request: Request, error: Exception) -> SlipwayError:
    # Only the kind: the text of an httpx error may quote the address, and a signed one is a secret.
    host = httpx.URL(request.url).host if not isinstance(error, httpx.InvalidURL) else "its registry"
    return Unavailable(f"{request.subject}: {host} does not answer ({type(error).__name__}).")

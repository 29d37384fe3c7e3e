"""A small HTTP layer for the look-alike services: plain values in, plain values out, uvicorn below."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl

import uvicorn

BODY_LIMIT = 1024 * 1024
"""Bytes of a request body that are read; the forms of these services are a few kilobytes."""

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type Application = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Request:
    """One request; header names are lower-case, of repeated ones the last counts."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's parts without empty ones."""
        return tuple(part for part in self.path.split("/") if part)

    def parameters(self, name: str) -> tuple[str, ...]:
        """All values of a query parameter."""
        return tuple(value for key, value in self.query if key == name)

    @cached_property
    def form(self) -> dict[str, str]:
        """The body as a URL-encoded form; what is not text counts as absent."""
        return dict(parse_qsl(self.body.decode("utf-8", errors="replace")))


@dataclass(frozen=True)
class Response:
    """One answer."""

    body: bytes = b""
    status: int = HTTPStatus.OK
    headers: dict[str, str] = field(default_factory=dict)


def json_response(value: object, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON that no cache keeps: these services hand out credentials."""
    base = {"content-type": "application/json; charset=utf-8", "cache-control": "no-store"}
    return Response(json.dumps(value).encode(), status, base | (headers or {}))


type Handler = Callable[[Request], Response]


async def _body(receive: Receive) -> bytes | None:
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def application(handler: Handler) -> Application:
    """Wrap a plain function as an ASGI application. The function runs on a thread and may block."""

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        if body is None:
            response = json_response({"error": "request_too_large"}, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            response = await asyncio.to_thread(handler, _request(scope, body))
        headers = {"content-length": str(len(response.body))} | response.headers
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": int(response.status), "headers": pairs})
        await send({"type": "http.response.body", "body": response.body})

    return app


def _request(scope: Message, body: bytes) -> Request:
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=tuple(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
    )


@dataclass(frozen=True)
class Listener:
    """One address that answers; TLS when a certificate is given."""

    port: int
    handler: Handler
    certificate: Path | None = None
    key: Path | None = None
    host: str = "127.0.0.1"


class _Server(uvicorn.Server):
    """A server that leaves signals to `serve`, which stops all listeners together."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def _server(listener: Listener) -> _Server:
    return _Server(
        uvicorn.Config(
            application(listener.handler),
            host=listener.host,
            port=listener.port,
            ssl_certfile=listener.certificate,
            ssl_keyfile=listener.key,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=3,
        )
    )


async def serve(listeners: Sequence[Listener]) -> None:
    """Answer on every listener until SIGTERM or SIGINT."""
    servers = [_server(listener) for listener in listeners]

    def stop() -> None:
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve() for server in servers))


@contextmanager
def running(listener: Listener) -> Iterator[None]:
    """Serve on a thread while the block runs, as a test needs it."""
    server = _server(listener)
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield
    finally:
        server.should_exit = True
        thread.join()

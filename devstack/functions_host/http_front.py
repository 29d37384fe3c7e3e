"""The HTTP front end: a raw ASGI application that gives each request to its function.

Order of the real host: `admin/*` and `runtime/webhooks/*` first, then functions by name, then the home page.
"""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from devstack.functions_host.admin import Admin
from devstack.functions_host.event_grid import EventGridWebhook
from devstack.functions_host.http_messages import Response, content_length, joined_headers, response_of, rpc_request
from devstack.functions_host.invoker import Invoker, log
from devstack.functions_host.routing import RouteTable, decode_path
from devstack.functions_host.triggers import Function
from devstack.functions_host.worker import Invocation

BODY_LIMIT = 104_857_600
"""Bytes of a request body; FUNCTIONS_REQUEST_BODY_SIZE_LIMIT changes it."""

Scope = dict[str, Any]
"""ASGI's own shape, hence Any; likewise of its messages."""
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_NO_HOME_PAGE = "AzureWebJobsDisableHomepage"
_HOME_PAGE = b"<!DOCTYPE html><title>Functions</title><p>Your Functions app is up and running.</p>\n"


class CallerGone(Exception):
    """The caller hung up before its body was complete."""


class HttpFront:
    """Serves one app. An instance belongs to one event loop."""

    def __init__(
        self,
        routes: RouteTable,
        functions: dict[str, Function],
        invoker: Invoker,
        admin: Admin,
        event_grid: EventGridWebhook,
    ) -> None:
        self._routes = routes
        self._functions = functions
        self._invoker = invoker
        self._admin = admin
        self._event_grid = event_grid
        self._body_limit = int(os.environ.get("FUNCTIONS_REQUEST_BODY_SIZE_LIMIT", BODY_LIMIT))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            raise ValueError(f"Only HTTP is served, not {scope['type']}.")
        try:
            response = await self._answer(scope, receive)
        except CallerGone:
            return
        headers = [(name, value) for name, value in response.headers if name != b"content-length"]
        if response.status not in {204, 304}:
            headers.append((b"content-length", _length(scope["method"], response)))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Response:
        headers = joined_headers(scope["headers"])
        length = content_length(headers)
        if length > self._body_limit:
            return Response(413, ((b"connection", b"close"),))
        body = await _read(receive) if length else b""
        path = decode_path(scope["raw_path"])
        builtin = path.lower().strip("/").split("/")
        if builtin[0] == "admin":
            return await self._admin.answer(scope["method"], path, headers, scope["query_string"], body)
        if builtin[:2] == ["runtime", "webhooks"]:
            return await self._webhook(builtin[2:], scope, headers, body)
        found = self._routes.find(scope["method"], path)
        if found is None:
            return _home_page() if path in {"", "/"} else Response(404)
        route, values = found
        return await self._call(self._functions[route.function], scope, headers, body, values)

    async def _call(
        self, function: Function, scope: Scope, headers: dict[str, str], body: bytes, values: dict[str, str]
    ) -> Response:
        call = Invocation(
            rpc_request(scope, headers, body, values),
            trace_parent=headers.get("traceparent", ""),
            trace_state=headers.get("tracestate", ""),
        )
        outcome = await self._invoker.run(function, call)
        if not outcome.succeeded:
            return Response(500)
        try:
            return response_of(outcome.return_value)
        except ValueError:
            log.exception("%s returned a response that cannot be sent", function.name)
            return Response(500)

    async def _webhook(self, extension: list[str], scope: Scope, headers: dict[str, str], body: bytes) -> Response:
        if extension != ["eventgrid"]:
            return Response(404)
        return await self._event_grid.answer(scope["query_string"], headers, body)


def _length(method: str, response: Response) -> bytes:
    """Return the body's length; a function that answers HEAD may tell the one that GET would have."""
    told = dict(response.headers).get(b"content-length", b"") if method == "HEAD" else b""
    return told if told.isdigit() else str(len(response.body)).encode()


def json_response(status: int, content: object) -> Response:
    """Return an answer of the host's own in JSON."""
    return Response(status, ((b"content-type", b"application/json; charset=utf-8"),), json.dumps(content).encode())


async def _read(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerGone
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


def _home_page() -> Response:
    if os.environ.get(_NO_HOME_PAGE, "").lower() in {"1", "true"}:
        return Response(204)
    return Response(200, ((b"content-type", b"text/html; charset=utf-8"),), _HOME_PAGE)

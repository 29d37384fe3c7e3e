"""The host's own management calls under `/admin`.

GET  /admin/functions              all functions
GET  /admin/functions/{name}       one of them
POST /admin/functions/{name}       run one that is not HTTP: {"input": "…"} -> 202 at once
GET  /admin/host/status            id, state and uptime
GET  /admin/host/ping              200

Azure asks for the master key in `x-functions-key` or `code` everywhere but at `ping`; so does this host where it is
given one. Without, it asks for none, as `func start`.
"""

import asyncio
import hmac
import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from urllib.parse import parse_qsl

from devstack.functions_host.http_messages import Response
from devstack.functions_host.invoker import Invoker
from devstack.functions_host.protos import TypedData
from devstack.functions_host.triggers import EventGridTrigger, Function, HttpTrigger, QueueTrigger, TimerTrigger
from devstack.functions_host.worker import Invocation


class Admin:
    """Answers management calls, to who has the master key if there is one."""

    def __init__(
        self,
        host_id: str,
        functions: Mapping[str, Function],
        invoker: Invoker,
        *,
        is_running: Callable[[], bool],
        master_key: str = "",
    ) -> None:
        self._master_key = master_key.encode()
        self._host_id = host_id
        self._functions = {name.lower(): function for name, function in functions.items()}
        self._invoker = invoker
        self._is_running = is_running
        self._started = time.monotonic()
        self._tasks: set[asyncio.Task[object]] = set()

    async def answer(self, method: str, path: str, headers: Mapping[str, str], query: bytes, body: bytes) -> Response:
        """Answer one management call; names of headers are in lower case."""
        call = [method, *path.strip("/").split("/")[1:]]
        if call[1:] != ["host", "ping"] and not self._is_allowed(headers, query):
            return Response(401)
        return self._answer(call, body)

    def _answer(self, call: list[str], body: bytes) -> Response:
        match call:
            case ["GET" | "POST", "host", "ping"]:
                return Response(200)
            case ["GET", "host", "status"]:
                return _json(200, self._status())
            case ["GET", "functions"]:
                return _json(200, [_describe(function) for function in self._functions.values()])
            case ["GET", "functions", name] if name.lower() in self._functions:
                return _json(200, _describe(self._functions[name.lower()]))
            case ["POST", "functions", name] if name.lower() in self._functions:
                return self._run(self._functions[name.lower()], body)
            case _:
                return Response(404)

    def _is_allowed(self, headers: Mapping[str, str], query: bytes) -> bool:
        given = headers.get("x-functions-key") or dict(parse_qsl(query.decode("latin-1"))).get("code", "")
        return not self._master_key or hmac.compare_digest(given.encode(), self._master_key)

    def _status(self) -> dict[str, object]:
        return {
            "id": self._host_id,
            "state": "Running" if self._is_running() else "Stopping",
            "version": "4.0.0",
            "versionDetails": f"azure-functions-runtime {version('azure-functions-runtime')}",
            "processUptime": int((time.monotonic() - self._started) * 1000),
        }

    def _run(self, function: Function, body: bytes) -> Response:
        try:
            content = json.loads(body or b"{}")
            given = content.get("input")
        except (ValueError, AttributeError):
            return _json(400, {"error": 'The body must be {"input": "…"}.'})
        call = manual_invocation(function, "" if given is None else given)
        if call is None:
            return _json(400, {"error": "An HTTP function is run by a request to its route."})
        task: asyncio.Task[object] = asyncio.create_task(self._invoker.run(function, call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Response(202)


def manual_invocation(function: Function, given: object) -> Invocation | None:
    """Return the call for a run by hand, None for an HTTP function."""
    text = given if isinstance(given, str) else json.dumps(given)
    match function.trigger:
        case HttpTrigger():
            return None
        case TimerTrigger():
            timer = {"Schedule": {}, "ScheduleStatus": {}, "IsPastDue": False}
            return Invocation(TypedData(json=json.dumps(timer)))
        case EventGridTrigger():
            return Invocation(TypedData(json=text or "{}"))
        case QueueTrigger():
            now = datetime.now(UTC).isoformat()
            metadata = {
                "Id": TypedData(string="manual"),
                "DequeueCount": TypedData(json="1"),
                "PopReceipt": TypedData(string="manual"),
                "InsertionTime": TypedData(string=now),
                "ExpirationTime": TypedData(string=now),
                "NextVisibleTime": TypedData(string=now),
            }
            return Invocation(TypedData(string=text), metadata)


def _describe(function: Function) -> dict[str, object]:
    return {
        "name": function.name,
        "language": "python",
        "isDisabled": function.disabled,
        "config": {"bindings": list(function.bindings)},
    }


def _json(status: int, content: object) -> Response:
    return Response(status, ((b"content-type", b"application/json; charset=utf-8"),), json.dumps(content).encode())

"""The Event Grid webhook: `POST /runtime/webhooks/eventgrid?functionName=<name>`.

The header `aeg-event-type` says what is asked. Each event of a notification runs the function once, all at
the same time; one failure fails the whole request, so Event Grid sends the whole batch again.
"""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from devstack.functions_host.http_messages import Response
from devstack.functions_host.invoker import Invoker
from devstack.functions_host.protos import TypedData
from devstack.functions_host.triggers import Function
from devstack.functions_host.worker import Invocation


class EventGridWebhook:
    """Gives posted events to the Event Grid functions, which it knows by exact name."""

    def __init__(self, functions: Mapping[str, Function], invoker: Invoker) -> None:
        self._functions = functions
        self._invoker = invoker

    async def answer(self, query: bytes, headers: Mapping[str, str], body: bytes) -> Response:
        """Answer one delivery."""
        names = {name.lower(): value for name, value in parse_qsl(query.decode("latin-1"))}
        function = self._functions.get(names.get("functionname", ""))
        if function is None:
            return Response(404, body=b"cannot find function")
        match headers.get("aeg-event-type", "").lower():
            case "subscriptionvalidation":
                return _handshake(body)
            case "notification":
                return await self._notify(function, body)
            case "unsubscribe":
                return Response(202)
            case _:
                return Response(400)

    async def _notify(self, function: Function, body: bytes) -> Response:
        try:
            events = _events(body)
        except ValueError:
            return Response(500)
        calls = (Invocation(TypedData(json=json.dumps(event))) for event in events)
        outcomes = await asyncio.gather(*(self._invoker.run(function, call) for call in calls))
        return Response(202 if all(outcome.succeeded for outcome in outcomes) else 500)


def _events(body: bytes) -> list[object]:
    content = json.loads(body)
    if isinstance(content, dict):
        return [content]
    if isinstance(content, list):
        return content
    raise ValueError("A delivery is an event or an array of events.")


def _handshake(body: bytes) -> Response:
    """Return the validation code: in an array of the Event Grid schema, or a CloudEvent with encoded data."""
    try:
        content = json.loads(body)
        data = content[0]["data"] if isinstance(content, list) else content["data"]
        if isinstance(data, str):
            data = json.loads(data)
        code = str(data["validationCode"])
    except (ValueError, KeyError, IndexError, TypeError):
        return Response(500)
    answer = json.dumps({"validationResponse": code}).encode()
    return Response(200, ((b"content-type", b"application/json; charset=utf-8"),), answer)

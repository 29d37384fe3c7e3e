"""The HTTP face: the paths, headers and errors of Azure Container Instances, as a raw ASGI application.

Beside Azure's own there are two paths: `PUT /devstack/limits` puts limits in force (see `config.Limits`), and
`POST /devstack/evictions` takes a Spot group away (see `config.Eviction`).
"""

import base64
import binascii
import json
import re
import sys
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote

from pydantic import ValidationError

from devstack.container_groups.config import Eviction, Limits
from devstack.container_groups.errors import ArmError, BadRequest, NotFound, Throttled
from devstack.container_groups.groups import ContainerGroups, Group
from devstack.container_groups.tokens import TokenCheck
from devstack.container_groups.views import group_view, operation_view, provisioning_state

type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]

_LARGEST_BODY = 4 * 1024**2
_PROVIDER = r"/providers/Microsoft\.ContainerInstance"
_SUBSCRIPTION = r"/subscriptions/(?P<subscription>[^/]+)"
_GROUPS = re.compile(
    rf"{_SUBSCRIPTION}(/resourceGroups/(?P<resource_group>[^/]+))?{_PROVIDER}/containerGroups", re.IGNORECASE
)
_GROUP = re.compile(
    rf"{_SUBSCRIPTION}/resourceGroups/(?P<resource_group>[^/]+){_PROVIDER}/containerGroups/(?P<name>[^/]+)"
    r"(/(?P<action>start|stop|restart)|/containers/(?P<container>[^/]+)/logs)?",
    re.IGNORECASE,
)
_OPERATION = re.compile(rf"{_SUBSCRIPTION}{_PROVIDER}/locations/[^/]+/operations/(?P<operation>[^/]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """One request; `query` has the last value of each name, names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> object:
        """Read the body."""
        try:
            value: object = json.loads(self.body)
        except ValueError:
            message = "The request content was invalid and could not be deserialized."
            raise BadRequest(message, code="InvalidRequestContent") from None
        return value


@dataclass(frozen=True)
class Response:
    """One answer; no `body` member is sent when it is None."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    """The application. Callers' tokens are checked when there is a `check`."""

    groups: ContainerGroups
    check: TokenCheck | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection event, as ASGI defines it."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await _send(send, await self._answer(scope, receive))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.groups.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.groups.close(stop_groups=True)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive) -> Response:
        try:
            request = await _read(scope, receive)
            if self.check is not None:
                await self.check.check(request.headers.get("authorization"))
            return await self._route(request)
        except ArmError as error:
            return _failure(error)
        except Exception:  # noqa: BLE001 - the caller gets an answer whatever happens; the trace goes to the log
            traceback.print_exc(file=sys.stderr)
            return _failure(ArmError("The container-group service failed; its log says why."))

    async def _route(self, request: Request) -> Response:
        if request.path == "/devstack/limits":
            return self._limits(request)
        if request.path == "/devstack/evictions" and request.method == "POST":
            return await self._evict(request)
        if "api-version" not in request.query:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            raise BadRequest(message, code="MissingApiVersionParameter")
        if found := _GROUP.fullmatch(request.path):
            return await self._group(request, found)
        if request.method == "GET" and (found := _GROUPS.fullmatch(request.path)):
            return self._list(found)
        if request.method == "GET" and (found := _OPERATION.fullmatch(request.path)):
            return self._operation(request.path, found["operation"])
        raise NotFound(f"Nothing answers {request.method} {request.path}.", code="InvalidResourceType")

    def _limits(self, request: Request) -> Response:
        if request.method == "PUT":
            try:
                self.groups.quota.limits = Limits.model_validate_json(request.body or b"{}")
            except ValidationError as error:
                raise BadRequest(f"The limits are invalid: {error.errors()[0]['msg']}.") from None
        return Response(200, self.groups.quota.limits.model_dump())

    async def _evict(self, request: Request) -> Response:
        try:
            wish = Eviction.model_validate_json(request.body)
        except ValidationError as error:
            raise BadRequest(f"The eviction is invalid: {error.errors()[0]['msg']}.") from None
        await self.groups.evict(wish.group, restarts=wish.restarts)
        return Response(204)

    async def _group(self, request: Request, found: re.Match[str]) -> Response:
        identifier = _identifier(found)
        if found["container"] and request.method == "GET":
            content = self.groups.log(identifier, found["container"], _tail(request.query.get("tail")))
            return Response(200, {"content": content})
        if found["action"] and request.method == "POST":
            return await self._act(identifier, found["action"].lower(), request)
        if found["container"] or found["action"]:
            raise NotFound(f"Nothing answers {request.method} {request.path}.", code="InvalidResourceType")
        match request.method:
            case "PUT":
                return await self._put(identifier, request)
            case "GET":
                return Response(200, _view(self.groups.get(identifier)))
            case "DELETE":
                group = await self.groups.delete(identifier)
                return Response(204) if group is None else Response(200, _view(group))
            case _:
                raise NotFound(f"Nothing answers {request.method} {request.path}.", code="InvalidResourceType")

    async def _put(self, identifier: str, request: Request) -> Response:
        group, created = await self.groups.put(identifier, request.json())
        view = _view(group)
        if created:
            view["properties"]["provisioningState"] = "Pending"
        headers = _polling(request, identifier, group.record.location)
        return Response(201 if created else 200, view, headers)

    async def _act(self, identifier: str, action: str, request: Request) -> Response:
        group = self.groups.get(identifier)
        match action:
            case "stop":
                await self.groups.stop(identifier)
            case "restart":
                await self.groups.restart(identifier)
            case _:
                await self.groups.start(identifier)
                return Response(202, None, _polling(request, identifier, group.record.location))
        return Response(204)

    def _list(self, found: re.Match[str]) -> Response:
        prefix = f"/subscriptions/{found['subscription']}/resourceGroups/"
        if found["resource_group"]:
            prefix += f"{found['resource_group']}/"
        groups = self.groups.find(prefix)
        return Response(200, {"value": [group_view(each.record, each.status, instance_view=False) for each in groups]})

    def _operation(self, path: str, operation: str) -> Response:
        try:
            identifier = base64.urlsafe_b64decode(operation + "==").decode()
        except (binascii.Error, UnicodeDecodeError):
            raise NotFound(f"The operation '{operation}' was not found.") from None
        state = provisioning_state(self.groups.get(identifier).status)
        status = state if state in ("Succeeded", "Failed") else "InProgress"
        headers = {"Retry-After": "1"} if status == "InProgress" else {}
        return Response(200, operation_view(path, operation, status), headers)


def _identifier(found: re.Match[str]) -> str:
    scope = f"/subscriptions/{found['subscription']}/resourceGroups/{found['resource_group']}"
    return f"{scope}/providers/Microsoft.ContainerInstance/containerGroups/{found['name']}"


def _view(group: Group) -> dict[str, Any]:
    return group_view(group.record, group.status, instance_view=True)


def _polling(request: Request, identifier: str, location: str) -> dict[str, str]:
    """Return the headers of a long operation. Its name is the group's: it survives a restart of the service."""
    name = base64.urlsafe_b64encode(identifier.encode()).decode().rstrip("=")
    subscription = identifier.split("/")[2]
    path = f"/subscriptions/{subscription}/providers/Microsoft.ContainerInstance/locations/{location}/operations/{name}"
    address = f"https://{request.headers.get('host', '')}{path}?api-version={request.query['api-version']}"
    return {"Azure-AsyncOperation": address, "Retry-After": "1"}


def _tail(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdecimal():
        raise BadRequest("'tail' must be a number of lines.", target="tail")
    return int(text)


async def _read(scope: Message, receive: Receive) -> Request:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = parse_qs(scope["query_string"].decode("latin-1"))
    body = bytearray()
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _LARGEST_BODY:
            raise BadRequest("The request body is too large.", code="RequestContentTooLarge")
    return Request(
        method=scope["method"],
        path=unquote(scope["path"]).rstrip("/"),
        query={name.lower(): values[-1] for name, values in query.items()},
        headers=headers,
        body=bytes(body),
    )


def _failure(error: ArmError) -> Response:
    members = {"code": error.code, "message": error.message}
    if error.target is not None:
        members["target"] = error.target
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Throttled) else {}
    return Response(error.status, {"error": members}, headers)


async def _send(send: Send, response: Response) -> None:
    body = b"" if response.body is None else json.dumps(response.body).encode()
    headers = {"x-ms-request-id": str(uuid.uuid4()), "content-length": str(len(body)), **response.headers}
    if body:
        headers["content-type"] = "application/json; charset=utf-8"
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})

"""Between HTTP and use cases: who calls, for which registry, and every error in the ARM form.

`Retry-After` goes with 429, the bearer challenge with 401. What nobody expected is logged and answered as a
500 with an ARM body, never with a traceback.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import azure.functions as func

from functions._services import Services, services
from shared.access.callers import Caller
from shared.arm.names import REGISTRY_TYPE, RegistryId, parse_registry_id, parse_run_id
from shared.errors import InvalidRequest, NotFound, SlipwayError, Throttled, TooLarge, Unauthenticated
from shared.log_context import about
from shared.runs.model import Run
from shared.settings import RegistrySettings, Role

REGISTRY_ROUTE = (
    "subscriptions/{subscription}/resourceGroups/{resource_group}"
    "/providers/Microsoft.ContainerRegistry/registries/{registry}"
)
_MAX_BODY = 4 * 1024 * 1024
_API_VERSION = "2025-03-01-preview"
_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\x00")
"""What may be one in its text; UTF-16 and 32, which hold zeros, are looked at as well."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """An authenticated call."""

    request: func.HttpRequest
    services: Services
    caller: Caller

    def body(self) -> object:
        """Answer the JSON body. Raises InvalidRequest or TooLarge."""
        return json_body(self.request)


@dataclass(frozen=True)
class RegistryCall(Call):
    """An authenticated call for one registry, by a caller whose role was checked."""

    registry: RegistrySettings
    id: RegistryId
    """The registry's id in the spelling of the settings: what answers show."""

    @property
    def partition(self) -> str:
        """The registry's storage key."""
        return self.id.key


def answering(request: func.HttpRequest, use: Callable[[Services], func.HttpResponse]) -> func.HttpResponse:
    """Run a use case and turn whatever it raises into an answer."""
    with about(request.route_params):
        return _answered(request, use)


def _answered(request: func.HttpRequest, use: Callable[[Services], func.HttpResponse]) -> func.HttpResponse:
    try:
        return use(services())
    except SlipwayError as error:
        return failure(error)
    except Exception:  # noqa: BLE001 - the last door: nobody must ever see a traceback
        _LOG.exception("%s %s failed", request.method, request.route_params)
        return failure(SlipwayError("The operation failed inside Slipway; its own log says why."))


def arm(request: func.HttpRequest, use: Callable[[Call], func.HttpResponse]) -> func.HttpResponse:
    """Run a use case for any authenticated caller."""

    def authenticated(known: Services) -> func.HttpResponse:
        return use(Call(request, known, known.callers.authenticate(request.headers.get("authorization"))))

    return answering(request, authenticated)


def arm_registry(
    request: func.HttpRequest, role: Role, use: Callable[[RegistryCall], func.HttpResponse]
) -> func.HttpResponse:
    """Run a use case for a caller who holds `role` in the registry that the route names."""

    def authorized(call: Call) -> func.HttpResponse:
        registry = _served(call)
        registry_id = parse_registry_id(registry.id)
        call.services.callers.require(call.caller, registry_id.key, role)
        return use(RegistryCall(request, call.services, call.caller, registry, registry_id))

    return arm(request, authorized)


def _served(call: Call) -> RegistrySettings:
    params = call.request.route_params
    asked = RegistryId(params["subscription"], params["resource_group"], params["registry"])
    for registry in call.services.settings.registries:
        if parse_registry_id(registry.id).same_as(asked):
            return registry
    raise not_found(asked, f"{REGISTRY_TYPE}/{asked.name}")


def named_run(call: RegistryCall) -> Run:
    """Read the run that the route names. Raises NotFound in the words of ARM."""
    identifier = call.request.route_params["run"]
    try:
        return call.services.shop.store.get(call.partition, parse_run_id(identifier))
    except NotFound:
        raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/runs/{identifier}") from None


def not_found(registry: RegistryId, resource: str) -> NotFound:
    """Answer the error of a resource that is not there, in the words of ARM."""
    return NotFound(f"The Resource '{resource}' under resource group '{registry.resource_group}' was not found.")


def operation_headers(call: RegistryCall, header: str, path: str) -> dict[str, str]:
    """Answer the headers by which a client follows a long-running operation, at `path` below the registry.

    `Retry-After` is one second: az waits thirty between two looks without it.
    """
    query = urlencode({"api-version": call.request.params.get("api-version", _API_VERSION)})
    url = f"{call.services.settings.public_url}{call.id}/{path}?{query}"
    return {header: url, "Retry-After": "1"}


def json_body(request: func.HttpRequest) -> object:
    """Answer the JSON body of a request. Raises InvalidRequest for anything else, TooLarge over 4 MiB."""
    raw = request.get_body()
    if len(raw) > _MAX_BODY:
        raise TooLarge(f"The request body has {len(raw)} bytes; at most {_MAX_BODY} are allowed.")
    try:
        return read_json(raw)
    except (ValueError, RecursionError):
        raise InvalidRequest("The request body is not valid JSON.", code="InvalidRequestContent") from None


def read_json(raw: bytes) -> object:
    """Read JSON whose text can be written again.

    Raises ValueError or RecursionError. The parser takes two things that nobody else does, and that break whatever
    writes them: `NaN` and its like, and halves of UTF-16 pairs.
    """
    body: object = json.loads(raw, parse_constant=_refused)
    if _HALF.search(raw):
        json.dumps(body, ensure_ascii=False).encode()
    return body


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no number of JSON")


def reply(
    body: Mapping[str, Any] | list[dict[str, Any]] | None = None,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> func.HttpResponse:
    """Answer JSON, or nothing at all."""
    text = None if body is None else json.dumps(body)
    return func.HttpResponse(text, status_code=status, headers=dict(headers or {}), mimetype="application/json")


def failure(error: SlipwayError) -> func.HttpResponse:
    """Answer an error in the ARM form."""
    told = {"code": error.code, "message": error.message}
    if error.target:
        told["target"] = error.target
    headers = {}
    if isinstance(error, Throttled):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = _challenge()
    return reply({"error": told}, error.status, headers)


def _challenge() -> str:
    try:
        return services().callers.challenge
    except SlipwayError:
        return "Bearer"

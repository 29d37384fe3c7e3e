"""What a builder may call, with its group's or its run's token: the wire of `shared/grant.py`."""

import asyncio
import time
from collections.abc import Callable

import azure.functions as func
from pydantic import ValidationError

from functions._http import answering, json_body, reply
from functions._services import Services
from shared.access.builder_tokens import Bearer, TokenUse
from shared.errors import InvalidRequest, Unauthenticated
from shared.grant import Contents, LoginRequest, Message, Report, SecretsRequest
from shared.log_context import about
from shared.provenance.contents import keep_contents
from shared.runs.builder_logins import login
from shared.runs.claim import heartbeat, look_for_work, report
from shared.runs.dispatch import announce
from shared.runs.secrets import read_secrets

blueprint = func.Blueprint()
_RUN_ROUTE = "builders/{group}/runs/{run}"
_CLAIM_SECONDS = 5
_LOOK_AGAIN_SECONDS = 0.1
_NOTHING_YET = 204


@blueprint.function_name("builders_claim")
@blueprint.route(route="builders/{group}/claim", methods=["POST"])
async def builders_claim(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the run of the builder's group; hold the call open for a while when there is none yet."""

    def use(known: Services) -> func.HttpResponse:
        grant = look_for_work(known.shop, bearer_of(known, req, TokenUse.GROUP))
        return _message(grant) if grant else reply(status=_NOTHING_YET)

    end = time.monotonic() + _CLAIM_SECONDS
    answer = await asyncio.to_thread(answering, req, use)
    while answer.status_code == _NOTHING_YET and time.monotonic() < end:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        answer = await asyncio.to_thread(answering, req, use)
    return answer


@blueprint.function_name("builders_heartbeat")
@blueprint.route(route=_RUN_ROUTE + "/heartbeat", methods=["POST"])
def builders_heartbeat(req: func.HttpRequest) -> func.HttpResponse:
    """Note that a builder lives."""
    return _run_call(req, lambda known, bearer: _message(heartbeat(known.shop, bearer)))


@blueprint.function_name("builders_login")
@blueprint.route(route=_RUN_ROUTE + "/login", methods=["POST"])
def builders_login(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a short-lived login of the run's registry."""

    def use(known: Services, bearer: Bearer) -> func.HttpResponse:
        return _message(login(known.shop, bearer, _read(LoginRequest, req)))

    return _run_call(req, use)


@blueprint.function_name("builders_secrets")
@blueprint.route(route=_RUN_ROUTE + "/secrets", methods=["POST"])
def builders_secrets(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the secrets that the run's task names."""

    def use(known: Services, bearer: Bearer) -> func.HttpResponse:
        return _message(read_secrets(known.shop, bearer, _read(SecretsRequest, req)))

    return _run_call(req, use)


@blueprint.function_name("builders_contents")
@blueprint.route(route=_RUN_ROUTE + "/contents", methods=["POST"])
def builders_contents(req: func.HttpRequest) -> func.HttpResponse:
    """Take what an image of the run holds, by its builder's word."""

    def use(known: Services, bearer: Bearer) -> func.HttpResponse:
        keep_contents(known.shop, bearer, _read(Contents, req))
        return reply({})

    return _run_call(req, use)


@blueprint.function_name("builders_report")
@blueprint.route(route=_RUN_ROUTE + "/report", methods=["POST"])
def builders_report(req: func.HttpRequest) -> func.HttpResponse:
    """End the run as its builder tells."""

    def use(known: Services, bearer: Bearer) -> func.HttpResponse:
        report(known.shop, bearer, _read(Report, req))
        announce(known.shop, bearer.registry, delay_seconds=0)
        return reply({})

    return _run_call(req, use)


def _run_call(req: func.HttpRequest, use: Callable[[Services, Bearer], func.HttpResponse]) -> func.HttpResponse:
    def checked(known: Services) -> func.HttpResponse:
        bearer = bearer_of(known, req, TokenUse.RUN)
        if req.route_params["run"] != bearer.run_id:
            raise Unauthenticated("The builder's token is for another run.")
        with about({"registry": bearer.registry}):
            return use(known, bearer)

    return answering(req, checked)


def bearer_of(known: Services, req: func.HttpRequest, use: TokenUse) -> Bearer:
    """Answer the bearer of a call below `builders/{group}`. Raises Unauthenticated."""
    bearer = known.shop.tokens.check(use, req.headers.get("authorization"))
    if req.route_params["group"] != bearer.group:
        raise Unauthenticated("The builder's token is for another container group.")
    if all(one.name.lower() != bearer.registry for one in known.settings.registries):
        raise Unauthenticated("The builder's registry is not served any more.")
    return bearer


def _read[Kind: Message](kind: type[Kind], req: func.HttpRequest) -> Kind:
    try:
        return kind.model_validate(json_body(req))
    except ValidationError as error:
        raise InvalidRequest(f"The builder's message is not a {kind.__name__}: {error.error_count()} faults.") from None


def _message(message: Message) -> func.HttpResponse:
    return func.HttpResponse(message.model_dump_json(by_alias=True, exclude_none=True), mimetype="application/json")

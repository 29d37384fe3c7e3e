"""Machines that serve an agent pool: the pool's tokens, for contributors, and the machines' own calls."""

from collections.abc import Callable

import azure.functions as func
from pydantic import ValidationError

from functions._http import REGISTRY_ROUTE, RegistryCall, answering, arm_registry, json_body, not_found, reply
from functions._services import Services
from functions.builders import bearer_of
from shared.access.builder_tokens import TokenUse
from shared.arm.names import REGISTRY_TYPE
from shared.container_groups.pool_tokens import PoolToken, token_answer
from shared.errors import InvalidRequest, NotFound
from shared.grant import Registration
from shared.runs.agent_pools import PoolKeeper
from shared.runs.machines import TokenKeeper, depart, register
from shared.settings import Role

blueprint = func.Blueprint()
_TOKENS_ROUTE = REGISTRY_ROUTE + "/agentPools/{pool}/tokens"
_CREATED, _NOTHING = 201, 204


@blueprint.function_name("pool_tokens_list")
@blueprint.route(route=_TOKENS_ROUTE, methods=["GET"])
def pool_tokens_list(req: func.HttpRequest) -> func.HttpResponse:
    """List a pool's tokens, without their secrets."""
    return _on_tokens(req, lambda keeper: reply({"value": [token_answer(one) for one in keeper.all()]}))


@blueprint.function_name("pool_tokens_issue")
@blueprint.route(route=_TOKENS_ROUTE, methods=["POST"])
def pool_tokens_issue(req: func.HttpRequest) -> func.HttpResponse:
    """Issue a token; this answer alone shows it."""
    return _on_tokens(req, lambda keeper: _shown(keeper.issue()))


@blueprint.function_name("pool_tokens_rotate")
@blueprint.route(route=_TOKENS_ROUTE + "/{token}/rotate", methods=["POST"])
def pool_tokens_rotate(req: func.HttpRequest) -> func.HttpResponse:
    """Give a token another secret; this answer alone shows it."""
    return _on_tokens(req, lambda keeper: _shown(keeper.rotate(req.route_params["token"])))


@blueprint.function_name("pool_tokens_revoke")
@blueprint.route(route=_TOKENS_ROUTE + "/{token}", methods=["DELETE"])
def pool_tokens_revoke(req: func.HttpRequest) -> func.HttpResponse:
    """Revoke a token, and end what its machines execute."""

    def use(keeper: TokenKeeper) -> func.HttpResponse:
        keeper.revoke(req.route_params["token"])
        return reply(status=_NOTHING)

    return _on_tokens(req, use)


@blueprint.function_name("pool_machines_register")
@blueprint.route(route="pools/{registry}/{pool}/machines", methods=["POST"])
def pool_machines_register(req: func.HttpRequest) -> func.HttpResponse:
    """Let a machine that shows a pool's token serve the pool."""

    def use(known: Services) -> func.HttpResponse:
        registry, pool = req.route_params["registry"].lower(), req.route_params["pool"]
        authorization = req.headers.get("authorization")
        answer = register(known.shop, registry, pool, authorization, _registration(req))
        return reply(answer.model_dump(by_alias=True), headers={"Cache-Control": "no-store"})

    return answering(req, use)


@blueprint.function_name("pool_machines_leave")
@blueprint.route(route="builders/{group}/leave", methods=["POST"])
def pool_machines_leave(req: func.HttpRequest) -> func.HttpResponse:
    """Let a machine go that executes nothing."""

    def use(known: Services) -> func.HttpResponse:
        depart(known.shop, bearer_of(known, req, TokenUse.GROUP))
        return reply({})

    return answering(req, use)


def _registration(req: func.HttpRequest) -> Registration:
    try:
        return Registration.model_validate(json_body(req))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "body"
        raise InvalidRequest(f"The registration's {where} does not hold: {fault['msg']}.", target=where) from None


def _shown(made: tuple[PoolToken, str]) -> func.HttpResponse:
    return reply(token_answer(*made), _CREATED, {"Cache-Control": "no-store"})


def _on_tokens(req: func.HttpRequest, use: Callable[[TokenKeeper], func.HttpResponse]) -> func.HttpResponse:
    def named(call: RegistryCall) -> func.HttpResponse:
        name = req.route_params["pool"]
        keeper = PoolKeeper(call.services.shop, call.id, call.registry.location, call.caller)
        try:
            keeper.get(name)
        except NotFound:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/agentPools/{name}") from None
        return use(TokenKeeper(keeper, name))

    return arm_registry(req, Role.CONTRIBUTOR, named)

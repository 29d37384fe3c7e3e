"""Agent pools: builders that are kept warm under a name. Changes are long-running operations of ARM."""

import secrets
from collections.abc import Callable

import azure.functions as func

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, not_found, operation_headers, reply
from shared.arm.names import REGISTRY_TYPE
from shared.container_groups.agent_pools import AgentPool, pool_answer
from shared.errors import NotFound
from shared.runs.agent_pools import PoolKeeper
from shared.settings import Role

blueprint = func.Blueprint()
_POOL_ROUTE = REGISTRY_ROUTE + "/agentPools/{pool}"
_CREATED, _ACCEPTED, _NOTHING = 201, 202, 204


@blueprint.function_name("agent_pools_list")
@blueprint.route(route=REGISTRY_ROUTE + "/agentPools", methods=["GET"])
def agent_pools_list(req: func.HttpRequest) -> func.HttpResponse:
    """List agent pools, oldest first."""

    def use(call: RegistryCall) -> func.HttpResponse:
        return reply({"value": [pool_answer(call.id, pool) for pool in _keeper(call).all()]})

    return arm_registry(req, Role.READER, use)


@blueprint.function_name("agent_pools_get")
@blueprint.route(route=_POOL_ROUTE, methods=["GET"])
def agent_pools_get(req: func.HttpRequest) -> func.HttpResponse:
    """Show an agent pool."""
    return _on_pool(req, Role.READER, lambda call, name: reply(pool_answer(call.id, _keeper(call).get(name))))


@blueprint.function_name("agent_pools_put")
@blueprint.route(route=_POOL_ROUTE, methods=["PUT"])
def agent_pools_put(req: func.HttpRequest) -> func.HttpResponse:
    """Make an agent pool or replace it."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        return _under_way(call, _keeper(call).put(name, call.body()), "Creating")

    return _on_pool(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("agent_pools_patch")
@blueprint.route(route=_POOL_ROUTE, methods=["PATCH"])
def agent_pools_patch(req: func.HttpRequest) -> func.HttpResponse:
    """Change how many builders a pool holds."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        return _under_way(call, _keeper(call).patch(name, call.body()), "Updating")

    return _on_pool(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("agent_pools_delete")
@blueprint.route(route=_POOL_ROUTE, methods=["DELETE"])
def agent_pools_delete(req: func.HttpRequest) -> func.HttpResponse:
    """Delete an agent pool; 204 when there is none."""

    def use(call: RegistryCall) -> func.HttpResponse:
        try:
            pool = _keeper(call).delete(req.route_params["pool"])
        except NotFound:
            return reply(status=_NOTHING)
        path = f"agentPoolsOperationResults/{pool.name}-{secrets.token_hex(8)}/status"
        return reply(pool_answer(call.id, pool), _ACCEPTED, operation_headers(call, "Location", path))

    return arm_registry(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("agent_pools_queue")
@blueprint.route(route=_POOL_ROUTE + "/listQueueStatus", methods=["POST"])
def agent_pools_queue(req: func.HttpRequest) -> func.HttpResponse:
    """Tell how many runs wait for a pool."""
    return _on_pool(req, Role.READER, lambda call, name: reply({"count": _keeper(call).queue_length(name)}))


@blueprint.function_name("agent_pools_operation")
@blueprint.route(route=_POOL_ROUTE + "/operationStatuses/{operation}", methods=["GET"])
def agent_pools_operation(req: func.HttpRequest) -> func.HttpResponse:
    """Tell that a pool has been made or changed: the pool is there at once, its builders follow."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        _keeper(call).get(name)
        return reply({"status": "Succeeded"}, headers={"Retry-After": "1"})

    return _on_pool(req, Role.READER, use)


@blueprint.function_name("agent_pools_deletion")
@blueprint.route(route=REGISTRY_ROUTE + "/agentPoolsOperationResults/{operation}/status", methods=["GET"])
def agent_pools_deletion(req: func.HttpRequest) -> func.HttpResponse:
    """Tell whether a pool's deletion is over; the operation's id begins with the pool's name."""

    def use(call: RegistryCall) -> func.HttpResponse:
        operation = req.route_params["operation"]
        try:
            pool = _keeper(call).get(operation.rpartition("-")[0])
        except NotFound:
            return reply(status=_NOTHING)
        if pool.deleted is None:
            return reply(status=_NOTHING)
        path = f"agentPoolsOperationResults/{operation}/status"
        return reply(pool_answer(call.id, pool), _ACCEPTED, operation_headers(call, "Location", path))

    return arm_registry(req, Role.READER, use)


def _under_way(call: RegistryCall, pool: AgentPool, state: str) -> func.HttpResponse:
    path = f"agentPools/{pool.name}/operationStatuses/{secrets.token_hex(16)}"
    answer = pool_answer(call.id, pool, state)
    return reply(answer, _CREATED, operation_headers(call, "Azure-AsyncOperation", path))


def _on_pool(
    req: func.HttpRequest, role: Role, use: Callable[[RegistryCall, str], func.HttpResponse]
) -> func.HttpResponse:
    def named(call: RegistryCall) -> func.HttpResponse:
        name = req.route_params["pool"]
        try:
            return use(call, name)
        except NotFound:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/agentPools/{name}") from None

    return arm_registry(req, role, named)


def _keeper(call: RegistryCall) -> PoolKeeper:
    return PoolKeeper(call.services.shop, call.id, call.registry.location, call.caller)

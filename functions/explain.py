"""Why a task did or did not run, when it will, and what a run waits for."""

import azure.functions as func

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, named_run, not_found, reply
from shared.arm.names import REGISTRY_TYPE, parse_task_name
from shared.settings import Role
from shared.triggers.explain import explain_run, explain_task
from shared.triggers.timers.scheduler import open_scheduler

blueprint = func.Blueprint()


@blueprint.function_name("explain_task")
@blueprint.route(route=REGISTRY_ROUTE + "/tasks/{task}/explain", methods=["GET"])
def task_explanation(req: func.HttpRequest) -> func.HttpResponse:
    """Tell what is known about why and when a task runs."""

    def use(call: RegistryCall) -> func.HttpResponse:
        name, shop = parse_task_name(req.route_params["task"]), call.services.shop
        task = shop.tasks.find(call.partition, name)
        if task is None:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/tasks/{name}")
        return reply(explain_task(shop, open_scheduler(shop), task).json_object())

    return arm_registry(req, Role.READER, use)


@blueprint.function_name("explain_run")
@blueprint.route(route=REGISTRY_ROUTE + "/runs/{run}/explain", methods=["GET"])
def run_explanation(req: func.HttpRequest) -> func.HttpResponse:
    """Tell why a run exists and what it waits for."""

    def use(call: RegistryCall) -> func.HttpResponse:
        shop = call.services.shop
        return reply(explain_run(shop, open_scheduler(shop), named_run(call)).json_object())

    return arm_registry(req, Role.READER, use)

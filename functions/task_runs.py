"""taskRuns: run requests that are resources, long-running until their run has ended."""

from collections.abc import Callable
from typing import Any

import azure.functions as func

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, not_found, operation_headers, reply
from shared.arm.names import REGISTRY_TYPE, parse_run_id
from shared.errors import NotFound
from shared.runs.model import Run
from shared.runs.resource import run_resource
from shared.runs.task_runs import TaskRunKeeper, Written, provisioning_state
from shared.settings import Role
from shared.tasks.task_runs import TaskRun, TaskRunSpec, task_run_answer

blueprint = func.Blueprint()
_TASK_RUN_ROUTE = REGISTRY_ROUTE + "/taskRuns/{task_run}"
_CREATED, _NOTHING = 201, 204


@blueprint.function_name("task_runs_list")
@blueprint.route(route=REGISTRY_ROUTE + "/taskRuns", methods=["GET"])
def task_runs_list(req: func.HttpRequest) -> func.HttpResponse:
    """List task runs, oldest first."""

    def use(call: RegistryCall) -> func.HttpResponse:
        keeper = _keeper(call)
        return reply({"value": [_answer(keeper, one.task_run, one.task_run.spec) for one in keeper.all()]})

    return arm_registry(req, Role.READER, use)


@blueprint.function_name("task_runs_get")
@blueprint.route(route=_TASK_RUN_ROUTE, methods=["GET"])
def task_runs_get(req: func.HttpRequest) -> func.HttpResponse:
    """Show a task run without its secrets."""

    def use(keeper: TaskRunKeeper, name: str) -> func.HttpResponse:
        stored = keeper.get(name)
        return reply(_answer(keeper, stored.task_run, stored.task_run.spec))

    return _on_task_run(req, Role.READER, use)


@blueprint.function_name("task_runs_details")
@blueprint.route(route=_TASK_RUN_ROUTE + "/listDetails", methods=["POST"])
def task_runs_details(req: func.HttpRequest) -> func.HttpResponse:
    """Show a task run with its secrets."""

    def use(keeper: TaskRunKeeper, name: str) -> func.HttpResponse:
        stored = keeper.get(name)
        return reply(_answer(keeper, stored.task_run, stored.full))

    return _on_task_run(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("task_runs_put")
@blueprint.route(route=_TASK_RUN_ROUTE, methods=["PUT"])
def task_runs_put(req: func.HttpRequest) -> func.HttpResponse:
    """Make a task run and its run."""
    return _write(req, TaskRunKeeper.put)


@blueprint.function_name("task_runs_patch")
@blueprint.route(route=_TASK_RUN_ROUTE, methods=["PATCH"])
def task_runs_patch(req: func.HttpRequest) -> func.HttpResponse:
    """Change a task run, which makes another run."""
    return _write(req, TaskRunKeeper.patch)


@blueprint.function_name("task_runs_delete")
@blueprint.route(route=_TASK_RUN_ROUTE, methods=["DELETE"])
def task_runs_delete(req: func.HttpRequest) -> func.HttpResponse:
    """Delete a task run; its run stays."""

    def use(keeper: TaskRunKeeper, name: str) -> func.HttpResponse:
        return reply() if keeper.delete(name) else reply(status=_NOTHING)

    return _on_task_run(req, Role.RUNNER, use)


@blueprint.function_name("task_runs_operation")
@blueprint.route(route=_TASK_RUN_ROUTE + "/operationStatuses/{operation}", methods=["GET"])
def task_runs_operation(req: func.HttpRequest) -> func.HttpResponse:
    """Tell whether the run that a write has made is over. The operation's id is the run's."""

    def use(call: RegistryCall) -> func.HttpResponse:
        run_id = parse_run_id(req.route_params["operation"])
        try:
            run = call.services.shop.store.get(call.partition, run_id)
        except NotFound:
            raise not_found(call.id, f"operationStatuses/{run_id}") from None
        return reply(_status(run), headers={"Retry-After": "1"})

    return arm_registry(req, Role.READER, use)


def _status(run: Run) -> dict[str, Any]:
    if not run.is_terminal:
        return {"status": "Creating"}
    if run.error and run.status.value != "Succeeded":
        told = {"code": f"Run{run.status.value}", "message": f"The run {run.id} has ended: {run.error}"}
        return {"status": "Failed", "error": told}
    return {"status": {"Succeeded": "Succeeded", "Canceled": "Canceled"}.get(run.status.value, "Failed")}


def _write(req: func.HttpRequest, write: Callable[[TaskRunKeeper, str, object], Written]) -> func.HttpResponse:
    def use(call: RegistryCall) -> func.HttpResponse:
        keeper, name = _keeper(call), req.route_params["task_run"]
        written = write(keeper, name, call.body())
        answer = _answer(keeper, written.stored.task_run, written.stored.task_run.spec)
        if written.run is None or (written.run.is_terminal and not written.is_new):
            return reply(answer)
        path = f"taskRuns/{written.stored.task_run.name}/operationStatuses/{written.run.id}"
        return reply(answer, _CREATED, operation_headers(call, "Azure-AsyncOperation", path))

    return arm_registry(req, Role.RUNNER, use)


def _on_task_run(
    req: func.HttpRequest, role: Role, use: Callable[[TaskRunKeeper, str], func.HttpResponse]
) -> func.HttpResponse:
    def named(call: RegistryCall) -> func.HttpResponse:
        name = req.route_params["task_run"]
        try:
            return use(_keeper(call), name)
        except NotFound:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/taskRuns/{name}") from None

    return arm_registry(req, role, named)


def _keeper(call: RegistryCall) -> TaskRunKeeper:
    return TaskRunKeeper(call.services.shop, call.registry, call.id, call.caller)


def _answer(keeper: TaskRunKeeper, task_run: TaskRun, spec: TaskRunSpec) -> dict[str, Any]:
    run = keeper.run_of(task_run)
    answer = task_run_answer(keeper.id, task_run, spec, provisioning_state(task_run, run))
    if run is not None:
        answer["properties"]["runResult"] = run_resource(keeper.id, run).json_object()
    return answer

"""Tasks: list, show, make, change, delete."""

from collections.abc import Callable
from functools import partial

import azure.functions as func

from functions._git_hosts import subscriber
from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, not_found, reply
from shared.arm.names import REGISTRY_TYPE, parse_task_name
from shared.arm.reading import as_object
from shared.errors import NotFound
from shared.settings import Role
from shared.tasks.answers import task_answer, task_details
from shared.tasks.az_update import for_az
from shared.tasks.changes import Setting, list_tasks, patch_task, put_task
from shared.tasks.model import TaskSpec
from shared.triggers.git.hooking import hook_of_trigger, hook_to_paste
from shared.triggers.git.watching import follow, open_watching
from shared.triggers.timers.arming import arm
from shared.triggers.timers.scheduler import open_scheduler

blueprint = func.Blueprint()
_TASK_ROUTE = REGISTRY_ROUTE + "/tasks/{task}"
_NOTHING = 204


@blueprint.function_name("tasks_list")
@blueprint.route(route=REGISTRY_ROUTE + "/tasks", methods=["GET"])
def tasks_list(req: func.HttpRequest) -> func.HttpResponse:
    """List tasks, oldest first."""

    def use(call: RegistryCall) -> func.HttpResponse:
        tasks = list_tasks(call.services.shop.tasks, call.partition)
        return reply({"value": [task_answer(call.id, task) for task in tasks]})

    return arm_registry(req, Role.READER, use)


@blueprint.function_name("tasks_get")
@blueprint.route(route=_TASK_ROUTE, methods=["GET"])
def tasks_get(req: func.HttpRequest) -> func.HttpResponse:
    """Show a task without its secrets."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        return reply(task_answer(call.id, call.services.shop.tasks.get(call.partition, name)))

    return _on_task(req, Role.READER, use)


@blueprint.function_name("tasks_details")
@blueprint.route(route=_TASK_ROUTE + "/listDetails", methods=["POST"])
def tasks_details(req: func.HttpRequest) -> func.HttpResponse:
    """Show a task, to contributors with its secrets. Whoever may only run it needs no secret: az reads the timeout."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        content = call.services.shop.tasks.read(call.partition, name)
        may_read = call.services.callers.holds(call.caller, call.partition, Role.CONTRIBUTOR)
        details = task_details(call.id, content.task, content.full if may_read else content.task.spec)
        return reply(for_az(details, {header.lower(): value for header, value in req.headers.items()}))

    return _on_task(req, Role.RUNNER, use)


@blueprint.function_name("tasks_put")
@blueprint.route(route=_TASK_ROUTE, methods=["PUT"])
def tasks_put(req: func.HttpRequest) -> func.HttpResponse:
    """Make a task or replace it."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        task = put_task(call.services.shop.tasks, _setting(call), name, call.body(), _hooks_of(call, name))
        _arm_triggers(call, name)
        return reply(task_answer(call.id, task))

    return _on_task(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("tasks_patch")
@blueprint.route(route=_TASK_ROUTE, methods=["PATCH"])
def tasks_patch(req: func.HttpRequest) -> func.HttpResponse:
    """Change what is given of a task."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        task = patch_task(call.services.shop.tasks, _setting(call), name, call.body(), _hooks_of(call, name))
        _arm_triggers(call, name)
        return reply(task_answer(call.id, task))

    return _on_task(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("tasks_delete")
@blueprint.route(route=_TASK_ROUTE, methods=["DELETE"])
def tasks_delete(req: func.HttpRequest) -> func.HttpResponse:
    """Delete a task; its runs stay."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        was_there = call.services.shop.tasks.delete(call.partition, name)
        _arm_triggers(call, name)
        return reply() if was_there else reply(status=_NOTHING)

    return _on_task(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("tasks_rotate_hook")
@blueprint.route(route=_TASK_ROUTE + "/sourceTriggers/{trigger}/rotateHook", methods=["POST"])
def tasks_rotate_hook(req: func.HttpRequest) -> func.HttpResponse:
    """Give the hook of a source trigger a new secret; one made by hand keeps the old one as well."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        room, trigger = open_watching(call.services.shop), req.route_params["trigger"]
        subscriber().rotate(hook_of_trigger(room, call.partition, name, trigger))
        return reply(hook_to_paste(room, call.partition, name, trigger).json_object())

    return _on_task(req, Role.CONTRIBUTOR, use)


@blueprint.function_name("tasks_hook")
@blueprint.route(route=_TASK_ROUTE + "/sourceTriggers/{trigger}/listHook", methods=["POST"])
def tasks_hook(req: func.HttpRequest) -> func.HttpResponse:
    """Answer the hook to set up at the git host of a source trigger; `sourceControlType` may name another kind."""

    def use(call: RegistryCall, name: str) -> func.HttpResponse:
        body = as_object(call.body(), "a sourceControlType, or nothing") if req.get_body() else {}
        host = body.get("sourceControlType")
        room, trigger = open_watching(call.services.shop), req.route_params["trigger"]
        return reply(hook_to_paste(room, call.partition, name, trigger, str(host) if host else None).json_object())

    return _on_task(req, Role.CONTRIBUTOR, use)


def _on_task(
    req: func.HttpRequest, role: Role, use: Callable[[RegistryCall, str], func.HttpResponse]
) -> func.HttpResponse:
    def named(call: RegistryCall) -> func.HttpResponse:
        name = parse_task_name(req.route_params["task"])
        try:
            return use(call, name)
        except NotFound:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/tasks/{name}") from None

    return arm_registry(req, role, named)


def _arm_triggers(call: RegistryCall, name: str) -> None:
    """Let triggers follow a change; a failure here is answered, so that the client repeats the change."""
    shop = call.services.shop
    arm(open_scheduler(shop), call.partition, name)
    if follow(open_watching(shop), call.partition, name):
        subscriber().clear()


def _hooks_of(call: RegistryCall, name: str) -> Callable[[TaskSpec], None]:
    return partial(subscriber().prepare, call.partition, name)


def _setting(call: RegistryCall) -> Setting:
    known = call.services
    return Setting(
        registry=call.id,
        location=call.registry.location,
        tenant=known.settings.tenant_id,
        caller=call.caller,
        now=known.shop.clock(),
    )

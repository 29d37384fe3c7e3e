"""Runs: list, show, cancel, archive, and the URL of the log."""

import asyncio
import secrets
from datetime import timedelta
from urllib.parse import urlencode

import azure.functions as func

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, named_run, reply
from functions.live_logs import live_url
from shared.arm.requests import parse_run_update
from shared.runs.archive import archive
from shared.runs.cancel import cancel
from shared.runs.listing import list_runs, parse_page
from shared.runs.logs import QUEUE_PATIENCE, reading_url
from shared.runs.model import Run
from shared.runs.resource import run_resource
from shared.settings import Role

blueprint = func.Blueprint()
_RUN_ROUTE = REGISTRY_ROUTE + "/runs/{run}"
_OK = 200
_SHORT_RUN = timedelta(seconds=2)
_LOOK_AGAIN_SECONDS = 0.1


@blueprint.function_name("runs_list")
@blueprint.route(route=REGISTRY_ROUTE + "/runs", methods=["GET"])
def runs_list(req: func.HttpRequest) -> func.HttpResponse:
    """List runs, newest first, by `$filter` and `$top`, in pages."""

    def use(call: RegistryCall) -> func.HttpResponse:
        page = parse_page(req.params)
        runs, following = list_runs(call.services.shop.store, call.partition, page)
        body: dict[str, object] = {"value": [run_resource(call.id, run).json_object() for run in runs]}
        if following:
            query = {**req.params, "$skiptoken": following}
            body["nextLink"] = f"{call.services.settings.public_url}{call.id}/runs?{urlencode(query)}"
        return reply(body)

    return arm_registry(req, Role.READER, use)


@blueprint.function_name("runs_get")
@blueprint.route(route=_RUN_ROUTE, methods=["GET"])
def runs_get(req: func.HttpRequest) -> func.HttpResponse:
    """Show one run."""
    return arm_registry(req, Role.READER, lambda call: reply(run_resource(call.id, named_run(call)).json_object()))


@blueprint.function_name("runs_update")
@blueprint.route(route=_RUN_ROUTE, methods=["PATCH"])
def runs_update(req: func.HttpRequest) -> func.HttpResponse:
    """Keep a run beyond its retention, or no longer."""

    def use(call: RegistryCall) -> func.HttpResponse:
        wanted, run = parse_run_update(call.body()), named_run(call)
        if wanted is not None:
            run = archive(call.services.shop, call.partition, run.id, is_archived=wanted)
        return reply(run_resource(call.id, run).json_object())

    return arm_registry(req, Role.RUNNER, use)


@blueprint.function_name("runs_cancel")
@blueprint.route(route=_RUN_ROUTE + "/cancel", methods=["POST"])
def runs_cancel(req: func.HttpRequest) -> func.HttpResponse:
    """End a run as canceled; one that has ended stays as it is."""

    def use(call: RegistryCall) -> func.HttpResponse:
        cancel(call.services.shop, call.partition, named_run(call).id)
        return reply()

    return arm_registry(req, Role.RUNNER, use)


@blueprint.function_name("runs_log_url")
@blueprint.route(route=_RUN_ROUTE + "/listLogSasUrl", methods=["POST"])
async def runs_log_url(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a URL by which the log can be read while it is written.

    For a run that has only just begun the answer waits up to two seconds for its end: az sleeps two to three
    seconds after each look at a log, so a short run would otherwise seem to take that long.
    """
    settled = False

    def is_settled(call: RegistryCall) -> func.HttpResponse:
        nonlocal settled
        run, clock = named_run(call), call.services.shop.clock
        settled = run.is_terminal or clock() - run.created > _SHORT_RUN
        return reply({"logLink": _log_link(call, run)})

    answer = await asyncio.to_thread(arm_registry, req, Role.READER, is_settled)
    while answer.status_code == _OK and not settled:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        answer = await asyncio.to_thread(arm_registry, req, Role.READER, is_settled)
    return answer


def _log_link(call: RegistryCall, run: Run) -> str:
    known = call.services
    if run.is_terminal or not known.settings.live_logs:
        return reading_url(known.shop, run)
    life = timedelta(seconds=run.timeout_seconds) + QUEUE_PATIENCE
    token = known.log_tokens.sign(call.partition, run.id, known.shop.clock(), life, reader=secrets.token_hex(8))
    return live_url(known.settings.public_url, call.partition, run.id, token)

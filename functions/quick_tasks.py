"""Quick runs: where to upload a context, and the request that makes a run."""

import azure.functions as func

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, reply
from shared.arm.requests import parse_any_run_request
from shared.runs.resource import run_resource
from shared.runs.sources import upload_location
from shared.runs.submit import request_key
from shared.runs.task_runs import Asked, submit_any
from shared.runs.trace import read_trace_parent
from shared.settings import Role

blueprint = func.Blueprint()


@blueprint.function_name("quick_upload_url")
@blueprint.route(route=REGISTRY_ROUTE + "/listBuildSourceUploadUrl", methods=["POST"])
def upload_url(req: func.HttpRequest) -> func.HttpResponse:
    """Answer a write-only SAS of one fresh blob."""

    def use(call: RegistryCall) -> func.HttpResponse:
        return reply(upload_location(call.services.shop, call.partition).json_object())

    return arm_registry(req, Role.RUNNER, use)


@blueprint.function_name("quick_schedule_run")
@blueprint.route(route=REGISTRY_ROUTE + "/scheduleRun", methods=["POST"])
def schedule_run(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Queue a run; the same request sent again answers the same run."""

    def use(call: RegistryCall) -> func.HttpResponse:
        request = parse_any_run_request(call.body())
        key = request_key(req.headers.get("x-ms-client-request-id"), str(call.id), req.get_body())
        parent = _parent(call, context)
        run = submit_any(call.services.shop, call.registry, call.id, request, Asked(call.caller, key, parent))
        return reply(run_resource(call.id, run).json_object())

    return arm_registry(req, Role.RUNNER, use)


def _parent(call: RegistryCall, context: func.Context) -> str:
    """Answer the span that the run's trace goes on from: the host's own of this request where it is told somewhere.

    The host tells Application Insights of each request, as a child of the caller's span, and nobody else.
    """
    of_host = read_trace_parent(context.trace_context.trace_parent) if call.services.settings.insights else ""
    return of_host or read_trace_parent(call.request.headers.get("traceparent"))

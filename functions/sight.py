"""What a run's time went into: its trace as JSON or text, to a collector when it has ended.

GET R/runs/{run}/trace     JSON; with `format=text` the text that `./dev trace` prints
"""

import json
import logging
from functools import cache

import azure.functions as func
import httpx

from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, not_found, reply
from functions._logs import about
from functions._services import services
from shared.access.callers import trust
from shared.arm.names import REGISTRY_TYPE, parse_run_id
from shared.arm.wire import arm_time
from shared.errors import NotFound, SlipwayError, Unavailable
from shared.runs.trace import TraceSpan
from shared.settings import Role
from shared.sight.otlp import Collector, read_headers
from shared.sight.showing import Show, trace_of
from shared.sight.text import as_text

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)
_MOST_ATTEMPTS = 8
_FIRST_DELAY, _LONGEST_DELAY = 10, 900


@cache
def show() -> Show | None:
    """Answer what sends to the collector; None where the settings name none."""
    known = services()
    url = known.settings.telemetry_endpoint
    if not url:
        return None
    client = httpx.Client(verify=trust(known.settings), trust_env=False, follow_redirects=False)
    return Show(known.shop, Collector(client, url, read_headers(known.settings.telemetry_headers)))


@blueprint.function_name("sight_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="telemetry", connection="AzureWebJobsStorage")
def sight_queue(msg: func.QueueMessage) -> None:
    """Send the trace of a run, again and again for about half an hour while the collector is away."""
    told, shown = json.loads(msg.get_body()), show()
    registry, run, attempt = str(told["registry"]), str(told["run"]), int(told["attempt"])
    if shown is None or registry not in {one.name.lower() for one in shown.shop.settings.registries}:
        return
    try:
        with about(told):
            shown.ended(registry, run)
    except Unavailable as fault:
        _LOG.warning("run %s: its trace was not taken, attempt %d: %s", run, attempt, fault.message)
        if attempt < _MOST_ATTEMPTS:
            again = {"run": run, "registry": registry, "attempt": str(attempt + 1)}
            shown.shop.storage.telemetry.send(again, delay_seconds=min(_FIRST_DELAY << (attempt - 1), _LONGEST_DELAY))


@blueprint.function_name("sight_queues")
@blueprint.timer_trigger(arg_name="timer", schedule="22 * * * * *", use_monitor=False)
def sight_queues(timer: func.TimerRequest) -> None:
    """Send how long the queues are."""
    del timer
    shown = show()
    if shown is None:
        return
    for registry in shown.shop.settings.registries:
        try:
            shown.queues(registry.name.lower(), shown.shop.clock())
        except SlipwayError as fault:
            _LOG.warning("the queue of %s was not told: %s", registry.name, fault.message)


@blueprint.function_name("sight_trace")
@blueprint.route(route=REGISTRY_ROUTE + "/runs/{run}/trace", methods=["GET"])
def sight_trace(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what a run's time went into."""

    def use(call: RegistryCall) -> func.HttpResponse:
        identifier, shop = req.route_params["run"], call.services.shop
        try:
            run = shop.store.get(call.partition, parse_run_id(identifier))
        except NotFound:
            raise not_found(call.id, f"{REGISTRY_TYPE}/{call.id.name}/runs/{identifier}") from None
        found = trace_of(shop, run)
        if req.params.get("format") == "text":
            return func.HttpResponse(as_text(found), mimetype="text/plain", charset="utf-8")
        return reply({"traceId": found.id, "spans": [_shown(span) for span in found.spans]})

    return arm_registry(req, Role.READER, use)


def _shown(span: TraceSpan) -> dict[str, object]:
    return {
        "name": span.name,
        "id": span.id,
        "parent": span.parent,
        "begin": arm_time(span.begin),
        "end": arm_time(span.end),
        "failed": span.failed,
        "attributes": dict(span.attributes),
    }

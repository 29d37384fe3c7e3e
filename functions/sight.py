"""What a run's time went into: its trace as JSON or text, and to where telemetry goes when it has ended.

GET R/runs/{run}/trace     JSON; with `format=text` the text that `./dev trace` prints
"""

import logging
from functools import cache

import azure.functions as func

from functions._again import Errand, read_errand
from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, named_run, reply
from functions._services import registry_keys, services
from functions._sweeps import each_registry
from shared.arm.wire import arm_time
from shared.errors import Unavailable
from shared.log_context import about
from shared.runs.trace import TraceSpan
from shared.settings import Role
from shared.sight.counting import Counts
from shared.sight.showing import QueueLengths, Show, trace_of
from shared.sight.sinks import open_sinks
from shared.sight.text import as_text

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


@cache
def shows() -> tuple[Show, ...]:
    """Answer what sends to each place that the settings name."""
    shop = services().shop
    return tuple(Show(shop, sink) for sink in open_sinks(shop.settings))


@blueprint.function_name("sight_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="telemetry", connection="AzureWebJobsStorage")
def sight_queue(msg: func.QueueMessage) -> None:
    """Send the trace of a run, or what was counted, again and again for about half an hour while nobody takes it."""
    errand = read_errand(msg)
    with about(errand.told):
        for show in shows():
            if errand.told.get("to", show.sink.name) == show.sink.name:
                _send(show, errand)


def _send(show: Show, errand: Errand) -> None:
    try:
        if "counts" in errand.told:
            counts = Counts.model_validate_json(errand.told["counts"])
            show.counted(counts.counted, counts.begin, counts.at)
        elif errand.registry in registry_keys():
            show.ended(errand.registry, errand.run)
    except Unavailable as fault:
        _LOG.warning("telemetry waits, attempt %d: %s", errand.attempt, fault.message)
        errand.again(show.shop.storage.telemetry, to=show.sink.name)


@blueprint.function_name("sight_queues")
@blueprint.timer_trigger(arg_name="timer", schedule="22 * * * * *", use_monitor=False)
def sight_queues(timer: func.TimerRequest) -> None:
    """Send how long the queues are."""
    del timer
    if not shows():
        return
    lengths = QueueLengths(services().shop)
    each_registry(lengths.look, "how long the queues are is not known")
    for show in shows():
        try:
            show.sink.send_points(lengths.points)
        except Unavailable as fault:
            _LOG.warning("how long the queues are was not told: %s", fault.message)


@blueprint.function_name("sight_trace")
@blueprint.route(route=REGISTRY_ROUTE + "/runs/{run}/trace", methods=["GET"])
def sight_trace(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what a run's time went into."""

    def use(call: RegistryCall) -> func.HttpResponse:
        found = trace_of(call.services.shop, named_run(call))
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

"""Registries tell of pushes here; timers look at those that do not.

POST /registry-events            200 taken · 400 not a notification · 401 · 413 · 503 try again
POST /registry-events/{token}    the same for senders that cannot set an Authorization header
"""

import hmac
import json
import logging

import azure.functions as func

from functions._again import read_errand
from functions._base_images import Doors, base_images
from functions._http import answering, read_json, reply
from functions._services import Services, services
from functions._sweeps import each_registry
from shared.errors import InvalidRequest, TooLarge, Unauthenticated
from shared.log_context import about
from shared.triggers.base_images.events import Told, read_events
from shared.triggers.base_images.looking import hint, poll

blueprint = func.Blueprint()
_MAX_BODY = 1024 * 1024
_LOG = logging.getLogger(__name__)


@blueprint.function_name("registry_events")
@blueprint.route(route="registry-events/{token?}", methods=["POST", "OPTIONS"])
def registry_events(req: func.HttpRequest) -> func.HttpResponse:
    """Take notifications of a registry, of its webhook, or of an Event Grid subscription."""

    def use(known: Services) -> func.HttpResponse:
        _authenticate(known, req)
        if req.method == "OPTIONS":
            origin = req.headers.get("WebHook-Request-Origin", "")
            return reply(headers={"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*"})
        told = read_events(_body(req), known.settings.registries)
        if told.validation_code:
            return reply({"validationResponse": told.validation_code})
        return reply({"tracked": _hint(_doors(), told), "ignored": told.ignored})

    return answering(req, use)


@blueprint.function_name("registry_events_grid")
@blueprint.event_grid_trigger(arg_name="event")
def registry_events_grid(event: func.EventGridEvent) -> None:
    """Take one event of Event Grid, in either schema: the binding tells a cloud event by its shape."""
    _hint(_doors(), read_events(_grid_event(event), services().settings.registries))


@blueprint.function_name("registry_events_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="registry-events", connection="AzureWebJobsStorage")
def registry_events_queue(msg: func.QueueMessage) -> None:
    """Take what Event Grid delivered to the storage queue; what cannot be read is logged and dropped."""
    try:
        told = read_events(json.loads(msg.get_body()), services().settings.registries)
    except (ValueError, RecursionError, InvalidRequest):
        _LOG.warning("a message of the queue registry-events is not a notification")
        return
    _hint(_doors(), told)


@blueprint.function_name("base_images_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="base-images", connection="AzureWebJobsStorage")
def base_images_queue(msg: func.QueueMessage) -> None:
    """Do one thing about base images."""
    errand = read_errand(msg)
    told = errand.told
    run = told.get("ended") or told.get("endpoint", "")
    with about({"registry": errand.registry or told.get("serve", ""), "run": run}):
        _doors().work(told)


@blueprint.function_name("base_images_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="*/15 * * * * *", use_monitor=False)
def base_images_sweep(timer: func.TimerRequest) -> None:
    """Start what waited for something, and record runs of which no message told."""
    del timer
    each_registry(_doors().serve, "the rebuilds could not be looked at now")


@blueprint.function_name("base_images_poll")
@blueprint.timer_trigger(arg_name="timer", schedule="7 * * * * *", use_monitor=False)
def base_images_poll(timer: func.TimerRequest) -> None:
    """Look at the tags whose time has come."""
    del timer
    poll(_doors().watch)


@blueprint.function_name("base_images_purge")
@blueprint.timer_trigger(arg_name="timer", schedule="0 37 3 * * *", use_monitor=True)
def base_images_purge(timer: func.TimerRequest) -> None:
    """Forget rebuilds that are long done."""
    del timer
    doors = _doors()
    each_registry(
        lambda registry: doors.watch.pending.purge(registry, doors.shop.clock()), "old rebuilds stay for a day"
    )


def _doors() -> Doors:
    return base_images()


def _hint(doors: Doors, told: Told) -> int:
    if told.ignored:
        _LOG.debug("%d events of a registry told of nothing to look at", told.ignored)
    return hint(doors.watch, told.tags)


def _authenticate(known: Services, req: func.HttpRequest) -> None:
    scheme, _, given = req.headers.get("authorization", "").partition(" ")
    given = req.route_params.get("token") or (given if scheme.lower() == "bearer" else "")
    expected = known.settings.events_token
    if not expected or not hmac.compare_digest(given.strip().encode(), expected.encode()):
        raise Unauthenticated("The notification does not carry the token of SLIPWAY_EVENTS_TOKEN.")


def _body(req: func.HttpRequest) -> object:
    raw = req.get_body()
    if len(raw) > _MAX_BODY:
        raise TooLarge(f"The notification has {len(raw)} bytes; at most {_MAX_BODY} are allowed.")
    try:
        body = read_json(raw)
    except (ValueError, RecursionError):
        raise InvalidRequest("The notification is not valid JSON.") from None
    return body


def _grid_event(event: object) -> dict[str, object]:
    """Answer an event as it was sent: the library has one class for each schema."""
    if isinstance(event, func.EventGridEvent):
        return {"eventType": event.event_type, "topic": event.topic, "subject": event.subject, "data": event.get_json()}
    kind, source = getattr(event, "type", None), getattr(event, "source", None)
    read = getattr(event, "get_json", None)
    return {"type": kind, "source": source, "data": read() if callable(read) else getattr(event, "data", None)}

"""What starts each function, read from the bindings that the worker indexed (pure)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from devstack.functions_host.app_settings import connection_string, expand, is_disabled
from devstack.functions_host.errors import SettingsError
from devstack.functions_host.ncrontab import BadSchedule, Schedule
from devstack.functions_host.route_constraints import BadTemplate
from devstack.functions_host.routing import Route, Template, full_route


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Started by a request."""

    route: Route


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """Started by a message of a Storage queue; `connection` is the account's connection string."""

    queue: str
    connection: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Started by a schedule."""

    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool
    connection: str = field(repr=False)
    """The connection string of the account that holds the lock and the status."""


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    """Started by an event that is posted to the Event Grid webhook."""


Trigger = HttpTrigger | QueueTrigger | TimerTrigger | EventGridTrigger


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app."""

    name: str
    id: str
    parameter: str
    """The name of the argument that takes the trigger's data."""
    trigger: Trigger
    bindings: tuple[Mapping[str, object], ...]
    disabled: bool = False


class CannotLoad(ValueError):
    """The platform would show the function in error; the message says why."""


def read_function(
    name: str, function_id: str, raw_bindings: list[str], *, settings: Mapping[str, str], route_prefix: str
) -> Function:
    """Build a Function from the worker's raw bindings (JSON texts); raises CannotLoad."""
    bindings: list[dict[str, object]] = [json.loads(text) for text in raw_bindings]
    triggers = [binding for binding in bindings if str(binding["type"]).lower().endswith("trigger")]
    if len(triggers) != 1:
        raise CannotLoad(f"It has {len(triggers)} triggers; a function has exactly one.")
    others = [str(binding["type"]) for binding in bindings if binding is not triggers[0] and binding["type"] != "http"]
    if others:
        raise CannotLoad(f"The binding type(s) '{', '.join(others)}' are not registered in this host.")
    try:
        trigger = _trigger(name, triggers[0], settings, route_prefix)
    except (BadTemplate, BadSchedule, SettingsError) as error:
        raise CannotLoad(str(error)) from error
    return Function(name, function_id, str(triggers[0]["name"]), trigger, tuple(bindings), is_disabled(name, settings))


def _trigger(function: str, binding: Mapping[str, object], settings: Mapping[str, str], route_prefix: str) -> Trigger:
    match str(binding["type"]).lower():
        case "httptrigger":
            return HttpTrigger(_route(function, binding, route_prefix))
        case "queuetrigger":
            queue = expand(str(binding["queueName"]), settings).lower()
            connection = expand(str(binding.get("connection") or ""), settings)
            return QueueTrigger(queue, connection_string(connection, settings))
        case "timertrigger":
            return TimerTrigger(
                Schedule.parse(expand(str(binding["schedule"]), settings)),
                run_on_startup=bool(binding.get("runOnStartup", False)),
                use_monitor=binding.get("useMonitor") is not False,
                connection=connection_string("", settings),
            )
        case "eventgridtrigger":
            return EventGridTrigger()
        case other:
            raise CannotLoad(f"The binding type(s) '{other}' are not registered in this host.")


def _route(function: str, binding: Mapping[str, object], route_prefix: str) -> Route:
    route = binding.get("route")
    template = Template.parse(full_route(route_prefix, function, None if route is None else str(route)))
    methods = binding.get("methods")
    names = methods if isinstance(methods, list) else []
    return Route(function, template, frozenset(str(method).upper() for method in names))

import json
from collections.abc import Mapping

import pytest

from devstack.functions_host.triggers import (
    CannotLoad,
    EventGridTrigger,
    Function,
    HttpTrigger,
    QueueTrigger,
    TimerTrigger,
    read_function,
)

SETTINGS = {"AzureWebJobsStorage": "AccountKey=hush", "QUEUE": "Work", "TICK": "0 * * * * *"}
HTTP_OUT = {"type": "http", "name": "$return", "direction": "OUT"}


def _read(*bindings: Mapping[str, object], prefix: str = "") -> Function:
    texts = [json.dumps(binding) for binding in bindings]
    return read_function("f", "id", texts, settings=SETTINGS, route_prefix=prefix)


def test_an_http_function() -> None:
    trigger = {"type": "httpTrigger", "name": "req", "methods": ["get", "POST"], "route": "a/{x}"}
    function = _read(trigger, HTTP_OUT, prefix="api")
    assert isinstance(function.trigger, HttpTrigger)
    assert function.trigger.route.template.text == "api/a/{x}"
    assert function.trigger.route.methods == {"GET", "POST"}
    assert function.parameter == "req"


def test_a_queue_function_takes_its_names_from_settings_and_hides_its_connection() -> None:
    trigger = {"type": "queueTrigger", "name": "m", "queueName": "%QUEUE%", "connection": "AzureWebJobsStorage"}
    function = _read(trigger)
    assert function.trigger == QueueTrigger("work", "AccountKey=hush")
    assert "hush" not in repr(function)


def test_a_timer_function() -> None:
    function = _read({"type": "timerTrigger", "name": "t", "schedule": "%TICK%", "runOnStartup": True})
    assert isinstance(function.trigger, TimerTrigger)
    assert function.trigger.schedule.expression == "0 * * * * *"
    assert function.trigger.run_on_startup
    assert function.trigger.use_monitor
    assert "hush" not in repr(function)


def test_an_event_grid_function() -> None:
    assert _read({"type": "eventGridTrigger", "name": "e"}).trigger == EventGridTrigger()


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ({"type": "httpTrigger", "name": "r", "route": "admin/x"}, "built in routes"),
        ({"type": "httpTrigger", "name": "r", "route": "a/{x:nope}"}, "nope"),
        ({"type": "queueTrigger", "name": "m", "queueName": "%NONE%", "connection": ""}, "%NONE%"),
        ({"type": "queueTrigger", "name": "m", "queueName": "q", "connection": "Mine"}, "'Mine'"),
        ({"type": "timerTrigger", "name": "t", "schedule": "every day"}, "every day"),
        ({"type": "blobTrigger", "name": "b", "path": "x"}, "blobtrigger"),
        ({"type": "queue", "name": "out", "direction": "OUT"}, "0 triggers"),
    ],
)
def test_what_the_platform_would_show_in_error_cannot_be_loaded(binding: dict[str, object], reason: str) -> None:
    with pytest.raises(CannotLoad, match=reason):
        _read(binding)


def test_a_binding_of_another_extension_cannot_be_loaded() -> None:
    with pytest.raises(CannotLoad, match="cosmosDB"):
        _read({"type": "httpTrigger", "name": "r"}, HTTP_OUT, {"type": "cosmosDB", "name": "out"})

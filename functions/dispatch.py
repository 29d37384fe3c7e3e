"""The queue door: a message says that a registry may have something to start."""

import json

import azure.functions as func

from functions._services import services
from shared.log_context import about
from shared.runs.dispatch import dispatch
from shared.runs.upkeep import keep_warm

blueprint = func.Blueprint()


@blueprint.function_name("dispatch_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="dispatch", connection="AzureWebJobsStorage")
def dispatch_queue(msg: func.QueueMessage) -> None:
    """Start what can be started and keep the wanted number of builders warm."""
    known = services()
    registry = str(json.loads(msg.get_body())["registry"])
    served = [one for one in known.settings.registries if one.name.lower() == registry]
    for one in served:
        with about({"registry": registry}):
            dispatch(known.shop, registry)
            keep_warm(known.shop, one)

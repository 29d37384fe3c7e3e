"""Others are told of runs: from a queue, never on the path of a run; and what was told can be read.

GET R/notifications     the latest deliveries; `runId` for those of one run, `$top` for how many
"""

import re
from functools import cache

import azure.functions as func

from functions._again import read_errand
from functions._http import REGISTRY_ROUTE, RegistryCall, arm_registry, reply
from functions._services import registry_keys, services
from functions._sweeps import each_registry
from shared.access.outbound import outbound_client
from shared.arm.names import parse_run_id
from shared.arm.wire import arm_time
from shared.errors import InvalidRequest
from shared.log_context import about
from shared.notifications.receivers import open_courier
from shared.notifications.records import Delivery, DeliveryStore, Fate
from shared.notifications.telling import Teller
from shared.settings import Role

blueprint = func.Blueprint()
_MOST = 100
_NUMBER = re.compile("[0-9]{1,9}")


@cache
def _teller() -> Teller:
    shop = services().shop
    client = outbound_client(shop.settings)
    return Teller(shop, open_courier(shop.settings, client, shop.vault, shop.clock))


@blueprint.function_name("notifications_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="notifications", connection="AzureWebJobsStorage")
def notifications_queue(msg: func.QueueMessage) -> None:
    """Record what is to be told of a run, or tell it."""
    errand, teller = read_errand(msg), _teller()
    if errand.registry not in registry_keys():
        return
    with about(errand.told):
        if errand.run:
            teller.plan(errand.registry, errand.run)
        else:
            teller.deliver(errand.registry, errand.told["delivery"])


@blueprint.function_name("notifications_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="37 * * * * *", use_monitor=False)
def notifications_sweep(timer: func.TimerRequest) -> None:
    """Find what no message told of."""
    del timer
    each_registry(_teller().sweep, "the notifications could not be swept now")


@blueprint.function_name("notifications_purge")
@blueprint.timer_trigger(arg_name="timer", schedule="0 57 3 * * *", use_monitor=True)
def notifications_purge(timer: func.TimerRequest) -> None:
    """Forget old deliveries."""
    del timer
    each_registry(_teller().purge, "old deliveries stay for a day")


@blueprint.function_name("notifications_list")
@blueprint.route(route=REGISTRY_ROUTE + "/notifications", methods=["GET"])
def notifications_list(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what was told to whom, newest run first, and how it was taken."""

    def use(call: RegistryCall) -> func.HttpResponse:
        run = req.params.get("runId", "")
        store = DeliveryStore(call.services.shop.storage.notifications)
        found = store.newest(call.partition, _most(req.params.get("$top", "")), parse_run_id(run) if run else "")
        return reply({"value": [_shown(one) for one in found]})

    return arm_registry(req, Role.READER, use)


def _most(text: str) -> int:
    if not text:
        return _MOST
    if not _NUMBER.fullmatch(text) or not 0 < int(text) <= _MOST:
        raise InvalidRequest(f"$top must be a number from 1 to {_MOST}.", target="$top")
    return int(text)


def _shown(delivery: Delivery) -> dict[str, object]:
    return {
        "runId": delivery.run_id,
        "event": delivery.notice.value,
        "receiver": delivery.receiver,
        "status": delivery.fate.value,
        "attempts": delivery.attempts,
        "lastAnswer": delivery.answer,
        "recorded": arm_time(delivery.made),
        "nextAttempt" if delivery.fate is Fate.PENDING else "settled": arm_time(delivery.due),
    }

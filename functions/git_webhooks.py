"""Git hosts deliver here, each hook at an address of its own; what was taken is worked on from the queue.

Beside that, timers look at what no delivery told of.

POST /hooks/{hook}   200 taken, repeated or of no interest · 401 not from this hook's host · 413 · 503 try again
"""

import logging
from functools import cache, partial

import azure.functions as func

from functions._again import read_errand
from functions._http import failure, reply
from functions._services import registry_keys, services
from functions._sweeps import each_registry
from shared.access.outbound import outbound_client
from shared.errors import SlipwayError, Unauthenticated, Unavailable
from shared.log_context import about
from shared.triggers.git.advertised import read_refs
from shared.triggers.git.announcing import Announcer
from shared.triggers.git.deliveries import DeliveryStore
from shared.triggers.git.drain import Drain
from shared.triggers.git.history import read_history
from shared.triggers.git.hooks import HookStore, KnownHooks
from shared.triggers.git.looking import Lookout, look_around
from shared.triggers.git.receive import Desk, receive
from shared.triggers.git.starting import Starter
from shared.triggers.git.watches import WatchStore
from shared.triggers.git.watching import open_watching, sweep_watches

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


@cache
def _desk() -> Desk:
    shop = services().shop
    return Desk(
        hooks=KnownHooks(HookStore(shop.storage.hooks, shop.keys), shop.clock),
        deliveries=DeliveryStore(shop.storage.deliveries),
        announcer=Announcer(shop.storage.git_deliveries),
        clock=shop.clock,
    )


@cache
def _drain() -> Drain:
    desk = _desk()
    return Drain(desk.deliveries, desk.hooks, Starter(services().shop), desk.clock)


@blueprint.function_name("git_hook")
@blueprint.route(route="hooks/{hook}", methods=["POST"])
def git_hook(req: func.HttpRequest) -> func.HttpResponse:
    """Take one delivery of a git host.

    Whatever nobody expected is answered as 503: an Azure DevOps hook is switched off by other errors, and every
    host that tries again does so after that.
    """
    try:
        receipt = receive(_desk(), req.route_params["hook"], req.headers, req.get_body())
    except Unauthenticated as error:
        return reply({"error": {"code": error.code, "message": error.message}}, error.status)
    except SlipwayError as error:
        return failure(error if error.status in {413, 503} else _passing())
    except Exception:  # noqa: BLE001 - the last door: nobody must ever see a traceback
        _LOG.exception("a delivery was not taken")
        return failure(_passing())
    return reply({"state": receipt.state.value, "reason": receipt.reason})


def _passing() -> Unavailable:
    return Unavailable("The delivery could not be taken now; send it again.")


@blueprint.function_name("git_deliveries_queue")
@blueprint.queue_trigger(arg_name="msg", queue_name="git-deliveries", connection="AzureWebJobsStorage")
def git_deliveries_queue(msg: func.QueueMessage) -> None:
    """Work on the deliveries of a registry."""
    errand = read_errand(msg)
    if errand.registry in registry_keys():
        with about(errand.told):
            _drain().run(errand.registry)


@blueprint.function_name("git_deliveries_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="30 * * * * *", use_monitor=False)
def git_deliveries_sweep(timer: func.TimerRequest) -> None:
    """Work on deliveries of which no message told."""
    del timer
    each_registry(_drain().sweep, "the deliveries could not be looked at now")


@blueprint.function_name("git_deliveries_purge")
@blueprint.timer_trigger(arg_name="timer", schedule="0 23 3 * * *", use_monitor=True)
def git_deliveries_purge(timer: func.TimerRequest) -> None:
    """Forget deliveries of more than seven days ago."""
    del timer
    desk = _desk()
    each_registry(lambda registry: desk.deliveries.purge(registry, desk.clock()), "old deliveries stay for a day")


@blueprint.function_name("git_looks")
@blueprint.timer_trigger(arg_name="timer", schedule="45 * * * * *", use_monitor=False)
def git_looks(timer: func.TimerRequest) -> None:
    """Look at the repositories whose minute it is."""
    del timer
    shop = services().shop
    if not shop.settings.git_poll_minutes:
        return
    with outbound_client(shop.settings) as client:
        lookout = Lookout(
            shop,
            WatchStore(shop.storage.watches),
            Starter(shop),
            partial(read_refs, client),
            partial(read_history, client),
        )
        minutes = shop.settings.git_poll_minutes
        each_registry(
            lambda registry: look_around(lookout, registry, minutes), "the repositories are looked at again later"
        )


@blueprint.function_name("git_watches_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="37 43 * * * *", use_monitor=True)
def git_watches_sweep(timer: func.TimerRequest) -> None:
    """Let watches follow tasks whose change was cut short by a crash."""
    del timer
    sweep_watches(open_watching(services().shop), registry_keys())

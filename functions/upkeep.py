"""Timers: find what was lost, keep builders warm, delete what is past its time."""

import logging

import azure.functions as func
import httpx

from functions._services import services
from functions._sweeps import each_registry
from shared.access.callers import trust
from shared.errors import SlipwayError
from shared.images.logins import LoginIssuer
from shared.runs.kept_layers import LayerSweeper
from shared.runs.reconcile import reconcile
from shared.runs.upkeep import keep_warm, purge, sweep_groups

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


@blueprint.function_name("upkeep_reconcile")
@blueprint.timer_trigger(arg_name="timer", schedule="*/15 * * * * *", run_on_startup=True, use_monitor=False)
def upkeep_reconcile(timer: func.TimerRequest) -> None:
    """Settle runs whose message, builder or report was lost."""
    del timer
    known = services()

    def settle(registry: str) -> None:
        reconcile(known.shop, registry)
        keep_warm(known.shop, known.shop.registry(registry))

    each_registry(settle, "the registry could not be reconciled now")
    try:
        sweep_groups(known.shop)
    except SlipwayError:
        _LOG.exception("container groups could not be swept now")


@blueprint.function_name("upkeep_purge")
@blueprint.timer_trigger(arg_name="timer", schedule="0 17 3 * * *", use_monitor=True)
def upkeep_purge(timer: func.TimerRequest) -> None:
    """Delete runs, logs and contexts past their retention."""
    del timer
    shop = services().shop
    each_registry(lambda registry: purge(shop, registry), "old runs stay for a day")


@blueprint.function_name("upkeep_layers")
@blueprint.timer_trigger(arg_name="timer", schedule="0 47 3 * * *", use_monitor=True)
def upkeep_layers(timer: func.TimerRequest) -> None:
    """Delete layers that builds have kept and nobody reads any more."""
    del timer
    known = services()
    with httpx.Client(verify=trust(known.settings), follow_redirects=False, trust_env=False) as client:
        sweeper = LayerSweeper(known.shop, client, LoginIssuer(known.settings).deleting)

        def sweep(registry: str) -> None:
            _LOG.info("%d manifests of kept layers deleted", sweeper.sweep(registry))

        each_registry(sweep, "layers that nobody reads stay for a day")

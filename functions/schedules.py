"""Timers of tasks: the minute tick, the sweep, and the end of old decisions."""

import logging

import azure.functions as func

from functions._services import registry_keys, services
from shared.errors import SlipwayError
from shared.log_context import about
from shared.runs.dispatch import announce, dispatch
from shared.triggers.decisions import purge_decisions
from shared.triggers.timers.arming import sweep
from shared.triggers.timers.scheduler import open_scheduler
from shared.triggers.timers.tick import tick

blueprint = func.Blueprint()
_LOG = logging.getLogger(__name__)


@blueprint.function_name("schedules_tick")
@blueprint.timer_trigger(arg_name="timer", schedule="1 * * * * *", use_monitor=True)
def schedules_tick(timer: func.TimerRequest) -> None:
    """Start what is due. A second past the minute, so that a clock that is a little behind is not a minute behind."""
    del timer
    shop = services().shop
    for registry in sorted(tick(open_scheduler(shop))):
        with about({"registry": registry}):
            try:
                announce(shop, registry, delay_seconds=0)
                dispatch(shop, registry)
            except SlipwayError:
                _LOG.exception("the runs that timers queued wait for the queue or the reconciler")


@blueprint.function_name("schedules_sweep")
@blueprint.timer_trigger(arg_name="timer", schedule="31 41 * * * *", use_monitor=True)
def schedules_sweep(timer: func.TimerRequest) -> None:
    """Arm the timers of tasks whose change was cut short by a crash."""
    del timer
    sweep(open_scheduler(services().shop), registry_keys())


@blueprint.function_name("schedules_purge")
@blueprint.timer_trigger(arg_name="timer", schedule="0 27 3 * * *", use_monitor=True)
def schedules_purge(timer: func.TimerRequest) -> None:
    """Delete decisions past the retention of runs."""
    del timer
    purge_decisions(services().shop)

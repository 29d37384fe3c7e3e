"""What the use cases of schedules work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from shared.clock import Clock
from shared.runs.causes import Cause
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.of_tasks import Order, run_task
from shared.triggers.automatic import AutomaticRuns, Runs
from shared.triggers.decisions import DecisionStore
from shared.triggers.timers.armed import TimerStore
from shared.triggers.timers.schedules import TimedTask, TimedTasks
from shared.triggers.timers.stored_tasks import StoredTasks

StartRun = Callable[[TimedTask, Cause, str], Run]
"""Makes the queued run of a task for (task, cause, request key); called again it answers the same run.

Passing faults are Unavailable and Throttled; any other SlipwayError says that this task cannot be run as it is.
"""


@dataclass(frozen=True)
class Scheduler:
    """The parts that schedules work with; one per process."""

    timers: TimerStore
    decisions: DecisionStore
    automatic: AutomaticRuns
    tasks: TimedTasks
    runs: Runs
    start: StartRun
    clock: Clock
    patience: timedelta
    """How old an occurrence may be for a run to make up for it; less than the memory of requests, a day."""
    spread: timedelta
    """How much later than its schedule a timer may be looked at, to level the load; 0 for punctual timers."""


def open_scheduler(shop: Workshop) -> Scheduler:
    """Answer the scheduler of the stored tasks; its runs are queued but not dispatched."""

    def start(task: TimedTask, cause: Cause, key: str) -> Run:
        order = Order(cause=cause, dispatches=False)
        return run_task(shop, shop.registry(task.registry), task.name, order, key)

    decisions = shop.storage.decisions
    return Scheduler(
        timers=TimerStore(shop.storage.timers, shop.storage.due),
        decisions=DecisionStore(decisions),
        automatic=AutomaticRuns(decisions, shop.store),
        tasks=StoredTasks(shop.tasks),
        runs=shop.store,
        start=start,
        clock=shop.clock,
        patience=timedelta(minutes=shop.settings.schedule_catch_up),
        spread=timedelta(minutes=shop.settings.schedule_spread),
    )

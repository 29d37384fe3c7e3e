"""Timers are armed as their task says, at once when it changes; a sweep finds what a crash left behind.

Whoever arms reads the task again afterwards and repeats when it has changed meanwhile, so the last change wins
whatever the order in which the writers come by.
"""

import logging
from collections.abc import Iterable

from shared.errors import SlipwayError, Unavailable
from shared.schedule_language import parse
from shared.triggers.timers.armed import ArmedTimer, Hint
from shared.triggers.timers.scheduler import Scheduler
from shared.triggers.timers.schedules import enabled_timers

_ATTEMPTS = 20
_LOG = logging.getLogger(__name__)


def arm(scheduler: Scheduler, registry: str, task: str) -> None:
    """Arm the enabled timers of a task, from now on, and disarm all others; unchanged ones keep waiting.

    Call it after every change of a task, its deletion included. Raises Unavailable when the task never holds still.
    """
    for _ in range(_ATTEMPTS):
        wanted = enabled_timers(scheduler.tasks.find(registry, task))
        is_done = _match(scheduler, registry, task.lower(), wanted)
        if is_done and enabled_timers(scheduler.tasks.find(registry, task)) == wanted:
            return
    raise Unavailable(f"The timers of task {task} are being changed by too many at once.")


def _match(scheduler: Scheduler, registry: str, task: str, wanted: dict[str, str]) -> bool:
    timers, missing, is_done = scheduler.timers, dict(wanted), True
    for timer in timers.of_task(registry, task):
        schedule = missing.pop(timer.name, None)
        if schedule is None:
            is_done &= timers.remove(timer)
        elif schedule != timer.schedule:
            is_done &= timers.change(timer, _fresh(scheduler, registry, task, timer.name, schedule)) is not None
    for name, schedule in missing.items():
        is_done &= timers.add(_fresh(scheduler, registry, task, name, schedule))
    return is_done


def _fresh(scheduler: Scheduler, registry: str, task: str, name: str, schedule: str) -> ArmedTimer:
    following = parse(schedule).next_after(scheduler.clock())
    return ArmedTimer(registry, task, name, schedule).waiting(following, scheduler.spread)


def sweep(scheduler: Scheduler, registries: Iterable[str]) -> None:
    """Arm what every task says and give every armed timer its hint; both are in order unless something crashed."""
    hints = set(scheduler.timers.hints())
    for registry in registries:
        names = {task.name.lower() for task in scheduler.tasks.timed(registry)}
        names |= {timer.task for timer in scheduler.timers.of_registry(registry)}
        for name in sorted(names):
            try:
                arm(scheduler, registry, name)
            except SlipwayError:
                _LOG.exception("the timers of %s in %s are left for the next sweep", name, registry)
        for timer in scheduler.timers.of_registry(registry):
            if timer.due is not None and Hint.of(timer) not in hints:
                scheduler.timers.hint(timer)

"""The minute tick: every timer whose time has come starts one run, joins one, or leaves a reason.

For one due timer, in this order: the decision is written into the timer's row (`Claim`), the run is made under a
key that follows from the occurrence, the decision is recorded, the timer waits for its next occurrence, the
hint is deleted. A crash anywhere leaves the hint, so the next tick comes by and repeats what is needed; each
step done twice is done once. Two ticks at the same time meet at the row's ETag.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from shared.arm.wire import TimerCause
from shared.errors import SlipwayError, Throttled, Unavailable
from shared.log_context import about
from shared.metrics import Metric, count
from shared.runs.causes import Cause, CauseKind
from shared.runs.model import Run
from shared.schedule_language import parse
from shared.triggers.arming import arm
from shared.triggers.automatic import Standing
from shared.triggers.decisions import MAX_REASON, Decision, Verdict
from shared.triggers.scheduler import Scheduler
from shared.triggers.schedules import TimedTask, enabled_timers, occurrence_key, take_turn
from shared.triggers.timers import ArmedTimer, Claim, Hint

WORK = timedelta(minutes=4)
"""Longest that one tick begins new work; the next tick takes up the rest."""
_THREADS = 8
_LOG = logging.getLogger(__name__)


class _Served(NamedTuple):
    is_over: bool
    """Whether the timer waits for something else now."""
    made_run: bool = False


_LATER = _Served(is_over=False)


def tick(scheduler: Scheduler) -> set[str]:
    """Look at every timer whose time has come. Answers the registries in which runs were queued."""
    now = scheduler.clock()
    touched: set[str] = set()

    def look(hints: list[Hint]) -> None:
        for hint in hints:
            if scheduler.clock() > now + WORK:
                return
            with about({"registry": hint.registry, "task": hint.task}):
                try:
                    if fire(scheduler, hint):
                        touched.add(hint.registry)
                except SlipwayError:
                    _LOG.exception("the timer %s is looked at again with the next tick", hint.timer)

    with ThreadPoolExecutor(_THREADS) as pool:
        for _ in pool.map(look, _by_task(scheduler.timers.due(now))):
            pass
    return touched


def _by_task(hints: Iterable[Hint]) -> list[list[Hint]]:
    """Group hints: the timers of one task are looked at one after the other, so that a second one joins the first."""
    groups: dict[tuple[str, str], list[Hint]] = {}
    for hint in hints:
        groups.setdefault((hint.registry, hint.task), []).append(hint)
    return list(groups.values())


def fire(scheduler: Scheduler, hint: Hint) -> bool:
    """Do what a hint asks for. True when a run was made of it."""
    timer = scheduler.timers.find(hint.registry, hint.timer)
    if timer is None or hint.is_behind(timer):
        scheduler.timers.forget(hint)
        return False
    if hint.is_early(timer):
        return False
    task = scheduler.tasks.find(timer.registry, timer.task)
    if task is None or enabled_timers(task).get(timer.name) != timer.schedule:
        arm(scheduler, timer.registry, timer.task)
        return False
    served = _serve(scheduler, timer, task)
    if served.is_over:
        scheduler.timers.forget(hint)
    return served.made_run


def _serve(scheduler: Scheduler, timer: ArmedTimer, task: TimedTask) -> _Served:
    known = _known_run(scheduler, timer)
    if known is not None:
        return _settle(scheduler, timer, Verdict.STARTED, known.id)
    standing = scheduler.automatic.look(timer.registry, timer.task, scheduler.clock())
    if timer.claim is None:
        if not standing.is_free and standing.queued is None:
            return _wait(scheduler, timer, standing)
        claimed = _claim(scheduler, timer, standing)
        if claimed is None:
            return _LATER
        timer = claimed
    return _carry_out(scheduler, timer, task, standing)


def _known_run(scheduler: Scheduler, timer: ArmedTimer) -> Run | None:
    if timer.claim is None or timer.claim.occurrence is None:
        return None
    return scheduler.runs.by_request(timer.registry, _key(timer, timer.claim.occurrence))


def _claim(scheduler: Scheduler, timer: ArmedTimer, standing: Standing) -> ArmedTimer | None:
    now = scheduler.clock()
    if timer.next is None or timer.due is None:
        return None
    turn = take_turn(parse(timer.schedule), timer.next, now - (timer.due - timer.next), scheduler.patience)
    queued = standing.queued if turn.occurrence else None
    claim = Claim(at=now, joined=queued.id if queued else None, **asdict(turn))
    return scheduler.timers.change(timer, replace(timer, claim=claim))


def _carry_out(scheduler: Scheduler, timer: ArmedTimer, task: TimedTask, standing: Standing) -> _Served:
    claim = timer.claim
    occurrence = claim.occurrence if claim else None
    if claim is None or occurrence is None:
        return _settle(scheduler, timer, Verdict.SUPPRESSED)
    if claim.joined:
        return _settle(scheduler, timer, Verdict.JOINED, claim.joined)
    request = _key(timer, occurrence)
    if not standing.is_free and not standing.is_for(request):
        return _wait(scheduler, timer, standing)
    if not scheduler.automatic.reserve(standing, request, scheduler.clock()):
        return _LATER
    return _start(scheduler, timer, task, occurrence)


def _start(scheduler: Scheduler, timer: ArmedTimer, task: TimedTask, occurrence: datetime) -> _Served:
    told = TimerCause(timer_trigger_name=timer.name, schedule_occurrence=occurrence)
    try:
        run = scheduler.start(task, Cause(kind=CauseKind.TIMER, timer_trigger=told), _key(timer, occurrence))
    except (Throttled, Unavailable):
        raise
    except SlipwayError as error:
        return _settle(scheduler, timer, Verdict.REFUSED, refusal=error.message)
    return _settle(scheduler, timer, Verdict.STARTED, run.id)


def _wait(scheduler: Scheduler, timer: ArmedTimer, standing: Standing) -> _Served:
    run = standing.run
    if run is not None:
        reason = f"The run {run.id} of this task is under way, and a task never starts beside itself by a trigger."
        scheduler.decisions.record(_decision(timer, Verdict.WAITS, reason, run.id))
    return _LATER


def _settle(
    scheduler: Scheduler, timer: ArmedTimer, verdict: Verdict, run_id: str | None = None, refusal: str = ""
) -> _Served:
    """Record what became of a claim and let the timer wait for its next occurrence."""
    claim = timer.claim
    if claim is None:
        return _LATER
    reason = _reason(claim, verdict, run_id, refusal, scheduler.patience)
    scheduler.decisions.record(_decision(timer, verdict, reason, run_id))
    advanced = scheduler.timers.change(timer, timer.waiting(claim.following, scheduler.spread))
    if advanced is not None:
        _measure(timer.registry, claim, verdict)
    return _Served(advanced is not None, made_run=verdict is Verdict.STARTED)


def _measure(registry: str, claim: Claim, verdict: Verdict) -> None:
    """Count the times that came: the one that was decided about, and those that passed unserved before it."""
    served = int(verdict is not Verdict.SUPPRESSED)
    if served:
        count(Metric.SCHEDULES, registry=registry, outcome=verdict.value)
    if missed := claim.passed - served:
        count(Metric.SCHEDULES, missed, registry=registry, outcome="missed")


def _decision(timer: ArmedTimer, verdict: Verdict, reason: str, run_id: str | None) -> Decision:
    claim = timer.claim
    occurrence = (claim.occurrence or claim.first) if claim else timer.next
    at = claim.at if claim else timer.due
    if occurrence is None or at is None:
        raise ValueError("nothing is decided about a timer that waits for nothing")
    return Decision(
        registry=timer.registry,
        task=timer.task,
        at=at,
        verdict=verdict,
        cause=CauseKind.TIMER,
        trigger=timer.name,
        subject=_printed(occurrence),
        stands_for=claim.passed if claim else 1,
        reason=reason[:MAX_REASON],
        run_id=run_id,
    )


def _reason(claim: Claim, verdict: Verdict, run_id: str | None, refusal: str, patience: timedelta) -> str:
    came = "time came" if claim.passed == 1 else f"{claim.passed} times from {_printed(claim.first)} on came"
    match verdict:
        case Verdict.SUPPRESSED:
            hours = patience / timedelta(hours=1)
            return f"The timer's {came} more than {hours:g} hours ago: too late for a run to make up for it."
        case Verdict.JOINED:
            return f"The timer's {came} while the run {run_id} of this task was queued: it serves both."
        case Verdict.REFUSED:
            return f"The timer's {came}, but the task cannot be run as it is: {refusal}"
        case _ if claim.passed > 1:
            return f"The timer's {came} while no run could start: one run makes up for them."
        case _:
            return f"The timer's {came}."


def _key(timer: ArmedTimer, occurrence: datetime) -> str:
    return occurrence_key(timer.registry, timer.task, timer.name, occurrence)


def _printed(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%MZ}"

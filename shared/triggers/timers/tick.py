"""The minute tick: every timer whose time has come starts one run, joins one, or leaves a reason.

For one due timer, in this order: the decision is written into the timer's row (`Claim`), the run is made under a
key that follows from the occurrence, the decision is recorded, the timer waits for its next occurrence, the
hint is deleted. A crash anywhere leaves the hint, so the next tick comes by and repeats what is needed; each
step done twice is done once. Two ticks at the same time meet at the row's ETag. Timers that are due together take
each step together, so that rows which lie in one partition change in one request.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from itertools import batched, zip_longest

from shared.arm.wire import TimerCause
from shared.errors import SlipwayError, Throttled, Unavailable
from shared.log_context import about
from shared.metrics import Metric, count
from shared.runs.causes import Cause, CauseKind
from shared.runs.model import Run
from shared.schedule_language import parse
from shared.triggers.automatic import Standing
from shared.triggers.decisions import MAX_REASON, Decision, Verdict
from shared.triggers.timers.armed import ArmedTimer, Claim, Hint
from shared.triggers.timers.arming import arm
from shared.triggers.timers.scheduler import Scheduler
from shared.triggers.timers.schedules import TimedTask, enabled_timers, occurrence_key, take_turn

WORK = timedelta(minutes=4)
"""Longest that one tick begins new work; the next tick takes up the rest."""
_THREADS = 8
_TOGETHER = 25
"""Timers whose steps are taken together; what was begun is ended, however late it gets meanwhile."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """A timer whose time has come."""

    hint: Hint
    timer: ArmedTimer


@dataclass(frozen=True)
class _Due(_Seen):
    """One for which something is to be decided or carried out."""

    task: TimedTask
    standing: Standing


@dataclass(frozen=True)
class _Outcome(_Seen):
    """What became of its claim."""

    verdict: Verdict
    run_id: str | None = None
    refusal: str = ""


def tick(scheduler: Scheduler, threads: int = _THREADS) -> set[str]:
    """Look at every timer whose time has come. Answers the registries in which runs were queued."""
    until = scheduler.clock() + WORK
    touched: set[str] = set()

    def look(hints: Sequence[Hint]) -> None:
        if scheduler.clock() > until:
            return
        with about({"registry": hints[0].registry}):
            try:
                touched.update(_Look(scheduler).serve(hints))
            except SlipwayError:
                _LOG.exception("%d due timers are looked at again with the next tick", len(hints))

    for hints in _rounds(scheduler.timers.due(scheduler.clock())):
        together = min(_TOGETHER, -(-len(hints) // threads))
        batches = [some for one in _by_registry(hints) for some in batched(one, together, strict=False)]
        if threads == 1:
            for batch in batches:
                look(batch)
        else:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(look, batches))
    return touched


def _rounds(hints: Iterable[Hint]) -> list[list[Hint]]:
    """Answer hints of different tasks, round after round, so that the second timer of a task joins the first."""
    tasks: dict[tuple[str, str], list[Hint]] = {}
    for hint in hints:
        tasks.setdefault((hint.registry, hint.task), []).append(hint)
    return [[hint for hint in some if hint is not None] for some in zip_longest(*tasks.values())]


def _by_registry(hints: list[Hint]) -> list[list[Hint]]:
    registries: dict[str, list[Hint]] = {}
    for hint in hints:
        registries.setdefault(hint.registry, []).append(hint)
    return [sorted(some, key=lambda hint: hint.timer) for some in registries.values()]


class _Look:
    """One look at timers of one registry whose time has come. What fails is left to the next tick."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def serve(self, hints: Sequence[Hint]) -> set[str]:
        """Do what hints of different tasks ask for; answers the registry when runs were queued."""
        due = self._each(self._due(hints), self._standing_of)
        settled = [one for one in due if isinstance(one, _Outcome)]
        claimed = self._claimed([one for one in due if isinstance(one, _Due)])
        settled += self._each(claimed, self._carry_out)
        self._settle(settled)
        return {one.timer.registry for one in settled if one.verdict is Verdict.STARTED}

    def _each[In: _Seen, Out](self, items: Iterable[In], do: Callable[[In], Out | None]) -> list[Out]:
        found: list[Out] = []
        for item in items:
            with about({"registry": item.timer.registry, "task": item.timer.task}):
                try:
                    one = do(item)
                except SlipwayError:
                    _LOG.exception("the timer %s is looked at again with the next tick", item.timer.name)
                    continue
            if one is not None:
                found.append(one)
        return found

    def _due(self, hints: Sequence[Hint]) -> list[_Seen]:
        known = self._scheduler.timers.find_all(hints[0].registry, [hint.timer for hint in hints])
        timers = [(hint, known.get(hint.timer)) for hint in hints]
        self._scheduler.timers.forget_all(hint for hint, timer in timers if timer is None or hint.is_behind(timer))
        return [
            _Seen(hint, timer)
            for hint, timer in timers
            if timer is not None and not hint.is_behind(timer) and not hint.is_early(timer)
        ]

    def _standing_of(self, seen: _Seen) -> _Due | _Outcome | None:
        hint, timer = seen.hint, seen.timer
        scheduler = self._scheduler
        task = scheduler.tasks.find(timer.registry, timer.task)
        if task is None or enabled_timers(task).get(timer.name) != timer.schedule:
            arm(scheduler, timer.registry, timer.task)
            return None
        known = self._known_run(timer)
        if known is not None:
            return _Outcome(hint, timer, Verdict.STARTED, known.id)
        standing = scheduler.automatic.look(timer.registry, timer.task, scheduler.clock())
        if timer.claim is None and not standing.is_free and standing.queued is None:
            self._wait(timer, standing)
            return None
        return _Due(hint, timer, task, standing)

    def _known_run(self, timer: ArmedTimer) -> Run | None:
        if timer.claim is None or timer.claim.occurrence is None:
            return None
        return self._scheduler.runs.by_request(timer.registry, _key(timer, timer.claim.occurrence))

    def _claimed(self, due: list[_Due]) -> list[_Due]:
        claims = [(one, claim) for one in due if one.timer.claim is None and (claim := self._claim(one))]
        timers = self._scheduler.timers.change_all([(one.timer, replace(one.timer, claim=new)) for one, new in claims])
        claimed = [one for one in due if one.timer.claim is not None]
        return claimed + [
            replace(one, timer=timer) for (one, _), timer in zip(claims, timers, strict=True) if timer is not None
        ]

    def _claim(self, due: _Due) -> Claim | None:
        now, timer, queued = self._scheduler.clock(), due.timer, due.standing.queued
        if timer.next is None or timer.due is None:
            return None
        turn = take_turn(parse(timer.schedule), timer.next, now - (timer.due - timer.next), self._scheduler.patience)
        return Claim(at=now, joined=queued.id if queued and turn.occurrence else None, **asdict(turn))

    def _carry_out(self, due: _Due) -> _Outcome | None:
        scheduler, timer, claim, standing = self._scheduler, due.timer, due.timer.claim, due.standing
        occurrence = claim.occurrence if claim else None
        if claim is None or occurrence is None:
            return _Outcome(due.hint, timer, Verdict.SUPPRESSED)
        if claim.joined:
            return _Outcome(due.hint, timer, Verdict.JOINED, claim.joined)
        request = _key(timer, occurrence)
        if not standing.is_free and not standing.is_for(request):
            self._wait(timer, standing)
            return None
        if not scheduler.automatic.reserve(standing, request, scheduler.clock()):
            return None
        return self._start(due, occurrence)

    def _start(self, due: _Due, occurrence: datetime) -> _Outcome:
        timer = due.timer
        told = TimerCause(timer_trigger_name=timer.name, schedule_occurrence=occurrence)
        cause = Cause(kind=CauseKind.TIMER, timer_trigger=told)
        try:
            run = self._scheduler.start(due.task, cause, _key(timer, occurrence))
        except (Throttled, Unavailable):
            raise
        except SlipwayError as error:
            return _Outcome(due.hint, timer, Verdict.REFUSED, refusal=error.message)
        return _Outcome(due.hint, timer, Verdict.STARTED, run.id)

    def _wait(self, timer: ArmedTimer, standing: Standing) -> None:
        run = standing.run
        if run is not None:
            reason = f"The run {run.id} of this task is under way, and a task never starts beside itself by a trigger."
            self._scheduler.decisions.record(_decision(timer, Verdict.WAITS, reason, run.id))

    def _settle(self, outcomes: list[_Outcome]) -> None:
        """Record what became of claims, let the timers wait for their next occurrences, and forget the hints."""
        timers, spread = self._scheduler.timers, self._scheduler.spread
        recorded = self._each(outcomes, self._record)
        advanced = timers.change_all(
            [(one.timer, one.timer.waiting(one.timer.claim.following, spread)) for one in recorded if one.timer.claim]
        )
        over = [one for one, timer in zip(recorded, advanced, strict=True) if timer is not None]
        for one in over:
            _measure(one)
        timers.forget_all(one.hint for one in over)

    def _record(self, outcome: _Outcome) -> _Outcome | None:
        timer, claim = outcome.timer, outcome.timer.claim
        if claim is None:
            return None
        reason = _reason(claim, outcome.verdict, outcome.run_id, outcome.refusal, self._scheduler.patience)
        self._scheduler.decisions.record(_decision(timer, outcome.verdict, reason, outcome.run_id))
        return outcome


def _measure(outcome: _Outcome) -> None:
    """Count the times that came: the one that was decided about, and those that passed unserved before it."""
    registry, claim = outcome.timer.registry, outcome.timer.claim
    served = int(outcome.verdict is not Verdict.SUPPRESSED)
    if served:
        count(Metric.SCHEDULES, registry=registry, outcome=outcome.verdict.value)
    missed = claim.passed - served if claim else 0
    if missed:
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

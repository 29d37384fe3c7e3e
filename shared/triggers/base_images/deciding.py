"""What is to be done about the rebuilds that a task owes. Pure: everything that counts is handed in.

At most one automatic run of a task is queued, which serves all that comes while it waits, and one is under way. A
run that was queued has not looked at its base images yet; one that is under way may have, so a change that comes
then waits for its end and is done without another run if that run stood on it after all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.runs.causes import CauseKind
from shared.runs.model import Run
from shared.triggers.automatic import Standing
from shared.triggers.base_images.graph import printed
from shared.triggers.base_images.model import Dependent, Kind, Pending, TaskKey
from shared.triggers.decisions import Verdict

_QUIET_ROUNDS = 5
"""A base image that never comes to rest delays a task by this many quiet periods at most."""
_SERVES_OTHERS = frozenset({CauseKind.IMAGE_UPDATE, CauseKind.TIMER})
"""A queued run for a commit builds that commit, a pull request's does not even publish: neither serves others."""


@dataclass(frozen=True)
class Limits:
    """The bounds that an operator sets."""

    quiet: timedelta
    settle: timedelta
    """Longest wait for the tasks upstream."""
    runs: int
    """Runs of one task in an hour."""


@dataclass(frozen=True)
class Trigger:
    """The base image trigger of a task that exists."""

    name: str
    is_enabled: bool
    """Whether the task and the trigger both are."""
    follows: Kind
    """BUILDTIME stands for all images."""


@dataclass(frozen=True)
class Facts:
    """What is known about a task at one moment."""

    now: datetime
    open: tuple[Pending, ...]
    """The rebuilds that no run serves yet, at least one."""
    trigger: Trigger | None
    """None when the task is gone or has no such trigger."""
    standing: Standing
    dependents: Mapping[str, Dependent]
    """What the task stands on, by key of the base image."""
    circles: Mapping[str, tuple[TaskKey, ...]] = field(default_factory=dict)
    """By key of the base image: the circle that following it would close."""
    busy: tuple[TaskKey, ...] = ()
    """The tasks upstream that are being rebuilt or will be."""
    recent: tuple[datetime, ...] = ()
    """When base images started runs of the task within the last hour."""


@dataclass(frozen=True)
class Answer:
    """What is decided about one rebuild."""

    pending: Pending
    verdict: Verdict
    reason: str
    run: str = ""

    @property
    def is_final(self) -> bool:
        """Whether nothing more follows."""
        return self.verdict is not Verdict.WAITS


@dataclass(frozen=True)
class Resolution:
    """What is to be done about a task: answers, and the rebuilds to start a run for or to hand to a queued one."""

    answers: tuple[Answer, ...] = ()
    join: Run | None = None
    start: bool = False
    rest: tuple[Pending, ...] = ()
    """The rebuilds that `join` and `start` are about."""


def decide(facts: Facts, limits: Limits) -> Resolution:
    """Decide about the open rebuilds of a task."""
    answers = [answer for one in facts.open if (answer := _dismissed(one, facts))]
    told = {answer.pending.key for answer in answers}
    rest = tuple(sorted((one for one in facts.open if one.key not in told), key=lambda one: (one.created, one.key)))
    if not rest:
        return Resolution(tuple(answers))
    queued = facts.standing.queued
    if queued is not None and queued.cause.kind in _SERVES_OTHERS:
        return Resolution(tuple(answers), join=queued, rest=rest)
    if not _is_quiet(rest, facts.now, limits):
        return Resolution(tuple(answers))
    waiting = _waits(rest, facts, limits)
    if waiting:
        return Resolution((*answers, *waiting))
    return Resolution(tuple(answers), start=True, rest=rest)


def _dismissed(pending: Pending, facts: Facts) -> Answer | None:
    """Answer why a rebuild comes to nothing; None when it does not."""
    dependent = facts.dependents.get(pending.base)
    if dependent is not None and dependent.generation >= pending.generation:
        reason = f"The run {dependent.run} of this task stands on it already."
        return Answer(pending, Verdict.JOINED, reason, dependent.run)
    reason = _unwanted(facts.trigger, dependent)
    if reason:
        return Answer(pending, Verdict.SUPPRESSED, reason)
    circle = facts.circles.get(pending.base, ())
    if circle:
        reason = f"Following it would never end, for these build what each other stands on: {printed(circle)}."
        return Answer(pending, Verdict.REFUSED, reason)
    return None


def _unwanted(trigger: Trigger | None, dependent: Dependent | None) -> str:
    if trigger is None:
        return "The task is gone or has no base image trigger any more."
    if not trigger.is_enabled:
        return "The task or its base image trigger is disabled."
    if dependent is None:
        return "The task's last successful run does not stand on this image any more."
    if dependent.kind is Kind.BUILDTIME and trigger.follows is Kind.RUNTIME:
        return "The image serves the build alone, and the trigger follows runtime images (baseImageTriggerType)."
    return ""


def _is_quiet(rest: tuple[Pending, ...], now: datetime, limits: Limits) -> bool:
    last, longest = max(one.due for one in rest), rest[0].created + _QUIET_ROUNDS * limits.quiet
    return now >= min(last, longest)


def _waits(rest: tuple[Pending, ...], facts: Facts, limits: Limits) -> tuple[Answer, ...]:
    """Answer why no run may start now; nothing when one may."""
    standing = facts.standing
    own = {one.request for one in rest}
    if not standing.is_free and not (standing.request in own and standing.run is None):
        if standing.run is None:
            return _each(rest, "A run of this task is being started.")
        reason = f"The run {standing.run.id} of this task is under way, and a task never starts beside itself."
        return _each(rest, reason, standing.run.id)
    if facts.busy and facts.now < rest[0].created + limits.settle:
        first, more = facts.busy[0].task, len(facts.busy) - 1
        others = f" and {more} more" if more else ""
        return _each(rest, f"What it stands on is being rebuilt by task {first}{others}.")
    if len(_within_an_hour(facts.recent, facts.now)) >= limits.runs:
        return _each(rest, f"Base images have started {limits.runs} runs of this task within an hour.")
    return ()


def _within_an_hour(moments: Iterable[datetime], now: datetime) -> list[datetime]:
    return [moment for moment in moments if moment > now - timedelta(hours=1)]


def _each(rest: tuple[Pending, ...], reason: str, run: str = "") -> tuple[Answer, ...]:
    return tuple(Answer(one, Verdict.WAITS, reason, run) for one in rest)

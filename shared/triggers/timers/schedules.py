"""Timers of tasks, and what is to be done when one is due. Pure.

A timer whose times passed while nobody looked (an outage, a run of the task under way) gets one run for all of
them: the latest, if it is not older than the patience. Everything else about an occurrence follows from its
name, so that two ticks, or one that is repeated after a crash, come to the same run.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from shared.schedule_language import Schedule

_MINUTE = timedelta(minutes=1)
_MOST_COUNTED = 1000


class Timer(Protocol):
    """A timer trigger as the task defines it."""

    @property
    def name(self) -> str:
        """Its name, unique within the task."""

    @property
    def schedule(self) -> str:
        """Its schedule, which has been accepted by `schedule_language.parse`."""

    @property
    def is_enabled(self) -> bool:
        """Whether it may start runs."""


class TimedTask(Protocol):
    """A task as schedules see it."""

    @property
    def registry(self) -> str:
        """The registry's storage key."""

    @property
    def name(self) -> str:
        """The task's name; its storage key is the same in lower case."""

    @property
    def is_enabled(self) -> bool:
        """Whether triggers may start runs of it."""

    @property
    def timers(self) -> Sequence[Timer]:
        """Its timer triggers."""


class TimedTasks(Protocol):
    """Reads tasks; what it answers is the truth about timers."""

    def find(self, registry: str, name: str) -> TimedTask | None:
        """Answer a task by name in any case, or None."""

    def timed(self, registry: str) -> Iterator[TimedTask]:
        """Answer the tasks of a registry that have timers."""


@dataclass(frozen=True)
class Turn:
    """What one look at a due timer comes to."""

    occurrence: datetime | None
    """The occurrence to start a run for; None when all are older than the patience."""
    passed: int
    """How many occurrences have passed, the started one included; counts of a thousand and more are rough."""
    first: datetime
    """The earliest of them."""
    following: datetime | None
    """The occurrence to wait for next; None when there never is one."""


def take_turn(schedule: Schedule, first: datetime, now: datetime, patience: timedelta) -> Turn:
    """Decide about a timer whose next occurrence `first` has come, `first <= now`."""
    latest: datetime | None = None
    passed, moment, oldest = 0, first, now - patience
    following: datetime | None = first
    while following is not None and following <= now:
        moment = following
        passed += 1
        if moment >= oldest:
            latest = moment
        skips = passed >= _MOST_COUNTED and moment < oldest - _MINUTE
        following = schedule.next_after(oldest - _MINUTE if skips else moment)
    return Turn(latest, passed, first, following)


def enabled_timers(task: TimedTask | None) -> dict[str, str]:
    """Answer the schedules, by timer name, that may start runs of a task; none when it is gone or disabled."""
    if task is None or not task.is_enabled:
        return {}
    return {timer.name: timer.schedule for timer in task.timers if timer.is_enabled}


def occurrence_key(registry: str, task: str, timer: str, occurrence: datetime) -> str:
    """Answer the key under which an occurrence makes one run, whoever asks and however often."""
    words = ("timer", registry.lower(), task.lower(), timer, f"{occurrence:%Y%m%d%H%M}")
    return hashlib.sha256("\0".join(words).encode()).hexdigest()


def spread(registry: str, task: str, timer: str, most: timedelta) -> timedelta:
    """Answer how much later than its schedule a timer is looked at: whole minutes up to `most`, always the same."""
    minutes = int(most / _MINUTE)
    digest = hashlib.sha256(f"{registry}\0{task}\0{timer}".encode()).digest()
    return int.from_bytes(digest[:8]) % (minutes + 1) * _MINUTE

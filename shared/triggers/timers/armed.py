"""Armed timers, and the minutes at which to look at them.

    timers   partition = registry · key = task|timer: what the timer waits for and what was decided about it
    due      partition = minute   · key = registry|task|timer: look at this timer then

The row in `timers` is the truth and changes by ETag alone. A row in `due` is only a hint and may lie there in vain:
who finds one whose timer waits for a later minute, or for none, deletes it. So a timer that was changed or removed
needs no search for its hints, and a hint that a paused process writes late does no harm.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from pydantic import BaseModel, ConfigDict

from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.storage import Delete, Insert, Replace, Row, Table
from shared.storage.tables import Scalar
from shared.triggers.timers.schedules import spread

_LONGEST_PART = 200
_PAGE = 1000
_WASTE = 4
"""How many rows are read at most for each one that is wanted."""
_MINUTE = "%Y%m%d%H%M"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


class Claim(BaseModel):
    """What was decided about an occurrence and is carried out now; a repetition comes to the same."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    occurrence: datetime | None
    """The occurrence to start a run for; None when all that passed are too old."""
    passed: int
    first: datetime
    following: datetime | None
    joined: str | None = None
    """The queued run that serves the occurrence too, if there was one."""


@dataclass(frozen=True)
class ArmedTimer:
    """An enabled timer of an enabled task. Moments are whole minutes in UTC."""

    registry: str
    task: str
    """The task's storage key."""
    name: str
    schedule: str
    next: datetime | None = None
    """The occurrence that it waits for; None when its schedule never comes (again)."""
    due: datetime | None = None
    """When to look: `next`, later by the timer's spread."""
    claim: Claim | None = None
    row: Row | None = None

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{self.task}|{_part(self.name)}"

    def waiting(self, following: datetime | None, most: timedelta) -> "ArmedTimer":
        """Answer the timer waiting for an occurrence, to be looked at up to `most` later than that."""
        due = following + spread(self.registry, self.task, self.name, most) if following else None
        return replace(self, next=following, due=due, claim=None)

    def values(self) -> dict[str, Scalar]:
        """Answer the row's columns."""
        return {
            "name": self.name,
            "schedule": self.schedule,
            "next": _text(self.next),
            "due": _text(self.due),
            "claim": self.claim.model_dump_json() if self.claim else "",
        }


@dataclass(frozen=True)
class Hint:
    """A row of `due`."""

    minute: str
    registry: str
    timer: str
    """The key of the timer's row."""

    @property
    def task(self) -> str:
        """The storage key of the task."""
        return self.timer.partition("|")[0]

    @property
    def key(self) -> str:
        """The key of its row."""
        return f"{self.registry}|{self.timer}"

    @classmethod
    def of(cls, timer: ArmedTimer) -> "Hint":
        """Answer the hint that a timer needs."""
        return cls(_text(timer.due), timer.registry, timer.key)

    def is_behind(self, timer: ArmedTimer) -> bool:
        """Whether the timer no longer waits for this minute."""
        return self.minute < _text(timer.due) or timer.due is None

    def is_early(self, timer: ArmedTimer) -> bool:
        """Whether the timer waits for an earlier minute still."""
        return timer.due is not None and self.minute > _text(timer.due)


class TimerStore:
    """Reads and changes armed timers and their hints."""

    def __init__(self, timers: Table, due: Table) -> None:
        self._timers = timers
        self._due = due

    def find(self, registry: str, key: str) -> ArmedTimer | None:
        """Read a timer by its row's key."""
        row = self._timers.find(registry, key)
        return _armed(row) if row else None

    def find_all(self, registry: str, keys: Collection[str]) -> dict[str, ArmedTimer]:
        """Read timers by their rows' keys; those that lie close to each other in one request."""
        last = max(keys)
        near = self._timers.first(registry, min(keys), f"{last}!", most := min(_PAGE, _WASTE * len(keys)))
        found = {row.key: _armed(row) for row in near}
        end = near[-1].key if len(near) == most else last
        far = {key: self.find(registry, key) for key in keys if key > end}
        return {key: timer for key in keys if (timer := found.get(key) or far.get(key)) is not None}

    def of_task(self, registry: str, task: str) -> list[ArmedTimer]:
        """Read the armed timers of a task."""
        return [_armed(row) for row in self._timers.query(registry, f"{task.lower()}|", f"{task.lower()}}}")]

    def of_registry(self, registry: str) -> Iterator[ArmedTimer]:
        """Read all armed timers of a registry."""
        return (_armed(row) for row in self._timers.query(registry, "", "~"))

    def add(self, timer: ArmedTimer) -> bool:
        """Arm a timer. False when it is armed already."""
        self.hint(timer)
        try:
            self._timers.insert(timer.registry, timer.key, timer.values())
        except Conflict:
            return False
        return True

    def change(self, timer: ArmedTimer, changed: ArmedTimer) -> ArmedTimer | None:
        """Put `changed` in place of a timer as it was read, and answer it; None when somebody else changed it first."""
        if changed.due != timer.due:
            self.hint(changed)
        try:
            return replace(changed, row=self._timers.replace(_row(timer), changed.values()))
        except (PreconditionFailed, NotFound):
            return None

    def change_all(self, changes: Sequence[tuple[ArmedTimer, ArmedTimer]]) -> list[ArmedTimer | None]:
        """Do what `change` does with at most 100 timers of one registry, in few requests unless somebody interferes."""
        if len(changes) > 1:
            self._hint_all([changed for timer, changed in changes if changed.due != timer.due])
            try:
                rows = self._timers.replace_all([Replace(_row(timer), changed.values()) for timer, changed in changes])
            except (PreconditionFailed, NotFound):
                pass
            else:
                return [replace(changed, row=row) for (_, changed), row in zip(changes, rows, strict=True)]
        return [self.change(timer, changed) for timer, changed in changes]

    def _hint_all(self, timers: Iterable[ArmedTimer]) -> None:
        minutes: dict[str, list[ArmedTimer]] = {}
        for timer in timers:
            minutes.setdefault(_text(timer.due), []).append(timer)
        for minute, some in minutes.items():
            if len(some) > 1 and minute:
                with suppress(Conflict):
                    self._due.transaction([Insert(minute, Hint.of(one).key, {}) for one in some])
                    continue
            for one in some:
                self.hint(one)

    def remove(self, timer: ArmedTimer) -> bool:
        """Disarm a timer as it was read. False when somebody else changed it first."""
        try:
            self._timers.transaction([Delete(timer.registry, timer.key, _row(timer).etag)])
        except (PreconditionFailed, NotFound):
            return False
        return True

    def hint(self, timer: ArmedTimer) -> None:
        """Make sure that the timer is looked at when it is due."""
        if timer.due is None:
            return
        try:
            self._due.insert(_text(timer.due), Hint.of(timer).key, {})
        except Conflict:
            return

    def due(self, now: datetime) -> Iterator[Hint]:
        """Read the hints of this minute and of all before it, oldest first."""
        for row in self._due.across("", f"{_text(now)}~", "", "~"):
            registry, _, timer = row.key.partition("|")
            yield Hint(row.partition, registry, timer)

    def hints(self) -> Iterator[Hint]:
        """Read every hint."""
        return self.due(datetime.max.replace(tzinfo=UTC))

    def forget(self, hint: Hint) -> None:
        """Delete a hint; one that is gone already is fine."""
        self._due.delete(hint.minute, hint.key)

    def forget_all(self, hints: Iterable[Hint]) -> None:
        """Delete at most 100 hints; those that are gone already are fine."""
        for minute, some in groupby(sorted(hints, key=attrgetter("minute")), key=attrgetter("minute")):
            together = list(some)
            if len(together) > 1:
                with suppress(NotFound):
                    self._due.transaction([Delete(minute, one.key) for one in together])
                    continue
            for one in together:
                self.forget(one)


def _part(name: str) -> str:
    """Answer a name as a part of a key; what is not a plain character becomes its UTF-8 bytes, a long one its hash."""
    part = "".join(letter if letter in _PLAIN else f"={letter.encode().hex()}=" for letter in name)
    return part if len(part) <= _LONGEST_PART else f"={hashlib.sha256(name.encode()).hexdigest()}"


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime(_MINUTE) if moment else ""


def _moment(text: Scalar) -> datetime | None:
    return datetime.strptime(str(text), _MINUTE).replace(tzinfo=UTC) if text else None


def _armed(row: Row) -> ArmedTimer:
    values = row.values
    claim = str(values["claim"])
    return ArmedTimer(
        registry=row.partition,
        task=row.key.partition("|")[0],
        name=str(values["name"]),
        schedule=str(values["schedule"]),
        next=_moment(values["next"]),
        due=_moment(values["due"]),
        claim=Claim.model_validate_json(claim) if claim else None,
        row=row,
    )


def _row(timer: ArmedTimer) -> Row:
    if timer.row is None:
        raise ValueError("only what was read can be changed")
    return timer.row

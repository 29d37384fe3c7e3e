"""NCRONTAB expressions: `{second} {minute} {hour} {day} {month} {day of week}`.

The rules are those of the NCrontab library that the timer trigger uses: a five-field expression means
second 0; names may be shortened to any prefix; a reversed range means the same range; day and day of week
must both match (cron proper takes either). Times are UTC, the platform's default zone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Self

_HORIZON_YEARS = 40
"""29 February falls on a given weekday every 28 years, or 40 across a century: longer silence is for ever."""


class BadSchedule(ValueError):
    """The expression is not NCRONTAB."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        return frozenset(value for term in text.split(",") for value in self._term(term))

    def _term(self, term: str) -> range:
        body, slash, step_text = term.partition("/")
        step = self._step(step_text) if slash else 1
        if body == "*":
            return range(self.low, self.high + 1, step)
        first_text, dash, last_text = body.partition("-")
        first = self._value(first_text)
        if dash:
            last = self._value(last_text)
            first, last = min(first, last), max(first, last)
        else:
            last = first if step == 1 else self.high
        return range(first, last + 1, step)

    def _step(self, text: str) -> int:
        if text.isascii() and text.isdigit() and int(text) > 0:
            return int(text)
        raise BadSchedule(f"'{text}' is not a step of the {self.name} field; use a number from 1.")

    def _value(self, text: str) -> int:
        if text.isascii() and text.isdigit():
            value = int(text)
            if self.low <= value <= self.high:
                return value
        elif text:
            for index, name in enumerate(self.names):
                if name.startswith(text.lower()):
                    return self.low + index
        raise BadSchedule(
            f"'{text}' is not a value of the {self.name} field; use {self.low} to {self.high}"
            + (", or a name." if self.names else ".")
        )


_SECOND = _Field("second", 0, 59)
_MINUTE = _Field("minute", 0, 59)
_HOUR = _Field("hour", 0, 23)
_DAY = _Field("day", 1, 31)
_MONTH = _Field(
    "month",
    1,
    12,
    (
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ),
)
_WEEKDAY = _Field("day of week", 0, 6, ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"))
_SIX = (_SECOND, _MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A parsed NCRONTAB expression."""

    expression: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, expression: str) -> Self:
        """Read an expression; raises BadSchedule, also for one that can never fire."""
        texts = expression.split()
        if len(texts) == len(_SIX) - 1:
            texts.insert(0, "0")
        if len(texts) != len(_SIX):
            raise BadSchedule(f"'{expression}' is not an NCRONTAB expression: it needs six fields.")
        seconds, minutes, hours, days, months, weekdays = (
            field.parse(text) for field, text in zip(_SIX, texts, strict=True)
        )
        times = (tuple(sorted(seconds)), tuple(sorted(minutes)), tuple(sorted(hours)))
        schedule = cls(expression, *times, days, months, weekdays)
        schedule.after(datetime(2000, 1, 1, tzinfo=UTC))
        return schedule

    def after(self, moment: datetime) -> datetime:
        """Return the first occurrence later than `moment` (aware, UTC)."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        for day in self._days_from(start):
            first = start if day.date() == start.date() else day
            for hour in self.hours:
                for minute in self.minutes:
                    for second in self.seconds:
                        found = day.replace(hour=hour, minute=minute, second=second)
                        if found >= first:
                            return found
        raise BadSchedule(f"'{self.expression}' never occurs.")

    def occurrences(self, moment: datetime) -> Iterator[datetime]:
        """Yield every occurrence later than `moment`, without end."""
        while True:
            moment = self.after(moment)
            yield moment

    def is_frequent(self, moment: datetime) -> bool:
        """Tell whether it fires more than once in the minute after `moment`."""
        return list(islice(self.occurrences(moment), 2))[1] - moment <= timedelta(minutes=1)

    def _days_from(self, start: datetime) -> Iterator[datetime]:
        day = start.replace(hour=0, minute=0, second=0)
        end = day.replace(day=1, year=day.year + _HORIZON_YEARS)
        while day < end:
            if day.month not in self.months:
                day = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
                continue
            if day.day in self.days and day.isoweekday() % 7 in self.weekdays:
                yield day
            day += timedelta(days=1)

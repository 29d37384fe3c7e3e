"""Schedules of five fields, as timer triggers have them: minute, hour, day, month, day of week, in UTC. Pure.

The meaning is NCrontab's, which ACR Tasks documents, and differs from Unix cron: a moment must match both day
fields, not one of them; days of the week are 0 to 6; names may be shortened to any prefix (the first that fits
counts); a range written backwards is turned around; a step below 1 counts as 1; `a/n` runs from `a` to the field's
maximum; only blanks separate fields, and there are no `@daily`, `L`, `W`, `#` and `?`.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from shared.errors import LanguageError

MAX_LENGTH = 1000
"""Characters of a schedule; the longest useful one lists every value of every field."""
_STEP = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]{1,9}")
_WEEK = 7
_LONGEST_MONTH = 31
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
"""Most days that each month can have."""


@dataclass(frozen=True)
class _Field:
    title: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("Minute", 0, 59),
    _Field("Hour", 0, 23),
    _Field("Day", 1, 31),
    _Field(
        "Month",
        1,
        12,
        (
            "january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
            "november", "december",
        ),
    ),
    _Field("DayOfWeek", 0, 6, ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")),
)  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """A schedule as bit masks: bit `n` is set when the value `n` is meant."""

    text: str
    minutes: int
    hours: int
    months: int
    days: tuple[int, ...]
    """Days of a month that match both day fields, by the weekday (Sunday is 0) of the month's first day."""

    def next_after(self, moment: datetime) -> datetime | None:
        """Answer the first minute after `moment` that the schedule means, in UTC; None when there never is one.

        `moment` must know its time zone. It is itself never the answer.
        """
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        today = start.date()
        if self._means(today):
            found = self._time_from(start.hour, start.minute)
            if found:
                return _at(today, found)
        day = self._day_after(today)
        return _at(day, (_lowest(self.hours), _lowest(self.minutes))) if day else None

    def _means(self, day: date) -> bool:
        return bool(self.months >> day.month & 1 and self._days_of(day.year, day.month) >> day.day & 1)

    def _time_from(self, hour: int, minute: int) -> tuple[int, int] | None:
        if self.hours >> hour & 1:
            left = _from(self.minutes, minute)
            if left:
                return hour, _lowest(left)
        later = _from(self.hours, hour + 1)
        return (_lowest(later), _lowest(self.minutes)) if later else None

    def _day_after(self, day: date) -> date | None:
        left = _from(self._days_of(day.year, day.month), day.day + 1) if self.months >> day.month & 1 else 0
        if left:
            return day.replace(day=_lowest(left))
        if not any(self.months >> month & 1 and _earliest(self.days) <= _DAYS[month - 1] for month in range(1, 13)):
            return None
        year, month = day.year, day.month
        while (year, month) < (date.max.year, 12):
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)  # noqa: PLR2004 - months of a year
            days = self._days_of(year, month) if self.months >> month & 1 else 0
            if days:
                return date(year, month, _lowest(days))
        return None

    def _days_of(self, year: int, month: int) -> int:
        monday_based, length = monthrange(year, month)
        return self.days[(monday_based + 1) % _WEEK] & (2 << length) - 1


@lru_cache(maxsize=4096)
def parse(text: str) -> Schedule:
    """Read a schedule. Raises LanguageError with a sentence that says what is wrong.

    Source of the rules and of the two longer sentences: NCrontab.
    """
    if len(text) > MAX_LENGTH:
        raise LanguageError(f"The schedule has {len(text)} characters; at most {MAX_LENGTH} are allowed.")
    words = [word for word in text.split(" ") if word]
    if len(words) != len(_FIELDS):
        raise LanguageError(
            f"'{text}' is an invalid crontab expression. It must contain 5 components of a schedule in the"
            " sequence of minutes, hours, days, months, and days of week."
        )
    minutes, hours, days, months, weekdays = (_mask(field, word) for field, word in zip(_FIELDS, words, strict=True))
    by_first = tuple(days & _weekday_pattern(weekdays, first) for first in range(_WEEK))
    return Schedule(text, minutes, hours, months, by_first)


def _mask(field: _Field, word: str) -> int:
    mask = 0
    for item in word.split(","):
        mask |= _item(field, item, word)
    return mask


def _item(field: _Field, item: str, word: str) -> int:
    span, slash, step_text = item.partition("/")
    if slash and not _STEP.fullmatch(step_text):
        raise _invalid(field, word, f"'{step_text}' is not a step")
    step = max(1, int(step_text)) if slash else 1
    if span == "*":
        return _every(field.first, field.last, step)
    low, dash, high = span.partition("-")
    start = _value(field, low, word)
    until = field.last if slash else start
    end = _value(field, high, word) if dash else until
    return _range(field, min(start, end), max(start, end), step)


def _range(field: _Field, start: int, end: int, step: int) -> int:
    for value, is_wrong, side, bound in (
        (start, start < field.first, "lower", "minimum"),
        (end, end > field.last, "higher", "maximum"),
    ):
        if is_wrong:
            raise LanguageError(
                f"{value} is {side} than the {bound} allowable value for the [{field.title}] field."
                f" Value must be between {field.first} and {field.last} (all inclusive)."
            )
    return _every(start, end, step)


def _every(start: int, end: int, step: int) -> int:
    return sum(1 << value for value in range(start, end + 1, step))


def _value(field: _Field, text: str, word: str) -> int:
    if _NUMBER.fullmatch(text):
        return int(text)
    if field.names and text.isascii() and text.isalpha():
        for value, name in enumerate(field.names, field.first):
            if name.startswith(text.lower()):
                return value
    raise _invalid(field, word, f"'{text}' is not one of its values" if text else "a value is missing")


def _invalid(field: _Field, word: str, why: str) -> LanguageError:
    return LanguageError(f"'{word}' is not a valid [{field.title}] crontab field expression: {why}.")


def _weekday_pattern(weekdays: int, first: int) -> int:
    return sum(1 << day for day in range(1, _LONGEST_MONTH + 1) if weekdays >> (first + day - 1) % _WEEK & 1)


def _earliest(days: tuple[int, ...]) -> int:
    return min((_lowest(mask) for mask in days if mask), default=_LONGEST_MONTH + 1)


def _from(mask: int, value: int) -> int:
    return mask >> value << value


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _at(day: date, time: tuple[int, int]) -> datetime:
    return datetime(day.year, day.month, day.day, *time, tzinfo=UTC)


__all__ = ["MAX_LENGTH", "Schedule", "parse"]

"""Run ids: short, lower-case, never reused, and allotted without a counter that everybody must touch.

An id is `c` and seven base-36 digits of the time in 1/32 s since 2026, so ids sort by time. The row key of a
run is its id with each digit inverted: newest first, and one is computed from the other. Two runs of one
registry that ask for the same instant: the second insert fails and takes a later one.
"""

from datetime import UTC, datetime, timedelta

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX = "c"
_LENGTH = 7
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_TICK = timedelta(seconds=1) / 32
_INVERT = str.maketrans(_DIGITS, _DIGITS[::-1])


def run_id(moment: datetime, later: int = 0) -> str:
    """Answer the id of a moment, `later` ticks of 1/32 s after it. Lasts until the year 2103."""
    ticks, digits = (moment - _EPOCH) // _TICK + later, ""
    for _ in range(_LENGTH):
        ticks, digit = divmod(ticks, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return _PREFIX + digits


def moment_of(identifier: str) -> datetime:
    """Answer the moment that an id was made for, to the tick."""
    return _EPOCH + int(identifier.removeprefix(_PREFIX), len(_DIGITS)) * _TICK


def newest_first(identifier: str) -> str:
    """Answer a key under which later ids sort first; applied twice it answers the id again."""
    return identifier.translate(_INVERT)

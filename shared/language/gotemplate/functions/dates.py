"""Sprig's dates (version 2.22) with Go's layouts. A builder's local time is UTC."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, Value

type Clock = Callable[[], datetime]

_ELEMENT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|_2|Z07:00|Z0700|-07:00|-0700|-07|0[1-6]|15|PM|pm"
    r"|[.,]0+(?!\d)|[.,]9+(?!\d)|[1-5]|02"
)
_HOUR12 = 12
_LONGEST = 100
_FORMATS: Mapping[str, str] = {
    "January": "%B",
    "Jan": "%b",
    "Monday": "%A",
    "Mon": "%a",
    "01": "%m",
    "02": "%d",
    "03": "%I",
    "04": "%M",
    "05": "%S",
    "06": "%y",
    "15": "%H",
    "PM": "%p",
    "MST": "%Z",
}
_NUMBERS: Mapping[str, Callable[[datetime], str]] = {
    "2006": lambda moment: f"{moment.year:04d}",
    "1": lambda moment: str(moment.month),
    "2": lambda moment: str(moment.day),
    "_2": lambda moment: f"{moment.day:2d}",
    "3": lambda moment: str((moment.hour - 1) % _HOUR12 + 1),
    "4": lambda moment: str(moment.minute),
    "5": lambda moment: str(moment.second),
    "pm": lambda moment: f"{moment:%p}".lower(),
}
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


def layout(pattern: str, moment: datetime) -> str:
    """Print a time by Go's layout of the reference time `Mon Jan 2 15:04:05 MST 2006`."""
    return _ELEMENT.sub(lambda match: _element(match[0], moment), pattern)


def _element(name: str, moment: datetime) -> str:
    if name in _FORMATS:
        return moment.strftime(_FORMATS[name])
    if name in _NUMBERS:
        return _NUMBERS[name](moment)
    if name[0] in ".,":
        return _fraction(name, moment)
    if name[0] in "Z-":
        return _offset(name, moment)
    return name


def _fraction(name: str, moment: datetime) -> str:
    digits = f"{moment.microsecond:06d}000"[: len(name) - 1]
    if name[1] == "9":
        digits = digits.rstrip("0")
    return name[0] + digits if digits else ""


def _offset(name: str, moment: datetime) -> str:
    offset = moment.utcoffset() or timedelta()
    if name[0] == "Z" and not offset:
        return "Z"
    minutes = int(offset.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    if name == "-07":
        return f"{sign}{hours:02d}"
    return f"{sign}{hours:02d}{':' if ':' in name else ''}{rest:02d}"


def duration(text: str) -> timedelta:
    """Read a Go duration, as `1h30m` or `-2s`.

    Raises:
        ValueError: not a duration.

    """
    sign = -1 if text.startswith("-") else 1
    body = text.lstrip("+-")
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", body)
    if body == "0":
        return timedelta()
    if not parts or "".join(number + unit for number, unit in parts) != body:
        raise ValueError(f'time: invalid duration "{text}"')
    try:
        return timedelta(seconds=sign * sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f'time: invalid duration "{text}"') from None


def duration_text(span: timedelta) -> str:
    """Print a duration as Go does, to the second: `1h2m3s`."""
    seconds = round(span.total_seconds())
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    text = f"{hours}h" if hours else ""
    text += f"{minutes}m" if hours or minutes else ""
    return f"{sign}{text}{seconds % 60}s"


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "Local"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def parsed(pattern: str, text: str) -> datetime:
    """Read a time by a layout; the zero time when it does not fit, as Sprig does."""
    formats = {
        **_FORMATS,
        "2006": "%Y",
        "1": "%m",
        "2": "%d",
        "_2": "%d",
        "3": "%I",
        "4": "%M",
        "5": "%S",
        "pm": "%p",
        "Z07:00": "%z",
        "-07:00": "%z",
        "-0700": "%z",
        "Z0700": "%z",
    }
    if len(pattern) > _LONGEST:
        raise FunctionError("the layout is too long")
    plain = _ELEMENT.sub(lambda match: formats.get(match[0], match[0]), pattern.replace("%", "%%"))
    try:
        moment = datetime.strptime(text, plain)  # noqa: DTZ007 - the zone is set below when the layout has none
    except (ValueError, re.error):
        return datetime(1, 1, 1, tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Dates:
    """The functions that know what time it is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        return self._clock().replace(microsecond=0)

    def date(self, meter: Meter, pattern: str, value: Value) -> str:
        meter.work(len(pattern) // 4)
        return layout(pattern, self._moment(value).astimezone(UTC))

    def date_in_zone(self, meter: Meter, pattern: str, value: Value, zone: str) -> str:
        meter.work(len(pattern) // 4)
        return layout(pattern, self._moment(value).astimezone(_zone(zone)))

    def html_date(self, meter: Meter, value: Value) -> str:
        return self.date(meter, "2006-01-02", value)

    def html_date_in_zone(self, meter: Meter, value: Value, zone: str) -> str:
        return self.date_in_zone(meter, "2006-01-02", value, zone)

    def ago(self, value: Value) -> str:
        return duration_text(self.now() - self._moment(value))

    def modify(self, text: str, value: Value) -> datetime:
        moment = self._moment(value)
        try:
            return moment + duration(text)
        except (ValueError, OverflowError):
            return moment

    def epoch(self, value: Value) -> str:
        return str(int(self._moment(value).timestamp()))

    def _moment(self, value: Value) -> datetime:
        if isinstance(value, datetime):
            return value
        if not isinstance(value, int):
            return self.now()
        try:
            return datetime.fromtimestamp(value, UTC)
        except (ValueError, OverflowError, OSError) as error:
            raise FunctionError(f"no such time: {value}") from error


def functions(clock: Clock) -> Mapping[str, Function]:
    """Give the functions by name; `now` is what `clock` says, to the second."""
    dates = _Dates(clock)
    return {
        "ago": dates.ago,
        "date": dates.date,
        "dateInZone": dates.date_in_zone,
        "dateModify": dates.modify,
        "date_in_zone": dates.date_in_zone,
        "date_modify": dates.modify,
        "htmlDate": dates.html_date,
        "htmlDateInZone": dates.html_date_in_zone,
        "now": dates.now,
        "toDate": parsed,
        "unixEpoch": dates.epoch,
    }

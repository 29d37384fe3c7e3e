"""Sprig's arithmetic (version 2.22): 64-bit integers, lenient conversions."""

import math
import re
from collections.abc import Mapping

from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, Value, wrap

_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)")
_LONGEST = 40
_LARGEST = 2**63


def integer(value: Value) -> int:
    """Give a value as a 64-bit integer; what is not a number is 0."""
    match value:
        case bool():
            return int(value)
        case int():
            return wrap(value)
        case float():
            return int(value) if math.isfinite(value) and abs(value) < _LARGEST else -_LARGEST
        case str():
            return _parsed(value)
    return 0


def _parsed(text: str) -> int:
    if len(text) > _LONGEST or not _INTEGER.fullmatch(text):
        return 0
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
    number = int(digits, 8 if octal else 0) * (-1 if text[0] == "-" else 1)
    return max(-_LARGEST, min(number, _LARGEST - 1))


def real(value: Value) -> float:
    """Give a value as a float; what is not a number is 0."""
    try:
        return float(value) if isinstance(value, bool | int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0


def _atoi(text: str) -> int:
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,18}", text) else 0


def _decimal(meter: Meter, value: Value) -> int:
    text = str(integer(value)) if not isinstance(value, str) else value
    meter.work()
    return int(text, 8) if re.fullmatch(r"[+-]?[0-7]{1,21}", text) else 0


def _add(*values: Value) -> int:
    return wrap(sum(map(integer, values)))


def _add_one(value: Value) -> int:
    return wrap(integer(value) + 1)


def _subtract(first: Value, second: Value) -> int:
    return wrap(integer(first) - integer(second))


def _multiply(first: Value, *others: Value) -> int:
    product = integer(first)
    for value in others:
        product = wrap(product * integer(value))
    return product


def _divisor(value: Value) -> int:
    divisor = integer(value)
    if not divisor:
        raise FunctionError("runtime error: integer divide by zero")
    return divisor


def _quotient(number: int, divisor: int) -> int:
    quotient = abs(number) // abs(divisor)
    return quotient if (number < 0) == (divisor < 0) else -quotient


def _divide(first: Value, second: Value) -> int:
    return wrap(_quotient(integer(first), _divisor(second)))


def _modulo(first: Value, second: Value) -> int:
    number, divisor = integer(first), _divisor(second)
    return number - divisor * _quotient(number, divisor)


def _maximum(first: Value, *others: Value) -> int:
    return max(map(integer, (first, *others)))


def _minimum(first: Value, *others: Value) -> int:
    return min(map(integer, (first, *others)))


def _ceiling(value: Value) -> float:
    number = real(value)
    return float(math.ceil(number)) if math.isfinite(number) else number


def _floor(value: Value) -> float:
    number = real(value)
    return float(math.floor(number)) if math.isfinite(number) else number


def _round(value: Value, places: int, *up_from: float) -> float:
    number, threshold = real(value), (up_from[0] if up_from else 0.5)
    try:
        power = 10.0**places
    except OverflowError:
        return number
    scaled = number * power
    if not math.isfinite(scaled) or not power:
        return number
    fraction = scaled - math.trunc(scaled)
    whole = math.ceil(scaled) if fraction >= threshold else math.floor(scaled)
    return whole / power


def _until(meter: Meter, count: int) -> list[Value]:
    return _until_step(meter, 0, count, -1 if count < 0 else 1)


def _until_step(meter: Meter, start: int, stop: int, step: int) -> list[Value]:
    wrong_way = (stop < start and step >= 0) or (stop > start and step <= 0)
    if wrong_way or not step:
        return []
    meter.text(8 * -(-(stop - start) // step))
    return list(range(start, stop, step))


FUNCTIONS: Mapping[str, Function] = {
    "add": _add,
    "add1": _add_one,
    "atoi": _atoi,
    "biggest": _maximum,
    "ceil": _ceiling,
    "div": _divide,
    "float64": real,
    "floor": _floor,
    "int": integer,
    "int64": integer,
    "max": _maximum,
    "min": _minimum,
    "mod": _modulo,
    "mul": _multiply,
    "round": _round,
    "sub": _subtract,
    "toDecimal": _decimal,
    "until": _until,
    "untilStep": _until_step,
}

"""Go's `fmt`: how values print, and the verbs of `printf`."""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from shared.language.gotemplate.guarded import is_guarded
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Value, Version, type_of

_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<width>\*|\d+)?(?P<point>\.(?P<precision>\*|\d+)?)?"
    r"(?:\[(?P<index>\d{1,4})\])?(?P<verb>.)?",
    re.DOTALL,
)
_LARGEST_WIDTH = 1_000_000  # Go's own limit: beyond it fmt prints %!(BADWIDTH)
_PLAIN_EXPONENTS = range(-4, 6)  # of `%v`; strconv.FormatFloat(number, 'g', -1, 64)
_JSON_EXPONENTS = range(-6, 21)  # of encoding/json
_PRECISION = 6


@dataclass(frozen=True, slots=True)
class Spec:
    """One `%` directive. A precision of None means that none was given."""

    verb: str
    flags: str = ""
    width: int = 0
    precision: int | None = None

    def has(self, flag: str) -> bool:
        """Tell whether a flag was given."""
        return flag in self.flags


def float_text(number: float, plain: range = _PLAIN_EXPONENTS) -> str:
    """Print a float in its shortest form, without an exponent of ten where that lies in `plain`."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    shortest = Decimal(repr(number))
    exponent = shortest.adjusted()
    if not number or exponent in plain:
        text = format(shortest, "f")
        return text.rstrip("0").removesuffix(".") if "." in text else text
    digits = "".join(map(str, shortest.as_tuple().digits)).rstrip("0")
    point = "." if digits[1:] else ""
    sign = "-" if number < 0 else ""
    return f"{sign}{digits[0]}{point}{digits[1:]}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"


def quote(text: str) -> str:
    """Print a text as Go's `%q` does."""
    return '"' + "".join(_escaped(character, '"') for character in text) + '"'


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"}
_DELETE, _BYTE, _PLANE = 0x7F, 0x80, 0x10000


def _escaped(character: str, mark: str) -> str:
    if character == mark:
        return "\\" + mark
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable() or is_guarded(character):
        return character
    code = ord(character)
    if code < _BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < _PLANE else f"\\U{code:08x}"


def time_text(moment: datetime) -> str:
    """Print a time as Go's `String` method does."""
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {moment:%z} {moment.tzname()}"


def text_of(value: Value, meter: Meter) -> str:
    """Print a value as `%v` does."""
    text = "".join(_pieces(value, meter))
    meter.text(len(text))
    return text


def _pieces(value: Value, meter: Meter) -> Iterator[str]:
    meter.work()
    if isinstance(value, list):
        yield "["
        for index, item in enumerate(value):
            yield " " if index else ""
            yield from _pieces(item, meter)
        yield "]"
    elif isinstance(value, dict):
        yield "map["
        for index, key in enumerate(sorted(value)):
            yield f"{' ' if index else ''}{key}:"
            yield from _pieces(value[key], meter)
        yield "]"
    else:
        text = _scalar_text(value)
        meter.text(len(text))
        yield text


def _scalar_text(value: bool | float | str | datetime | Version | None) -> str:  # noqa: FBT001 - a template's value
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return float_text(value)
        case datetime():
            return time_text(value)
    return str(value)


def sprint(values: Sequence[Value], meter: Meter) -> str:
    """Print as `fmt.Sprint`: a blank between two values when neither is a text."""
    pieces: list[str] = []
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            pieces.append(" ")
        pieces.append(text_of(value, meter))
    return "".join(pieces)


def sprintf(layout: str, values: Sequence[Value], meter: Meter) -> str:
    """Print as `fmt.Sprintf`, its complaints about verbs and arguments included."""
    return _Printer(list(values), meter).print(layout)


class _Printer:
    def __init__(self, values: list[Value], meter: Meter) -> None:
        self._values = values
        self._next = 0
        self._reordered = False
        self._meter = meter
        self._problem = ""

    def print(self, layout: str) -> str:
        pieces: list[str] = []
        at = 0
        for match in _DIRECTIVE.finditer(layout):
            pieces += (layout[at : match.start()], self._directive(match))
            at = match.end()
        pieces.append(layout[at:])
        rest = self._values[self._next :]
        if rest and not self._reordered:
            extra = ", ".join(_typed(value, self._meter) for value in rest)
            pieces.append(f"%!(EXTRA {extra})")
        text = "".join(pieces)
        self._meter.text(len(text))
        return text

    def _directive(self, match: re.Match[str]) -> str:
        self._meter.work()
        self._problem = ""
        width = self._size(match["width"], "BADWIDTH") or 0
        precision = self._size(match["precision"], "BADPREC") if match["point"] else None
        if match["point"] and precision is None:
            precision = 0
        verb = match["verb"]
        if not verb:
            return self._problem + "%!(NOVERB)"
        if verb == "%":
            return self._problem + "%"
        if match["index"]:
            self._next, self._reordered = int(match["index"]) - 1, True
        if not 0 <= self._next < len(self._values):
            return f"{self._problem}%!{verb}({'BADINDEX' if match['index'] else 'MISSING'})"
        flags = match["flags"] + ("-" if width < 0 else "")
        value = self._values[self._next]
        self._next += 1
        self._meter.text(abs(width) + (precision or 0))
        return self._problem + one(Spec(verb, flags, abs(width), precision), value, self._meter)

    def _size(self, text: str | None, problem: str) -> int | None:
        if not text:
            return None
        size: Value = int(text[:8]) if text != "*" else None
        if text == "*" and self._next < len(self._values):
            size = self._values[self._next]
            self._next += 1
        if not isinstance(size, int) or isinstance(size, bool) or abs(size) > _LARGEST_WIDTH:
            self._problem += f"%!({problem})"
            return None
        return size


def _typed(value: Value, meter: Meter) -> str:
    return "<nil>" if value is None else f"{type_of(value)}={text_of(value, meter)}"


def one(spec: Spec, value: Value, meter: Meter) -> str:
    """Print one value by one directive."""
    if spec.verb == "T":
        return _padded(spec, type_of(value))
    if value is None:
        return _padded(spec, "<nil>") if spec.verb == "v" else f"%!{spec.verb}(<nil>)"
    if isinstance(value, list):
        return "[" + " ".join(_element(spec, item, meter) for item in value) + "]"
    if isinstance(value, dict):
        pairs = sorted(value.items(), key=lambda pair: pair[0])
        key = replace(spec, verb=spec.verb if spec.verb in "vsqxX" else "v")
        return "map[" + " ".join(f"{one(key, k, meter)}:{_element(spec, v, meter)}" for k, v in pairs) + "]"
    text = _scalar(spec, value, meter)
    return f"%!{spec.verb}({_typed(value, meter)})" if text is None else text


def _element(spec: Spec, value: Value, meter: Meter) -> str:
    meter.work()
    text = one(spec, value, meter)
    meter.text(len(text))
    return text


def _scalar(spec: Spec, value: Value, meter: Meter) -> str | None:
    match value:
        case bool():
            return _padded(spec, "true" if value else "false") if spec.verb in "vt" else None
        case int():
            return _integer(spec, value)
        case float():
            return _float(spec, value)
        case str():
            return _string(spec, value)
    return _string(spec, text_of(value, meter))


def _padded(spec: Spec, text: str) -> str:
    return text.ljust(spec.width) if spec.has("-") else text.rjust(spec.width)


def _string(spec: Spec, text: str) -> str | None:
    if spec.precision is not None and spec.verb in "vsqxX":
        text = text[: spec.precision]
    if spec.verb == "v" and spec.has("#"):
        return _padded(spec, quote(text))
    forms: dict[str, Callable[[str], str]] = {
        "v": str,
        "s": str,
        "q": lambda plain: f"`{plain}`" if spec.has("#") and "`" not in plain else quote(plain),
        "x": lambda plain: plain.encode().hex(),
        "X": lambda plain: plain.encode().hex().upper(),
    }
    form = forms.get(spec.verb)
    return _padded(spec, form(text)) if form else None


_BASES = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES = {"b": "0b", "o": "0", "O": "0o", "x": "0x", "X": "0X"}


def _integer(spec: Spec, number: int) -> str | None:
    if spec.verb in "cqU":
        return _rune(spec, number)
    if spec.verb not in _BASES:
        return None
    digits = format(abs(number), _BASES[spec.verb]).rjust(spec.precision or 0, "0")
    sign = "-" if number < 0 else "+" if spec.has("+") else " " if spec.has(" ") else ""
    prefix = _PREFIXES.get(spec.verb, "") if spec.has("#") or spec.verb == "O" else ""
    if spec.has("0") and not spec.has("-") and spec.precision is None:
        digits = digits.rjust(spec.width - len(sign) - len(prefix), "0")
    return _padded(spec, sign + prefix + digits)


def _rune(spec: Spec, number: int) -> str:
    if spec.verb == "U":
        return _padded(spec, f"U+{number:04X}")
    try:
        character = chr(number).encode().decode()
    except (ValueError, OverflowError):
        character = "\ufffd"
    quoted = "'" + _escaped(character, "'") + "'"
    return _padded(spec, character if spec.verb == "c" else quoted)


def _float(spec: Spec, number: float) -> str | None:
    if spec.verb not in "veEfFgG":
        return None
    precision = spec.precision
    if spec.verb in "vgG" and precision is None:
        text = float_text(number)
    else:
        verb = "g" if spec.verb == "v" else spec.verb
        text = format(number, f".{_PRECISION if precision is None else precision}{verb}")
    text = text.upper() if spec.verb in "EG" else text
    sign = "-" if text.startswith("-") else "+" if spec.has("+") else " " if spec.has(" ") else ""
    digits = text.lstrip("+-")
    if spec.has("0") and not spec.has("-") and math.isfinite(number):
        digits = digits.rjust(spec.width - len(sign), "0")
    return _padded(spec, sign + digits)


def json_text(value: Value, meter: Meter, indent: str = "") -> str:
    """Print JSON as Go's encoder does: sorted keys, `<`, `>` and `&` escaped.

    Raises:
        ValueError: the value holds an infinite number or none at all.

    """
    text = "".join(_json(value, meter, indent, "\n" if indent else ""))
    meter.text(len(text))
    return text


def _json(value: Value, meter: Meter, indent: str, newline: str) -> Iterator[str]:
    meter.work()
    match value:
        case None:
            yield "null"
        case bool():
            yield "true" if value else "false"
        case float():
            yield _json_float(value)
        case int():
            yield str(value)
        case list() | dict():
            yield from _json_items(value, meter, indent, newline)
        case datetime():
            yield _json_string(value.isoformat().replace("+00:00", "Z"), meter)
        case str() | Version():
            yield _json_string(str(value), meter)


def _json_items(value: list[Value] | dict[str, Value], meter: Meter, indent: str, newline: str) -> Iterator[str]:
    opening, closing = "[]" if isinstance(value, list) else "{}"
    yield opening
    inner = newline + indent
    items = value if isinstance(value, list) else sorted(value)
    for index, item in enumerate(items):
        yield f"{',' if index else ''}{inner}"
        if isinstance(value, dict):
            yield _json_string(str(item), meter) + (": " if indent else ":")
            yield from _json(value[str(item)], meter, indent, inner)
        else:
            yield from _json(item, meter, indent, inner)
    if items:
        yield newline
    yield closing


def _json_float(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"json: unsupported value: {float_text(number)}")
    return float_text(number, _JSON_EXPONENTS).replace("e-0", "e-")


def _json_string(text: str, meter: Meter) -> str:
    meter.text(len(text))
    text = json.dumps(text, ensure_ascii=False).replace("\\b", "\\u0008").replace("\\f", "\\u000c")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

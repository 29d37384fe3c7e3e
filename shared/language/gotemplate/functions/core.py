"""The functions that Go's text/template brings itself, but for `and` and `or`, which the runtime evaluates."""

import html
from collections.abc import Callable, Mapping
from urllib.parse import quote_plus

from shared.language.gotemplate import format as fmt
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, StringMap, Value, is_true, type_of

_SCALARS: tuple[type, ...] = (bool, int, float, str)


def _basic(value: Value) -> type | None:
    return next((cls for cls in _SCALARS if isinstance(value, cls)), None)


def _equal(first: Value, *others: Value) -> bool:
    if isinstance(first, list | dict):
        raise FunctionError(f"uncomparable type {type_of(first)}")
    if not others:
        raise FunctionError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(first: Value, second: Value) -> bool:
    if first is None or second is None:
        return first is second
    if _basic(first) is not _basic(second):
        raise FunctionError("incompatible types for comparison")
    if isinstance(second, list | dict):
        raise FunctionError(f"uncomparable type {type_of(second)}")
    return first == second


def _not_equal(first: Value, second: Value) -> bool:
    return not _equal(first, second)


def _less(first: Value, second: Value) -> bool:
    kind = _basic(first)
    if kind is None or _basic(second) is None:
        raise FunctionError("invalid type for comparison")
    if kind is not _basic(second):
        raise FunctionError("incompatible types for comparison")
    match first, second:
        case (str(), str()):
            return first.encode("utf-8", "surrogatepass") < second.encode("utf-8", "surrogatepass")
        case (int() | float(), int() | float()) if kind is not bool:
            return first < second
    raise FunctionError("invalid type for comparison")


def _less_or_equal(first: Value, second: Value) -> bool:
    return _less(first, second) or _same(first, second)


def _greater(first: Value, second: Value) -> bool:
    return not _less_or_equal(first, second)


def _greater_or_equal(first: Value, second: Value) -> bool:
    return not _less(first, second)


def _index(item: Value, *keys: Value) -> Value:
    if item is None:
        raise FunctionError("index of untyped nil")
    for key in keys:
        item = _element(item, key)
    return item


def _element(item: Value, key: Value) -> Value:
    if item is None:
        raise FunctionError("index of nil pointer")
    if isinstance(item, dict):
        if not isinstance(key, str):
            problem = "value is nil" if key is None else f"value has type {type_of(key)}"
            raise FunctionError(f"{problem}; should be {'of type ' if key is None else ''}string")
        return item.get(key, "" if isinstance(item, StringMap) else None)
    if not isinstance(item, list | str):
        raise FunctionError(f"can't index item of type {type_of(item)}")
    if not isinstance(key, int) or isinstance(key, bool):
        kind = "nil" if key is None else f"type {type_of(key)}"
        raise FunctionError(f"cannot index slice/array with {kind}")
    sequence = item.encode() if isinstance(item, str) else item
    if not 0 <= key < len(sequence):
        raise FunctionError(f"index out of range: {key}")
    return sequence[key]


def _length(item: Value) -> int:
    if item is None:
        raise FunctionError("len of nil pointer")
    if isinstance(item, str):
        return len(item.encode("utf-8", "surrogatepass"))
    if not isinstance(item, list | dict):
        raise FunctionError(f"len of type {type_of(item)}")
    return len(item)


def _call(function: Value, *_: Value) -> Value:
    if function is None:
        raise FunctionError("call of nil")
    raise FunctionError(f"non-function of type {type_of(function)}")


def _print(meter: Meter, *values: Value) -> str:
    return fmt.sprint(values, meter)


def _println(meter: Meter, *values: Value) -> str:
    return " ".join(fmt.text_of(value, meter) for value in values) + "\n"


def _printf(meter: Meter, layout: str, *values: Value) -> str:
    return fmt.sprintf(layout, values, meter)


_JS = {
    "\\": "\\\\",
    "'": "\\'",
    '"': '\\"',
    "<": "\\u003C",
    ">": "\\u003E",
    "&": "\\u0026",
    "=": "\\u003D",
}


def _js_text(text: str) -> str:
    return "".join(
        _JS.get(character) or (character if character.isprintable() else f"\\u{min(ord(character), 0xFFFF):04X}")
        for character in text
    )


def _html_text(text: str) -> str:
    return html.escape(text).replace("&quot;", "&#34;").replace("&#x27;", "&#39;").replace("\0", "\ufffd")


def _query_text(text: str) -> str:
    return quote_plus(text, errors="replace")


def _escaping(escape: Callable[[str], str]) -> Function:
    def function(meter: Meter, *values: Value) -> str:
        text = escape(fmt.sprint(values, meter))
        meter.text(len(text))
        return text

    return function


def _not(value: Value) -> bool:
    return not is_true(value)


FUNCTIONS: Mapping[str, Function] = {
    "call": _call,
    "eq": _equal,
    "ge": _greater_or_equal,
    "gt": _greater,
    "html": _escaping(_html_text),
    "index": _index,
    "js": _escaping(_js_text),
    "le": _less_or_equal,
    "len": _length,
    "lt": _less,
    "ne": _not_equal,
    "not": _not,
    "print": _print,
    "printf": _printf,
    "println": _println,
    "urlquery": _escaping(_query_text),
}

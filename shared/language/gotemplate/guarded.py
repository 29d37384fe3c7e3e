"""Texts that somebody else chose, and that must be told apart until they are inserted.

Each letter of such a text is moved to a plane of Unicode that has no meaning of its own, so that it is known
wherever functions carry it. What a template computes and compares follows from the text as it is; what it
inserts is handed to an escape, run of letters by run of letters.
"""

import re
from collections.abc import Callable
from typing import Final

from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import FunctionError, Value

type Escape = Callable[[str], str]
"""Answers how a text that somebody else chose is inserted."""

_PLANE: Final = 0x100000
_LARGEST: Final = 0xFFFD
_GUARDED: Final = re.compile(f"[{chr(_PLANE)}-{chr(_PLANE + _LARGEST)}]+")


def guard(text: str) -> str:
    """Mark a text. Of letters beyond the basic plane, which mean nothing to any shell, only printable ones stay."""
    return "".join(
        chr(_PLANE + ord(letter)) if ord(letter) <= _LARGEST else letter if letter.isprintable() else "?"
        for letter in text
    )


def is_guarded(text: str) -> bool:
    """Tell whether anything in a text is marked."""
    return _GUARDED.search(text) is not None


def holds(value: Value, meter: Meter) -> bool:
    """Tell whether any text in a value is marked."""
    meter.work()
    match value:
        case str():
            meter.text(len(value))
            return is_guarded(value)
        case list():
            return any(holds(item, meter) for item in value)
        case dict():
            return any(holds(item, meter) for pair in value.items() for item in pair)
    return False


def unguard(text: str) -> str:
    """Answer a text without marks."""
    return _GUARDED.sub(lambda run: "".join(chr(ord(letter) - _PLANE) for letter in run[0]), text)


def insert(text: str, escape: Escape) -> str:
    """Answer a text as it is inserted: what is marked goes through the escape."""
    return _GUARDED.sub(lambda run: escape(unguard(run[0])), text)


def call(function: Callable[..., Value], arguments: list[Value], meter: Meter) -> Value:
    """Call a function with arguments that are marked; it answers as if they were not.

    Where the function only carries the letters along, the same letters of its answer are marked; where they decide
    what it answers, all letters of all texts are.
    """
    answer = function(*(_mapped(argument, unguard, meter) for argument in arguments))
    try:
        marked = function(*arguments)
    except (FunctionError, ArithmeticError, ValueError):
        return _mapped(answer, guard, meter)
    return marked if _mapped(marked, unguard, meter) == answer else _mapped(answer, guard, meter)


def _mapped(value: Value, change: Callable[[str], str], meter: Meter) -> Value:
    meter.work()
    match value:
        case str():
            meter.text(len(value))
            return change(value)
        case list():
            return [_mapped(item, change, meter) for item in value]
        case dict():
            return type(value)((change(key), _mapped(item, change, meter)) for key, item in value.items())
    return value

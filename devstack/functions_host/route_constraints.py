"""The inline constraints of route templates, `{x:int}` and its kin (pure).

Names and meanings are ASP.NET Core's. A value that breaks its constraint makes the route no match.
"""

import re
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

Constraint = Callable[[str], bool]

_INT32 = 2**31
_INT64 = 2**63


class BadTemplate(ValueError):
    """A route template, or a constraint in it, that the platform would refuse."""


def parse_constraint(text: str) -> Constraint:
    """Return the test for a constraint such as `int`, `length(1,5)` or `regex(^v[0-9]+$)`."""
    name, paren, rest = text.partition("(")
    argument = rest.removesuffix(")") if paren else None
    try:
        if argument is None:
            return _PLAIN[name.lower()]
        return _WITH_ARGUMENT[name.lower()](argument)
    except KeyError:
        raise BadTemplate(f"The route constraint '{text}' is not known.") from None
    except (ValueError, re.error):
        raise BadTemplate(f"The route constraint '{text}' has a wrong argument.") from None


def _parses(parse: Callable[[str], object]) -> Constraint:
    def holds(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return holds


def _integer(bound: int) -> Constraint:
    return lambda value: bool(re.fullmatch(r"[+-]?[0-9]{1,20}", value)) and -bound <= int(value) < bound


def _number(value: str) -> bool:
    return bool(re.fullmatch(r"[+-]?([0-9][0-9,]*(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", value))


def _compare(compare: Callable[[int, int], bool]) -> Callable[[str], Constraint]:
    def with_bound(argument: str) -> Constraint:
        bound = int(argument)
        whole = _integer(_INT64)
        return lambda value: whole(value) and compare(int(value), bound)

    return with_bound


def _range(argument: str) -> Constraint:
    low, high = (int(bound) for bound in argument.split(","))
    whole = _integer(_INT64)
    return lambda value: whole(value) and low <= int(value) <= high


def _length(argument: str) -> Constraint:
    bounds = [int(bound) for bound in argument.split(",")]
    low, high = bounds[0], bounds[-1]
    return lambda value: low <= len(value) <= high


def _min_length(argument: str) -> Constraint:
    low = int(argument)
    return lambda value: len(value) >= low


def _max_length(argument: str) -> Constraint:
    high = int(argument)
    return lambda value: len(value) <= high


def _regex(argument: str) -> Constraint:
    pattern = re.compile(argument, re.IGNORECASE)
    return lambda value: pattern.search(value) is not None


def _is_file(value: str) -> bool:
    return bool(re.search(r"\.[^./]+$", value))


_PLAIN: dict[str, Constraint] = {
    "int": _integer(_INT32),
    "long": _integer(_INT64),
    "bool": lambda value: value.lower() in {"true", "false"},
    "datetime": _parses(datetime.fromisoformat),
    "decimal": _number,
    "double": _number,
    "float": _number,
    "guid": _parses(UUID),
    "alpha": lambda value: bool(re.fullmatch(r"[A-Za-z]*", value)),
    "required": bool,
    "file": _is_file,
    "nonfile": lambda value: not _is_file(value),
}

_WITH_ARGUMENT: dict[str, Callable[[str], Constraint]] = {
    "min": _compare(lambda value, bound: value >= bound),
    "max": _compare(lambda value, bound: value <= bound),
    "range": _range,
    "length": _length,
    "minlength": _min_length,
    "maxlength": _max_length,
    "regex": _regex,
}

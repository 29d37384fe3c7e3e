"""The `--name=value` flags between a keyword and its arguments."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from shared.dockerfile.arguments import ArgumentError, Keyword
from shared.dockerfile.text import SPACE

_SPACES: Final = re.compile(f"[{SPACE}]*")
_FIELD: Final = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(?=,|\Z)')
_VARIABLE: Final = re.compile(r"\$.")


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag without its quotes; `value` is None where no `=` was written.

    `start` and `end` enclose it in the text that it was read from.
    """

    name: str
    value: str | None
    start: int
    end: int


class _Kind(Enum):
    TEXT = "one value"
    TEXTS = "any number of values"
    SWITCH = "true or false"


_FLAGS: Final[Mapping[Keyword, Mapping[str, _Kind]]] = {
    Keyword.ADD: {
        "checksum": _Kind.TEXT,
        "chmod": _Kind.TEXT,
        "chown": _Kind.TEXT,
        "exclude": _Kind.TEXTS,
        "keep-git-dir": _Kind.SWITCH,
        "link": _Kind.SWITCH,
        "unpack": _Kind.SWITCH,
    },
    Keyword.COPY: {
        "chmod": _Kind.TEXT,
        "chown": _Kind.TEXT,
        "exclude": _Kind.TEXTS,
        "from": _Kind.TEXT,
        "link": _Kind.SWITCH,
        "parents": _Kind.SWITCH,
    },
    Keyword.FROM: {"platform": _Kind.TEXT},
    Keyword.HEALTHCHECK: {
        "interval": _Kind.TEXT,
        "retries": _Kind.TEXT,
        "start-interval": _Kind.TEXT,
        "start-period": _Kind.TEXT,
        "timeout": _Kind.TEXT,
    },
    Keyword.RUN: {
        "device": _Kind.TEXTS,
        "mount": _Kind.TEXTS,
        "network": _Kind.TEXT,
        "security": _Kind.TEXT,
    },
}
"""Flags of BuildKit's newest frontend and its labs channel: an older engine says itself what it lacks."""

_UNCHECKED: Final = frozenset({Keyword.ARG, Keyword.STOPSIGNAL})
"""BuildKit ignores whatever flags these are given."""


def split_flags(text: str, start: int) -> tuple[tuple[Flag, ...], int]:
    """Read the flags from `start` on; return them and where the arguments begin. A bare `--` ends the flags."""
    flags: list[Flag] = []
    while text.startswith("--", start := _end_of_space(text, start)):
        word, end = _word(text, start)
        if word == "--":
            return tuple(flags), end
        name, equals, value = word[2:].partition("=")
        flags.append(Flag(name, value if equals else None, start, end))
        start = end
    return tuple(flags), start


def check_flags(keyword: Keyword, flags: tuple[Flag, ...]) -> None:
    """Refuse flags that the keyword does not have, repeats, or without their value. Raises `ArgumentError`."""
    if keyword in _UNCHECKED:
        return
    known = _FLAGS.get(keyword, {})
    seen: set[str] = set()
    for flag in flags:
        kind = known.get(flag.name)
        if kind is None:
            raise ArgumentError(f"{keyword} has no flag --{flag.name}")
        if flag.name in seen and kind is not _Kind.TEXTS:
            raise ArgumentError(f"the flag --{flag.name} is given twice")
        seen.add(flag.name)
        _check_value(flag, kind)


def mount_source(value: str) -> tuple[str, str, str] | None:
    """Split a `--mount` value around the image or stage that it mounts from: before, name, after; None without one.

    Raises `ArgumentError` for a value that is not comma-separated, or whose `from` is a variable.
    """
    fields = _fields(value)
    found = [index for index, text in enumerate(fields) if text.lower().startswith("from=")]
    if not found:
        return None
    last = found[-1]
    name = fields[last].partition("=")[2]
    if _VARIABLE.search(name):
        raise ArgumentError(f"'from={name}' in --mount cannot use a variable: name a stage that is built FROM it")
    before = ",".join([*map(_field, fields[:last]), "from="])
    after = "".join(f",{_field(text)}" for text in fields[last + 1 :])
    return (before, name, after) if name else None


def mount_fields(value: str) -> list[str]:
    """Split a `--mount` value into its `name=value` fields, names in lower case. Raises `ArgumentError`."""
    parts = (field.partition("=") for field in _fields(value))
    return [f"{name.strip().lower()}{equals}{text}" for name, equals, text in parts]


def quote_flag(text: str) -> str:
    """Write a flag so that `split_flags` reads `text` again."""
    return re.sub(rf"[\\'\"{SPACE}]", lambda found: f"\\{found[0]}", text)


def _check_value(flag: Flag, kind: _Kind) -> None:
    if kind is not _Kind.SWITCH:
        if flag.value is None:
            raise ArgumentError(f"the flag --{flag.name} has no value")
    elif flag.value is not None and flag.value.lower() not in ("true", "false"):
        raise ArgumentError(f"the flag --{flag.name} is true or false, not '{flag.value}'")


def _fields(value: str) -> list[str]:
    fields: list[str] = []
    position = 0
    while value and position <= len(value):
        found = _FIELD.match(value, position)
        if found is None:
            break
        fields.append(found[2] if found[1] is None else found[1].replace('""', '"'))
        position = found.end() + 1
    if position <= len(value):
        raise ArgumentError(f"the value of --mount cannot be read: '{value}'")
    return fields


def _field(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def _end_of_space(text: str, start: int) -> int:
    found = _SPACES.match(text, start)
    return found.end() if found else start


def _word(text: str, start: int) -> tuple[str, int]:
    """Read one word without its quotes; the escape character of flags is always the backslash."""
    word = quote = ""
    position = start
    while position < len(text) and (quote or text[position] not in SPACE):
        character = text[position]
        if character == "\\":
            position += 1
            word += text[position : position + 1]
        elif character in (quote or "'\""):
            quote = "" if quote else character
        else:
            word += character
        position += 1
    return word, min(position, len(text))

"""The arguments of one instruction: each keyword's own way of splitting them (BuildKit's `line_parsers`)."""

import json
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, NoReturn

from shared.dockerfile.text import BLANK, SPACE


class Keyword(StrEnum):
    """The instructions that exist."""

    ADD = "ADD"
    ARG = "ARG"
    CMD = "CMD"
    COPY = "COPY"
    ENTRYPOINT = "ENTRYPOINT"
    ENV = "ENV"
    EXPOSE = "EXPOSE"
    FROM = "FROM"
    HEALTHCHECK = "HEALTHCHECK"
    LABEL = "LABEL"
    MAINTAINER = "MAINTAINER"
    ONBUILD = "ONBUILD"
    RUN = "RUN"
    SHELL = "SHELL"
    STOPSIGNAL = "STOPSIGNAL"
    USER = "USER"
    VOLUME = "VOLUME"
    WORKDIR = "WORKDIR"


class ArgumentError(ValueError):
    """Arguments that the keyword does not take; the text says why, without a full stop."""


type Arguments = tuple[tuple[str, ...], bool]
"""The arguments, and whether they were written as a JSON array."""


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
_BLANKS: Final = re.compile(f"[{BLANK}]+")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def split_arguments(keyword: Keyword, rest: str, escape: str) -> Arguments:
    """Split what follows the keyword and its flags. Raises `ArgumentError`."""
    if not rest:
        return (), False
    return _SPLITTERS.get(keyword, _whole)(rest, escape)


def split_words(rest: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay, since expansion comes later."""
    words: list[str] = []
    word = quote = ""
    characters = iter(rest)
    for character in characters:
        if not quote and character in SPACE:
            words.append(word)
            word = ""
        elif character == escape and quote != "'":
            following = next(characters, None)
            word += "" if following is None else character + following
        else:
            word += character
            if character in (quote or "'\""):
                quote = "" if quote else character
    return [word for word in [*words, word] if word]


def _whole(rest: str, _escape: str) -> Arguments:
    return (rest,), False


def _blank_separated(rest: str, _escape: str) -> Arguments:
    return tuple(_BLANKS.split(rest)), False


def _quoted_words(rest: str, escape: str) -> Arguments:
    return tuple(split_words(rest, escape)), False


def _array_or_text(rest: str, _escape: str) -> Arguments:
    array = _json_array(rest)
    return ((rest,), False) if array is None else (array, True)


def _array_or_words(rest: str, _escape: str) -> Arguments:
    array = _json_array(rest)
    return (tuple(_BLANKS.split(rest)), False) if array is None else (array, True)


def _pairs(rest: str, escape: str) -> Arguments:
    """Read `name=value …`, or the old form `name value` where the value is all the rest."""
    words = split_words(rest, escape)
    if not words:
        return (), False
    if "=" not in words[0]:
        name, *value = _BLANKS.split(rest, maxsplit=1)
        if not value:
            raise ArgumentError(f"'{name}' has no value")
        return (name, value[0]), False
    for word in words:
        if "=" not in word:
            raise ArgumentError(f"'{word}' has no '=': write name=value")
        if word.startswith("="):
            raise ArgumentError(f"'{word}' has no name before the '='")
    return tuple(part for word in words for part in word.split("=", 1)), False


def _health(rest: str, escape: str) -> Arguments:
    kind, *command = _BLANKS.split(rest, maxsplit=1)
    arguments, is_array = _array_or_text(command[0], escape) if command else ((), False)
    return (kind, *arguments), is_array


def _json_array(rest: str) -> tuple[str, ...] | None:
    """Return the members of a JSON array of texts; None for what is no JSON array at all.

    What stands behind the array is ignored, as by the BuildKit of Moby 26: `CMD ["a"] # why` is an array.
    """
    text = rest.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        members, _ = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(member, str) for member in members):
        raise ArgumentError("an array of arguments may contain texts only")
    return tuple(_SURROGATES.sub("\ufffd", member) for member in members)


_SPLITTERS: Final[dict[Keyword, Callable[[str, str], Arguments]]] = {
    Keyword.ADD: _array_or_words,
    Keyword.ARG: _quoted_words,
    Keyword.CMD: _array_or_text,
    Keyword.COPY: _array_or_words,
    Keyword.ENTRYPOINT: _array_or_text,
    Keyword.ENV: _pairs,
    Keyword.EXPOSE: _blank_separated,
    Keyword.FROM: _blank_separated,
    Keyword.HEALTHCHECK: _health,
    Keyword.LABEL: _pairs,
    Keyword.RUN: _array_or_text,
    Keyword.SHELL: _array_or_text,
    Keyword.VOLUME: _array_or_words,
}

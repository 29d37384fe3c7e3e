"""The patterns of `${V#pattern}`, `${V%pattern}` and `${V/pattern/text}`.

`*` stands for any text, `?` for one character, and a backslash takes their meaning away. Between two stars the
nearest place always serves, so nothing is tried twice and a hostile value cannot make a match slow.
"""

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Self


class PatternError(ValueError):
    """The pattern escapes a character that needs no escape."""


class _Any(Enum):
    ONE = "?"
    MANY = "*"


type _Token = str | _Any


@dataclass(frozen=True)
class Wildcard:
    """A parsed pattern: literal characters and the two wildcards."""

    tokens: tuple[_Token, ...]

    @classmethod
    def parse(cls, pattern: str) -> Self:
        r"""Read a pattern; `\*`, `\?` and `\\` are literal, `\}` and `\/` were escapes of the surrounding `${}`.

        Raises `PatternError` for any other escape.
        """
        tokens: list[_Token] = []
        characters = iter(pattern)
        for character in characters:
            match character:
                case "*" | "?":
                    tokens.append(_Any(character))
                case "\\":
                    tokens.append(_unescape(next(characters, "")))
                case _:
                    tokens.append(character)
        return cls(tuple(tokens))

    def without_prefix(self, text: str, *, longest: bool) -> str:
        """Return `text` without the shortest or longest match at its start."""
        end = self._end(text, 0, longest=longest)
        return text if end is None else text[end:]

    def without_suffix(self, text: str, *, longest: bool) -> str:
        """Return `text` without the shortest or longest match at its end."""
        backwards = Wildcard(self.tokens[::-1])
        return backwards.without_prefix(text[::-1], longest=longest)[::-1]

    def replace(self, text: str, replacement: str, *, every: bool) -> str:
        """Return `text` with its first match, or each one from left to right, replaced; matches are longest."""
        parts: list[str] = []
        copied = position = 0
        while position <= len(text) and (found := self._find(text, position)):
            start, end = found
            if end > copied or start == 0:
                parts += [text[copied:start], replacement]
                copied = end
                if not every:
                    break
            position = max(end, position + 1)
        return "".join([*parts, text[copied:]])

    @cached_property
    def _segments(self) -> list[re.Pattern[str]]:
        """What stands between the stars; each matches texts of one length only."""
        sources = [""]
        for token in self.tokens:
            match token:
                case _Any.MANY:
                    sources.append("")
                case _Any.ONE:
                    sources[-1] += "."
                case literal:
                    sources[-1] += re.escape(literal)
        return [re.compile(source, re.DOTALL) for source in sources]

    def _find(self, text: str, position: int) -> tuple[int, int] | None:
        first = self._segments[0].search(text, position)
        end = self._end(text, first.start(), longest=True) if first else None
        return None if first is None or end is None else (first.start(), end)

    def _end(self, text: str, start: int, *, longest: bool) -> int | None:
        first, *others = self._segments
        found = first.match(text, start)
        for segment in others[:-1]:
            found = found and segment.search(text, found.end())
        if found and others:
            search = _search_last if longest else re.Pattern.search
            found = search(others[-1], text, found.end())
        return found.end() if found else None


def _search_last(segment: re.Pattern[str], text: str, start: int) -> re.Match[str] | None:
    candidates = (segment.match(text, position) for position in range(len(text), start - 1, -1))
    return next((found for found in candidates if found), None)


def _unescape(character: str) -> _Token:
    match character:
        case "*" | "?" | "\\" | "}" | "/":
            return character
        case _:
            raise PatternError(f"'\\{character}' escapes nothing in a pattern")

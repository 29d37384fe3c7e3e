"""Globs over branches, tags and paths: full match, case-sensitive, never a regular expression.

`*` stands for any characters but `/`, `**` for any characters at all, `?` for one character but `/`; a folder
`**/` also stands for none, so that `**/x` covers `x`. The cost is at most the product of the two lengths.
"""

from collections.abc import Iterable
from enum import Enum


class _Wildcard(Enum):
    FOLDERS = "**/"
    ANY = "**"
    SOME = "*"
    ONE = "?"


_Token = str | _Wildcard


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns covers the whole name."""
    return any(matches(pattern, name) for pattern in patterns)


def matches(pattern: str, name: str) -> bool:
    """Whether the pattern covers the whole name."""
    tokens = _tokens(pattern)
    reached = _enter(tokens, 0)
    for character in name:
        reached = {state for place in reached for state in _step(tokens, place, character)}
    return len(tokens) in reached


def _tokens(pattern: str) -> list[_Token]:
    tokens: list[_Token] = []
    place = 0
    while place < len(pattern):
        is_folder_start = place == 0 or pattern[place - 1] == "/"
        token = next((one for one in _Wildcard if pattern.startswith(one.value, place)), None)
        if token is _Wildcard.FOLDERS and not is_folder_start:
            token = _Wildcard.ANY
        tokens.append(token or pattern[place])
        place += len(token.value) if token else 1
    return tokens


def _enter(tokens: list[_Token], place: int) -> set[int]:
    """Answer the places that are reached by coming to one: a wildcard for any number also stands for none."""
    reached = {place}
    while place < len(tokens) and tokens[place] in {_Wildcard.FOLDERS, _Wildcard.ANY, _Wildcard.SOME}:
        place += 1
        reached.add(place)
    return reached


def _step(tokens: list[_Token], place: int, character: str) -> set[int]:
    if place == len(tokens):
        return set()
    token = tokens[place]
    if token is _Wildcard.FOLDERS:
        return {place} | (_enter(tokens, place + 1) if character == "/" else set())
    if token is _Wildcard.ANY or (token is _Wildcard.SOME and character != "/"):
        return _enter(tokens, place)
    if token == character or (token is _Wildcard.ONE and character != "/"):
        return _enter(tokens, place + 1)
    return set()

"""The `$filter` of Runs_List: `and` / `or` over comparisons, and `contains` as the only function.

Grammar of the published API: `TaskName eq 'x' and Status eq 'Failed'`, `contains(OutputImageManifests, 'x')`.
`not`, `has` and `all` are not part of it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.errors import InvalidRequest

Facts = Mapping[str, str | Sequence[str] | None]
"""A run's filterable facts by lower-case name; a list stands for any of its members."""
Predicate = Callable[[Facts], bool]

FIELDS = frozenset({
    "runid", "taskname", "status", "runtype", "createtime", "finishtime", "starttime",
    "isarchiveenabled", "agentpoolname", "outputimagemanifests", "platform",
})  # fmt: skip
_MAX_LENGTH = 2000
_MAX_DEPTH = 50
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z_][\w./:+-]*|[\d][\w.:+-]*)|(?P<mark>[(),]))")
_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "eq": lambda a, b: a.lower() == b.lower(),
    "ne": lambda a, b: a.lower() != b.lower(),
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
}


def parse_filter(text: str | None) -> Predicate:
    """Answer what `text` asks of a run. Raises InvalidRequest with the place of the fault."""
    if not text or not text.strip():
        return lambda _facts: True
    if len(text) > _MAX_LENGTH:
        raise InvalidRequest(f"The $filter is longer than {_MAX_LENGTH} characters.", target="$filter")
    parser = _Parser(list(_tokens(text)))
    predicate = parser.either()
    parser.end()
    return predicate


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise _fault(f"character {position + 1} is not understood")
        kind = match.lastgroup or ""
        value = match.group(kind)
        yield kind, value[1:-1].replace("''", "'") if kind == "text" else value
        position = match.end()


@dataclass
class _Parser:
    tokens: list[tuple[str, str]]
    position: int = 0
    depth: int = 0

    def either(self) -> Predicate:
        terms = [self._both()]
        while self._take_word("or"):
            terms.append(self._both())
        return lambda facts: any(term(facts) for term in terms)

    def end(self) -> None:
        if self.position != len(self.tokens):
            raise _fault(f"'{self.tokens[self.position][1]}' is not expected there")

    def _both(self) -> Predicate:
        terms = [self._one()]
        while self._take_word("and"):
            terms.append(self._one())
        return lambda facts: all(term(facts) for term in terms)

    def _one(self) -> Predicate:
        if self._take_mark("("):
            return self._nested()
        if self._take_word("contains"):
            return self._contains()
        name = self._field()
        operator = self._next("word").lower()
        if operator not in _COMPARE:
            raise _fault(f"'{operator}' is not one of {', '.join(_COMPARE)}")
        compare, wanted = _COMPARE[operator], self._value()
        return lambda facts: any(compare(value, wanted) for value in _values(facts, name))

    def _nested(self) -> Predicate:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise _fault(f"it is nested more than {_MAX_DEPTH} deep")
        inner = self.either()
        self._need_mark(")")
        self.depth -= 1
        return inner

    def _contains(self) -> Predicate:
        self._need_mark("(")
        name = self._field()
        self._need_mark(",")
        wanted = self._value().lower()
        self._need_mark(")")
        return lambda facts: any(wanted in value.lower() for value in _values(facts, name))

    def _field(self) -> str:
        name = self._next("word").lower().removeprefix("properties/")
        if name not in FIELDS:
            raise _fault(f"'{name}' is not a property that runs can be filtered by")
        return name

    def _value(self) -> str:
        if self.position < len(self.tokens) and self.tokens[self.position][0] in {"text", "word"}:
            self.position += 1
            return self.tokens[self.position - 1][1]
        raise _fault("a value is missing")

    def _next(self, kind: str) -> str:
        if self.position >= len(self.tokens) or self.tokens[self.position][0] != kind:
            raise _fault("a name or an operator is missing")
        self.position += 1
        return self.tokens[self.position - 1][1]

    def _take_word(self, word: str) -> bool:
        return self._take(lambda token: token[0] == "word" and token[1].lower() == word)

    def _take_mark(self, mark: str) -> bool:
        return self._take(lambda token: token == ("mark", mark))

    def _need_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise _fault(f"'{mark}' is missing")

    def _take(self, wanted: Callable[[tuple[str, str]], bool]) -> bool:
        found = self.position < len(self.tokens) and wanted(self.tokens[self.position])
        self.position += found
        return found


def _values(facts: Facts, name: str) -> Sequence[str]:
    value = facts.get(name)
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _fault(what: str) -> InvalidRequest:
    return InvalidRequest(f"The $filter cannot be read: {what}.", target="$filter")


_RESOURCE_TYPE = re.compile(r"\s*resourceType\s+eq\s+'([^']*)'\s*", re.IGNORECASE)


def parse_resource_type(text: str | None) -> str | None:
    """Read the `$filter` of a resource list: the type in lower case, or None for any.

    Raises InvalidRequest for every other filter.
    """
    if not text or not text.strip():
        return None
    match = _RESOURCE_TYPE.fullmatch(text)
    if match is None:
        raise _fault("resources can be filtered by resourceType eq '...' only")
    return match[1].lower()

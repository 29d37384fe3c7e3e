"""The syntax tree of an RE2 regular expression."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.language.gotemplate.meter import Meter

type Test = Callable[[str], bool]
type Expression = Characters | Assertion | Sequence | Alternatives | Repeat | Capture


@dataclass(frozen=True, slots=True)
class Characters:
    """One character that satisfies `test`."""

    test: Test


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place: `A` and `z` the text's ends, `^` and `$` a line's, `b` and `B` a word's border or none."""

    kind: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """Expressions one after the other."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The first that fits."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """`least` to `most` times; None is without limit."""

    inner: Expression
    least: int
    most: int | None
    greedy: bool


@dataclass(frozen=True, slots=True)
class Capture:
    """A group that remembers where it matched."""

    inner: Expression
    number: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A parsed expression."""

    root: Expression
    groups: int
    names: dict[str, int]


@dataclass
class _Flags:
    fold: bool = False
    lines: bool = False
    dot_all: bool = False
    swap_greed: bool = False


_REPEAT_LIMIT = 1000
_DEPTH = 200
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_PERL: dict[str, Test] = {
    "d": lambda character: "0" <= character <= "9",
    "s": lambda character: character in "\t\n\f\r ",
    "w": lambda character: character == "_" or (character.isascii() and character.isalnum()),
}
_POSIX: dict[str, Test] = {
    "alnum": lambda character: character.isascii() and character.isalnum(),
    "alpha": lambda character: character.isascii() and character.isalpha(),
    "ascii": str.isascii,
    "blank": lambda character: character in " \t",
    "cntrl": lambda character: character < " " or character == "\x7f",
    "digit": lambda character: "0" <= character <= "9",
    "graph": lambda character: "!" <= character <= "~",
    "lower": lambda character: "a" <= character <= "z",
    "print": lambda character: " " <= character <= "~",
    "punct": lambda character: "!" <= character <= "~" and not character.isalnum(),
    "space": lambda character: character in "\t\n\v\f\r ",
    "upper": lambda character: "A" <= character <= "Z",
    "word": lambda character: character == "_" or (character.isascii() and character.isalnum()),
    "xdigit": lambda character: character in "0123456789abcdefABCDEF",
}


def parse_pattern(pattern: str, meter: Meter) -> Pattern:
    """Parse an expression.

    Raises:
        ValueError: the expression does not hold; Go's text.

    """
    return _Parser(pattern, meter).parse()


@dataclass
class _Parser:
    pattern: str
    meter: Meter
    _at: int = 0
    _groups: int = 0
    _depth: int = 0
    _names: dict[str, int] = field(default_factory=dict)
    _flags: _Flags = field(default_factory=_Flags)

    def parse(self) -> Pattern:
        root = self._alternatives()
        if self._at < len(self.pattern):
            raise self._error("unexpected )", self.pattern)
        return Pattern(root, self._groups, self._names)

    def _error(self, problem: str, part: str) -> ValueError:
        return ValueError(f"error parsing regexp: {problem}: `{part}`")

    def _peek(self, text: str) -> bool:
        return self.pattern.startswith(text, self._at)

    def _accept(self, text: str) -> bool:
        found = self._peek(text)
        self._at += len(text) if found else 0
        return found

    def _take(self) -> str:
        self.meter.work()
        self._at += 1
        return self.pattern[self._at - 1]

    def _alternatives(self) -> Expression:
        flags = _Flags(**vars(self._flags))
        items = [self._sequence()]
        while self._accept("|"):
            items.append(self._sequence())
        self._flags = flags
        return items[0] if len(items) == 1 else Alternatives(tuple(items))

    def _sequence(self) -> Expression:
        items: list[Expression] = []
        while self._at < len(self.pattern) and not self._peek("|") and not self._peek(")"):
            start = self._at
            if self._peek("*") or self._peek("+") or self._peek("?"):
                raise self._error("missing argument to repetition operator", self._take())
            atom = self._atom()
            if atom is not None:
                items.append(self._repeated(atom, start))
        return Sequence(tuple(items))

    def _repeated(self, atom: Expression, start: int) -> Expression:
        times = 0
        while bounds := self._bounds():
            times += 1
            if times > 1:
                raise self._error("invalid nested repetition operator", self.pattern[start : self._at])
            greedy = self._accept("?") == self._flags.swap_greed
            atom = Repeat(atom, bounds[0], bounds[1], greedy)
        return atom

    def _bounds(self) -> tuple[int, int | None] | None:
        for sign, bounds in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self._accept(sign):
                return bounds
        end = self.pattern.find("}", self._at)
        if not self._peek("{") or end < 0:
            return None
        low, comma, high = self.pattern[self._at + 1 : end].partition(",")
        if not low.isdecimal() or (high and not high.isdecimal()):
            return None
        part = self.pattern[self._at : end + 1]
        least = int(low[:5])
        most = (int(high[:5]) if high else None) if comma else least
        if max(least, most or 0) > _REPEAT_LIMIT or (most is not None and most < least):
            raise self._error("invalid repeat count", part)
        self._at = end + 1
        return least, most

    def _atom(self) -> Expression | None:
        character = self._take()
        node: Expression | None
        match character:
            case "(":
                node = self._group()
            case "[":
                node = Characters(self._class())
            case ".":
                node = Characters(_any if self._flags.dot_all else _not_newline)
            case "^":
                node = Assertion("^" if self._flags.lines else "A")
            case "$":
                node = Assertion("$" if self._flags.lines else "z")
            case "\\":
                node = self._escape()
            case _:
                node = Characters(self._literal(character))
        return node

    def _literal(self, wanted: str) -> Test:
        if self._flags.fold:
            folded = wanted.lower()
            return lambda character: character.lower() == folded
        return lambda character: character == wanted

    def _group(self) -> Expression | None:
        self._depth += 1
        if self._depth > _DEPTH:
            raise self._error("expression nests too deeply", self.pattern)
        start = self._at - 1
        number = 0
        flags = self._flags
        if self._accept("?P<") or self._accept("?<"):
            number = self._named(start)
        elif self._accept("?"):
            if self._set_flags(start):
                self._depth -= 1
                return None
        else:
            self._groups += 1
            number = self._groups
        inner = self._alternatives()
        self._flags = flags
        if not self._accept(")"):
            raise self._error("missing closing )", self.pattern)
        self._depth -= 1
        return Capture(inner, number) if number else inner

    def _named(self, start: int) -> int:
        end = self.pattern.find(">", self._at)
        name = self.pattern[self._at : end] if end >= 0 else ""
        if not name.isidentifier() or name in self._names:
            raise self._error("invalid named capture", self.pattern[start : end + 1 if end >= 0 else None])
        self._at = end + 1
        self._groups += 1
        self._names[name] = self._groups
        return self._groups

    def _set_flags(self, start: int) -> bool:
        """Read flags; tells whether they stand alone, `(?i)`, and so hold for the rest of the group."""
        flags = _Flags(**vars(self._flags))
        value = True
        names = {"i": "fold", "m": "lines", "s": "dot_all", "U": "swap_greed"}
        while self._at < len(self.pattern):
            character = self._take()
            if character in names:
                setattr(flags, names[character], value)
            elif character == "-" and value:
                value = False
            elif character in ":)":
                self._flags = flags
                return character == ")"
            else:
                break
        raise self._error("invalid or unsupported Perl syntax", self.pattern[start : self._at])

    def _escape(self) -> Expression:
        if self._at >= len(self.pattern):
            raise self._error("trailing backslash at end of expression", "")
        if self._peek("b") or self._peek("B") or self._peek("A") or self._peek("z"):
            return Assertion(self._take())
        if self._accept("Q"):
            return self._verbatim()
        test = self._class_escape()
        return Characters(test or self._literal(self._escaped_character()))

    def _verbatim(self) -> Expression:
        end = self.pattern.find("\\E", self._at)
        text = self.pattern[self._at : end if end >= 0 else None]
        self._at += len(text) + (2 if end >= 0 else 0)
        return Sequence(tuple(Characters(self._literal(character)) for character in text))

    def _class_escape(self) -> Test | None:
        """Read `d`, `S`, `pL` and the like after a backslash; None when it is another escape."""
        letter = self.pattern[self._at : self._at + 1]
        if letter in ("p", "P"):
            return self._category()
        known = _PERL.get(letter.lower()) if letter else None
        if known is None:
            return None
        self._at += 1
        return known if letter.islower() else _negated(known)

    def _category(self) -> Test:
        start = self._at - 1
        negated = self._take() == "P"
        end = self.pattern.find("}", self._at) if self._peek("{") else self._at
        name = self.pattern[self._at : end + 1].strip("{}")
        if not 0 < len(name.lstrip("^")) <= 2 or end < 0:  # noqa: PLR2004 - "L" or "Lu": scripts are not known
            raise self._error("invalid character class range", self.pattern[start : end + 1])
        self._at = end + 1
        negated ^= name.startswith("^")
        wanted = name.lstrip("^")

        def test(character: str) -> bool:
            return unicodedata.category(character).startswith(wanted)

        return _negated(test) if negated else test

    def _escaped_character(self) -> str:
        start = self._at - 1
        character = self._take()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "x":
            return self._hexadecimal(start)
        if character in "01234567":
            digits = character
            while len(digits) < 3 and self.pattern[self._at : self._at + 1] in tuple("01234567"):  # noqa: PLR2004
                digits += self._take()
            if character == "0" or len(digits) > 1:
                return chr(int(digits, 8))
        if character.isalnum():
            raise self._error("invalid escape sequence", self.pattern[start : self._at])
        return character

    def _hexadecimal(self, start: int) -> str:
        if self._accept("{"):
            end = self.pattern.find("}", self._at)
            digits = self.pattern[self._at : max(end, self._at)]
            self._at = end + 1
        else:
            digits = self.pattern[self._at : self._at + 2]
            self._at += 2
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            raise self._error("invalid escape sequence", self.pattern[start : start + 4]) from None

    def _class(self) -> Test:
        start = self._at - 1
        negated = self._accept("^")
        tests: list[Test] = []
        first = True
        while first or not self._accept("]"):
            if self._at >= len(self.pattern):
                raise self._error("missing closing ]", self.pattern[start:])
            tests.append(self._class_item())
            first = False

        def test(character: str) -> bool:
            return any(one(character) for one in tests) != negated

        return test

    def _class_item(self) -> Test:
        if self._peek("[:"):
            end = self.pattern.find(":]", self._at)
            name = self.pattern[self._at + 2 : end] if end >= 0 else ""
            known = _POSIX.get(name.removeprefix("^"))
            if known is None:
                raise self._error("invalid character class range", self.pattern[self._at : end + 2])
            self._at = end + 2
            return _negated(known) if name.startswith("^") else known
        if self._peek("\\"):
            self._at += 1
            test = self._class_escape()
            if test:
                return test
            self._at -= 1
        return self._span()

    def _span(self) -> Test:
        start = self._at
        low = high = self._class_character()
        if self._peek("-") and not self.pattern.startswith("-]", self._at):
            self._at += 1
            if self._at >= len(self.pattern):
                raise self._error("missing closing ]", self.pattern)
            high = self._class_character()
        if high < low:
            raise self._error("invalid character class range", self.pattern[start : self._at])
        if self._flags.fold:
            return lambda character: low <= character.lower() <= high or low <= character.upper() <= high
        return lambda character: low <= character <= high

    def _class_character(self) -> str:
        character = self._take()
        if character != "\\":
            return character
        if self._at >= len(self.pattern):
            raise self._error("trailing backslash at end of expression", "")
        return self._escaped_character()


def _any(_: str) -> bool:
    return True


def _not_newline(character: str) -> bool:
    return character != "\n"


def _negated(test: Test) -> Test:
    return lambda character: not test(character)

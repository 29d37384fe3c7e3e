r"""Words and variables of an instruction, as BuildKit's shell lexer has them.

Quotes group, the escape character protects, and `$V` and `${V…}` stand for variables with the operators
`:-  -  :+  +  :?  ?  #  ##  %  %%  /  //`. There is no command substitution and no arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.dockerfile.text import ESCAPES, SPACE
from shared.dockerfile.wildcards import PatternError, Wildcard

MAX_EXPANDED: Final = 65_536
"""Characters that the variables of one word may come to; `ARG A=$A$A` doubles with every line."""

_MAX_DEPTH: Final = 50
_SPECIAL: Final = "@*#?-$!"


class ExpansionError(ValueError):
    """A word that cannot be read; the text says why, without a full stop."""


class Piece(NamedTuple):
    """A part of a word. White space ends a word only where it was neither quoted nor escaped."""

    text: str
    splits: bool


@dataclass(frozen=True, slots=True)
class Lexer:
    """How to read words.

    With `raw_quotes` and `raw_escapes` the quote and escape characters stay in the result; with `keep_unset`
    a variable without a value stays as it was written (otherwise it is empty).
    """

    escape: str = ESCAPES[0]
    raw_quotes: bool = False
    raw_escapes: bool = False
    keep_unset: bool = False

    def expand(self, text: str, variables: Mapping[str, str]) -> str:
        """Return `text` as one word: variables replaced, quotes and escapes resolved. Raises `ExpansionError`."""
        return "".join(piece.text for piece in self._pieces(text, variables))

    def split(self, text: str, variables: Mapping[str, str]) -> list[str]:
        """Return the words of `text` after expansion; empty ones are dropped. Raises `ExpansionError`."""
        words: list[str] = []
        word = ""
        for piece in self._pieces(text, variables):
            if not piece.splits:
                word += piece.text
                continue
            for character in piece.text:
                if character not in SPACE:
                    word += character
                elif word:
                    words.append(word)
                    word = ""
        return [*words, word] if word else words

    def _pieces(self, text: str, variables: Mapping[str, str]) -> list[Piece]:
        return _Scan(self, text, variables).pieces(stop="", raw_escapes=self.raw_escapes)


class _Scan:
    """One pass over one text. `position` is the next character; every method reads on from there."""

    def __init__(self, lexer: Lexer, text: str, variables: Mapping[str, str]) -> None:
        self.lexer = lexer
        self.text = text
        self.variables = variables
        self.position = 0
        self.depth = 0
        self.size = 0
        self.raw_escapes = lexer.raw_escapes

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        character = self.peek()
        self.position += 1
        return character

    def pieces(self, stop: str, *, raw_escapes: bool) -> list[Piece]:
        """Read up to and including `stop`, or to the end where `stop` is empty."""
        outer, self.raw_escapes = self.raw_escapes, raw_escapes
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise ExpansionError("variables are nested too deeply")
        found: list[Piece] = []
        while (character := self.peek()) and character != stop:
            found.append(self._piece(character))
        if stop and not self.take():
            raise ExpansionError(f"the closing '{stop}' is missing")
        self.depth -= 1
        self.raw_escapes = outer
        return found

    def _piece(self, character: str) -> Piece:
        match character:
            case "$":
                return Piece(self._variable(), splits=True)
            case "'":
                return Piece(self._single_quoted(), splits=False)
            case '"':
                return Piece(self._double_quoted(), splits=False)
            case "<":
                return self._angles()
            case self.lexer.escape:
                return Piece(self._escaped(), splits=False)
        return Piece(self.take(), splits=True)

    def _angles(self) -> Piece:
        """`<<` keeps the blanks behind it, so that `<< EOF` is one word and can be a heredoc."""
        self.take()
        if self.peek() != "<":
            return Piece("<", splits=False)
        start = self.position - 1
        self.take()
        while self.peek() and self.peek() in " \t":
            self.take()
        return Piece(self.text[start : self.position], splits=False)

    def _escaped(self) -> str:
        escape = self.take()
        return (escape if self.raw_escapes else "") + self.take()

    def _single_quoted(self) -> str:
        start = self.position
        end = self.text.find("'", start + 1)
        if end < 0:
            raise ExpansionError("a single quote is not closed")
        self.position = end + 1
        return self.text[start : end + 1] if self.lexer.raw_quotes else self.text[start + 1 : end]

    def _double_quoted(self) -> str:
        quote = self.take() if self.lexer.raw_quotes else self.take()[:0]
        parts = [quote]
        while (character := self.peek()) != '"':
            if not character:
                raise ExpansionError("a double quote is not closed")
            if character == "$":
                parts.append(self._variable())
            elif character == self.lexer.escape:
                parts.append(self._escaped_in_quotes())
            else:
                parts.append(self.take())
        self.take()
        return "".join([*parts, quote])

    def _escaped_in_quotes(self) -> str:
        escape = self.take()
        following = self.peek()
        if following and following in f'"${self.lexer.escape}':
            return (escape if self.raw_escapes else "") + self.take()
        return escape + (escape if self.raw_escapes else "") if following else ""

    def _variable(self) -> str:
        value = self._value()
        self.size += len(value)
        if self.size > MAX_EXPANDED:
            raise ExpansionError(f"variables expand to more than {MAX_EXPANDED} characters")
        return value

    def _value(self) -> str:
        start = self.position
        self.take()
        if self.peek() != "{":
            name = self._name()
            return self._plain(name, self.text[start : self.position]) if name else "$"
        self.take()
        if self.peek() in ("", "{", "}", ":"):
            raise ExpansionError("'${' is not followed by the name of a variable")
        name = self._name()
        operator = self.take()
        if operator == ":":
            operator += self.take()
        return self._operation(name, operator, start)

    def _operation(self, name: str, operator: str, start: int) -> str:
        match operator.removeprefix(":"):
            case "}" if operator == "}":
                return self._plain(name, self.text[start : self.position])
            case "-" | "+" | "?" as kind:
                word = self._nested("}", raw_escapes=False)
                if self._stays(name):
                    return f"${{{name}{operator}{word}}}"
                return self._substitute(name, kind, word, empty_is_unset=operator[0] == ":")
            case "#" | "%" as kind:
                word = self._nested("}", raw_escapes=True)
                if self._stays(name):
                    return f"${{{name}{operator}{word}}}"
                return self._trimmed(name, kind, word)
            case "/" if operator == "/":
                return self._replaced(name)
            case "":
                raise ExpansionError("the closing '}' is missing")
        raise ExpansionError(f"'${{{name}{operator}' uses an operator that Dockerfiles do not have")

    def _nested(self, stop: str, *, raw_escapes: bool) -> str:
        return "".join(piece.text for piece in self.pieces(stop, raw_escapes=raw_escapes))

    def _stays(self, name: str) -> bool:
        return self.lexer.keep_unset and name not in self.variables

    def _plain(self, name: str, written: str) -> str:
        return written if self._stays(name) else self.variables.get(name, "")

    def _substitute(self, name: str, kind: str, word: str, *, empty_is_unset: bool) -> str:
        value = self.variables.get(name)
        missing = value is None or (empty_is_unset and not value)
        match kind:
            case "-":
                return word if missing else value or ""
            case "+":
                return "" if missing else word
        if missing:
            why = word or f"is not allowed to be {'unset' if value is None else 'empty'}"
            raise ExpansionError(f"{name}: {why}")
        return value or ""

    def _trimmed(self, name: str, kind: str, word: str) -> str:
        longest = word.startswith(kind)
        pattern = _wildcard(word[1:] if longest else word)
        trim = pattern.without_prefix if kind == "#" else pattern.without_suffix
        return trim(self.variables.get(name, ""), longest=longest)

    def _replaced(self, name: str) -> str:
        every = self.peek() == "/"
        if every:
            self.take()
        pattern = self._nested("/", raw_escapes=True)
        replacement = self._nested("}", raw_escapes=True)
        if self._stays(name):
            return f"${{{name}/{pattern}/{replacement}}}"
        return _wildcard(pattern).replace(self.variables.get(name, ""), replacement, every=every)

    def _name(self) -> str:
        """Read a name, a number, or one of the shell's special parameters."""
        first = self.peek()
        if first and first in _SPECIAL:
            return self.take()
        start = self.position
        allowed = str.isdecimal if first.isdecimal() else _in_name
        while (character := self.peek()) and allowed(character):
            self.take()
        return self.text[start : self.position]


def _in_name(character: str) -> bool:
    return character.isalpha() or character.isdecimal() or character == "_"


def _wildcard(pattern: str) -> Wildcard:
    try:
        return Wildcard.parse(pattern)
    except PatternError as error:
        raise ExpansionError(str(error)) from None

"""Go text/template's lexical rules: text, actions, trim markers, comments.

The rules and the error texts are those of Go's `text/template/parse`.
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum, auto

SPACES = " \t\r\n"
_LEFT, _RIGHT = "{{", "}}"


class Kind(Enum):
    """What a token is."""

    TEXT = auto()
    LEFT = auto()
    RIGHT = auto()
    SPACE = auto()
    IDENTIFIER = auto()
    KEYWORD = auto()
    FIELD = auto()
    DOT = auto()
    VARIABLE = auto()
    STRING = auto()
    CHARACTER = auto()
    NUMBER = auto()
    BOOL = auto()
    NIL = auto()
    DECLARE = auto()
    ASSIGN = auto()
    PIPE = auto()
    COMMA = auto()
    OPEN = auto()
    CLOSE = auto()
    OTHER = auto()
    ERROR = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """A token at character `position` of the template; `line` counts from 1. An ERROR's text is its message."""

    kind: Kind
    text: str
    position: int
    line: int


KEYWORDS = frozenset(("block", "break", "continue", "define", "else", "end", "if", "range", "template", "with"))
_TERMINATORS = frozenset(SPACES + ".,|:)(")
_WORD = re.compile(r"\w+")
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_CHARACTER = re.compile(r"'(?:[^'\\\n]|\\.)+'")
_RAW = re.compile(r"`[^`]*`")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]+)?"
    r"|0[bB][01_]+|0[oO][0-7_]+|[0-9_]*\.?[0-9_]*(?:[eE][+-]?[0-9_]+)?)i?"
)
_SINGLE = {"|": Kind.PIPE, ",": Kind.COMMA, "=": Kind.ASSIGN, "(": Kind.OPEN, ")": Kind.CLOSE}
_SHORT_OPERANDS = {'"': (_QUOTED, Kind.STRING), "'": (_CHARACTER, Kind.CHARACTER), "`": (_RAW, Kind.STRING)}
_UNTERMINATED = {
    '"': "unterminated quoted string",
    "'": "unterminated character constant",
    "`": "unterminated raw quoted string",
}


class _Broken(Exception):
    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Lexer:
    """Turns a template's text into tokens, one pass, no backtracking over the text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._depth = 0

    def tokens(self) -> Iterator[Token]:
        """Yield the tokens; the last one is END or ERROR."""
        try:
            trim = False
            while self._at < len(self._text):
                yield from self._plain(trim=trim)
                if self._at >= len(self._text):
                    break
                trim = yield from self._action()
            yield Token(Kind.END, "", self._at, self._line)
        except _Broken as broken:
            yield Token(Kind.ERROR, broken.message, self._at, self._line)

    def _take(self, kind: Kind, length: int) -> Token:
        text = self._text[self._at : self._at + length]
        token = Token(kind, text, self._at, self._line)
        self._at += length
        self._line += text.count("\n")
        return token

    def _plain(self, *, trim: bool) -> Iterator[Token]:
        start = self._text.find(_LEFT, self._at)
        end = len(self._text) if start < 0 else start
        text = self._text[self._at : end]
        left = len(text) - len(text.lstrip(SPACES)) if trim else 0
        if start >= 0 and self._trims_left(start):
            text = text.rstrip(SPACES)
        self._take(Kind.TEXT, left)
        if len(text) > left:
            yield self._take(Kind.TEXT, len(text) - left)
        self._take(Kind.TEXT, end - self._at)

    def _trims_left(self, start: int) -> bool:
        return self._text[start + 2 : start + 3] == "-" and self._text[start + 3 : start + 4] in set(SPACES)

    def _action(self) -> Generator[Token, None, bool]:
        self._depth = 0
        opening = 3 if self._trims_left(self._at) else 2
        marker = self._at + opening
        while opening == 3 and self._text[marker : marker + 1] in set(SPACES):  # noqa: PLR2004 - "{{-"
            marker += 1
        if self._text.startswith("/*", marker):
            return self._comment(marker)
        yield self._take(Kind.LEFT, opening)
        while True:
            closing = self._closing()
            if closing:
                if self._depth:
                    raise _Broken("unclosed left paren")
                yield self._take(Kind.RIGHT, closing)
                return closing > 2  # noqa: PLR2004 - " -}}" trims
            yield self._inside()

    def _closing(self) -> int:
        """How long the right delimiter here is, its trim marker included; 0 when there is none."""
        if self._text.startswith(_RIGHT, self._at):
            return 2
        head = self._text[self._at : self._at + 4]
        return 4 if head[:1] in set(SPACES) and head[1:] == "-}}" else 0

    def _comment(self, marker: int) -> bool:
        end = self._text.find("*/", marker)
        if end < 0:
            raise _Broken("unclosed comment")
        self._take(Kind.TEXT, end + 2 - self._at)
        closing = self._closing()
        if not closing:
            raise _Broken("comment ends before closing delimiter")
        self._take(Kind.RIGHT, closing)
        return closing > 2  # noqa: PLR2004 - " -}}" trims

    def _inside(self) -> Token:
        head = self._text[self._at : self._at + 1]
        if not head:
            raise _Broken("unclosed action")
        if head in SPACES:
            return self._space()
        if head in _SHORT_OPERANDS:
            return self._literal(head)
        if head in "$.":
            return self._dotted(head)
        if head.isdigit() or head in "+-":
            return self._number()
        if head == "_" or head.isalpha():
            return self._word()
        return self._symbol(head)

    def _space(self) -> Token:
        length = 1
        while self._text[self._at + length : self._at + length + 1] in set(SPACES):
            if self._text.startswith(" -}}", self._at + length):
                break
            length += 1
        return self._take(Kind.SPACE, length)

    def _literal(self, quote: str) -> Token:
        pattern, kind = _SHORT_OPERANDS[quote]
        match = pattern.match(self._text, self._at)
        if not match:
            raise _Broken(_UNTERMINATED[quote])
        return self._take(kind, match.end() - self._at)

    def _dotted(self, head: str) -> Token:
        if head == "." and self._text[self._at + 1 : self._at + 2].isdigit():
            return self._number()
        word = _WORD.match(self._text, self._at + 1)
        end = word.end() if word else self._at + 1
        if head == "$":
            return self._terminated(Kind.VARIABLE, end)
        return self._terminated(Kind.FIELD if word else Kind.DOT, end)

    def _terminated(self, kind: Kind, end: int) -> Token:
        following = self._text[end : end + 1]
        if following and following not in _TERMINATORS and not self._text.startswith(_RIGHT, end):
            if kind is Kind.DOT:
                return self._take(kind, 1)
            raise _Broken(f"bad character {_unicode(following)}")
        return self._take(kind, end - self._at)

    def _number(self) -> Token:
        match = _NUMBER.match(self._text, self._at)
        end = match.end() if match else self._at
        following = self._text[end : end + 1]
        if following == "_" or following.isalnum():
            raise _Broken(f'bad number syntax: "{self._text[self._at : end + 1]}"')
        return self._take(Kind.NUMBER, max(end - self._at, 1))

    def _word(self) -> Token:
        match = _WORD.match(self._text, self._at)
        end = match.end() if match else self._at + 1
        word = self._text[self._at : end]
        kind = Kind.KEYWORD if word in KEYWORDS else Kind.IDENTIFIER
        if word in ("true", "false"):
            kind = Kind.BOOL
        elif word == "nil":
            kind = Kind.NIL
        return self._terminated(kind, end)

    def _symbol(self, head: str) -> Token:
        if self._text.startswith(":=", self._at):
            return self._take(Kind.DECLARE, 2)
        if head == ":":
            raise _Broken("expected :=")
        if head == "(":
            self._depth += 1
        elif head == ")":
            self._depth -= 1
            if self._depth < 0:
                raise _Broken("unexpected right paren")
        if head in _SINGLE:
            return self._take(_SINGLE[head], 1)
        if head.isascii() and head.isprintable():
            return self._take(Kind.OTHER, 1)
        raise _Broken(f"unrecognized character in action: {_unicode(head)}")


def _unicode(character: str) -> str:
    return f"U+{ord(character):04X} '{character}'"

"""Splits command text into words as a POSIX shell does, without expanding anything.

`$NAME`, `${…}`, `$(…)` and backquotes stay in their word as written: only the shell that runs the text knows what
they stand for.
"""

import re

from shared.language.errors import TaskInvalid

_PLAIN = re.compile(r"""[^\s'"\\$`]*""")
_BLANKS = " \t\r\n"
_CLOSING = {"(": ")", "{": "}"}
_IN_DOUBLE_QUOTES = '$`"\\\n'


def split(text: str) -> tuple[str, ...]:
    """Give the words with their quotes removed.

    Raises:
        TaskInvalid: a quotation or a substitution is not closed.

    """
    return _Splitter(text).split()


class _Splitter:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def split(self) -> tuple[str, ...]:
        words: list[str] = []
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._at += 1
            if self._at >= len(self._text):
                return tuple(words)
            word = self._word()
            if word is not None:
                words.append(word)

    def _word(self) -> str | None:
        """Read a word; a lone escaped line end is none."""
        pieces: list[str] = []
        quoted = False
        while self._at < len(self._text) and self._text[self._at] not in _BLANKS:
            start = self._at
            pieces.append(self._piece())
            quoted |= self._text[start] in "'\""
        word = "".join(pieces)
        return word if word or quoted else None

    def _piece(self) -> str:
        character = self._text[self._at]
        match character:
            case "'":
                return self._until("'", "no closing quotation")
            case '"':
                return self._double()
            case "\\":
                return self._escape()
            case "$" if self._text[self._at + 1 : self._at + 2] in _CLOSING:
                return self._substitution()
            case "`":
                start = self._at
                self._until("`", "no closing backquote")
                return self._text[start : self._at]
        start, self._at = self._at, self._at + 1
        plain = _PLAIN.match(self._text, self._at)
        self._at = plain.end() if plain else self._at
        return self._text[start : self._at]

    def _until(self, mark: str, problem: str) -> str:
        end = self._text.find(mark, self._at + 1)
        if end < 0:
            raise TaskInvalid(f"{problem} in: {self._text.strip()}")
        inner = self._text[self._at + 1 : end]
        self._at = end + 1
        return inner

    def _escape(self) -> str:
        escaped = self._text[self._at + 1 : self._at + 2]
        self._at += 2
        return "" if escaped == "\n" else escaped or "\\"

    def _double(self) -> str:
        self._at += 1
        pieces: list[str] = []
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == '"':
                self._at += 1
                return "".join(pieces)
            following = self._text[self._at + 1 : self._at + 2]
            if (character == "\\" and (not following or following not in _IN_DOUBLE_QUOTES)) or character == "'":
                pieces.append(character)
                self._at += 1
            else:
                pieces.append(self._piece())
        raise TaskInvalid(f"no closing quotation in: {self._text.strip()}")

    def _substitution(self) -> str:
        start = self._at
        opening = self._text[self._at + 1]
        closing = _CLOSING[opening]
        depth = 0
        for index in range(start + 1, len(self._text)):
            depth += (self._text[index] == opening) - (self._text[index] == closing)
            if not depth:
                self._at = index + 1
                return self._text[start : self._at]
        raise TaskInvalid(f"no closing {closing} in: {self._text.strip()}")

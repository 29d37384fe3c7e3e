"""Physical lines joined to logical ones: directives, comments, continuations and heredocs.

Source positions are character offsets into the text given, so that a part of it can be replaced later.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from operator import itemgetter
from typing import Final

from shared.dockerfile.text import ESCAPES, SPACE, at_line
from shared.dockerfile.words import ExpansionError, Lexer

_BYTE_ORDER_MARK: Final = "\ufeff"
_MAX_LINE: Final = 65_535
"""Bytes in one physical line: BuildKit refuses longer ones."""

_DIRECTIVE: Final = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*", re.ASCII)
_DIRECTIVES: Final = frozenset({"syntax", "escape", "check"})
_CONTINUATIONS: Final = {
    "\\": re.compile(r"(?<!\\)\\[ \t]*\Z"),
    "`": re.compile(r"(?<!`)`[ \t]*\Z"),
}
_HEREDOC: Final = re.compile(r"(\d*)<<(-?)(\s*)([^<]*)", re.ASCII)
_RAW: Final = Lexer(raw_quotes=True, raw_escapes=True, keep_unset=True)
_MAX_DESCRIPTOR_DIGITS: Final = 9
_QUOTES: Final = "'\""


@dataclass(frozen=True, slots=True)
class Directive:
    """A `# name=value` at the top, the name in lower case; `start` and `end` enclose its value in the source."""

    name: str
    value: str
    line: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heredoc:
    """A document written behind an instruction.

    `expand` is False where its name was quoted; `spaced` tells that blanks stood between `<<` and the name.
    """

    name: str
    content: str = ""
    expand: bool = True
    strip_tabs: bool = False
    descriptor: int = 0
    spaced: bool = False


class LogicalLine:
    """An instruction's text without continuations and comments, and where each part of it stands in the source.

    `line` and `end_line` count from 1 and are the first and the last physical line, heredocs included.
    """

    def __init__(self, line: int) -> None:
        self.line = line
        self.end_line = line
        self._size = 0
        self._parts: list[str] = []
        self._chunks: list[tuple[int, int]] = []

    @cached_property
    def text(self) -> str:
        """The text; complete once the `Reader` has handed the line out."""
        return "".join(self._parts).rstrip(SPACE)

    def append(self, text: str, offset: int) -> None:
        """Add the text of a physical line, which begins at `offset` in the source."""
        self._chunks.append((self._size, offset))
        self._parts.append(text)
        self._size += len(text)

    def source(self, position: int) -> int:
        """Return the source offset of a character of `text`."""
        begin, offset = self._chunks[bisect_right(self._chunks, position, key=itemgetter(0)) - 1]
        return offset + position - begin


class Reader:
    """Reads a Dockerfile's logical lines in order; `directives` is complete once the first is read."""

    def __init__(self, text: str) -> None:
        self.escape = ESCAPES[0]
        self.directives: dict[str, Directive] = {}
        self._lines = list(_physical_lines(text))
        self._next = 0
        self._in_directives = True
        self._shebang = bool(self._lines) and self._lines[0][1].startswith("#!")

    def __iter__(self) -> Iterator[LogicalLine]:
        while self._next < len(self._lines):
            begin = self._next
            joined = LogicalLine(begin + 1)
            if self._join(joined, first=True):
                if not joined.text:
                    continue
            else:
                while self._next < len(self._lines) and not self._join(joined, first=False):
                    pass
            joined.end_line = self._next
            yield joined

    def heredocs(self, joined: LogicalLine) -> tuple[Heredoc, ...]:
        """Read the documents that the instruction just read announces with `<<`."""
        documents = (self._document(joined, opening) for opening in _openings(joined))
        return tuple(document for document in documents if document)

    def _join(self, joined: LogicalLine, *, first: bool) -> bool:
        """Add the next physical line; return whether the logical line ends with it."""
        offset, raw = self._lines[self._next]
        self._next += 1
        content = raw.rstrip("\r\n")
        stripped = content.lstrip(SPACE)
        if first:
            offset += len(content) - len(stripped)
            content = stripped
            self._read_directive(content, offset)
        if stripped.startswith("#"):
            return first
        if not stripped and not first:
            return False
        kept = _CONTINUATIONS[self.escape].sub("", content)
        joined.append(kept, offset)
        return len(kept) == len(content)

    def _read_directive(self, content: str, offset: int) -> None:
        if self._shebang and self._next == 1:
            return
        found = _DIRECTIVE.fullmatch(content) if self._in_directives else None
        name = found[1].lower() if found else ""
        if found is None or name not in _DIRECTIVES:
            self._in_directives = False
            return
        if name in self.directives:
            raise at_line(self._next, f"the directive '{name}' is given twice")
        directive = Directive(name, found[2], self._next, offset + found.start(2), offset + found.end(2))
        self.directives[name] = directive
        # BuildKit looks behind a `#!` line for the frontend, but its parser takes that line for a comment.
        if name == "escape" and not self._shebang:
            self._set_escape(directive.value)

    def _set_escape(self, value: str) -> None:
        if value not in ESCAPES:
            raise at_line(self._next, f"the escape character is '\\' or '`', not '{value[:8]}'")
        self.escape = value

    def _document(self, joined: LogicalLine, opening: Heredoc) -> Heredoc | None:
        body: list[str] = []
        for index in range(self._next, len(self._lines)):
            _, raw = self._lines[index]
            end = raw.rstrip("\r\n")
            if (end.lstrip("\t") if opening.strip_tabs else end) == opening.name:
                self._next = joined.end_line = index + 1
                return replace(opening, content="".join(body))
            body.append(raw)
        # Only new frontends take `<< EOF` for a heredoc; to all others it may be the shift in `$((1 << 3))`.
        if opening.spaced:
            return None
        raise at_line(joined.line, f"the heredoc '{opening.name}' has no end")


def heredoc_opening(word: str) -> Heredoc | None:
    """Return the heredoc that a word such as `<<EOF`, `<<-'EOF'` or `3<<EOF` announces. Raises `ExpansionError`."""
    found = _HEREDOC.fullmatch(word)
    if not found or not found[4]:
        return None
    names = Lexer(keep_unset=True).split(found[4], {})
    if len(names) != 1:
        return None
    written = Lexer(keep_unset=True, raw_quotes=True).expand(found[4], {})
    return Heredoc(
        name=names[0],
        expand=_count_quotes(names[0]) == _count_quotes(written),
        strip_tabs=bool(found[2]),
        descriptor=int(found[1][-_MAX_DESCRIPTOR_DIGITS:] or 0),
        spaced=bool(found[3]),
    )


def _openings(joined: LogicalLine) -> list[Heredoc]:
    try:
        words = _RAW.split(joined.text, {})
    except ExpansionError:
        return []
    try:
        return [opening for word in words if (opening := heredoc_opening(word))]
    except ExpansionError as error:
        raise at_line(joined.line, f"a heredoc's name cannot be read: {error}") from None


def _count_quotes(text: str) -> int:
    return sum(text.count(quote) for quote in _QUOTES)


def _physical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its offset; only a line feed ends a line."""
    offset = 1 if text.startswith(_BYTE_ORDER_MARK) else 0
    for number, raw in enumerate(re.findall(r"[^\n]*\n|[^\n]+\Z", text[offset:]), start=1):
        if len(raw) > _MAX_LINE // 4 and len(raw.encode(errors="replace")) > _MAX_LINE:
            raise at_line(number, f"the line is longer than {_MAX_LINE} bytes")
        yield offset, raw
        offset += len(raw)

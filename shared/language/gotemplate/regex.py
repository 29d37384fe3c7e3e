"""RE2 regular expressions, matched in time linear in the text: a hostile pattern cannot hang a run.

Syntax and leftmost-first semantics follow https://github.com/google/re2/wiki/Syntax; the match is found
by simulating all alternatives side by side (Thompson's construction with captures).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.regex_syntax import (
    Alternatives,
    Assertion,
    Capture,
    Characters,
    Expression,
    Pattern,
    Repeat,
    Sequence,
    parse_pattern,
)

_PROGRAM = 2000


@dataclass(slots=True)
class _Instruction:
    """`test` consumes a character, `assertion` does not; `slot` records a position; else a jump."""

    following: tuple[int, ...] = ()
    test: Callable[[str], bool] | None = None
    assertion: str = ""
    slot: int | None = None


@dataclass
class Regex:
    """A compiled pattern.

    Raises:
        ValueError: the pattern does not hold; Go's text.

    """

    pattern: str
    meter: Meter
    _program: list[_Instruction] = field(init=False, default_factory=list)
    _parsed: Pattern = field(init=False)

    def __post_init__(self) -> None:
        self._parsed = parse_pattern(self.pattern, self.meter)
        start = self._add(_Instruction(slot=0))
        self._compile(self._parsed.root)
        self._add(_Instruction(slot=1))
        self._program[start].following = (start + 1,)
        self._add(_Instruction())

    # Compiling: every fragment starts at its first instruction and falls through at its end.

    def _add(self, instruction: _Instruction) -> int:
        self.meter.work()
        if len(self._program) >= _PROGRAM:
            raise ValueError(f"error parsing regexp: expression nests too deeply or is too long: `{self.pattern}`")
        self._program.append(instruction)
        if not instruction.following and instruction.slot != 0:
            instruction.following = (len(self._program),)
        return len(self._program) - 1

    def _compile(self, node: Expression) -> None:
        self.meter.work()
        match node:
            case Characters():
                self._add(_Instruction(test=node.test))
            case Assertion():
                self._add(_Instruction(assertion=node.kind))
            case Sequence():
                for item in node.items:
                    self._compile(item)
            case Capture():
                self._add(_Instruction((len(self._program) + 1,), slot=2 * node.number))
                self._compile(node.inner)
                self._add(_Instruction(slot=2 * node.number + 1))
            case Alternatives():
                self._alternatives(node)
            case Repeat():
                self._repeat(node)

    def _alternatives(self, node: Alternatives) -> None:
        ends: list[int] = []
        for index, item in enumerate(node.items):
            last = index == len(node.items) - 1
            split = None if last else self._add(_Instruction())
            self._compile(item)
            if split is not None:
                ends.append(self._add(_Instruction()))
                self._program[split].following = (split + 1, len(self._program))
        for end in ends:
            self._program[end].following = (len(self._program),)

    def _repeat(self, node: Repeat) -> None:
        for _ in range(node.least):
            self._compile(node.inner)
        if node.most is None:
            split = self._add(_Instruction())
            self._compile(node.inner)
            self._add(_Instruction((split,)))
            self._fork(split, node)
            return
        splits = []
        for _ in range(node.most - node.least):
            splits.append(self._add(_Instruction()))
            self._compile(node.inner)
        for split in splits:
            self._fork(split, node)

    def _fork(self, split: int, node: Repeat) -> None:
        inside, outside = split + 1, len(self._program)
        self._program[split].following = (inside, outside) if node.greedy else (outside, inside)

    # Matching

    @property
    def names(self) -> dict[str, int]:
        """The numbers of the named groups."""
        return self._parsed.names

    def match(self, text: str, start: int = 0) -> tuple[int | None, ...] | None:
        """Give the leftmost match at or after `start`: start and end of each group, group 0 first."""
        slots: tuple[int | None, ...] = (None,) * (2 * self._parsed.groups + 2)
        threads: list[tuple[int, tuple[int | None, ...]]] = []
        best = None
        for at in range(start, len(text) + 1):
            if best is None:
                seen = {state for state, _ in threads}
                threads += self._follow(0, slots, text, at, seen)
            following: list[tuple[int, tuple[int | None, ...]]] = []
            seen = set()
            for state, captured in threads:
                self.meter.work()
                if state == len(self._program) - 1:
                    best = captured
                    break
                test = self._program[state].test
                if test and at < len(text) and test(text[at]):
                    following += self._follow(state + 1, captured, text, at + 1, seen)
            threads = following
            if best is not None and not threads:
                break
        return best

    def _follow(
        self, start: int, captured: tuple[int | None, ...], text: str, at: int, seen: set[int]
    ) -> Iterator[tuple[int, tuple[int | None, ...]]]:
        """Give the consuming states reachable from `start`, preferred ones first."""
        stack = [(start, captured)]
        while stack:
            state, slots = stack.pop()
            if state in seen:
                continue
            seen.add(state)
            self.meter.work()
            instruction = self._program[state]
            if instruction.test or state == len(self._program) - 1:
                yield state, slots
                continue
            if instruction.assertion and not _holds(instruction.assertion, text, at):
                continue
            if instruction.slot is not None:
                slots = (*slots[: instruction.slot], at, *slots[instruction.slot + 1 :])
            stack.extend((target, slots) for target in reversed(instruction.following))

    def matches(self, text: str, limit: int = -1) -> Iterator[tuple[int | None, ...]]:
        """Give up to `limit` matches that do not overlap, all when it is negative."""
        at, previous = 0, -1
        while limit and at <= len(text):
            found = self.match(text, at)
            if found is None:
                return
            start, end = found[0] or 0, found[1] or 0
            if end > start or start != previous:
                yield found
                limit -= 1
            previous = end
            at = end if end > start else end + 1

    def replace(self, text: str, template: str | None, literal: str = "") -> str:
        """Replace every match by `literal`, or by `template` with its `$1` and `${name}` expanded."""
        pieces: list[str] = []
        at = 0
        for found in self.matches(text):
            new = literal if template is None else self._expand(template, text, found)
            self.meter.text(len(new))
            pieces += (text[at : found[0]], new)
            at = found[1] or 0
        return "".join((*pieces, text[at:]))

    def _expand(self, template: str, text: str, found: tuple[int | None, ...]) -> str:
        def group(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name is None:
                return "$" if match[0] == "$$" else match[0]
            number = int(name) if name.isdigit() else self.names.get(name, -1)
            if not 0 <= number <= self._parsed.groups:
                return ""
            value = text[found[2 * number] or 0 : found[2 * number + 1] or 0]
            self.meter.text(len(value))
            return value

        return re.sub(r"\$(?:\$|\{(\w{1,100})\}|(\w{1,100}))", group, template, flags=re.ASCII)


def _is_word(text: str, at: int) -> bool:
    character = text[at : at + 1] if at >= 0 else ""
    return character == "_" or (character.isascii() and character.isalnum())


def _holds(kind: str, text: str, at: int) -> bool:
    match kind:
        case "A":
            return at == 0
        case "z":
            return at == len(text)
        case "^":
            return at == 0 or text[at - 1] == "\n"
        case "$":
            return at == len(text) or text[at] == "\n"
    boundary = _is_word(text, at - 1) != _is_word(text, at)
    return boundary == (kind == "b")

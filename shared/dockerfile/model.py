"""A Dockerfile as values: instructions in order, and the stages that they make."""

from dataclasses import dataclass

from shared.dockerfile.arguments import Keyword
from shared.dockerfile.flags import Flag
from shared.dockerfile.lines import Directive, Heredoc


@dataclass(frozen=True, slots=True)
class Span:
    """A part of the Dockerfile's text, in characters from its start; `end` is behind the last one."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction. Arguments keep quotes and variables as written.

    `line` and `end_line` count from 1. `json` tells that the arguments were a JSON array. `trigger` is what
    ONBUILD defers. `flag_spans` say where in the text each flag is written, `first_span` where the first argument is.
    """

    keyword: Keyword
    line: int
    end_line: int
    flags: tuple[Flag, ...] = ()
    arguments: tuple[str, ...] = ()
    json: bool = False
    heredocs: tuple[Heredoc, ...] = ()
    trigger: "Instruction | None" = None
    flag_spans: tuple[Span, ...] = ()
    first_span: Span = Span(0, 0)

    def flag(self, name: str) -> str | None:
        """Return the value of the flag, None where it is absent or empty."""
        return next((flag.value for flag in self.flags if flag.name == name and flag.value), None)


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and what follows it. `name` is in lower case; `base` and `platform` are as written."""

    index: int
    name: str | None
    base: str
    platform: str | None
    origin: Instruction
    body: tuple[Instruction, ...] = ()

    @property
    def base_span(self) -> Span:
        """Where the base is written."""
        return self.origin.first_span

    def __str__(self) -> str:
        return self.name or str(self.index)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile that BuildKit's parser would accept. `arguments` are the ARGs before the first FROM."""

    text: str
    escape: str
    directives: tuple[Directive, ...]
    arguments: tuple[Instruction, ...]
    stages: tuple[Stage, ...]

    @property
    def syntax(self) -> str | None:
        """The frontend image of `# syntax=`, None where the engine's own frontend reads the file."""
        value = next((found.value for found in self.directives if found.name == "syntax"), None)
        return value.split(" ")[0] if value else None

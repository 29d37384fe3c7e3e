"""The parsed form of a template. `position` is a character offset; `str()` gives the source form."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """Text between actions."""

    position: int
    text: str


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the current value."""

    position: int

    def __str__(self) -> str:
        return "."


@dataclass(frozen=True, slots=True)
class Nil:
    """The constant `nil`."""

    position: int

    def __str__(self) -> str:
        return "nil"


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; `source` is as written."""

    position: int
    source: str
    value: bool | int | float | str

    def __str__(self) -> str:
        return self.source


@dataclass(frozen=True, slots=True)
class Identifier:
    """A function's name."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Field:
    """`.a.b`: fields of the current value."""

    position: int
    names: tuple[str, ...]

    def __str__(self) -> str:
        return "".join(f".{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.a.b`; `name` keeps its dollar sign."""

    position: int
    name: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ".".join((self.name, *self.fields))


@dataclass(frozen=True, slots=True)
class Chain:
    """`(pipeline).a.b`."""

    position: int
    node: Operand
    fields: tuple[str, ...]

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipeline) else str(self.node)
        return ".".join((inner, *self.fields))


@dataclass(frozen=True, slots=True)
class Command:
    """One stage of a pipeline: a function with its arguments, or one value."""

    position: int
    words: tuple[Operand, ...]

    def __str__(self) -> str:
        return " ".join(f"({word})" if isinstance(word, Pipeline) else str(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands joined by `|`, with the variables that they declare or assign."""

    position: int
    commands: tuple[Command, ...]
    variables: tuple[Variable, ...] = ()
    assigns: bool = False

    def __str__(self) -> str:
        names = ", ".join(map(str, self.variables))
        sign = (" = " if self.assigns else " := ") if names else ""
        return names + sign + " | ".join(map(str, self.commands))


type Operand = Dot | Nil | Constant | Identifier | Field | Variable | Chain | Pipeline


@dataclass(frozen=True, slots=True)
class Action:
    """`{{pipeline}}`."""

    position: int
    pipeline: Pipeline


@dataclass(frozen=True, slots=True)
class If:
    """`{{if}}`."""

    position: int
    pipeline: Pipeline
    body: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class With:
    """`{{with}}`."""

    position: int
    pipeline: Pipeline
    body: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class Range:
    """`{{range}}`."""

    position: int
    pipeline: Pipeline
    body: Block
    otherwise: Block


@dataclass(frozen=True, slots=True)
class Break:
    """`{{break}}`."""

    position: int


@dataclass(frozen=True, slots=True)
class Continue:
    """`{{continue}}`."""

    position: int


@dataclass(frozen=True, slots=True)
class Call:
    """`{{template "name" pipeline}}`."""

    position: int
    name: str
    quoted: str
    pipeline: Pipeline | None

    def __str__(self) -> str:
        argument = f" {self.pipeline}" if self.pipeline else ""
        return f"{{{{template {self.quoted}{argument}}}}}"


type Node = Text | Action | If | With | Range | Break | Continue | Call
type Block = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text: its own block, and those that it defines by name."""

    name: str
    source: str
    root: Block
    defined: dict[str, Block] = field(default_factory=dict)

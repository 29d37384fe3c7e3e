"""A Bicep file as values: declarations and their expressions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True)
class Expression:
    """Any expression; `parts` are the expressions directly inside."""

    line: int

    @property
    def parts(self) -> tuple["Expression", ...]:
        """The expressions directly inside."""
        return ()


@dataclass(frozen=True)
class Text(Expression):
    """A string; `value` is None when something is interpolated, and `pieces` is what stands between.

    `sequence` is all of it in its order.
    """

    value: str | None
    interpolated: tuple[Expression, ...] = ()
    pieces: tuple[str, ...] = ()
    sequence: tuple[str | Expression, ...] = field(default=(), compare=False)

    @property
    def parts(self) -> tuple[Expression, ...]:
        """What is interpolated."""
        return self.interpolated


@dataclass(frozen=True)
class Scalar(Expression):
    """A number, true, false or null."""

    value: bool | int | None


@dataclass(frozen=True)
class Property:
    """A property of an object; `key` is None when it is computed."""

    line: int
    key: str | None
    computed: tuple[Expression, ...]
    value: Expression


@dataclass(frozen=True)
class Fields(Expression):
    """An object."""

    properties: tuple[Property, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Computed keys and all values."""
        return tuple(part for one in self.properties for part in (*one.computed, one.value))

    def get(self, key: str) -> Expression | None:
        """Answer the value of a property."""
        return next((one.value for one in self.properties if one.key == key), None)


@dataclass(frozen=True)
class Items(Expression):
    """An array."""

    values: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The items."""
        return self.values


@dataclass(frozen=True)
class Name(Expression):
    """A symbol that is used."""

    name: str


@dataclass(frozen=True)
class Member(Expression):
    """`base.name`, `base.?name`, `base!.name`."""

    base: Expression
    name: str

    @property
    def parts(self) -> tuple[Expression, ...]:
        """What the member is of."""
        return (self.base,)


@dataclass(frozen=True)
class Index(Expression):
    """`base[index]`."""

    base: Expression
    index: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Base and index."""
        return (self.base, self.index)


@dataclass(frozen=True)
class Call(Expression):
    """A function call; `base` is what it is called on, if anything."""

    function: str
    base: Expression | None
    arguments: tuple[Expression, ...]

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Base and arguments."""
        return ((self.base,) if self.base else ()) + self.arguments


@dataclass(frozen=True)
class Choice(Expression):
    """`condition ? first : second`."""

    condition: Expression
    first: Expression
    second: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """All three."""
        return (self.condition, self.first, self.second)


@dataclass(frozen=True)
class Guarded(Expression):
    """`if (condition) body`."""

    condition: Expression
    body: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """Condition and body."""
        return (self.condition, self.body)


@dataclass(frozen=True)
class Binding(Expression):
    """A loop (`over` is what it goes through) or a lambda; `names` are bound in `body`."""

    names: tuple[str, ...]
    over: Expression | None
    body: Expression

    @property
    def parts(self) -> tuple[Expression, ...]:
        """What is gone through, and the body."""
        return ((self.over,) if self.over else ()) + (self.body,)


@dataclass(frozen=True)
class Operation(Expression):
    """Operators and what else needs no closer look."""

    operands: tuple[Expression, ...]
    operator: str = field(default="", compare=False)

    @property
    def parts(self) -> tuple[Expression, ...]:
        """The operands."""
        return self.operands


class Kind(StrEnum):
    """What is declared."""

    PARAMETER = "parameter"
    VARIABLE = "variable"
    RESOURCE = "resource"
    MODULE = "module"
    OUTPUT = "output"
    TYPE = "type"
    FUNCTION = "function"


@dataclass(frozen=True)
class Declaration:
    """One statement.

    `target` is a resource's type and version or a module's path, `type` a parameter's or output's type as written.
    """

    kind: Kind
    name: str
    line: int
    value: Expression | None = None
    type: str = ""
    target: str = ""
    is_existing: bool = False
    decorators: tuple[Call, ...] = ()
    type_names: tuple[Name, ...] = ()

    @property
    def body(self) -> Fields | None:
        """The object of a resource or module, out of its loop and condition."""
        inner = unwrapped(self.value)
        return inner if isinstance(inner, Fields) else None

    def decorator(self, name: str) -> Call | None:
        """Answer a decorator."""
        return next((one for one in self.decorators if one.function == name), None)


@dataclass(frozen=True)
class File:
    """One Bicep file, by its path below the checkout."""

    path: str
    scope: str
    declarations: tuple[Declaration, ...]
    by_name: dict[str, Declaration] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        known = {one.name: one for one in reversed(self.declarations) if one.kind is not Kind.OUTPUT}
        object.__setattr__(self, "by_name", known)

    def of(self, kind: Kind) -> Iterator[Declaration]:
        """Answer the declarations of one kind."""
        return (one for one in self.declarations if one.kind is kind)

    def resources(self, resource_type: str) -> Iterator[Declaration]:
        """Answer the resources that the file makes of one type."""
        wanted = resource_type.lower()
        return (
            one
            for one in self.of(Kind.RESOURCE)
            if not one.is_existing and one.target.partition("@")[0].lower() == wanted
        )

    def resolve(self, expression: Expression | None) -> Expression | None:
        """Follow names of variables to what they hold."""
        while isinstance(expression, Name):
            known = self.by_name.get(expression.name)
            if known is None or known.kind is not Kind.VARIABLE:
                return expression
            expression = known.value
        return expression


def unwrapped(expression: Expression | None) -> Expression | None:
    """Take loops and conditions off."""
    while isinstance(expression, Guarded | Binding):
        expression = expression.body
    return expression


def walk(expression: Expression | None) -> Iterator[Expression]:
    """Answer an expression and all inside, outermost first."""
    if expression is not None:
        yield expression
        for part in expression.parts:
            yield from walk(part)


def texts(file: File, expression: Expression | None) -> Iterator[Text]:
    """Answer the plain strings of an expression, through variables."""
    for part in walk(expression):
        if isinstance(part, Text) and part.value is not None:
            yield part
        elif isinstance(part, Name) and (known := file.by_name.get(part.name)) and known.kind is Kind.VARIABLE:
            yield from texts(file, known.value)

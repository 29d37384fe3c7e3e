"""Executes a parsed template, with the error texts of Go's `text/template`."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import get_origin

from shared.language.errors import TemplateError
from shared.language.gotemplate import format as fmt
from shared.language.gotemplate import guarded
from shared.language.gotemplate.guarded import Escape
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.nodes import (
    Action,
    Block,
    Break,
    Call,
    Chain,
    Command,
    Constant,
    Continue,
    Dot,
    Field,
    Identifier,
    If,
    Nil,
    Operand,
    Pipeline,
    Range,
    Template,
    Text,
    Variable,
    With,
)
from shared.language.gotemplate.values import (
    Function,
    FunctionError,
    StringMap,
    Value,
    Version,
    is_true,
    type_of,
)

NO_VALUE = "<no value>"
_DEPTH = 60  # Go allows 100000; a task needs a handful, and each level is several frames of ours
_TYPES: Mapping[object, str] = {
    str: "string",
    int: "int",
    float: "float64",
    bool: "bool",
    list: "[]interface {}",
    dict: "map[string]interface {}",
}
_LITERALS: Mapping[object, str] = {str: "string", int: "integer", float: "float", bool: "boolean"}


class _Missing:
    """There is no value from the pipeline stage before."""


_MISSING = _Missing()
type _Final = Value | _Missing


class _BreakLoop(Exception):
    """`{{break}}`."""


class _ContinueLoop(Exception):
    """`{{continue}}`."""


@dataclass(frozen=True)
class Callee:
    """A template function and what its Python signature says about the types of its arguments."""

    name: str
    function: Function

    @cached_property
    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.function).parameters.values())

    @cached_property
    def metered(self) -> bool:
        """Whether the first parameter is the meter."""
        return bool(self._parameters) and self._parameters[0].annotation is Meter

    @cached_property
    def fixed(self) -> tuple[object, ...]:
        """The types of the parameters before a variadic one."""
        return tuple(
            get_origin(parameter.annotation) or parameter.annotation
            for parameter in self._parameters[self.metered :]
            if parameter.kind is not inspect.Parameter.VAR_POSITIONAL
        )

    @cached_property
    def variadic(self) -> object | None:
        """The type of all further arguments; None when there are none."""
        if not self._parameters or self._parameters[-1].kind is not inspect.Parameter.VAR_POSITIONAL:
            return None
        annotation: object = self._parameters[-1].annotation
        return get_origin(annotation) or annotation


@dataclass
class Execution:
    """One run of one template over one value; `escape` inserts what is guarded in it, None where nothing is."""

    template: Template
    functions: Mapping[str, Callee]
    meter: Meter = field(default_factory=Meter)
    escape: Escape | None = None

    def run(self, data: Value) -> str:
        """Execute and give the text.

        Raises:
            TemplateError: with Go's text.
            TaskTooLarge: the meter ran out.

        """
        scope = _Scope(self, self.template.name, [("$", data)])
        scope.block(data, self.template.root)
        return "".join(scope.output)


class _Scope:
    """The execution of one named template: its variables, its depth, where it is."""

    def __init__(self, execution: Execution, name: str, variables: list[tuple[str, Value]], depth: int = 0) -> None:
        self._execution = execution
        self._meter = execution.meter
        self._name = name
        self._variables = variables
        self._depth = depth
        self.output: list[str] = []

    def _error(self, node: object, message: str) -> TemplateError:
        source = self._execution.template.source
        position: int = getattr(node, "position", 0)
        start = source.rfind("\n", 0, position) + 1
        place = f"{source.count('\n', 0, position) + 1}:{len(source[start:position].encode())}"
        template = self._execution.template.name
        return TemplateError(f'template: {template}:{place}: executing "{self._name}" at <{node}>: {message}')

    # Blocks

    def block(self, dot: Value, nodes: Block) -> None:
        for node in nodes:
            self._meter.work()
            match node:
                case Text():
                    self._write(node.text)
                case Action():
                    self._action(dot, node)
                case If() | With():
                    self._branch(dot, node)
                case Range():
                    self._range(dot, node)
                case Break():
                    raise _BreakLoop
                case Continue():
                    raise _ContinueLoop
                case Call():
                    self._template(dot, node)

    def _write(self, text: str) -> None:
        self._meter.text(len(text))
        self.output.append(text)

    def _action(self, dot: Value, node: Action) -> None:
        value = self._pipeline(dot, node.pipeline)
        if not node.pipeline.variables:
            self._write(NO_VALUE if value is None else self._inserted(fmt.text_of(value, self._meter)))

    def _inserted(self, text: str) -> str:
        escape = self._execution.escape
        return guarded.insert(text, escape) if escape else text

    def _branch(self, dot: Value, node: If | With) -> None:
        mark = len(self._variables)
        value = self._pipeline(dot, node.pipeline)
        if is_true(value):
            self.block(value if isinstance(node, With) else dot, node.body)
        else:
            self.block(dot, node.otherwise)
        del self._variables[mark:]

    def _range(self, dot: Value, node: Range) -> None:
        mark = len(self._variables)
        value = self._pipeline(dot, node.pipeline)
        pairs = self._pairs(value, node)
        inner = len(self._variables)
        try:
            for key, item in pairs:
                self._meter.work()
                self._bind(node.pipeline, key, item)
                try:
                    self.block(item, node.body)
                except _ContinueLoop:
                    continue
                finally:
                    del self._variables[inner:]
        except _BreakLoop:
            pass
        if not pairs:
            self.block(dot, node.otherwise)
        del self._variables[mark:]

    def _pairs(self, value: Value, node: Range) -> Sequence[tuple[Value, Value]]:
        match value:
            case None:
                return ()
            case list():
                return tuple(enumerate(value))
            case dict():
                return sorted(value.items(), key=lambda pair: pair[0])
        shown = guarded.unguard(fmt.text_of(value, self._meter))
        raise self._error(node.pipeline, f"range can't iterate over {shown}")

    def _bind(self, pipeline: Pipeline, key: Value, item: Value) -> None:
        names = [variable.name for variable in pipeline.variables]
        for name, value in zip(names, (key, item) if len(names) > 1 else (item,), strict=False):
            if pipeline.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))

    def _template(self, dot: Value, node: Call) -> None:
        block = self._execution.template.defined.get(node.name)
        if block is None and node.name == self._execution.template.name:
            block = self._execution.template.root
        if block is None:
            raise self._error(node, f'template "{node.name}" not defined')
        if self._depth >= _DEPTH:
            raise self._error(node, f"exceeded maximum template depth ({_DEPTH})")
        value = self._pipeline(dot, node.pipeline) if node.pipeline else None
        scope = _Scope(self._execution, node.name, [("$", value)], self._depth + 1)
        scope.output = self.output
        scope.block(value, block)

    # Pipelines

    def _pipeline(self, dot: Value, pipeline: Pipeline) -> Value:
        value: _Final = _MISSING
        for command in pipeline.commands:
            value = self._command(dot, command, value)
        result = None if isinstance(value, _Missing) else value
        for variable in pipeline.variables:
            if pipeline.assigns:
                self._assign(variable.name, result)
            else:
                self._variables.append((variable.name, result))
        return result

    def _assign(self, name: str, value: Value) -> None:
        for index in range(len(self._variables) - 1, -1, -1):
            if self._variables[index][0] == name:
                self._variables[index] = (name, value)
                return

    def _command(self, dot: Value, command: Command, final: _Final) -> Value:
        self._meter.work()
        first = command.words[0]
        if isinstance(first, Identifier):
            return self._function(dot, first, command, final)
        if len(command.words) > 1 or not isinstance(final, _Missing):
            if isinstance(first, Field | Chain) or (isinstance(first, Variable) and first.fields):
                self._operand(dot, first)
                last = str(first).rpartition(".")[2]
                raise self._error(first, f"{last} is not a method but has arguments")
            raise self._error(first, f"can't give argument to non-function {first}")
        if isinstance(first, Nil):
            raise self._error(first, "nil is not a command")
        return self._operand(dot, first)

    def _operand(self, dot: Value, node: Operand) -> Value:
        self._meter.work()
        value: Value = None
        match node:
            case Dot():
                value = dot
            case Constant():
                value = node.value
            case Field():
                value = self._fields(node, dot, node.names)
            case Variable():
                value = self._variable(node)
            case Chain():
                value = self._chain(dot, node)
            case Pipeline():
                value = self._pipeline(dot, node)
            case Identifier():
                value = self._function(dot, node, Command(node.position, (node,)), _MISSING)
        return value

    def _variable(self, node: Variable) -> Value:
        value = next(value for name, value in reversed(self._variables) if name == node.name)
        return self._fields(node, value, node.fields, concrete=True)

    def _chain(self, dot: Value, node: Chain) -> Value:
        if isinstance(node.node, Nil):
            raise self._error(node, "indirection through explicit nil in " + str(node))
        return self._fields(node, self._operand(dot, node.node), node.fields, concrete=True)

    def _fields(self, node: Operand, value: Value, names: Sequence[str], *, concrete: bool = False) -> Value:
        if concrete and value is None:
            return None
        for name in names:
            value = self._field(node, value, name, type_of(value) if concrete else "interface {}")
            concrete = False
        return value

    def _field(self, node: Operand, value: Value, name: str, kind: str) -> Value:
        match value:
            case None:
                raise self._error(node, f"nil pointer evaluating interface {{}}.{name}")
            case StringMap():
                return value.get(name, "")
            case dict():
                return value.get(name)
            case Version():
                try:
                    return value.field(name)
                except KeyError:
                    kind = type_of(value)
        raise self._error(node, f"can't evaluate field {name} in type {kind}")

    # Functions

    def _function(self, dot: Value, node: Identifier, command: Command, final: _Final) -> Value:
        if node.name in ("and", "or"):
            return self._short_circuit(dot, node, command, final)
        callee = self._execution.functions[node.name]
        arguments = self._arguments(dot, callee, command, final)
        self._meter.text(sum(len(argument) for argument in arguments if isinstance(argument, str | list | dict)))
        try:
            return self._called(callee, arguments)
        except FunctionError as error:
            raise self._error(command, f"error calling {node.name}: {error}") from None
        except (ArithmeticError, ValueError) as error:
            raise self._error(command, f"error calling {node.name}: value out of range") from error

    def _called(self, callee: Callee, arguments: list[Value]) -> Value:
        function = partial(callee.function, self._meter) if callee.metered else callee.function
        if self._execution.escape and guarded.holds(arguments, self._meter):
            return guarded.call(function, arguments, self._meter)
        return function(*arguments)

    def _short_circuit(self, dot: Value, node: Identifier, command: Command, final: _Final) -> Value:
        words = command.words[1:]
        if not words and isinstance(final, _Missing):
            raise self._error(node, f"wrong number of args for {node.name}: want at least 1 got 0")
        value: Value = None
        for word in words:
            value = self._operand(dot, word)
            if is_true(value) == (node.name == "or"):
                return value
        return value if isinstance(final, _Missing) else final

    def _arguments(self, dot: Value, callee: Callee, command: Command, final: _Final) -> list[Value]:
        words = command.words[1:]
        count = len(words) + (not isinstance(final, _Missing))
        fixed, variadic = callee.fixed, callee.variadic
        if count < len(fixed) or (count > len(fixed) and variadic is None):
            wanted = f"at least {len(fixed)}" if variadic is not None else str(len(fixed))
            name = command.words[0]
            raise self._error(name, f"wrong number of args for {callee.name}: want {wanted} got {count}")
        types = [*fixed, *[variadic] * (count - len(fixed))]
        arguments = [self._argument(dot, word, kind) for word, kind in zip(words, types, strict=False)]
        if not isinstance(final, _Missing):
            arguments.append(self._checked(command.words[0], final, types[-1], "invalid value"))
        return arguments

    def _argument(self, dot: Value, word: Operand, kind: object) -> Value:
        if isinstance(word, Nil) and kind in (str, int, float, bool):
            raise self._error(word, f"cannot assign nil to {_TYPES[kind]}")
        if isinstance(word, Constant) and kind in _LITERALS:
            if not _fits(word.value, kind):
                raise self._error(word, f"expected {_LITERALS[kind]}; found {word}")
            return kind(word.value) if kind in (int, float) else word.value
        value = self._operand(dot, word)
        invalid = isinstance(word, Pipeline | Identifier | Chain) or (isinstance(word, Variable) and not word.fields)
        return self._checked(word, value, kind, "invalid value" if invalid else "wrong type for value")

    def _checked(self, node: object, value: Value, kind: object, problem: str) -> Value:
        if kind not in _TYPES or (value is not None and _fits(value, kind, exact=True)):
            return value
        if value is None and kind in (list, dict):
            return [] if kind is list else {}
        wanted = _TYPES[kind]
        if value is None and problem == "invalid value":
            raise self._error(node, f"invalid value; expected {wanted}")
        got = "interface {}" if value is None else type_of(value)
        raise self._error(node, f"wrong type for value; expected {wanted}; got {got}")


def _fits(value: object, kind: object, *, exact: bool = False) -> bool:
    if kind is bool or isinstance(value, bool):
        return kind is bool and isinstance(value, bool)
    if kind is float and not exact:
        return isinstance(value, int | float)
    if kind is int and not exact and isinstance(value, float):
        return value.is_integer()
    return isinstance(kind, type) and isinstance(value, kind)

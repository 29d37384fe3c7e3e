"""Reads Bicep files; what the grammar lets pass and the compiler does not is found here too."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

from infra.checker.bicep import (
    Binding,
    Call,
    Choice,
    Declaration,
    Expression,
    Fields,
    File,
    Guarded,
    Index,
    Items,
    Kind,
    Member,
    Name,
    Operation,
    Property,
    Scalar,
    Text,
)
from infra.checker.findings import Finding, Tree

type Access = Callable[[Expression], Expression]

_KINDS = {
    "parameter_declaration": Kind.PARAMETER,
    "variable_declaration": Kind.VARIABLE,
    "resource_declaration": Kind.RESOURCE,
    "module_declaration": Kind.MODULE,
    "output_declaration": Kind.OUTPUT,
    "type_declaration": Kind.TYPE,
    "user_defined_function": Kind.FUNCTION,
}
_ESCAPES = {"\\\\": "\\", "\\'": "'", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\$": "$"}
_ESCAPE = re.compile(r"\\(?:u\{|.)")
_LITERALS = {"true": True, "false": False, "null": None}
_LOOSE = frozenset({"ternary_expression", "binary_expression", "unary_expression", "lambda_expression"})
_VALUELESS = frozenset({"comment", "diagnostic_comment"})


def read(tree: Tree, path: Path) -> tuple[File, list[Finding]]:
    """Read one file. With findings, the file holds what could be understood."""
    name = tree.name(path)
    root = _parser().parse(path.read_bytes()).root_node
    faults = [Finding(name, line, message) for line, message in _faults(root)]
    scope = "resourceGroup"
    declarations: list[Declaration] = []
    decorators: tuple[Call, ...] = ()
    for node in root.named_children:
        if node.type == "decorators":
            decorators = tuple(_decorator(one) for one in _children(node))
        elif node.type == "target_scope_assignment":
            scope = _plain(_children(node)[-1])
        elif node.type in _KINDS and not node.has_error:
            declarations.append(_declaration(node, decorators))
            decorators = ()
    return File(name, scope, tuple(declarations)), faults


@cache
def _parser() -> Parser:
    return Parser(Language(tree_sitter_bicep.language()))


def _faults(node: Node) -> Iterator[tuple[int, str]]:
    if node.is_missing:
        yield _line(node), f"{node.type!r} is missing"
    elif node.type == "ERROR":
        yield _line(node), f"this is not Bicep: {_source(node).strip().splitlines()[0][:60]!r}"
    else:
        yield from _crowded(node)
        for child in node.children:
            if child.has_error or child.is_named or child.is_missing:
                yield from _faults(child)
        if node.type == "string" and not _source(node).startswith("'''"):
            yield from _bad_escapes(node)


def _crowded(node: Node) -> Iterator[tuple[int, str]]:
    """Find neighbours on one line with nothing between them."""
    if node.type not in {"object", "array", "infrastructure"}:
        return
    before: Node | None = None
    for child in node.children:
        is_item = child.is_named and child.type not in _VALUELESS
        if is_item and before is not None and before.end_point[0] == child.start_point[0]:
            yield _line(child), "a comma or a new line is missing before this"
        before = child if is_item else None


def _bad_escapes(node: Node) -> Iterator[tuple[int, str]]:
    for found in _ESCAPE.finditer(_source(node)):
        if found[0] not in _ESCAPES and not found[0].startswith("\\u{"):
            yield _line(node), f"{found[0]} is no escape of Bicep"


def _declaration(node: Node, decorators: tuple[Call, ...]) -> Declaration:
    kind = _KINDS[node.type]
    children = _children(node)
    head, rest = children[0], children[1:]
    target, written = "", ""
    type_names: tuple[Name, ...] = ()
    if kind in {Kind.RESOURCE, Kind.MODULE}:
        target, rest = _plain(rest[0]), rest[1:]
    elif kind in {Kind.PARAMETER, Kind.OUTPUT}:
        written, type_names, rest = _source(rest[0]), tuple(_names(rest[0])), rest[1:]
    elif kind is Kind.TYPE:
        type_names, rest = tuple(_names(rest[0])), []
    elif kind is Kind.FUNCTION:
        rest = []
    guard = any(child.type == "if" or _source(child) == "if" for child in node.children)
    value = _expression(rest[-1]) if rest else None
    if guard and len(rest) > 1 and value is not None:
        value = Guarded(_line(node), _expression(rest[0]), value)
    return Declaration(
        kind,
        _source(head),
        _line(node),
        value,
        written,
        target,
        is_existing=any(_source(child) == "existing" for child in node.children),
        decorators=decorators,
        type_names=type_names,
    )


def _names(node: Node) -> Iterator[Name]:
    """Answer the symbols of a type expression."""
    if node.type == "identifier":
        yield Name(_line(node), _source(node))
    for index, child in enumerate(_children(node)):
        is_key = node.type == "object_property" and index == 0
        if not is_key and child.type != "decorators":
            yield from _names(child)


def _decorator(node: Node) -> Call:
    call = _expression(_children(node)[0])
    return call if isinstance(call, Call) else Call(_line(node), _source(node), None, ())


def _expression(node: Node) -> Expression:
    make = _FORMS.get(node.type)
    return make(node) if make else Operation(_line(node), _all(_children(node)), _operator(node))


def _operator(node: Node) -> str:
    return next((_source(child) for child in node.children if not child.is_named), "")


def _all(nodes: list[Node]) -> tuple[Expression, ...]:
    return tuple(map(_expression, nodes))


def _number(node: Node) -> Scalar:
    return Scalar(_line(node), int(_source(node)))


def _word(node: Node) -> Scalar:
    return Scalar(_line(node), _LITERALS[_source(node)])


def _name(node: Node) -> Name:
    return Name(_line(node), _source(node))


def _object(node: Node) -> Fields:
    return Fields(_line(node), tuple(_property(one) for one in _children(node) if one.type == "object_property"))


def _array(node: Node) -> Items:
    return Items(_line(node), _all(_children(node)))


def _accessed(node: Node) -> Expression:
    """Read a member, an index or a call; called as a plain function it is whole by itself."""
    return _on(node, lambda whole: whole)


def _on(node: Node, access: Access) -> Expression:
    """Read what is accessed, and put the access where it belongs.

    The grammar takes `a ? b : c.d` for `(a ? b : c).d`, and so with every operator and lambda.
    """
    step = _step(node)
    if step is not None:
        base, inner = step
        return _on(base, lambda of: access(inner(of)))
    if node.type not in _LOOSE:
        return access(_expression(node))
    *before, last = _children(node)
    tail = _on(last, access)
    match node.type:
        case "ternary_expression":
            condition, first = _all(before)
            return Choice(_line(node), condition, first, tail)
        case "lambda_expression":
            return Binding(_line(node), tuple(one.name for one in _names(before[0])), None, tail)
        case _:
            return Operation(_line(node), (*_all(before), tail), _operator(node))


def _step(node: Node) -> tuple[Node, Access] | None:
    """Take the outermost access off: what it is of, and how it is made."""
    line, children = _line(node), _children(node)
    match node.type:
        case "member_expression":
            return children[0], lambda of: Member(line, of, _source(children[-1]))
        case "subscript_expression":
            return children[0], lambda of: Index(line, of, _expression(children[-1]))
        case "call_expression" if children[0].type == "member_expression":
            base, function = _children(children[0])
            return base, lambda of: Call(line, _source(function), of, _arguments(node))
        case _:
            return None


def _call(node: Node) -> Expression:
    if _step(node) is not None:
        return _accessed(node)
    return Call(_line(node), _source(_children(node)[0]), None, _arguments(node))


def _arguments(call: Node) -> tuple[Expression, ...]:
    arguments = _children(call)[-1]
    return _all(_children(arguments)) if arguments.type == "arguments" else ()


def _parenthesized(node: Node) -> Expression:
    inside = _all(_children(node))
    return inside[0] if len(inside) == 1 else Operation(_line(node), inside)


def _choice(node: Node) -> Choice:
    return Choice(_line(node), *_all(_children(node)))


def _guarded(node: Node) -> Guarded:
    return Guarded(_line(node), *_all(_children(node)))


def _lambda(node: Node) -> Binding:
    bound, body = _children(node)
    return Binding(_line(node), tuple(one.name for one in _names(bound)), None, _expression(body))


def _text(node: Node) -> Text:
    if _source(node).startswith("'''"):
        return Text(_line(node), _source(node)[3:-3].removeprefix("\n"))
    sequence = tuple(_sequence(node))
    inside = tuple(one for one in sequence if isinstance(one, Expression))
    pieces = tuple(one for one in sequence if isinstance(one, str))
    return Text(_line(node), None if inside else "".join(pieces), inside, pieces, sequence)


def _sequence(node: Node) -> Iterator[str | Expression]:
    """Cut a string at what is interpolated; the grammar has no node for blanks, so it is taken from the source."""
    at = node.start_byte + 1
    for one in _children(node):
        if one.type == "interpolation":
            yield from _piece(node, at, one.start_byte)
            yield _expression(_children(one)[0])
            at = one.end_byte
    yield from _piece(node, at, node.end_byte - 1)


def _piece(node: Node, start: int, end: int) -> Iterator[str]:
    raw = (node.text or b"")[start - node.start_byte : end - node.start_byte].decode()
    if raw:
        yield _ESCAPE.sub(lambda found: _ESCAPES.get(found[0], found[0]), raw)


def _property(node: Node) -> Property:
    key, value = _children(node)[0], _children(node)[-1]
    if key.type == "string":
        text = _text(key)
        return Property(_line(node), text.value, text.interpolated, _expression(value))
    return Property(_line(node), _source(key), (), _expression(value))


def _loop(node: Node) -> Binding:
    first, over, body = _children(node)[0], _children(node)[-2], _children(node)[-1]
    names = [first] if first.type == "identifier" else _children(first)
    return Binding(_line(node), tuple(map(_source, names)), _expression(over), _expression(body))


def _children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type not in _VALUELESS]


def _plain(node: Node) -> str:
    return _text(node).value or ""


def _source(node: Node) -> str:
    return (node.text or b"").decode()


def _line(node: Node) -> int:
    return node.start_point[0] + 1


_FORMS: Mapping[str, Callable[[Node], Expression]] = {
    "string": _text,
    "number": _number,
    "boolean": _word,
    "null": _word,
    "identifier": _name,
    "object": _object,
    "array": _array,
    "member_expression": _accessed,
    "subscript_expression": _accessed,
    "call_expression": _call,
    "ternary_expression": _choice,
    "if_statement": _guarded,
    "for_statement": _loop,
    "lambda_expression": _lambda,
    "parenthesized_expression": _parenthesized,
}

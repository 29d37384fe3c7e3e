"""Holds what resources say, and what is read from them, against the published shapes."""

from collections.abc import Iterator
from dataclasses import dataclass

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
    Scalar,
    Text,
    walk,
)
from infra.checker.findings import Finding
from infra.checker.published import Anything, ListOf, MapOf, OneOf, Plain, Shape, Type
from infra.checker.resource_types import RESOURCE_TYPES, ResourceType, read_shape

_BICEPS_OWN = frozenset({"name", "parent", "scope", "dependsOn"})
_READABLE = frozenset({"id", "name", "type", "apiVersion"})
_KINDS = {"string": "text", "int": "number", "bool": "flag", "object": "object", "array": "array"}


@dataclass(frozen=True)
class Place:
    """Where a value stands: its file, and the properties that lead to it."""

    file: File
    path: str

    def at(self, key: str) -> "Place":
        """Go into a property."""
        return Place(self.file, f"{self.path}.{key}")

    def finding(self, line: int, message: str) -> Finding:
        """Report on this place."""
        return Finding(self.file.path, line, f"{self.path}: {message}")


def check_bodies(file: File) -> Iterator[Finding]:
    """Check every resource of a file, and every property that is read from one."""
    for resource in file.of(Kind.RESOURCE):
        place = Place(file, resource.name)
        known = published(resource)
        if known is None:
            yield place.finding(resource.line, f"no published model is known for {resource.target}")
            continue
        _, _, version = resource.target.partition("@")
        if version != known.version:
            yield place.finding(resource.line, f"the version is {version}, and must be {known.version}")
        if resource.body and not resource.is_existing:
            yield from _shape(place, resource.body, known.shape, is_whole=True, given=_BICEPS_OWN)
    for declaration in file.declarations:
        for part in walk(declaration.value):
            if isinstance(part, Member):
                yield from _reading(file, part)


def published(resource: Declaration) -> ResourceType | None:
    """Answer the published type of a resource."""
    return RESOURCE_TYPES.get(resource.target.partition("@")[0].lower())


def _check(place: Place, value: Expression, wanted: Type, *, is_whole: bool = True) -> Iterator[Finding]:
    value = place.file.resolve(value) or value
    match value:
        case Choice():
            yield from _check(place, value.first, wanted, is_whole=is_whole)
            yield from _check(place, value.second, wanted, is_whole=is_whole)
        case Guarded():
            yield from _check(place, value.body, wanted, is_whole=is_whole)
        case Call(function="union"):
            for argument in value.arguments:
                yield from _check(place, argument, wanted, is_whole=False)
        case Name():
            yield from _parameter(place, value, wanted)
        case Fields():
            yield from _fields(place, value, wanted, is_whole=is_whole)
        case Items() | Binding():
            yield from _items(place, value, wanted)
        case Text() | Scalar():
            yield from _literal(place, value, wanted)


def _fields(place: Place, value: Fields, wanted: Type, *, is_whole: bool) -> Iterator[Finding]:
    match wanted:
        case Shape():
            yield from _shape(place, value, _variant(value, wanted), is_whole=is_whole)
        case MapOf():
            for one in value.properties:
                yield from _check(place.at(one.key or "*"), one.value, wanted.value)
        case Anything():
            return
        case _:
            yield place.finding(value.line, f"is an object, and must be {_name(wanted)}")


def _variant(value: Fields, wanted: Shape) -> Shape:
    chosen = value.get(wanted.discriminator)
    make = (wanted.variants or {}).get(chosen.value or "") if isinstance(chosen, Text) else None
    return make() if make else wanted


def _shape(
    place: Place, value: Fields, wanted: Shape, *, is_whole: bool, given: frozenset[str] = frozenset()
) -> Iterator[Finding]:
    for one in value.properties:
        if one.key is None or one.key in given:
            continue
        slot = wanted.slots.get(one.key)
        if slot is None:
            yield place.finding(one.line, f"{wanted.name} has no property {one.key}{_near(one.key, wanted)}")
        elif slot.is_read_only:
            yield place.finding(one.line, f"{one.key} can only be read")
        else:
            yield from _check(place.at(one.key), one.value, slot.type)
    if is_whole:
        present = {one.key for one in value.properties} | given
        for name, slot in wanted.slots.items():
            if slot.is_required and name not in present:
                yield place.finding(value.line, f"{name} is required")


def _items(place: Place, value: Items | Binding, wanted: Type) -> Iterator[Finding]:
    if isinstance(wanted, Anything):
        return
    if not isinstance(wanted, ListOf):
        yield place.finding(value.line, f"is an array, and must be {_name(wanted)}")
        return
    for item in value.values if isinstance(value, Items) else (value.body,):
        yield from _check(place, item, wanted.item)


def _literal(place: Place, value: Text | Scalar, wanted: Type) -> Iterator[Finding]:
    match value, wanted:
        case (_, Anything()) | (Scalar(value=None), _):
            return
        case Text(value=str(text)), OneOf():
            if text not in wanted.values:
                yield place.finding(value.line, f"{text!r} is none of {', '.join(wanted.values[:12])}")
        case Text(value=None), OneOf():
            return
        case _:
            kind = "text" if isinstance(value, Text) else "flag" if isinstance(value.value, bool) else "number"
            if not isinstance(wanted, Plain) or wanted.kind != kind:
                yield place.finding(value.line, f"is a {kind}, and must be {_name(wanted)}")


def _parameter(place: Place, value: Name, wanted: Type) -> Iterator[Finding]:
    known = place.file.by_name.get(value.name)
    if known is None or known.kind is not Kind.PARAMETER:
        return
    kind = "array" if known.type.endswith("[]") else _KINDS.get(known.type, "")
    if kind and kind not in _accepts(wanted):
        yield place.finding(value.line, f"the parameter {known.name} is {known.type}, and must be {_name(wanted)}")
    allowed = known.decorator("allowed")
    if allowed and isinstance(wanted, OneOf):
        for text in walk(allowed):
            if isinstance(text, Text) and text.value not in wanted.values:
                yield place.finding(known.line, f"allows {text.value!r}, which is none of {', '.join(wanted.values)}")


def _accepts(wanted: Type) -> tuple[str, ...]:
    match wanted:
        case Plain():
            return (wanted.kind,)
        case OneOf():
            return ("text",)
        case ListOf():
            return ("array",)
        case Shape() | MapOf():
            return ("object",)
        case _:
            return tuple(_KINDS.values())


def _name(wanted: Type) -> str:
    match wanted:
        case Plain():
            return f"a {wanted.kind}"
        case OneOf():
            return f"one of {', '.join(wanted.values[:12])}"
        case ListOf():
            return "an array"
        case Shape():
            return f"the object {wanted.name}"
        case _:
            return "an object"


def _near(key: str, wanted: Shape) -> str:
    found = next((name for name in wanted.slots if name.lower() == key.lower()), None)
    return f"; it is written {found}" if found else f" (known: {', '.join(sorted(wanted.slots))[:200]})"


def _reading(file: File, member: Member) -> Iterator[Finding]:
    """Follow `resource.properties.x` through the published shape; only the outermost member of a chain is new."""
    names: list[str] = []
    base: Expression = member
    while isinstance(base, Member):
        names.insert(0, base.name)
        base = base.base
    while isinstance(base, Index):
        base = base.base
    known = file.by_name.get(base.name) if isinstance(base, Name) else None
    resource_type = published(known) if known and known.kind is Kind.RESOURCE else None
    if known is None or resource_type is None or (len(names) == 1 and names[0] in _READABLE):
        return
    wanted: Type = read_shape(resource_type)
    for depth, name in enumerate(names):
        if not isinstance(wanted, Shape):
            return
        slot = wanted.slots.get(name)
        if slot is None:
            if depth == len(names) - 1:
                yield Finding(file.path, member.line, f"{known.name}: {wanted.name} has no property {name} to read")
            return
        wanted = slot.type

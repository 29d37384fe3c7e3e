"""The shapes of Azure's resources, read from the models of the azure-mgmt packages.

Two generations of those packages exist: models with `rest_field` descriptors and annotations, and models with
`_attribute_map`, whose dotted keys stand for objects and whose enums are named in the docstring only.
"""

import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from importlib import import_module

_ENUM_IN_DOC = r":vartype {name}: str or ~[\w.]+\.(\w+)"
_DOT = re.compile(r"(?<!\\)\.")
_UNION = (typing.Union, types.UnionType)


@dataclass(frozen=True)
class Anything:
    """Anything."""


@dataclass(frozen=True)
class Plain:
    """A text, number or flag: `text`, `number` or `flag`."""

    kind: str


@dataclass(frozen=True)
class OneOf:
    """A text out of these."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class ListOf:
    """An array."""

    item: "Type"


@dataclass(frozen=True)
class MapOf:
    """An object with keys of the author's choice."""

    value: "Type"


@dataclass(frozen=True, eq=False)
class Shape:
    """An object with known properties, which are read when they are first needed.

    `variants` tells the shape by the value of the property `discriminator`.
    """

    name: str
    make: Callable[[], Mapping[str, "Slot"]]
    discriminator: str = ""
    variants: Mapping[str, Callable[[], "Shape"]] | None = None

    @cached_property
    def slots(self) -> Mapping[str, "Slot"]:
        """The properties by name."""
        return self.make()


Type = Anything | Plain | OneOf | ListOf | MapOf | Shape


@dataclass(frozen=True)
class Slot:
    """One property."""

    type: Type
    is_required: bool
    is_read_only: bool


@cache
def shape(module: str, name: str) -> Shape:
    """Answer the shape of a model class. Raises AttributeError when the module has no such class."""
    models = import_module(module)
    cls = getattr(models, name)
    if hasattr(cls, "_attribute_map"):
        return _mapped(models, cls)
    return Shape(name, lambda: dict(_described(models, cls)))


def _described(models: types.ModuleType, cls: type) -> Iterator[tuple[str, Slot]]:
    names = vars(sys.modules[cls.__module__]) | {"_models": models}
    hints = typing.get_type_hints(cls, globalns=names)
    for base in reversed(cls.__mro__):
        for attribute, descriptor in vars(base).items():
            if type(descriptor).__name__ != "_RestField" or attribute not in hints:
                continue
            hint = hints[attribute]
            is_read_only = descriptor._visibility == ["read"]  # noqa: SLF001 - the packages tell it nowhere else
            is_required = not is_read_only and type(None) not in typing.get_args(hint)
            name = descriptor._rest_name_input or attribute  # noqa: SLF001 - as above
            yield name, Slot(_hinted(models, hint), is_required, is_read_only)


def _hinted(models: types.ModuleType, hint: object) -> Type:  # noqa: PLR0911 - one line for each kind of type
    origin, arguments = typing.get_origin(hint), [one for one in typing.get_args(hint) if one is not type(None)]
    if origin in _UNION:
        enums = [one for one in arguments if isinstance(one, type) and issubclass(one, Enum)]
        return _hinted(models, (enums or arguments)[0])
    if origin is list:
        return ListOf(_hinted(models, arguments[0]))
    if origin in (dict, Mapping):
        return MapOf(_hinted(models, arguments[1]))
    if not isinstance(hint, type):
        return Anything()
    if issubclass(hint, Enum):
        return OneOf(tuple(str(one.value) for one in hint))
    if hasattr(models, hint.__name__):
        return shape(models.__name__, hint.__name__)
    kinds = {bool: "flag", int: "number", float: "number", str: "text"}
    return Plain(kinds[hint]) if hint in kinds else Anything()


def _mapped(models: types.ModuleType, cls: typing.Any) -> Shape:  # noqa: ANN401 - a class of either generation
    subtypes = getattr(cls, "_subtype_map", {})
    if not subtypes:
        return Shape(cls.__name__, lambda: _nested(list(_mapped_slots(models, cls))))
    attribute, classes = next(iter(subtypes.items()))
    variants = {value: _later(models.__name__, name) for value, name in classes.items()}
    return Shape(
        cls.__name__,
        lambda: _nested(list(_mapped_slots(models, cls))),
        cls._attribute_map[attribute]["key"],
        variants,
    )


def _later(module: str, name: str) -> Callable[[], Shape]:
    return lambda: shape(module, name)


def _mapped_slots(
    models: types.ModuleType,
    cls: typing.Any,  # noqa: ANN401 - a class of either generation
) -> Iterator[tuple[tuple[str, ...], Slot]]:
    for attribute, told in cls._attribute_map.items():
        rules = getattr(cls, "_validation", {}).get(attribute, {})
        path = tuple(part.replace("\\.", ".") for part in _DOT.split(told["key"]))
        found = re.search(_ENUM_IN_DOC.format(name=attribute), cls.__doc__ or "")
        enum = getattr(models, found[1], None) if found else None
        kind: Type = OneOf(tuple(str(one.value) for one in enum)) if enum else _written(models, told["type"])
        yield path, Slot(kind, bool(rules.get("required")), bool(rules.get("readonly")))


def _written(models: types.ModuleType, text: str) -> Type:
    if text.startswith("["):
        return ListOf(_written(models, text[1:-1]))
    if text.startswith("{"):
        return MapOf(_written(models, text[1:-1]))
    if hasattr(models, text):
        return shape(models.__name__, text)
    kinds = {"bool": "flag", "int": "number", "long": "number", "float": "number", "str": "text"}
    return Plain(kinds[text]) if text in kinds else Anything()


def _nested(slots: list[tuple[tuple[str, ...], Slot]]) -> Mapping[str, Slot]:
    """Turn dotted keys into objects."""
    direct = {path[0]: slot for path, slot in slots if len(path) == 1}
    for head in dict.fromkeys(path[0] for path, _ in slots if len(path) > 1):
        below = [(path[1:], slot) for path, slot in slots if path[0] == head and len(path) > 1]
        is_required = any(slot.is_required for _, slot in below)
        is_read_only = all(slot.is_read_only for _, slot in below)
        direct[head] = Slot(Shape(head, _constant(_nested(below))), is_required, is_read_only)
    return direct


def _constant(slots: Mapping[str, Slot]) -> Callable[[], Mapping[str, Slot]]:
    return lambda: slots

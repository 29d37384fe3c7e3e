"""Check a request body against the models that Microsoft publishes for this API.

The service itself ignores what it does not know; a body that only works because of that would fail in
Azure, so here every unknown or wrongly typed member is an error that names it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol, cast

from azure.mgmt.containerinstance import models

from devstack.container_groups.errors import BadRequest

_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "iso-8601": (str,),
}  # fmt: skip
_VALUES: dict[str, type[Enum]] = {
    "properties.osType": models.OperatingSystemTypes,
    "properties.sku": models.ContainerGroupSku,
    "properties.restartPolicy": models.ContainerGroupRestartPolicy,
    "properties.priority": models.ContainerGroupPriority,
}
"""The models type these as text; the service accepts only the listed values, in any case."""


class _Model(Protocol):
    """The part of a generated model class that describes its wire form."""

    _attribute_map: Mapping[str, Mapping[str, str]]
    _validation: Mapping[str, Mapping[str, bool]]


def check_container_group(body: object) -> dict[str, Any]:
    """Return the body of a PUT when it is a container group, else raise `BadRequest` naming the member."""
    _check_model(cast("type[_Model]", models.ContainerGroup), body, "")
    group = cast("dict[str, Any]", body)
    for path, values in _VALUES.items():
        _, name = path.split(".")
        value = group["properties"].get(name)
        known = [str(member.value) for member in values]
        if value is not None and value.lower() not in [text.lower() for text in known]:
            raise BadRequest(f"'{path}' must be one of {', '.join(known)}, not '{value}'.", target=path)
    return group


def _check_model(model: type[_Model], value: object, path: str) -> None:
    members = _object(value, path)
    tree = _wire_members(model)
    _check_members(tree, members, path)
    for name, rules in getattr(model, "_validation", {}).items():
        key = model._attribute_map[name]["key"]  # noqa: SLF001 - the generated description of the wire form
        if rules.get("required") and _find(members, key) is None:
            place = _join(path, key)
            raise BadRequest(f"The required member '{place}' is missing.", target=place)


def _wire_members(model: type[_Model]) -> dict[str, Any]:
    """Turn dotted keys (`properties.osType`) into nested mappings that end in a type name."""
    tree: dict[str, Any] = {}
    for description in model._attribute_map.values():  # noqa: SLF001 - the same
        *parents, last = description["key"].split(".")
        place = tree
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = description["type"]
    return tree


def _check_members(tree: dict[str, Any], members: dict[str, Any], path: str) -> None:
    for name, value in members.items():
        place = _join(path, name)
        expected = tree.get(name)
        if expected is None:
            raise BadRequest(f"The member '{place}' is not known.", target=place)
        if isinstance(expected, dict):
            _check_members(expected, _object(value, place), place)
        elif value is not None:
            _check_type(expected, value, place)


def _check_type(expected: str, value: object, path: str) -> None:
    if expected in _SCALARS:
        wrong = not isinstance(value, _SCALARS[expected]) or (isinstance(value, bool) and expected != "bool")
        if wrong:
            raise BadRequest(f"The member '{path}' must be of type {expected}.", target=path)
    elif expected.startswith("["):
        if not isinstance(value, list):
            raise BadRequest(f"The member '{path}' must be a list.", target=path)
        for number, item in enumerate(value):
            _check_type(expected[1:-1], item, f"{path}[{number}]")
    elif expected.startswith("{"):
        for name, item in _object(value, path).items():
            _check_type(expected[1:-1], item, _join(path, name))
    elif expected != "object":
        _check_model(getattr(models, expected), value, path)


def _object(value: object, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequest(f"{f"The member '{path}'" if path else 'The body'} must be an object.", target=path or None)
    return value


def _find(members: dict[str, Any], key: str) -> object:
    place: object = members
    for name in key.split("."):
        place = place.get(name) if isinstance(place, dict) else None
    return place


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

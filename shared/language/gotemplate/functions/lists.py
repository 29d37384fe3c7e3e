"""Sprig's functions on lists and maps (version 2.22). Lists are never changed in place; maps are, as in Go."""

from collections.abc import Mapping, Sequence

from shared.language.gotemplate import format as fmt
from shared.language.gotemplate.functions.numeric import integer
from shared.language.gotemplate.meter import Meter
from shared.language.gotemplate.values import Function, FunctionError, Map, Value, is_true, type_of


def same(meter: Meter, first: Value, second: Value) -> bool:
    """Compare deeply, types included, as Go's `reflect.DeepEqual`."""
    meter.work()
    if type(first) is not type(second):
        return False
    match first, second:
        case list(), list():
            return len(first) == len(second) and all(
                same(meter, one, other) for one, other in zip(first, second, strict=True)
            )
        case dict(), dict():
            return first.keys() == second.keys() and all(same(meter, first[key], second[key]) for key in first)
    return first == second


def _list(name: str, value: Value) -> list[Value]:
    if not isinstance(value, list):
        kind = "nil" if value is None else f"type {type_of(value).partition(' ')[0]}"
        raise FunctionError(f"Cannot {name} on {kind}")
    return value


def _make_list(*values: Value) -> list[Value]:
    return list(values)


def _first(value: Value) -> Value:
    return next(iter(_list("find first", value)), None)


def _last(value: Value) -> Value:
    return next(reversed(_list("find last", value)), None)


def _rest(meter: Meter, value: Value) -> list[Value]:
    meter.text(len(_list("find rest", value)))
    return _list("find rest", value)[1:]


def _initial(meter: Meter, value: Value) -> list[Value]:
    meter.text(len(_list("find initial", value)))
    return _list("find initial", value)[:-1]


def _append(meter: Meter, value: Value, item: Value) -> list[Value]:
    meter.text(len(_list("push", value)))
    return [*_list("push", value), item]


def _prepend(meter: Meter, value: Value, item: Value) -> list[Value]:
    meter.text(len(_list("prepend", value)))
    return [item, *_list("prepend", value)]


def _reverse(meter: Meter, value: Value) -> list[Value]:
    meter.text(len(_list("find reverse", value)))
    return _list("find reverse", value)[::-1]


def _unique(meter: Meter, value: Value) -> list[Value]:
    found: list[Value] = []
    for item in _list("find uniq", value):
        if not any(same(meter, item, known) for known in found):
            found.append(item)
    return found


def _without(meter: Meter, value: Value, *omitted: Value) -> list[Value]:
    items = _list("find without", value)
    return [item for item in items if not any(same(meter, item, other) for other in omitted)]


def _has(meter: Meter, needle: Value, value: Value) -> bool:
    return value is not None and any(same(meter, needle, item) for item in _list("find has", value))


def _compact(meter: Meter, value: Value) -> list[Value]:
    items = _list("compact", value)
    meter.text(len(items))
    return [item for item in items if is_true(item)]


def _slice(value: Value, *bounds: Value) -> list[Value]:
    if not isinstance(value, list):
        raise FunctionError(f"list should be type of slice or array but {type_of(value).partition(' ')[0]}")
    start, end, *_ = [*map(integer, bounds), 0, len(value)][:2] if bounds else (0, len(value))
    if len(bounds) == 1:
        end = len(value)
    if not 0 <= start <= end <= len(value):
        raise FunctionError(f"reflect.Value.Slice: slice index out of bounds [{start}:{end}]")
    return value[start:end]


def _concatenate(meter: Meter, *values: Value) -> list[Value]:
    meter.text(sum(len(_list("concat", value)) for value in values))
    return [item for value in values for item in _list("concat", value)]


def _make_map(meter: Meter, *pairs: Value) -> Map:
    keys = [fmt.text_of(key, meter) for key in pairs[::2]]
    items = [*pairs[1::2], *([""] if len(pairs) % 2 else [])]
    return dict(zip(keys, items, strict=True))


def _holds(container: Value, wanted: Value, meter: Meter) -> bool:
    meter.work()
    if container is wanted:
        return True
    children: Sequence[Value] = ()
    if isinstance(container, list):
        children = container
    elif isinstance(container, dict):
        children = list(container.values())
    return any(_holds(child, wanted, meter) for child in children)


def _set(meter: Meter, target: Map, key: str, value: Value) -> Map:
    if isinstance(value, list | dict) and _holds(value, target, meter):
        raise FunctionError("a map cannot hold itself")
    target[key] = value
    return target


def _unset(target: Map, key: str) -> Map:
    target.pop(key, None)
    return target


def _has_key(target: Map, key: str) -> bool:
    return key in target


def _pluck(key: str, *maps: Map) -> list[Value]:
    return [one[key] for one in maps if key in one]


def _keys(*maps: Map) -> list[Value]:
    return [key for one in maps for key in sorted(one)]


def _values(target: Map) -> list[Value]:
    return [target[key] for key in sorted(target)]


def _pick(target: Map, *keys: str) -> Map:
    return {key: target[key] for key in keys if key in target}


def _omit(target: Map, *keys: str) -> Map:
    return {key: value for key, value in target.items() if key not in keys}


def _merge(meter: Meter, target: Map, *others: Map) -> Map:
    for other in others:
        _merge_one(meter, target, other, overwrite=False)
    return target


def _merge_over(meter: Meter, target: Map, *others: Map) -> Map:
    for other in others:
        _merge_one(meter, target, other, overwrite=True)
    return target


def _merge_one(meter: Meter, target: Map, other: Map, *, overwrite: bool) -> None:
    for key, value in list(other.items()):
        meter.work()
        known = target.get(key)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge_one(meter, known, value, overwrite=overwrite)
        elif not is_true(known) or (overwrite and is_true(value)):
            _set(meter, target, key, value)


def _copy(meter: Meter, value: Value) -> Value:
    meter.work()
    match value:
        case list():
            return [_copy(meter, item) for item in value]
        case dict():
            return {key: _copy(meter, item) for key, item in value.items()}
    return value


FUNCTIONS: Mapping[str, Function] = {
    "append": _append,
    "compact": _compact,
    "concat": _concatenate,
    "deepCopy": _copy,
    "deepEqual": same,
    "dict": _make_map,
    "first": _first,
    "has": _has,
    "hasKey": _has_key,
    "initial": _initial,
    "keys": _keys,
    "last": _last,
    "list": _make_list,
    "merge": _merge,
    "mergeOverwrite": _merge_over,
    "omit": _omit,
    "pick": _pick,
    "pluck": _pluck,
    "prepend": _prepend,
    "push": _append,
    "rest": _rest,
    "reverse": _reverse,
    "set": _set,
    "slice": _slice,
    "tuple": _make_list,
    "uniq": _unique,
    "unset": _unset,
    "values": _values,
    "without": _without,
}

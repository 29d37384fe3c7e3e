"""Merges lists of `NAME=value` by the reference's rules, its comma rule included."""

from collections.abc import Sequence

from shared.language.errors import TaskInvalid


def split(common: Sequence[str]) -> tuple[str, ...]:
    """Split items at commas, as those of a merge's source are: `A=1,B=2` sets two variables."""
    return tuple(part for item in common for part in item.split(","))


def merge(common: Sequence[str], own: Sequence[str]) -> tuple[str, ...]:
    """Append to `own` what only `common`, already split, names; `own` wins and its items stay whole.

    Nothing is checked when there is nothing to merge.

    Raises:
        TaskInvalid: an item without `=`.

    """
    if not common:
        return tuple(own)
    names = {_name(item, "step") for item in own}
    merged = list(own)
    for item in common:
        name = _name(item, "task")
        if name not in names:
            names.add(name)
            merged.append(item)
    return tuple(merged)


def _name(item: str, owner: str) -> str:
    name, equals, _ = item.partition("=")
    if not equals:
        raise TaskInvalid(
            "failed to merge task and step environment variables: "
            f"cannot parse {owner} environment variable {item} correctly"
        )
    return name

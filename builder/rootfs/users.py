"""Which user an image runs as. Pure.

Source: https://github.com/opencontainers/image-spec/blob/main/config.md (`User`) and what Docker makes of it: a number
needs no entry, a name does; further groups count where the image names none itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from builder.faults import StepFailed

_LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class User:
    """The numbers that a process runs under."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


def user_of(text: str, passwd: str, group: str) -> User:
    """Return what `user[:group]` means with the two files of the image. Raises StepFailed for a name without entry."""
    name, colon, group_name = text.strip().partition(":")
    name = name or "0"
    found = next((entry for entry in _entries(passwd, 4) if name in (entry[0], entry[2])), None)
    uid = _number(found[2] if found else name)
    if uid is None:
        raise StepFailed(f"unable to find user {name}: no matching entries in passwd file")
    if colon and group_name:
        return User(uid, _group(group_name, group))
    gid = _number(found[3]) if found else 0
    member = found[0] if found else ""
    further = (_number(entry[2]) for entry in _entries(group, 4) if member and member in entry[3].split(","))
    return User(uid, gid or 0, tuple(number for number in further if number is not None))


def _group(name: str, group: str) -> int:
    found = next((entry for entry in _entries(group, 3) if name in (entry[0], entry[2])), None)
    gid = _number(found[2] if found else name)
    if gid is None:
        raise StepFailed(f"unable to find group {name}: no matching entries in group file")
    return gid


def _entries(text: str, least: int) -> Iterator[list[str]]:
    lines = (line.strip().split(":") for line in text.splitlines() if not line.startswith("#"))
    return (fields for fields in lines if len(fields) >= least)


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    value = int(text[:11])
    return value if value <= _LARGEST else None

"""The database of RPM in its present form, one SQLite table of package headers. Pure.

Source of the form: rpm's header (an index of 16-byte entries, then the data, all big-endian) and its tags.
"""

import sqlite3
import struct
from collections.abc import Iterator
from typing import Final

from builder.contents.packages import known, package
from shared.grant import Package, PackageKind

_TAGS: Final = {1000: "name", 1001: "version", 1002: "release", 1003: "epoch", 1022: "architecture"}
_INT32, _STRING = 4, 6
_HEADER: Final = struct.Struct(">II")
_ENTRY: Final = struct.Struct(">IIII")
_NUMBER: Final = struct.Struct(">I")
_LARGEST: Final = 16 * 1024**2
_LONGEST: Final = 256
_STEPS: Final = 10_000
_MOST_STEPS: Final = 20_000


def rpm(database: bytes) -> tuple[Package, ...]:
    """Read the headers of all installed packages; nothing from a database that is damaged or never ends."""
    connection = sqlite3.connect(":memory:")
    left = iter(range(_MOST_STEPS))
    try:
        connection.deserialize(database)
        connection.set_progress_handler(lambda: next(left, None) is None, _STEPS)
        rows = connection.execute("SELECT blob FROM Packages WHERE length(blob) <= ?", (_LARGEST,))
        return known(_package(row[0]) for row in rows if isinstance(row[0], bytes))
    except (sqlite3.Error, MemoryError, OverflowError):
        return ()
    finally:
        connection.close()


def _package(header: bytes) -> Package | None:
    told = dict(_fields(header))
    if told.get("name") == "gpg-pubkey":
        return None
    epoch = f"{told['epoch']}:" if told.get("epoch", "0") != "0" else ""
    version = f"{epoch}{told.get('version', '')}-{told.get('release', '')}"
    fields = {"name": told.get("name", ""), "version": version, "architecture": told.get("architecture", "")}
    return package(PackageKind.RPM, fields)


def _fields(header: bytes) -> Iterator[tuple[str, str]]:
    if len(header) < _HEADER.size:
        return
    entries, size = _HEADER.unpack_from(header)
    start = _HEADER.size + entries * _ENTRY.size
    if start + size > len(header):
        return
    for number in range(entries):
        tag, kind, offset, _ = _ENTRY.unpack_from(header, _HEADER.size + number * _ENTRY.size)
        if tag not in _TAGS or offset >= size:
            continue
        value = header[start + offset : start + min(offset + _LONGEST, size)]
        if kind == _STRING:
            yield _TAGS[tag], value.split(b"\0", 1)[0].decode(errors="replace")
        elif kind == _INT32 and len(value) >= _NUMBER.size:
            yield _TAGS[tag], str(_NUMBER.unpack_from(value)[0])

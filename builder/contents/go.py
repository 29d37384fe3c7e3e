"""What the Go linker writes into a program: the modules it was made from.

Source of the form: Go's `debug/buildinfo`, of 1.18 and later: a magic word at a multiple of 16 bytes, a flag that says
that two strings follow, each after its length as a varint; the second stands between two marks of 16 bytes.
"""

from collections.abc import Callable, Iterator
from typing import Final

from builder.contents.packages import known, package
from shared.grant import Package, PackageKind

_MAGIC: Final = b"\xff Go buildinf:"
_ALIGNMENT: Final = 16
_HEADER: Final = 32
_FLAGS: Final = 15
_INLINE: Final = 2
_MARK: Final = 16
_PIECE: Final = 256 * 1024
_LARGEST: Final = 1024**2
_LONGEST_VARINT: Final = 4
_GOES_ON: Final = 0x80


def go(read: Callable[[int], bytes]) -> tuple[Package, ...]:
    """Look through a program from its first byte on, in bounded memory."""
    kept = b""
    while piece := read(_PIECE):
        kept += piece
        found = _aligned(kept)
        if found is not None:
            return _modules(kept[found:] + _some(read, _LARGEST))
        # Whole units go, so that what is kept begins at a multiple of the alignment.
        kept = kept[max(0, len(kept) // _ALIGNMENT - 2) * _ALIGNMENT :]
    return ()


def _aligned(data: bytes) -> int | None:
    start = data.find(_MAGIC)
    while start >= 0:
        if start % _ALIGNMENT == 0:
            return start
        start = data.find(_MAGIC, start + 1)
    return None


def _some(read: Callable[[int], bytes], size: int) -> bytes:
    data = b""
    while len(data) < size and (piece := read(min(_PIECE, size - len(data)))):
        data += piece
    return data


def _modules(data: bytes) -> tuple[Package, ...]:
    if len(data) <= _HEADER or not data[_FLAGS] & _INLINE:
        return ()
    version, rest = _string(data[_HEADER:])
    text, _ = _string(rest)
    if not version.startswith(b"go"):
        return ()
    standard = {"name": "stdlib", "version": version.decode(errors="replace").removeprefix("go")}
    lines = text[_MARK:-_MARK].decode(errors="replace").split("\n")
    return known((package(PackageKind.GO, standard), *_read(lines)))


def _read(lines: list[str]) -> Iterator[Package | None]:
    """Answer the modules; a line `=>` says what the one before it was replaced with."""
    module: dict[str, object] | None = None
    for line in lines:
        kind, *words = line.split("\t")
        if kind not in {"mod", "dep", "=>"} or not words:
            continue
        if kind != "=>" and module is not None:
            yield package(PackageKind.GO, module)
        module = {"name": words[0], "version": words[1] if len(words) > 1 else ""}
    if module is not None:
        yield package(PackageKind.GO, module)


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Answer a string and what follows it; nothing for a length that is none."""
    size = 0
    for index, byte in enumerate(data[:_LONGEST_VARINT]):
        size |= (byte & (_GOES_ON - 1)) << 7 * index
        if byte < _GOES_ON:
            return data[index + 1 : index + 1 + size], data[index + 1 + size :]
    return b"", b""

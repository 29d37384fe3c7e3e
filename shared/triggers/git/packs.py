"""Which commit follows which, and what it says, read from a pack as a git host sends it. Pure.

Source: git's documentation, gitformat-pack. Everything but commits is passed over; a delta stands on an object
before it in the same pack.
"""

import hashlib
import zlib
from dataclasses import dataclass, field

from shared.errors import InvalidRequest, TooLarge

_COMMIT, _OFFSET_DELTA, _REFERENCE_DELTA = 1, 6, 7
_PLAIN = range(1, 5)
_MAX_OBJECT = 1024 * 1024
"""Bytes of one commit."""
_MAX_INFLATED = 256 * 1024 * 1024
_MAX_KEPT = 64 * 1024 * 1024
_PIECE = 64 * 1024
_HEAD, _VERSION = 12, 2
_COPY_ALL = 0x10000
_PARENT = b"parent "


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit stands on first, an empty text for a root, and its message."""

    parent: str
    message: str


def commits(pack: bytes, hash_size: int) -> dict[str, Commit]:
    """Answer the commits of a pack; ids have `hash_size` (20 or 32) bytes.

    Raises InvalidRequest for what is no pack, TooLarge for one that inflates to more than 256 MiB.
    """
    try:
        return _Reader(pack, hash_size).read()
    except (IndexError, zlib.error):
        raise InvalidRequest("The pack of the repository's host cannot be read.") from None


@dataclass
class _Reader:
    pack: bytes
    hash_size: int
    at: int = _HEAD
    inflated: int = 0
    kept: int = 0
    by_offset: dict[int, bytes] = field(default_factory=dict)
    by_id: dict[str, bytes] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)

    def read(self) -> dict[str, Commit]:
        head = self.pack[:_HEAD]
        if len(head) < _HEAD or head[:4] != b"PACK" or int.from_bytes(head[4:8]) != _VERSION:
            raise InvalidRequest("The repository's host sends no pack of version 2.")
        for _ in range(int.from_bytes(head[8:])):
            self._read_object()
        return self.commits

    def _read_object(self) -> None:
        start = self.at
        kind, size = self._kind_and_size()
        base = None
        if kind == _OFFSET_DELTA:
            base = self.by_offset.get(start - self._offset())
        elif kind == _REFERENCE_DELTA:
            self.at += self.hash_size
            base = self.by_id.get(self.pack[self.at - self.hash_size : self.at].hex())
        elif kind not in _PLAIN:
            raise InvalidRequest("The pack of the repository's host holds an object of no known kind.")
        is_commit = kind == _COMMIT or base is not None
        data = self._inflate(size, keep=is_commit)
        if is_commit:
            self._keep(start, data if base is None else _patched(base, data))

    def _kind_and_size(self) -> tuple[int, int]:
        byte = self._byte()
        kind, size, shift = byte >> 4 & 7, byte & 15, 4
        while byte & 0x80:
            byte = self._byte()
            size |= (byte & 0x7F) << shift
            shift += 7
        return kind, size

    def _offset(self) -> int:
        byte = self._byte()
        offset = byte & 0x7F
        while byte & 0x80:
            byte = self._byte()
            offset = (offset + 1) << 7 | byte & 0x7F
        return offset

    def _byte(self) -> int:
        self.at += 1
        return self.pack[self.at - 1]

    def _inflate(self, size: int, *, keep: bool) -> bytes:
        self.inflated += size
        if self.inflated > _MAX_INFLATED or (keep and size > _MAX_OBJECT):
            raise TooLarge("The pack of the repository's host holds too much.")
        machine, pieces, told = zlib.decompressobj(), [], 0
        view = memoryview(self.pack)
        while not machine.eof:
            given = machine.unconsumed_tail or view[self.at : self.at + _PIECE]
            if not given:
                raise InvalidRequest("The pack of the repository's host breaks off.")
            if not machine.unconsumed_tail:
                self.at += len(given)
            piece = machine.decompress(given, _PIECE)
            told += len(piece)
            if told > size:
                raise InvalidRequest("An object of the pack is longer than it says.")
            if keep:
                pieces.append(piece)
        self.at -= len(machine.unused_data)
        return b"".join(pieces)

    def _keep(self, start: int, data: bytes) -> None:
        self.kept += len(data)
        if self.kept > _MAX_KEPT:
            raise TooLarge("The pack of the repository's host holds too many commits.")
        algorithm = hashlib.sha1 if self.hash_size == 20 else hashlib.sha256  # noqa: PLR2004 - bytes of SHA-1
        name = algorithm(b"commit %d\0" % len(data) + data).hexdigest()
        self.by_offset[start] = self.by_id[name] = data
        head, _, message = data.partition(b"\n\n")
        lines = head.split(b"\n")
        parent = next((line.removeprefix(_PARENT) for line in lines if line.startswith(_PARENT)), b"")
        self.commits[name] = Commit(parent.decode("ascii", "replace"), message.decode(errors="replace"))


def _patched(base: bytes, delta: bytes) -> bytes:
    """Answer the object that a delta makes of its base."""
    _, at = _length(delta, 0)
    size, at = _length(delta, at)
    if size > _MAX_OBJECT:
        raise TooLarge("The pack of the repository's host holds a commit that is too long.")
    made = bytearray()
    while at < len(delta) and len(made) <= size:
        code = delta[at]
        at += 1
        if code & 0x80:
            start = length = 0
            for bit in range(4):
                if code >> bit & 1:
                    start |= delta[at] << 8 * bit
                    at += 1
            for bit in range(3):
                if code >> 4 + bit & 1:
                    length |= delta[at] << 8 * bit
                    at += 1
            made += base[start : start + (length or _COPY_ALL)]
        else:
            made += delta[at : at + code]
            at += code
    if len(made) != size:
        raise InvalidRequest("A delta of the pack does not fit.")
    return bytes(made)


def _length(delta: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = delta[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at

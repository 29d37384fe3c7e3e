"""Read compressed files piece by piece, in bounded memory; the kind is told by the content alone."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import IO, Final, Protocol, cast

from builder.faults import ContextRefused

_PIECE: Final = 64 * 1024
_MEMORY: Final = 256
"""MiB that unpacking may take for its window; the strongest usual settings of xz and zstd need 65 and 128."""

_GZIP: Final = b"\x1f\x8b"
_BZIP2: Final = b"BZh"
_XZ: Final = b"\xfd7zXZ\x00"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_LONGEST_MAGIC: Final = 6


@contextlib.contextmanager
def decompressed(raw: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Open what `raw` holds: gzip, bzip2, xz or zstd, anything else as it is.

    Reading raises EOFError for a file that ends too early, the format's own error for a damaged one, and
    ContextRefused where unpacking takes more memory than 256 MiB.
    """
    head = raw.peek(_LONGEST_MAGIC)
    if head.startswith(_GZIP):
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
    elif head.startswith(_BZIP2):
        yield cast("IO[bytes]", _Streams(raw, bz2.BZ2Decompressor))
    elif head.startswith(_XZ):
        yield cast("IO[bytes]", _Streams(raw, _xz))
    elif head.startswith(_ZSTD):
        with _zstd(raw) as stream:
            yield stream
    else:
        yield raw


class _Machine(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def needs_input(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _xz() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY * 1024**2)


class _Streams:
    """One compressed stream after the other, with padding of zeros between them."""

    def __init__(self, raw: IO[bytes], make: Callable[[], _Machine]) -> None:
        self._raw = raw
        self._make = make
        self._machine = make()

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        while not self._at_end():
            data = self._raw.read(_PIECE) if self._machine.needs_input else b""
            if self._machine.needs_input and not data:
                raise EOFError("the compressed file ends too early")
            if found := self._decompress(data, size):
                return found
        return b""

    def _decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._machine.decompress(data, size)
        except lzma.LZMAError as fault:
            if "limit exceeded" in str(fault):
                raise _too_much_memory() from None
            raise

    def _at_end(self) -> bool:
        """Tell whether nothing is left; where one stream has ended and another follows, that one is begun."""
        if not self._machine.eof:
            return False
        rest = self._machine.unused_data.lstrip(b"\0")
        while not rest and (piece := self._raw.read(_PIECE)):
            rest = piece.lstrip(b"\0")
        if rest:
            self._machine = self._make()
            self._raw = cast("IO[bytes]", _Joined(rest, self._raw))
        return not rest


class _Joined:
    """A few bytes, then the rest of a file."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        if not self._head:
            return self._rest.read(size)
        piece, self._head = self._head[:size], self._head[size:]
        return piece


@contextlib.contextmanager
def _zstd(raw: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Let the zstd program unpack: Python 3.13 has no module for it."""
    os.lseek(raw.fileno(), 0, os.SEEK_SET)  # the program shares the file's own position, not that of our buffer
    argv = ["zstd", "--decompress", "--stdout", "--quiet", f"--memory={_MEMORY}MB"]
    with subprocess.Popen(argv, stdin=raw, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        try:
            yield cast("IO[bytes]", _Output(program))
        finally:
            program.kill()


class _Output:
    """What a program prints; its failure is an error of the file that it reads."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self._program = program

    def read(self, size: int) -> bytes:
        data = self._program.stdout.read(size) if self._program.stdout else b""
        if not data and self._program.wait():
            words = self._program.stderr.read(_PIECE) if self._program.stderr else b""
            if b"memory" in words.lower():
                raise _too_much_memory()
            raise EOFError("the compressed file is damaged")
        return data


def _too_much_memory() -> ContextRefused:
    return ContextRefused(f"the archive takes more than {_MEMORY} MiB of memory to unpack")

"""Unpack a tar archive that a stranger made.

Refused: devices, pipes, sockets, absolute names and names or links that leave the root, more entries
or bytes than the limits allow, and archives that are mostly compression. Dropped: owners and the
setuid, setgid and sticky bits. A symbolic link with an absolute target is kept as it is, since it
speaks about the image and nothing here ever follows it.
"""

import asyncio
import gzip
import lzma
import os
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tarfile import HeaderError, ReadError
from typing import IO, Self, cast

from builder.contexts.decompress import decompressed
from builder.contexts.tree import components, opened
from builder.faults import ContextRefused
from shared.grant import Limits

_PIECE = 256 * 1024
_LARGEST_HEADER = 256 * 1024
_RATIO_FLOOR = 64 * 1024**2
"""Unpacked bytes up to which the ratio is not looked at: small files of zeros are no attack."""
_LATEST = 2.0**33  # the year 2242


async def unpack_beside(archive: Path, root: Path, meter: "Meter") -> None:
    """Do what `unpack` does in a thread, which ends soon after this call is cancelled."""
    try:
        await asyncio.to_thread(unpack, archive, root, meter)
    except asyncio.CancelledError:
        meter.stopped = True
        raise


def unpack(archive: Path, root: Path, meter: "Meter") -> None:
    """Lay out `archive`, a tar file, plain or compressed as `decompressed` knows, below the directory `root`.

    Memory stays bounded whatever the archive claims, and `meter` counts on for several archives of one
    context. Raises ContextRefused at the first entry that is not allowed; the files before it are left behind.
    """
    meter.packed += archive.stat().st_size
    with archive.open("rb") as raw:
        try:
            with opened(root, ()) as fd, decompressed(raw) as stream:
                _entries(Forward(stream, meter), fd, meter)
        except RecursionError:
            raise ContextRefused("the archive is a chain of headers without files") from None
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError) as fault:
            raise ContextRefused(f"the archive is damaged or not a tar file ({type(fault).__name__})") from None
        except (OSError, ValueError, OverflowError) as fault:
            reason = os.strerror(fault.errno) if isinstance(fault, OSError) and fault.errno else str(fault)
            raise ContextRefused(f"the archive cannot be unpacked: {reason}") from None


@dataclass(slots=True)
class Meter:
    """Counts what the archives of one context have grown to, and stops where that is too much.

    `packed` is their size as they came; `stopped` ends the work of a thread that nobody waits for any more.
    """

    limits: Limits
    packed: int = 0
    entries: int = 0
    stream: int = 0
    written: int = 0
    stopped: bool = False

    def entry(self) -> None:
        """Count one more entry."""
        self.entries += 1
        if self.entries > self.limits.entries:
            raise ContextRefused(f"the context has more than {self.limits.entries} entries")

    def read(self, size: int) -> None:
        """Count bytes that came out of the compression."""
        self.stream += size
        self._check(self.stream)

    def wrote(self, size: int) -> None:
        """Count bytes of a file."""
        self.written += size
        self._check(self.written)

    def _check(self, total: int) -> None:
        if self.stopped:
            raise ContextRefused("the context is not wanted any more")
        if total > self.limits.unpacked_bytes:
            raise ContextRefused(f"the context unpacks to more than {self.limits.unpacked_bytes} bytes")
        if total > _RATIO_FLOOR and total > self.packed * self.limits.ratio:
            raise ContextRefused(f"the context unpacks to more than {self.limits.ratio} times its size")


class Forward:
    """The part of a file that tarfile needs to read a stream in order: read, tell and seeking forward."""

    def __init__(self, stream: IO[bytes], meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, fewer only at the end. Raises ContextRefused for more than a header may have."""
        if size > _LARGEST_HEADER:
            raise ContextRefused("a header of the archive is longer than 256 KiB")
        data = b""
        while len(data) < size and (piece := self._stream.read(size - len(data))):
            data += piece
        self._position += len(data)
        self._meter.read(len(data))
        return data

    def tell(self) -> int:
        """Return how much was read."""
        return self._position

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        """Read on to `position`. Raises ContextRefused for any other way to move."""
        if whence != os.SEEK_SET or position < self._position:
            raise ContextRefused("the archive cannot be read in order")
        while self._position < position and self.read(min(_PIECE, position - self._position)):
            pass
        return self._position


class Member(tarfile.TarInfo):
    """A header that must be whole: tarfile itself takes a damaged one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Read one header. Raises ReadError for what is neither one nor the end of the archive."""
        try:
            return super().frombuf(buf, encoding, errors)
        except HeaderError as fault:
            if buf.strip(b"\0"):
                raise ReadError(str(fault)) from None
            raise

    @property
    def time(self) -> tuple[float, float]:
        """The modification time where it is one, for access and modification."""
        return (self.mtime,) * 2 if 0 <= self.mtime <= _LATEST else (0, 0)


class Archive(tarfile.TarFile):
    """A tar file whose damaged headers are errors."""

    tarinfo = Member


def _bounded(headers: Mapping[str, str]) -> None:
    if sum(len(name) + len(value) for name, value in headers.items()) > _LARGEST_HEADER:
        raise ContextRefused("the global headers of the archive are longer than 256 KiB")


def _entries(source: Forward, root: int, meter: Meter) -> None:
    directories: list[tuple[tuple[str, ...], Member]] = []
    stream = cast("IO[bytes]", source)
    with Archive(fileobj=stream, mode="r", stream=True, encoding="utf-8", errors="surrogateescape") as tar:
        while member := cast("Member | None", tar.next()):
            meter.entry()
            _bounded(tar.pax_headers)
            parts = components(member.name)
            if not parts:
                continue
            if member.isdir():
                directories.append((parts, member))
            _Entry(root, parts, member, meter).place(tar)
    for parts, member in reversed(directories):
        with suppress(ContextRefused, FileNotFoundError), opened(root, parts) as fd:
            os.fchmod(fd, member.mode & 0o777 | 0o700)
            os.utime(fd, member.time)


@dataclass(slots=True)
class _Entry:
    """One member on its way to the disk."""

    root: int
    parts: tuple[str, ...]
    member: Member
    meter: Meter
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.parts[-1]

    def place(self, tar: tarfile.TarFile) -> None:
        with opened(self.root, self.parts[:-1], create=True) as parent:
            if self.member.isdir():
                self._directory(parent)
                return
            with suppress(FileNotFoundError):
                os.unlink(self.name, dir_fd=parent)
            if self.member.issym():
                self._symbolic_link(parent)
            elif self.member.islnk():
                self._hard_link(parent)
            elif self.member.isreg():
                self._file(parent, tar)
            else:
                raise ContextRefused(f"the context holds a device, pipe or socket: {self.member.name!r}")

    def _directory(self, parent: int) -> None:
        with suppress(IsADirectoryError, FileNotFoundError):
            os.unlink(self.name, dir_fd=parent)
        with suppress(FileExistsError):
            os.mkdir(self.name, 0o755, dir_fd=parent)

    def _symbolic_link(self, parent: int) -> None:
        target = self.member.linkname
        if not target.startswith("/"):
            self._inside("/".join((*self.parts[:-1], target)))
        os.symlink(target, self.name, dir_fd=parent)
        os.utime(self.name, self.member.time, dir_fd=parent, follow_symlinks=False)

    def _hard_link(self, parent: int) -> None:
        source = self._inside(self.member.linkname)
        if not source:
            raise ContextRefused(f"the hard link {self.member.name!r} names a directory")
        try:
            with opened(self.root, source[:-1]) as fd:
                os.link(source[-1], self.name, src_dir_fd=fd, dst_dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            raise ContextRefused(f"the hard link {self.member.name!r} names a file that is not there") from None

    def _inside(self, target: str) -> tuple[str, ...]:
        try:
            return components(target)
        except ContextRefused:
            raise ContextRefused(f"the link {self.member.name!r} leaves the context") from None

    def _file(self, parent: int, tar: tarfile.TarFile) -> None:
        content = tar.extractfile(self.member)
        if content is None:
            raise ContextRefused(f"the context holds an entry of an unknown kind: {self.member.name!r}")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self.name, flags, 0o600, dir_fd=parent), "wb") as file:
            size = 0
            while piece := content.read(_PIECE):
                self.meter.wrote(len(piece))
                size += file.write(piece)
            if size != self.member.size:
                raise ContextRefused("the archive ends in the middle of a file")
            file.flush()
            os.fchmod(file.fileno(), self.member.mode & 0o777)
            os.utime(file.fileno(), self.member.time)

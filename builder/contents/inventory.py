"""The packages of an image, found by reading its layers in order; nothing is ever unpacked.

A layer is a tar archive that hostile code may have written. Names are compared as text and no link is followed; sizes,
entries and time are bounded, and what lies beyond a bound is left out and said. What a later layer deletes or replaces
is gone (OCI image layers: `.wh.` files, `.wh..wh..opq`).
"""

import gzip
import lzma
import re
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final, cast

from builder.contents.go import go
from builder.contents.packages import apk, deb, distribution, node, python
from builder.contents.rpm import rpm
from builder.contexts.decompress import decompressed
from builder.contexts.tree import components
from builder.contexts.unpack import Archive, Forward, Member, Meter
from builder.faults import ContextRefused
from shared.grant import MOST_PACKAGES, Distribution, Limits, Package

BOUNDS: Final = Limits(unpacked_bytes=16 * 1024**3, entries=1_000_000, ratio=2000)
MOST_NAMES: Final = 128 * 1024**2
"""Characters; a million names, as an image with a whole desktop may have, take about half of it."""
_PIECE: Final = 256 * 1024
_MARK: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_EXECUTABLE: Final = 0o111
_ELF: Final = b"\x7fELF"
_SMALLEST_GO: Final = 256 * 1024

type _Read = Callable[[int], bytes]
type _Parse = Callable[[bytes], tuple[Package, ...]]


@dataclass(frozen=True, slots=True)
class _Record:
    """What an installer leaves: where, how to read it, and how many bytes may be read."""

    pattern: re.Pattern[str]
    parse: _Parse
    largest: int
    is_head_enough: bool = False


_RECORDS: Final = (
    _Record(re.compile(r"var/lib/dpkg/status(\.d/[^/]+(?<!\.md5sums))?"), deb, 64 * 1024**2),
    _Record(re.compile(r"(usr/)?lib/apk/db/installed"), apk, 64 * 1024**2),
    _Record(re.compile(r"(var/lib|usr/lib/sysimage)/rpm/rpmdb\.sqlite"), rpm, 256 * 1024**2),
    _Record(
        re.compile(r"(.+/)?[^/]+\.(dist-info/METADATA|egg-info/PKG-INFO|egg-info)"),
        python,
        64 * 1024,
        is_head_enough=True,
    ),
    _Record(re.compile(r"(.+/)?node_modules/(@[^/]+/)?[^/@][^/]*/package\.json"), node, 1024**2),
)
_RELEASES: Final = ("etc/os-release", "usr/lib/os-release")
_LARGEST_RELEASE: Final = 64 * 1024
_DAMAGED: Final = (
    ContextRefused, tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, OSError, ValueError,
    OverflowError, RecursionError,
)  # fmt: skip


@dataclass(slots=True)
class Inventory:
    """What was found so far. `until` is when reading ends, in seconds of the monotonic clock."""

    until: float
    meter: Meter = field(default_factory=lambda: Meter(BOUNDS))
    found: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    releases: dict[str, Distribution] = field(default_factory=dict)
    lacks: str = ""
    earlier: set[Package] = field(default_factory=set)
    named: int = 0
    """Characters of all names so far."""

    @property
    def distribution(self) -> Distribution:
        """The operating system of the last image, as its first os-release file says."""
        return next((self.releases[name] for name in _RELEASES if self.releases.get(name)), Distribution())

    @property
    def packages(self) -> tuple[Package, ...]:
        """All packages in order, each once, no more than can be told."""
        return tuple(sorted(self._all(), key=lambda one: (one.kind, one.name, one.version)))[:MOST_PACKAGES]

    def _all(self) -> set[Package]:
        return self.earlier.union(*self.found.values())

    def _finish(self) -> None:
        self.earlier = self._all()
        self.found.clear()
        self.releases.clear()

    def read(self, layers: Iterable[Path | None]) -> None:
        """Read the layers of one image, the lowest first; those of several images are kept apart.

        Whatever is wrong with a layer, and one that is not at hand, is noted in `lacks`.
        """
        self._finish()
        for number, layer in enumerate(layers, 1):
            if layer is None:
                self._lack(f"layer {number} was not at hand")
                continue
            try:
                self.meter.packed += layer.stat().st_size
                self._take(layer)
            except _DAMAGED as fault:
                why = fault.message if isinstance(fault, ContextRefused) else type(fault).__name__
                self._lack(f"layer {number} could not be read to its end ({why})")
        if len(self._all()) > MOST_PACKAGES:
            self._lack(f"there are more than {MOST_PACKAGES} packages")

    def _lack(self, what: str) -> None:
        self.lacks = self.lacks or "".join(one if one.isprintable() else "?" for one in what[:256])

    def _take(self, path: Path) -> None:
        layer = _Layer(self)
        try:
            with path.open("rb") as raw, decompressed(raw) as stream:
                source = cast("IO[bytes]", Forward(stream, self.meter))
                with Archive(fileobj=source, mode="r", stream=True, encoding="utf-8", errors="replace") as tar:
                    while member := cast("Member | None", tar.next()):
                        self._check(tar)
                        layer.entry(tar, member)
        finally:
            layer.lay()

    def _check(self, tar: tarfile.TarFile) -> None:
        self.meter.entry()
        if sum(map(len, tar.pax_headers.values())) > _LARGEST_RELEASE:
            raise ContextRefused("its global headers are too long")
        if time.monotonic() > self.until:
            raise ContextRefused("time was up")

    def count_name(self, length: int) -> None:
        """Hold the names of all layers, which are kept until the end, to a bound. Raises ContextRefused."""
        self.named += length
        if self.named > MOST_NAMES:
            raise ContextRefused("the names of its files are too long")

    def hide(self, gone: set[str], opaque: set[str]) -> None:
        """Forget what lies at or below names that are `gone`, and what lies below directories that are `opaque`."""
        for known in (self.found, self.releases):
            for name in list(known):
                if name in gone or any(parent in gone or parent in opaque for parent in _parents(name)):
                    known.pop(name)

    def too_large(self, name: str) -> None:
        """Note a record that is not read."""
        self._lack(f"{name} is too large to be read")


@dataclass(slots=True)
class _Layer:
    """One layer, until it is laid over those below it."""

    under: Inventory
    found: dict[str, tuple[Package, ...]] = field(default_factory=dict)
    releases: dict[str, Distribution] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)

    def entry(self, tar: tarfile.TarFile, member: Member) -> None:
        """Take one entry; one whose name leaves the root is no file of the image."""
        self.under.count_name(len(member.name))
        try:
            parts = components(member.name.lstrip("/"))
        except ContextRefused:
            return
        if not parts or member.isdir():
            return
        folder, last = "/".join(parts[:-1]), parts[-1]
        if last == _OPAQUE:
            self.opaque.add(folder)
            return
        if last.startswith(_MARK):
            self.gone.add("/".join((*parts[:-1], last.removeprefix(_MARK))))
            return
        name = "/".join(parts)
        self._replace(name)
        if member.islnk():
            self._link(name, member.linkname.lstrip("/"))
        elif member.isreg() and member.size and (content := tar.extractfile(member)):
            self._file(name, member, content.read)

    def lay(self) -> None:
        """Put the layer over those before it."""
        self.under.hide(self.gone, self.opaque)
        self.under.found |= self.found
        self.under.releases |= self.releases

    def _replace(self, name: str) -> None:
        self.gone.add(name)
        self.found.pop(name, None)
        self.releases.pop(name, None)

    def _link(self, name: str, target: str) -> None:
        if target in self.found:
            self.found[name] = self.found[target]

    def _file(self, name: str, member: Member, read: _Read) -> None:
        if name in _RELEASES:
            self.releases[name] = distribution(_exactly(read, min(member.size, _LARGEST_RELEASE)))
            return
        for record in _RECORDS:
            if record.pattern.fullmatch(name):
                self._record(name, member, record, read)
                return
        if member.mode & _EXECUTABLE and member.size >= _SMALLEST_GO:
            self._program(name, read)

    def _record(self, name: str, member: Member, record: _Record, read: _Read) -> None:
        if member.size > record.largest and not record.is_head_enough:
            self.under.too_large(name)
            return
        if packages := record.parse(_exactly(read, min(member.size, record.largest))):
            self.found[name] = packages

    def _program(self, name: str, read: _Read) -> None:
        head = _exactly(read, _PIECE)
        if head.startswith(_ELF) and (packages := go(_after(head, partial(_exactly, read)))):
            self.found[name] = packages


def _exactly(read: _Read, size: int) -> bytes:
    """Read `size` bytes, fewer only at the end, in pieces that the archive allows."""
    pieces, left = [], size
    while left > 0 and (piece := read(min(_PIECE, left))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _after(head: bytes, read: _Read) -> _Read:
    """Answer a way to read `head`, then what `read` reads."""
    first = [head]
    return lambda size: first.pop() if first else read(size)


def _parents(name: str) -> Iterator[str]:
    parents = PurePosixPath(name).parents
    return ("" if str(parent) == "." else str(parent) for parent in parents)

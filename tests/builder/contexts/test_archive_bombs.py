"""Archives that grow: each is stopped, and the memory of the one who unpacks stays where it was.

Measured in a process of its own, because the peak of a process never goes down again.
"""

import lzma
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Protocol

import pytest

_MIB = 1024**2
_MOST = 24 * _MIB
"""What unpacking may add to the peak of a process, in bytes; the largest window of a compression is 8 MiB."""

_UNPACK = r"""
import re, sys
from pathlib import Path
from builder.contexts.unpack import Meter, unpack
from builder.faults import ContextRefused
from shared.grant import Limits
peak = lambda: int(re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
before = peak()
try:
    unpack(Path(sys.argv[1]), Path(sys.argv[2]), Meter(Limits(entries=int(sys.argv[3]))))
    said = "unpacked"
except ContextRefused as fault:
    said = str(fault)
print(peak() - before, said)
"""


def measured(archive: Path, root: Path, entries: int = 500_000) -> tuple[int, str]:
    """Unpack in a new process; answer what that added to its peak, in bytes, and how it ended."""
    root.mkdir()
    argv = [sys.executable, "-c", _UNPACK, str(archive), str(root), str(entries)]
    done = subprocess.run(argv, capture_output=True, check=True, text=True)
    grown, _, said = done.stdout.strip().partition(" ")
    return int(grown), said


def zeros(size: int) -> Iterator[bytes]:
    """Make a tar file of one file of zeros, piece by piece."""
    info = tarfile.TarInfo("zeros")
    info.size = size
    yield info.tobuf()
    piece = bytes(_MIB)
    for _ in range(size // _MIB):
        yield piece
    yield bytes(1024)


class Packer(Protocol):
    """What the three compressions have in common."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


FORMS: dict[str, Callable[[], Packer]] = {
    "gzip": lambda: zlib.compressobj(wbits=31),
    "xz": lambda: lzma.LZMACompressor(preset=0),
}


def packed(path: Path, form: str, pieces: Iterable[bytes]) -> Path:
    packer = FORMS[form]()
    path.write_bytes(b"".join(packer.compress(piece) for piece in pieces) + packer.flush())
    return path


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_two_hundred_mebibytes_of_zeros(tmp_path: Path, form: str) -> None:
    archive = packed(tmp_path / "bomb", form, zeros(200 * _MIB))
    assert 200 * _MIB / archive.stat().st_size > 900
    grown, said = measured(archive, tmp_path / "root")
    assert said == "the context unpacks to more than 200 times its size"
    assert grown < _MOST
    assert sum(path.stat().st_size for path in (tmp_path / "root").iterdir()) < 80 * _MIB


@pytest.mark.slow
def test_an_archive_in_an_archive_is_a_file(tmp_path: Path) -> None:
    """Only the outermost is opened, so nesting multiplies nothing."""
    inner = packed(tmp_path / "inner", "gzip", zeros(70 * _MIB))
    raw = BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        tar.add(inner, "inner.tar.gz")
    archive = tmp_path / "outer"
    archive.write_bytes(raw.getvalue())
    grown, said = measured(archive, tmp_path / "root")
    assert (said, grown < _MOST) == ("unpacked", True)
    assert (tmp_path / "root/inner.tar.gz").read_bytes() == inner.read_bytes()


@pytest.mark.slow
def test_a_million_entries_end_at_the_limit_and_are_not_remembered(tmp_path: Path) -> None:
    """A million headers of the same empty directory: a list of them would take some hundred mebibytes."""
    one = tarfile.TarInfo("d")
    one.type = tarfile.DIRTYPE
    archive = packed(tmp_path / "many", "gzip", (one.tobuf() * 2048 for _ in range(489)))
    grown, said = measured(archive, tmp_path / "root", 5000)
    assert said == "the context has more than 5000 entries"
    assert grown < _MOST


@pytest.mark.slow
def test_the_measure_sees_what_is_kept_in_memory(tmp_path: Path) -> None:
    """The control: a process that keeps as much shows it."""
    code = _UNPACK.replace("unpack(Path", "kept = bytes(64 * 1024**2).replace(b'\\0', b'x'); unpack(Path")
    (tmp_path / "empty").write_bytes(bytes(1024))
    argv = [sys.executable, "-c", code, str(tmp_path / "empty"), str(tmp_path), "9"]
    assert int(subprocess.run(argv, capture_output=True, check=True, text=True).stdout.split()[0]) > _MOST

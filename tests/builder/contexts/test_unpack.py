"""Archives that strangers make: what is laid out, and the sentence that each attack gets."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from builder.contexts.unpack import Meter, unpack
from builder.faults import ContextRefused
from shared.grant import Limits

OUTSIDE = "/nowhere/slipway-test"
Entry = tuple[tarfile.TarInfo, bytes]


def entry(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, **fields: Any) -> Entry:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def file(name: str, data: bytes = b"x", **fields: Any) -> Entry:
    return entry(name, data, **fields)


def link(name: str, target: str, **fields: Any) -> Entry:
    return entry(name, kind=tarfile.SYMTYPE, linkname=target, **fields)


def hard(name: str, target: str) -> Entry:
    return entry(name, kind=tarfile.LNKTYPE, linkname=target)


def directory(name: str, **fields: Any) -> Entry:
    return entry(name, kind=tarfile.DIRTYPE, **({"mode": 0o755} | fields))


def archive(path: Path, entries: Iterable[Entry], form: int = tarfile.PAX_FORMAT) -> Path:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue(), 1))
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("untouched")
    made = tmp_path / "root"
    made.mkdir()
    return made


def lay_out(root: Path, *entries: Entry, limits: Limits | None = None, form: int = tarfile.PAX_FORMAT) -> None:
    unpack(archive(root.parent / "a.tar.gz", entries, form), root, Meter(limits or Limits()))


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_a_context_as_az_makes_it(root: Path, form: int) -> None:
    lay_out(
        root,
        directory("", mode=0o775),
        file("app/main.py", b"print()", mode=0o644, mtime=1_600_000_000),
        file("run.sh", b"#!", mode=0o4755, uid=1234, gid=1234),
        link("app/latest", "main.py"),
        link("current", "/opt/app"),
        file("0123456789abcdef0123456789abcdef_Dockerfile", b"FROM scratch"),
        form=form,
    )
    assert (root / "app/main.py").read_bytes() == b"print()"
    assert (root / "app/main.py").stat().st_mtime == 1_600_000_000
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o755
    assert (root / "run.sh").stat().st_uid == os.getuid()
    assert (root / "app/latest").readlink() == Path("main.py")
    assert (root / "current").readlink() == Path("/opt/app")


def test_the_root_may_be_named_in_three_ways(root: Path) -> None:
    lay_out(root, directory("/"), directory("."), directory("./"), file("./a"))
    assert (root / "a").exists()


def test_long_and_foreign_names(root: Path) -> None:
    long = "/".join(["d" * 90] * 4 + ["größe.txt"])
    lay_out(root, file(long, b"1"), file("späce name", b"2"))
    assert (root / long).read_bytes() == b"1"
    assert (root / "späce name").read_bytes() == b"2"


def test_a_name_that_is_not_utf_8_keeps_its_bytes(root: Path) -> None:
    lay_out(root, file(os.fsdecode(b"caf\xe9")), form=tarfile.GNU_FORMAT)
    assert [os.fsencode(path.name) for path in root.iterdir()] == [b"caf\xe9"]


def test_an_empty_directory_keeps_mode_and_time(root: Path) -> None:
    lay_out(root, directory("d", mode=0o750, mtime=1_500_000_000), file("d/f"))
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o750
    assert (root / "d").stat().st_mtime == 1_500_000_000


def test_a_hard_link_inside(root: Path) -> None:
    lay_out(root, file("a", b"same"), hard("b/c", "a"))
    assert (root / "b/c").samefile(root / "a")


def test_a_later_entry_replaces_an_earlier_one_without_touching_its_twin(root: Path) -> None:
    lay_out(root, file("a", b"old"), hard("twin", "a"), file("a", b"new"))
    assert (root / "a").read_bytes() == b"new"
    assert (root / "twin").read_bytes() == b"old"


def test_a_link_is_replaced_and_never_written_through(root: Path) -> None:
    target = root.parent / "outside/secret"
    lay_out(root, link("f", str(target)), file("f", b"mine"))
    assert (root / "f").read_bytes() == b"mine"
    assert not (root / "f").is_symlink()
    assert target.read_text() == "untouched"


def test_a_directory_entry_replaces_a_link(root: Path) -> None:
    lay_out(root, link("d", OUTSIDE), directory("d"), file("d/f"))
    assert not (root / "d").is_symlink()
    assert (root / "d/f").exists()


def test_a_plain_tar(root: Path) -> None:
    packed = archive(root.parent / "a.tar.gz", [file("a")])
    packed.write_bytes(gzip.decompress(packed.read_bytes()))
    unpack(packed, root, Meter(Limits()))
    assert (root / "a").exists()


def test_an_odd_time_is_dropped(root: Path) -> None:
    lay_out(root, file("a", mtime=-5), file("b", mtime=1e15), file("c", pax_headers={"mtime": "nan"}))
    assert [(root / name).stat().st_mtime for name in "abc"] == [0, 0, 0]


ATTACKS = {
    "absolute name": ([file("/etc/passwd")], "absolute name"),
    "parent name": ([file("../x")], "leaves the context"),
    "hidden parent name": ([file("a/b/../../../x")], "leaves the context"),
    "parent directory": ([directory("..")], "leaves the context"),
    "link out": ([link("l", "../outside")], "link 'l' leaves the context"),
    "deep link out": ([link("a/b/l", "../../../outside/secret")], "leaves the context"),
    "hard link out": ([hard("h", "../outside/secret")], "link 'h' leaves the context"),
    "absolute hard link": ([hard("h", "/etc/passwd")], "link 'h' leaves the context"),
    "hard link to nothing": ([hard("h", "nothing")], "file that is not there"),
    "hard link to the root": ([hard("h", ".")], "names a directory"),
    "hard link through a link": ([link("d", OUTSIDE), hard("h", "d/x")], "not a directory"),
    "write through a link": ([link("d", OUTSIDE), file("d/x")], "not a directory"),
    "write through a link inside": ([directory("r"), link("d", "r"), file("d/x")], "not a directory"),
    "write through a hard link to a link": ([link("d", OUTSIDE), hard("e", "d"), file("e/x")], "not a directory"),
    "make a directory below a link": ([link("d", OUTSIDE), directory("d/x")], "not a directory"),
    "file as directory": ([file("f"), file("f/x")], "not a directory"),
    "file over directory": ([file("d/x"), file("d")], "directory"),
    "character device": ([entry("null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3)], "device, pipe or socket"),
    "block device": ([entry("sda", kind=tarfile.BLKTYPE, devmajor=8)], "device, pipe or socket"),
    "pipe": ([entry("p", kind=tarfile.FIFOTYPE)], "device, pipe or socket"),
    "name too long": ([file("/".join(["d" * 200] * 30))], "longer than 4096"),
    "part too long": ([file("d" * 300)], "File name too long"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gets_one_sentence_and_nothing_outside_changes(root: Path, name: str) -> None:
    entries, sentence = ATTACKS[name]
    with pytest.raises(ContextRefused, match=sentence):
        lay_out(root, *entries)
    assert (root.parent / "outside/secret").read_text() == "untouched"
    assert not Path(OUTSIDE).exists()


def test_too_many_entries(root: Path) -> None:
    with pytest.raises(ContextRefused, match="more than 10 entries"):
        lay_out(root, *(directory(f"d{i}") for i in range(11)), limits=Limits(entries=10))


def test_too_many_bytes(root: Path) -> None:
    with pytest.raises(ContextRefused, match="more than 100000 bytes"):
        lay_out(root, file("a", os.urandom(150_000)), limits=Limits(unpacked_bytes=100_000))


def test_a_bomb_is_stopped_by_its_ratio(root: Path) -> None:
    with pytest.raises(ContextRefused, match="more than 200 times its size"):
        lay_out(root, file("zeros", bytes(80 * 1024**2)))
    assert sum(path.stat().st_size for path in root.iterdir()) < 80 * 1024**2


def test_many_zeros_in_a_small_context_are_no_attack(root: Path) -> None:
    lay_out(root, file("zeros", bytes(20 * 1024**2)))
    assert (root / "zeros").stat().st_size == 20 * 1024**2


def test_a_sparse_file_counts_with_its_full_size(root: Path) -> None:
    raw = bytearray(tarfile.TarInfo("sparse").tobuf(tarfile.GNU_FORMAT))
    huge = 1024**4
    raw[124:136] = b"%011o\0" % 0
    raw[156:157] = tarfile.GNUTYPE_SPARSE
    raw[386:398] = b"%011o\0" % 0
    raw[398:410] = b"%011o\0" % 0
    raw[483:495] = b"\x80\0\0\0" + huge.to_bytes(8)
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    packed = root.parent / "sparse.tar"
    packed.write_bytes(bytes(raw) + bytes(1024))
    with pytest.raises(ContextRefused, match=r"times its size|damaged|more than"):
        unpack(packed, root, Meter(Limits()))


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        path.write_bytes(change(path.read_bytes()))

    return spoil


def middle_header_spoiled(data: bytes) -> bytes:
    raw = bytearray(gzip.decompress(data))
    raw[1024:1034] = b"\xff" * 10
    return bytes(raw)


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"",
        lambda _: b"PK\x03\x04 this is a zip",
        lambda _: b"<html>not found</html>" * 100,
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + b"\xff\xff\xff\xff" + data[44:],
        lambda data: gzip.decompress(data)[:700],
        middle_header_spoiled,
    ],
)
def test_a_damaged_archive_is_never_taken_for_a_short_one(root: Path, change: Callable[[bytes], bytes]) -> None:
    packed = archive(root.parent / "a.tar.gz", [file("a", os.urandom(512)), file("b", os.urandom(3000))])
    damaged(change)(packed)
    with pytest.raises(ContextRefused, match=r"damaged|in the middle"):
        unpack(packed, root, Meter(Limits()))


def test_a_huge_header_is_refused_before_it_is_read(root: Path) -> None:
    with pytest.raises(ContextRefused, match="header of the archive"):
        lay_out(root, file("a", pax_headers={"comment": "x" * 2**20}))


def test_a_chain_of_headers_ends(root: Path) -> None:
    header = tarfile.TarInfo("a")
    header.pax_headers = {"comment": "x"}
    one = header.tobuf(tarfile.PAX_FORMAT)[:1024]
    packed = root.parent / "a.tar"
    packed.write_bytes(one * 20_000)
    with pytest.raises(ContextRefused, match=r"chain of headers|damaged"):
        unpack(packed, root, Meter(Limits()))


def test_global_headers_do_not_pile_up(root: Path) -> None:
    raw = io.BytesIO()
    for i in range(5):
        one = io.BytesIO()
        headers = {f"k{i}": "x" * 100_000}
        with tarfile.open(fileobj=one, mode="w", format=tarfile.PAX_FORMAT, pax_headers=headers) as tar:
            tar.addfile(tarfile.TarInfo(f"f{i}"))
        raw.write(one.getvalue().rstrip(b"\0"))
        raw.write(bytes(-raw.tell() % 512))
    packed = root.parent / "a.tar"
    packed.write_bytes(raw.getvalue() + bytes(1024))
    with pytest.raises(ContextRefused, match="global headers"):
        unpack(packed, root, Meter(Limits()))

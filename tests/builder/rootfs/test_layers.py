"""Layers laid over a root: what the image specification says of deletions and attributes, and what stays spared."""

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.faults import ContextRefused
from builder.rootfs.layers import Root

type Lay = Callable[..., None]


def entry(name: str, content: bytes | None = None, **fields: Any) -> tuple[tarfile.TarInfo, bytes | None]:
    """Describe an entry: a file by its content, else what `type` says."""
    info = tarfile.TarInfo(name)
    info.size = len(content or b"")
    info.uid, info.gid = os.getuid(), os.getgid()
    info.mode = 0o755 if fields.get("type") == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes | None]:
    return entry(name, type=tarfile.DIRTYPE, **fields)


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes | None]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def packed(*entries: tuple[tarfile.TarInfo, bytes | None]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in entries:
            tar.addfile(info, io.BytesIO(content) if content is not None else None)
    return raw.getvalue()


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def lay(tmp_path: Path, top: Path) -> Lay:
    def lay(*entries: tuple[tarfile.TarInfo, bytes | None], spared: tuple[str, ...] = ()) -> None:
        (tmp_path / "layer").write_bytes(gzip.compress(packed(*entries)))
        Root(top, frozenset(top / name for name in spared)).lay(tmp_path / "layer")

    return lay


def tree(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def test_files_directories_and_links(lay: Lay, top: Path) -> None:
    lay(
        folder("./"),
        folder("usr/bin", mode=0o711),
        entry("usr/bin/tool", b"program", mode=0o4755, mtime=1_000_000_000),
        link("bin", "usr/bin"),
        entry("usr/bin/same", type=tarfile.LNKTYPE, linkname="usr/bin/tool"),
        entry("run/pipe", type=tarfile.FIFOTYPE),
    )
    tool = (top / "usr/bin/tool").stat()
    assert stat.S_IMODE(tool.st_mode) == 0o4755
    assert tool.st_mtime == 1_000_000_000
    assert (top / "usr/bin/same").stat().st_ino == tool.st_ino
    assert (top / "bin").readlink() == Path("usr/bin")
    assert (top / "bin/tool").read_bytes() == b"program"
    assert stat.S_IMODE((top / "usr/bin").stat().st_mode) == 0o711
    assert stat.S_ISFIFO((top / "run/pipe").stat().st_mode)


def test_a_later_layer_replaces_and_deletes(lay: Lay, top: Path) -> None:
    lay(entry("a", b"1"), entry("d/x", b"1"), entry("d/y", b"1"), entry("kind/of/deep", b"1"), link("l", "a"))
    lay(entry("a", b"2"), entry("d/.wh.x"), entry("kind", b"now a file"), folder("l"), entry(".wh.never"))
    assert tree(top) == ["a", "d", "d/y", "kind", "l"]
    assert (top / "a").read_bytes() == b"2"
    assert (top / "l").is_dir()
    assert not (top / "l").is_symlink()


@pytest.mark.parametrize("late", [False, True])
def test_an_opaque_directory_holds_what_its_own_layer_says(lay: Lay, top: Path, *, late: bool) -> None:
    lay(entry("d/old", b""), entry("d/sub/old", b""), entry("d/gone/x", b""))
    own = [entry("d/new", b""), entry("d/sub/new", b"")]
    lay(*([*own, entry("d/.wh..wh..opq")] if late else [entry("d/.wh..wh..opq"), *own]))
    assert tree(top) == ["d", "d/new", "d/sub", "d/sub/new"]


def test_links_lead_nowhere_but_inside_the_root(lay: Lay, top: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    lay(
        link("absolute", str(outside)),
        entry("absolute/a", b"kept inside"),
        link("up", "../../outside"),
        entry("up/b", b"kept inside"),
    )
    assert list(outside.iterdir()) == []
    assert (top / str(outside).lstrip("/") / "a").read_bytes() == b"kept inside"
    assert (top / "outside" / "b").read_bytes() == b"kept inside"
    with pytest.raises(ContextRefused, match="leaves"):
        lay(entry("../c", b""))
    lay(link("one", "two"), link("two", "one"))
    with pytest.raises(OSError, match="too many links"):
        lay(entry("one/x", b""))


def test_what_is_spared_stays_whatever_a_layer_says(lay: Lay, top: Path) -> None:
    lay(entry("etc/hosts", b"own"), entry("work/kept", b"own"), entry("etc/other", b"own"))
    spared = ("etc/hosts", "work")
    lay(entry("etc/hosts", b"theirs"), entry("work/kept", b"theirs"), entry("work/.wh.kept"), spared=spared)
    lay(entry(".wh.work"), entry("work", b"a file"), link("sly", "work"), entry("sly/kept", b"theirs"), spared=spared)
    lay(entry("etc/.wh..wh..opq"), entry("etc", b"a file"), spared=spared)
    assert (top / "work/kept").read_bytes() == (top / "etc/hosts").read_bytes() == b"own"
    assert not (top / "etc/other").exists()


def test_extended_attributes(lay: Lay, top: Path) -> None:
    try:
        os.setxattr(top, "user.probe", b"")
    except OSError:
        pytest.skip("this file system has no attributes of users")
    headers = {"SCHILY.xattr.user.who": "me", "SCHILY.xattr.nothing.known": "x"}
    lay(entry("f", b"", pax_headers=headers))
    assert os.getxattr(top / "f", "user.who") == b"me"


def test_a_damaged_layer_is_told_as_such(tmp_path: Path, top: Path) -> None:
    whole = gzip.compress(packed(entry("f", b"x" * 100_000)))
    (tmp_path / "layer").write_bytes(whole[:-40])
    with pytest.raises((EOFError, tarfile.TarError)):
        Root(top).lay(tmp_path / "layer")

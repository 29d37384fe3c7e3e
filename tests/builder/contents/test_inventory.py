"""What is found in layers that this test writes: each kind of record, later layers over earlier ones, hostile ones."""

import gzip
import io
import json
import sqlite3
import struct
import tarfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.contents import inventory
from builder.contents.inventory import Inventory
from builder.contexts.unpack import Meter
from shared.grant import MOST_PACKAGES, Distribution, Limits, Package, PackageKind

STATUS = (
    b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.41-1)\nVersion: 2.41-12\n"
    b"Description: C\n long text\n  Package: no\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n"
)
LIBC = Package(kind=PackageKind.DEB, name="libc6", version="2.41-12", architecture="amd64", source="glibc")


@dataclass
class Layers:
    """Layers of an image, the lowest first."""

    folder: Path
    paths: list[Path] = field(default_factory=list)

    def add(self, files: Mapping[str, bytes | tarfile.TarInfo], mode: int = 0o644) -> "Layers":
        path = self.folder / f"layer{len(self.paths)}"
        with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in files.items():
                entry = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
                entry.mode = mode
                body = content if isinstance(content, bytes) else b""
                entry.size = len(body)
                tar.addfile(entry, io.BytesIO(body))
        self.paths.append(path)
        return self

    def inventory(self, seconds: float = 60) -> Inventory:
        found = Inventory(time.monotonic() + seconds)
        found.read(self.paths)
        return found

    def names(self) -> list[tuple[str, str]]:
        return [(one.name, one.version) for one in self.inventory().packages]


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(tmp_path)


def link(target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    entry = tarfile.TarInfo()
    entry.type, entry.linkname = kind, target
    return entry


def rpm_header(**fields: str | int) -> bytes:
    tags = {"name": 1000, "version": 1001, "release": 1002, "epoch": 1003, "arch": 1022}
    index, data = b"", b""
    for name, value in fields.items():
        is_text = isinstance(value, str)
        data += b"" if is_text else b"\0" * (-len(data) % 4)
        index += struct.pack(">IIII", tags[name], 6 if is_text else 4, len(data), 1)
        data += value.encode() + b"\0" if isinstance(value, str) else struct.pack(">I", value)
    return struct.pack(">II", len(fields), len(data)) + index + data


def rpm_database(*headers: bytes) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
    connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(one,) for one in headers])
    connection.commit()
    database = connection.serialize()
    connection.close()
    return database


def go_program(before: int) -> bytes:
    def text(value: bytes) -> bytes:
        size, head = len(value), b""
        while size >= 0x80:
            head, size = head + bytes([size & 0x7F | 0x80]), size >> 7
        return head + bytes([size]) + value

    modules = b"path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.1.0\th1:x\n"
    modules += b"dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv2.0.0\th1:y\n"
    head = b"\xff Go buildinf:" + bytes([8, 2])
    info = head.ljust(32, b"\0") + text(b"go1.24.1") + text(b"M" * 16 + modules + b"N" * 16)
    return b"\x7fELF".ljust(before, b"x") + info + b"y" * 300_000


def test_what_dpkg_installed_is_found_and_what_was_removed_is_not(layers: Layers) -> None:
    layers.add({"etc/os-release": b'ID=debian\nVERSION_ID="13"\n', "./var/lib/dpkg/status": STATUS})
    found = layers.inventory()
    assert (found.packages, found.distribution) == ((LIBC,), Distribution(id="debian", version="13"))
    assert found.lacks == ""


def test_distroless_images_keep_a_record_of_each_package(layers: Layers) -> None:
    record = b"Package: base-files\nVersion: 13\nArchitecture: amd64\n"
    layers.add({"var/lib/dpkg/status.d/base": record, "var/lib/dpkg/status.d/base.md5sums": b"Package: no\n"})
    assert layers.names() == [("base-files", "13")]


@pytest.mark.parametrize("name", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_what_apk_installed_is_found(layers: Layers, name: str) -> None:
    layers.add({name: b"C:Q1x=\nP:musl\nV:1.2.5-r9\nA:x86_64\no:musl\n\nP:busybox\nV:1.37.0-r12\nA:x86_64\n"})
    assert layers.names() == [("busybox", "1.37.0-r12"), ("musl", "1.2.5-r9")]


def test_what_rpm_installed_is_found(layers: Layers) -> None:
    bash = rpm_header(name="bash", version="5.2", release="1.el10", epoch=2, arch="x86_64")
    key = rpm_header(name="gpg-pubkey", version="1", release="2")
    layers.add({"usr/lib/sysimage/rpm/rpmdb.sqlite": rpm_database(bash, key, b"rubbish", b"\xff" * 64)})
    (found,) = layers.inventory().packages
    assert (found.kind, found.name, found.version, found.architecture) == ("rpm", "bash", "2:5.2-1.el10", "x86_64")


def test_python_and_node_packages_are_found(layers: Layers) -> None:
    layers.add(
        {
            "app/lib/python3/site-packages/Jinja2-3.1.dist-info/METADATA": b"Name: Jinja2\nVersion: 3.1\n\nName: no\n",
            "usr/lib/python3/dist-packages/six-1.17.egg-info": b"Metadata-Version: 1\nName: six\nVersion: 1.17\n",
            "app/node_modules/left/package.json": json.dumps({"name": "left", "version": "1.0.0"}).encode(),
            "app/node_modules/@a/b/package.json": json.dumps({"name": "@a/b", "version": "2.0.0"}).encode(),
            "app/node_modules/left/test/package.json": json.dumps({"name": "no", "version": "1"}).encode(),
            "app/package.json": json.dumps({"name": "no", "version": "1"}).encode(),
        }
    )
    assert layers.names() == [("@a/b", "2.0.0"), ("left", "1.0.0"), ("Jinja2", "3.1"), ("six", "1.17")]


@pytest.mark.parametrize("before", [16, 256 * 1024, 256 * 1024 - 16, 700_016])
def test_the_modules_of_a_go_program_are_found_wherever_they_lie(layers: Layers, before: int) -> None:
    layers.add({"app": go_program(before), "not-aligned": go_program(before + 1)}, mode=0o755)
    assert layers.names() == [
        ("example.com/app", "(devel)"),
        ("example.com/new", "v2.0.0"),
        ("golang.org/x/net", "v0.1.0"),
        ("stdlib", "1.24.1"),
    ]


NODE = json.dumps({"name": "left", "version": "1"}).encode()
PLACE = "app/node_modules/left/package.json"


@pytest.mark.parametrize(
    "upper",
    [
        {"app/node_modules/left/.wh.package.json": b""},
        {"app/.wh.node_modules": b""},
        {"app/node_modules/.wh..wh..opq": b""},
        {".wh..wh..opq": b""},
        {"app": link("/elsewhere")},
        {PLACE: link("/etc/passwd")},
        {PLACE: b"{}"},
    ],
)
def test_what_a_later_layer_deletes_or_replaces_is_gone(
    layers: Layers, upper: Mapping[str, bytes | tarfile.TarInfo]
) -> None:
    layers.add({PLACE: NODE})
    assert layers.names() == [("left", "1")]
    for name, content in upper.items():
        if isinstance(content, tarfile.TarInfo):
            content.name = name
    layers.add(upper)
    assert layers.names() == []


def test_a_layer_that_deletes_and_adds_keeps_what_it_adds(layers: Layers) -> None:
    layers.add({PLACE: NODE})
    layers.add({"app/node_modules/right/package.json": NODE.replace(b"left", b"right"), "app/.wh..wh..opq": b""})
    assert layers.names() == [("right", "1")]


def test_hostile_names_and_texts_are_data(layers: Layers) -> None:
    deep = "/".join(["d"] * 1500) + "/node_modules/a/package.json"
    layers.add(
        {
            "../../var/lib/dpkg/status": STATUS,
            deep: NODE,
            "x/node_modules/long/package.json": json.dumps({"name": "n" * 300}).encode(),
            "x/node_modules/lines/package.json": json.dumps({"name": "a\nb\x1b[31m"}).encode(),
            "x/node_modules/surrogate/package.json": b'{"name": "a\\ud800"}',
            "x/node_modules/nested/package.json": b"[" * 100_000,
            "x/node_modules/list/package.json": b'{"name": ["a"], "version": {}}',
            "x/a.dist-info/METADATA": b"Name: caf\xff\xfe\nVersion: 1\n",
            "var/lib/rpm/rpmdb.sqlite": b"SQLite format 3\0" + b"\xff" * 5000,
            "etc/os-release": b"ID='\xff\xff; rm -rf /'\n",
        }
    )
    found = layers.inventory()
    assert [one.name for one in found.packages] == ["left", "caf\ufffd\ufffd"]
    assert found.distribution == Distribution()


def test_links_lead_nowhere(layers: Layers, tmp_path: Path) -> None:
    outside = tmp_path / "status"
    outside.write_bytes(STATUS)
    pointing = {"var/lib/dpkg/status": link(str(outside)), "var/lib/dpkg/status.d/x": link("../../y", tarfile.LNKTYPE)}
    for name, entry in pointing.items():
        entry.name = name
    assert layers.add(pointing).names() == []


def test_what_was_not_read_is_said(layers: Layers) -> None:
    layers.add({"var/lib/dpkg/status": STATUS})
    whole = layers.paths[0].read_bytes()
    layers.paths[0].write_bytes(whole[: len(whole) // 2])
    assert "layer 1 could not be read to its end" in layers.inventory().lacks

    layers.paths[0].write_bytes(whole)
    assert "time was up" in layers.inventory(seconds=-1).lacks

    absent = Inventory(time.monotonic() + 60)
    absent.read([layers.paths[0], None])
    assert (absent.packages, absent.lacks) == ((LIBC,), "layer 2 was not at hand")


def test_a_record_that_is_too_large_is_left_out(layers: Layers) -> None:
    name = "app/node_modules/large/package.json"
    layers.add({name: b" " * (1024**2 + 1), PLACE: NODE})
    found = layers.inventory()
    assert ([one.name for one in found.packages], found.lacks) == (["left"], f"{name} is too large to be read")


def test_more_packages_than_can_be_told_are_cut_and_said(layers: Layers) -> None:
    status = b"".join(b"Package: p%d\nVersion: 1\n\n" % number for number in range(MOST_PACKAGES + 5))
    found = layers.add({"var/lib/dpkg/status": status}).inventory()
    assert len(found.packages) == MOST_PACKAGES
    assert found.lacks == f"there are more than {MOST_PACKAGES} packages"


def test_a_bomb_ends_at_the_bound_of_all_layers_together(layers: Layers) -> None:
    for number in range(3):
        layers.add({f"zeros{number}": bytes(1024**2)})
    found = Inventory(time.monotonic() + 60, Meter(Limits(unpacked_bytes=2 * 1024**2, ratio=10**6)))
    found.read(layers.paths)
    assert found.lacks.startswith("layer 2 could not be read to its end")
    assert found.meter.stream < 3 * 1024**2


def test_names_without_an_end_are_not_kept(layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "MOST_NAMES", 100_000)
    layers.add({"var/lib/dpkg/status": STATUS})
    layers.add({f"{'n' * 30_000}{number}": b"" for number in range(10)})
    found = layers.inventory()
    assert found.packages == (LIBC,)
    assert "names of its files are too long" in found.lacks

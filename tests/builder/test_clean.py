"""What a builder leaves behind for the next run: nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder import clean as room
from builder.clean import Network, clean
from builder.environment import Paths
from shared.errors import Unavailable


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(*(tmp_path / name for name in ("private", "workspace", "images", "shared", "home")))
    for path in (made.private, made.workspace, made.images, made.shared, made.home):
        (path / "deep" / "er").mkdir(parents=True)
        (path / "deep" / "file").write_text("secret")
        (path / "deep" / "link").symlink_to("/etc")
        (path / ".hidden").touch()
    (made.private / "ca.pem").write_text("authorities")
    return made


def left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_nothing_is_left_but_the_authorities(paths: Paths, tmp_path: Path) -> None:
    asyncio.run(clean(paths, None))
    expected = ["home", "images", "private", "private/ca.pem", "shared", "workspace"]
    assert left(tmp_path) == expected


def test_a_link_in_place_of_a_folder_is_not_followed(paths: Paths, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kept").touch()
    (paths.workspace / "deep" / "link").unlink()
    (paths.workspace / "deep" / "link").symlink_to(other)
    paths.home.rename(tmp_path / "gone")
    paths.home.symlink_to(other)
    asyncio.run(clean(paths, None))
    assert (other / "kept").exists()
    assert not paths.home.exists()


def test_what_cannot_be_deleted_is_told(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: object) -> None:
        raise PermissionError

    monkeypatch.setattr(room, "_PATIENCE", 0.0)
    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(Unavailable, match="could not be made clean"):
        asyncio.run(clean(paths, None))


@pytest.fixture
def filters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Programs that keep packet filters in a file."""
    kept = tmp_path / "filter"
    kept.write_text("*filter\n-A INPUT -j ACCEPT\nCOMMIT\n")
    for name, text in {"save": f"cat {kept}", "restore": f"cat > {kept}"}.items():
        program = tmp_path / f"iptables-{name}"
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o755)
    monkeypatch.setattr(room, "_TABLES", ((str(tmp_path / "iptables-save"), str(tmp_path / "iptables-restore")),))
    return iter([kept])


def test_packet_filters_are_put_back(filters: Iterator[Path]) -> None:
    kept = next(filters)
    before = kept.read_text()
    network = Network.now()
    kept.write_text("*filter\n-A FORWARD -j DOCKER\nCOMMIT\n*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n")
    network.restore()
    assert kept.read_text() == before + "*nat\nCOMMIT\n"


def test_only_bridges_that_have_come_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    removed: list[str] = []
    for name in ("eth0", "br-old", "br-new", "docker0"):
        (tmp_path / name / ("bridge" if name != "eth0" else "device")).mkdir(parents=True)
    (tmp_path / "wg0").mkdir()
    monkeypatch.setattr(room, "_LINKS", tmp_path)
    monkeypatch.setattr(room, "_remove_bridge", removed.append)
    Network(frozenset({"eth0", "br-old"}), ()).restore()
    assert sorted(removed) == ["br-new", "docker0"]

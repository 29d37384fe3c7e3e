"""Reading a stranger's files never leaves the context."""

import os
from pathlib import Path

import pytest

from builder.contexts.tree import components, read_text
from builder.faults import ContextRefused


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").write_text("secret")
    made = tmp_path / "root"
    (made / "a/b").mkdir(parents=True)
    (made / "Dockerfile").write_text("\ufeffFROM scratch")
    (made / "a/b/file").write_text("deep")
    return made


@pytest.mark.parametrize(
    ("name", "expected"),
    [("", ()), (".", ()), ("/", ()), ("a//b/", ("a", "b")), ("./a/./b", ("a", "b")), ("a/../b", ("b",))],
)
def test_names_are_split(name: str, expected: tuple[str, ...]) -> None:
    assert components(name) == expected


@pytest.mark.parametrize("name", ["..", "a/../..", "/etc", "//x", "a\0b", "x" * 5000])
def test_names_that_leave_or_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(ContextRefused):
        components(name)


def test_a_byte_order_mark_is_dropped(root: Path) -> None:
    assert read_text(root, "Dockerfile", 100) == "FROM scratch"


def test_what_is_not_there_is_none(root: Path) -> None:
    assert read_text(root, "nothing", 100) is None
    assert read_text(root, "no/where", 100) is None


@pytest.mark.parametrize(
    ("link", "target"),
    [("l", "a/b/file"), ("a/l", "b/file"), ("a/b/l", "../b/file"), ("a/b/l", "../../a/b/file")],
)
def test_links_inside_are_followed(root: Path, link: str, target: str) -> None:
    (root / link).symlink_to(target)
    assert read_text(root, link, 100) == "deep"


def test_a_linked_directory_on_the_way_is_followed(root: Path) -> None:
    (root / "current").symlink_to("a/b")
    assert read_text(root, "current/file", 100) == "deep"


def test_a_path_that_leaves_through_a_link_and_dots_is_refused(root: Path) -> None:
    (root / "a/b/up").symlink_to("../..")
    (root / "l").symlink_to("a/b/up/../outside")
    with pytest.raises(ContextRefused, match="leaves"):
        read_text(root, "l", 100)


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd", "l"])
def test_links_out_and_circles_are_refused(root: Path, target: str) -> None:
    (root / "l").symlink_to(target)
    with pytest.raises(ContextRefused, match="leaves"):
        read_text(root, "l", 100)


def test_a_pipe_and_a_directory_are_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")
    for name in ("pipe", "a", "."):
        with pytest.raises(ContextRefused):
            read_text(root, name, 100)


def test_a_file_over_the_limit_is_refused(root: Path) -> None:
    with pytest.raises(ContextRefused, match="longer than 5"):
        read_text(root, "Dockerfile", 5)

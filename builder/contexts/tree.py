"""Reach into a directory that a stranger filled, without ever leaving it.

Every path is walked component by component below an open directory, never through a symbolic link,
so that no link, however it was planted, leads a write or a read outside.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from builder.faults import ContextRefused

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40
_LONGEST_PATH = 4096


def components(name: str) -> tuple[str, ...]:
    """Split a relative name into its parts, `.` and inner `..` resolved by the text alone.

    `""`, `"."` and `"/"` are the root itself. Raises ContextRefused for every other absolute name, for
    one that leaves the root, and for one that no file system can hold.
    """
    if "\0" in name or len(os.fsencode(name)) > _LONGEST_PATH:
        raise ContextRefused("a name in the context is longer than 4096 bytes or contains a NUL")
    if name.startswith("/") and name.strip("/"):
        raise ContextRefused(f"the context holds an absolute name: {name!r}")
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise ContextRefused(f"a name leaves the context: {name!r}")
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return tuple(parts)


@contextlib.contextmanager
def opened(root: Path | int, parts: Sequence[str], *, create: bool = False) -> Iterator[int]:
    """Open the directory `parts` below `root`; the descriptor is closed at the end.

    With `create`, missing directories are made. Raises ContextRefused when a part is a link or a file.
    """
    fd = os.dup(root) if isinstance(root, int) else os.open(root, _DIRECTORY)
    try:
        for part in parts:
            deeper = _enter(fd, part, create=create)
            os.close(fd)
            fd = deeper
        yield fd
    finally:
        os.close(fd)


def _enter(fd: int, part: str, *, create: bool) -> int:
    try:
        return os.open(part, _DIRECTORY, dir_fd=fd)
    except FileNotFoundError:
        if not create:
            raise
        os.mkdir(part, 0o755, dir_fd=fd)
        return os.open(part, _DIRECTORY, dir_fd=fd)
    except OSError as fault:
        if fault.errno in {errno.ENOTDIR, errno.ELOOP}:
            raise ContextRefused(f"{part!r} in the context is a link or a file, not a directory") from None
        raise


@contextlib.contextmanager
def replacing(root: Path, parts: Sequence[str], mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a new file `parts` below `root`, in place of whatever stood there but a directory.

    Raises ContextRefused when a part on the way is a link or a file, or the last one a directory.
    """
    with opened(root, parts[:-1], create=True) as parent:
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(parts[-1], dir_fd=parent)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(parts[-1], flags, mode, dir_fd=parent)
        except IsADirectoryError:
            raise ContextRefused(f"{parts[-1]!r} in the context is a directory, not a file") from None
        with os.fdopen(fd, "wb") as file:
            yield file


def read_text(root: Path, name: str, limit: int) -> str | None:
    """Return the UTF-8 text of a regular file of the context, without a byte order mark; None if there is none.

    Links are followed inside the context only. Raises ContextRefused when a link leaves it, when the
    name is not a regular file or when it is longer than `limit` bytes.
    """
    parts = _resolve(root, components(name))
    if not parts:
        raise ContextRefused(f"{name!r} is a directory")
    try:
        with opened(root, parts[:-1]) as parent:
            fd = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ContextRefused(f"{name!r} is not a regular file")
        data = _read(fd, limit + 1)
    finally:
        os.close(fd)
    if len(data) > limit:
        raise ContextRefused(f"{name!r} is longer than {limit} bytes")
    return data.decode("utf-8-sig", "replace")


def directory(root: Path, name: str) -> Path:
    """Return the directory `name` below `root`, its path free of links.

    Links are followed; an absolute one is read from `root`, as a build would see it. Raises ContextRefused
    where that leaves the context or is no directory.
    """
    parts = _resolve(root, components(name.strip("/")), absolute=True)
    try:
        with opened(root, parts):
            return root.joinpath(*parts)
    except FileNotFoundError:
        raise ContextRefused(f"the directory {name!r} is not in the context") from None


def _read(fd: int, most: int) -> bytes:
    data = b""
    while len(data) < most and (piece := os.read(fd, most - len(data))):
        data += piece
    return data


def _resolve(root: Path, parts: tuple[str, ...], *, absolute: bool = False) -> tuple[str, ...]:
    """Follow the links on the way, each target read relative to where the link really is.

    With `absolute`, absolute targets are allowed and start at `root`.
    """
    done: list[str] = []
    rest = list(reversed(parts))
    links = 0
    while rest:
        part = rest.pop()
        if part == "..":
            if not done:
                raise ContextRefused("a link leaves the context")
            done.pop()
            continue
        target = _link(root, done, part)
        if target is None:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS or (target.startswith("/") and not absolute):
            raise ContextRefused(f"the link {part!r} leaves the context or is part of a circle")
        if target.startswith("/"):
            done.clear()
        rest += [piece for piece in reversed(target.split("/")) if piece not in {"", "."}]
    return tuple(done)


def _link(root: Path, parents: Sequence[str], name: str) -> str | None:
    try:
        with opened(root, parents) as fd:
            return os.readlink(name, dir_fd=fd)
    except OSError:
        return None

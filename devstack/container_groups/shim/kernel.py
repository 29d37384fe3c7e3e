"""The system calls that Python's standard library does not wrap."""

import ctypes
import ctypes.util
import os

_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 1 << 19
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NAME = 15

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Make orphaned descendants children of this process, so that it learns their exit status."""
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def set_name(name: str) -> None:
    """Name this process in process lists; the kernel keeps 15 bytes."""
    _check(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl")


def leave_mount_namespace() -> None:
    """Take a private copy of the mounts: ours die with us, the host's later unmounts still reach us."""
    os.unshare(os.CLONE_NEWNS)
    _mount("none", "/", None, _MS_REC | _MS_SLAVE, None)


def bind(source: str, target: str) -> None:
    """Bind one file or directory over another."""
    _mount(source, target, None, _MS_BIND, None)


def mount_overlay(lower: list[str], upper: str, work: str, target: str) -> None:
    """Stack `lower` (topmost first) under `upper`, seen at `target`."""
    options = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work}"
    _mount("overlay", target, "overlay", 0, options)


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None) -> None:
    encoded = [text.encode() if text is not None else None for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount on {target}")


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")

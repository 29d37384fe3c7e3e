"""Nothing of a run is left when its builder asks for the next one.

The engine has been stopped before: with its PID namespace ends whatever ran in it, with its mount namespace go its
mounts. What remains is deleted here; what cannot be is a reason to leave, so every failure is raised. Root of the
machine, which a privileged step is, can hide from this: such runs are no reason for `claimsAgain` in the first place.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from builder.environment import Paths
from builder.trust import BUNDLE
from shared.errors import Unavailable

_PATIENCE: Final = 15.0
_AGAIN: Final = 0.05
_LINKS: Final = Path("/sys/class/net")
_PROCESSES: Final = Path("/proc")
_TABLES: Final = (("iptables-save", "iptables-restore"), ("ip6tables-save", "ip6tables-restore"))
_TABLE: Final = re.compile(rb"^\*(\w+)$", re.MULTILINE)
_INIT: Final = "tini"
"""The first process of a container of ours; only where it is one, all other processes are ours to end."""
_SIOCSIFFLAGS, _SIOCBRDELBR = 0x8914, 0x89A1


@dataclass(frozen=True, slots=True)
class Network:
    """The links and packet filters of the network namespace, as they were before any engine ran."""

    links: frozenset[str]
    tables: tuple[tuple[str, bytes], ...]

    @classmethod
    def now(cls) -> "Network":
        """Look at them; a filter that this machine does not have is left out."""
        saved = []
        for save, restore in _TABLES:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                done = subprocess.run([save], capture_output=True, check=True, timeout=_PATIENCE)
                saved.append((restore, done.stdout))
        return cls(frozenset(_links()), tuple(saved))

    def restore(self) -> None:
        """Remove the bridges that have come since, and put the filters back. Raises OSError or SubprocessError."""
        for link in set(_links()) - self.links:
            if (_LINKS / link / "bridge").exists():
                _remove_bridge(link)
        present = dict(Network.now().tables) if self.tables else {}
        for restore, text in self.tables:
            added = set(_TABLE.findall(present.get(restore, b""))) - set(_TABLE.findall(text))
            whole = text + b"".join(b"*%s\nCOMMIT\n" % table for table in sorted(added))
            subprocess.run([restore], input=whole, capture_output=True, check=True, timeout=_PATIENCE)


async def clean(paths: Paths, network: Network | None) -> None:
    """Delete what a run has left. Raises Unavailable when something cannot be deleted.

    Without `network` links and packet filters are not touched.
    """
    try:
        await asyncio.to_thread(_clean, paths, network)
    except (OSError, subprocess.SubprocessError) as fault:
        raise Unavailable(f"the builder could not be made clean ({type(fault).__name__})") from None


def _clean(paths: Paths, network: Network | None) -> None:
    _end_strangers()
    for folder in (paths.workspace, paths.home, paths.shared, paths.images):
        _until_done(folder, ())
    _until_done(paths.private, (BUNDLE,))
    if network is not None:
        network.restore()


def _until_done(folder: Path, kept: Iterable[str]) -> None:
    """Empty a folder, again for a while: the mounts of a namespace that ends go a moment after its processes."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            _empty(folder, kept)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _empty(folder: Path, kept: Iterable[str]) -> None:
    if folder.is_symlink():
        folder.unlink()
    if not folder.exists():
        return
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        if entry.name in kept:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            Path(entry.path).unlink()


def _end_strangers() -> None:
    """End all processes of our container but ourselves, where we have one."""
    if not _is_ours():
        return
    end = time.monotonic() + _PATIENCE
    while found := _strangers():
        if time.monotonic() > end:
            raise OSError("a process does not end")
        for number in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        time.sleep(_AGAIN)


def _is_ours() -> bool:
    try:
        return (_PROCESSES / "1" / "comm").read_text().strip() == _INIT and os.getppid() == 1
    except OSError:
        return False


def _strangers() -> list[int]:
    found = (int(entry.name) for entry in _PROCESSES.iterdir() if entry.name.isdecimal())
    return [number for number in found if number not in {1, os.getpid()} and not _has_ended(number)]


def _has_ended(number: int) -> bool:
    """Whether a process is a zombie, which its parent will reap, or gone."""
    try:
        state = (_PROCESSES / str(number) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"Z", "X"}


def _links() -> list[str]:
    return [entry.name for entry in _LINKS.iterdir()] if _LINKS.exists() else []


def _remove_bridge(name: str) -> None:
    """Take a bridge down and delete it: ioctl_netdevice(7), and the bridge's own SIOCBRDELBR."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), 0))
        fcntl.ioctl(control, _SIOCBRDELBR, struct.pack("16s16x", name.encode()))

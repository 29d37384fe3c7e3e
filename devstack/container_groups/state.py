"""The state directory: one directory per group, and a place for what is being deleted."""

import contextlib
import hashlib
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devstack.container_groups.orders import Exit, ShimIdentity, Started, write_private
from devstack.container_groups.views import Record, Status

_KEPT_LINES = 1000
_KEPT_BYTES = 16 * 1024


@dataclass(frozen=True)
class GroupFiles:
    """The files of one group; see `orders` for what each one is."""

    path: Path

    @property
    def key(self) -> str:
        """The group's unique name on this machine: of its container and its control groups."""
        return self.path.name

    @property
    def log(self) -> Path:
        """The container's output."""
        return self.path / "output.log"

    def create(self, record: Record, config: str) -> None:
        """Write all that a start needs; the record comes last, it makes the group exist."""
        (self.path / "bundle").mkdir(parents=True, mode=0o700)
        write_private(self.path / "bundle" / "config.json", config)
        self.save_record(record)

    def save_record(self, record: Record) -> None:
        """Replace the record."""
        record.save(self.path / "record.json")

    def record(self) -> Record | None:
        """Read the record."""
        return Record.load(self.path / "record.json")

    def status(self) -> Status:
        """Read how far the container has come."""
        exited = Exit.load(self.path / "exit.json")
        return Status(started=Started.load(self.path / "started.json"), exit=exited)

    def shim(self) -> ShimIdentity | None:
        """Read which process looks after the group."""
        return ShimIdentity.load(self.path / "shim.json")

    def save_shim(self, shim: ShimIdentity) -> None:
        """Write which process looks after the group."""
        shim.save(self.path / "shim.json")

    def save_exit(self, ended: Exit) -> None:
        """Write how the container ended."""
        ended.save(self.path / "exit.json")

    def read_log(self, tail: int | None, *, ended: bool) -> str:
        """Return the output; Azure keeps the last 16 KiB or 1000 lines of an ended container."""
        data = self.log.read_bytes() if self.log.exists() else b""
        if ended:
            data = data[-_KEPT_BYTES:]
        lines = data.decode("utf-8", "replace").splitlines(keepends=True)
        if ended:
            lines = lines[-_KEPT_LINES:]
        return "".join(lines if tail is None else lines[max(0, len(lines) - tail) :])


@dataclass(frozen=True)
class StateDirectory:
    """All groups of one service."""

    root: Path

    def __post_init__(self) -> None:
        for path in (self._groups, self._trash):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)

    @property
    def runc_root(self) -> Path:
        """Where runc keeps its own state."""
        return self.root / "runc"

    @property
    def shim_log(self) -> Path:
        """Where shims complain."""
        return self.root / "shims.log"

    @property
    def _groups(self) -> Path:
        return self.root / "groups"

    @property
    def _trash(self) -> Path:
        return self.root / "trash"

    def files(self, identifier: str) -> GroupFiles:
        """Return the place of the group with this resource id (any case); other state directories differ."""
        name = identifier.rpartition("/")[2].lower()
        text = f"{self.root}\0{identifier.lower()}"
        return GroupFiles(self._groups / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}")

    def all_files(self) -> Iterator[GroupFiles]:
        """Return the place of every group, also of half-made ones."""
        return (GroupFiles(path) for path in sorted(self._groups.iterdir()))

    def discard(self, files: GroupFiles) -> None:
        """Take a group's directory away in one step; `empty_trash` frees the space."""
        with contextlib.suppress(FileNotFoundError):
            files.path.rename(self._trash / f"{files.key}.{secrets.token_hex(4)}")

    def discard_container(self, files: GroupFiles) -> None:
        """Take away what a container left, so that the group can start anew."""
        aside = self._trash / f"{files.key}.{secrets.token_hex(4)}"
        aside.mkdir(mode=0o700)
        for name in ("upper", "work", "docker", "output.log", "started.json", "exit.json", "shim.json", "init.pid"):
            with contextlib.suppress(FileNotFoundError):
                (files.path / name).rename(aside / name)

    def empty_trash(self) -> None:
        """Delete what was discarded. Slow; safe on a thread of its own and when interrupted."""
        for path in self._trash.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def remove_container(self, key: str) -> None:
        """Kill what is left of a container whose shim is gone, and its control groups."""
        command = ["runc", "--root", str(self.runc_root), "delete", "--force", key]
        subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def containers(self) -> tuple[str, ...]:
        """Return the keys of all containers that runc knows."""
        return tuple(path.name for path in self.runc_root.iterdir()) if self.runc_root.exists() else ()

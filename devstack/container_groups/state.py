"""The state directory: one directory per group, and a place for what is being deleted."""

import contextlib
import hashlib
import secrets
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devstack.container_groups.orders import Exit, ShimIdentity, Started, write_private
from devstack.container_groups.views import Record, Status

_KEPT_LINES = 1000
_KEPT_BYTES = 16 * 1024
_OF_A_RUN = (
    "names", "upper", "work", "docker", "output.log", "started.json", "exit.json", "shim.json", "init.pid", "network",
)  # fmt: skip
"""What a container leaves that has run once."""


@dataclass(frozen=True)
class GroupFiles:
    """The files of one group; see `orders` for what each one is."""

    path: Path

    @property
    def key(self) -> str:
        """The group's unique name on this machine: of its container and its control groups."""
        return self.path.name

    def create(self, record: Record, configs: Mapping[str, str], volumes: Iterable[str] = ()) -> None:
        """Write all that a start needs, `configs` by container; the record comes last: it makes the group exist."""
        for name, config in configs.items():
            bundle = self.of(record, name) / "bundle"
            bundle.mkdir(parents=True, mode=0o700)
            write_private(bundle / "config.json", config)
        for name in volumes:
            volume = self.path / "volumes" / name
            volume.mkdir(parents=True)
            volume.chmod(0o777)  # as Azure's: images run as anybody
        self.save_record(record)

    def of(self, record: Record, container: str) -> Path:
        """Return the directory of one container of the group."""
        return self.path if container == record.container else self.path / "beside" / container

    def save_record(self, record: Record) -> None:
        """Replace the record."""
        record.save(self.path / "record.json")

    def record(self) -> Record | None:
        """Read the record."""
        return Record.load(self.path / "record.json")

    def status(self) -> Status:
        """Read how far the first container has come."""
        return _status(self.path)

    def status_of(self, record: Record) -> Status:
        """Read how far all containers have come."""
        beside = {name: _status(self.of(record, name)) for name in record.beside}
        return replace(self.status(), beside=beside)

    def shim(self) -> ShimIdentity | None:
        """Read which process looks after the group."""
        return ShimIdentity.load(self.path / "shim.json")

    def save_shim(self, shim: ShimIdentity) -> None:
        """Write which process looks after the group."""
        shim.save(self.path / "shim.json")

    def save_exit(self, ended: Exit) -> None:
        """Write how the container ended."""
        ended.save(self.path / "exit.json")

    def read_log(self, record: Record, container: str, tail: int | None) -> str:
        """Return a container's output; Azure keeps the last 16 KiB or 1000 lines of an ended one."""
        place = self.of(record, container)
        log, ended = place / "output.log", _status(place).exit is not None
        data = log.read_bytes() if log.exists() else b""
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
    def pulled(self) -> Path:
        """Where images of registries are kept."""
        return self.root / "pulled"

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
        beside = files.path / "beside"
        for place in (files.path, *(beside.iterdir() if beside.exists() else ())):
            kept = aside / place.name
            kept.mkdir(exist_ok=True)
            for name in _OF_A_RUN:
                with contextlib.suppress(FileNotFoundError):
                    (place / name).rename(kept / name)

    def empty_trash(self) -> None:
        """Delete what was discarded. Slow; safe on a thread of its own and when interrupted."""
        for path in self._trash.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def remove_containers(self, key: str) -> None:
        """Kill what is left of a group's containers whose shim is gone, and their control groups."""
        for name in self._known_to_runc():
            if name.partition(".")[0] == key:
                command = ["runc", "--root", str(self.runc_root), "delete", "--force", name]
                subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def containers(self) -> set[str]:
        """Return the keys of all groups of which runc knows a container."""
        return {name.partition(".")[0] for name in self._known_to_runc()}

    def _known_to_runc(self) -> tuple[str, ...]:
        return tuple(path.name for path in self.runc_root.iterdir()) if self.runc_root.exists() else ()


def _status(place: Path) -> Status:
    return Status(started=Started.load(place / "started.json"), exit=Exit.load(place / "exit.json"))

"""What the service tells a shim, and the files through which both know a group's state.

A shim reads two lines of JSON from its standard input: the `NetworkPlan` of every group, which it can
carry out before it belongs to any, and later the `Order` for one group. End of input instead of an order
means that it is not needed. It answers an order with one line, `Reply`.

All state of a group is in its directory, so that a restarted service knows as much as the old one:

    record.json         the service: the resource as the caller sees it, without secure values
    shim.json           the service: which process looks after the group, before that one starts anything
    bundle/config.json  the service: the OCI configuration, secure values included (mode 0600)
    started.json        the shim, once the container's first process runs
    exit.json           the shim, once it has ended
    output.log          the shim: standard output and error
    upper, work, docker the container's own files
    volumes/NAME        what the group's containers share
    beside/NAME/        the same files of a further container: bundle, started, exit, output, upper, work
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True)
class Document:
    """A value that is kept as a JSON file or sent as a JSON line."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read the form that `to_json` writes."""
        members: dict[str, Any] = json.loads(text)
        return cls(**members)

    def to_json(self) -> str:
        """Write on one line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read a file; None when it is missing or was cut short."""
        try:
            return cls.from_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Replace the file in one step; only the owner may read it."""
        write_private(path, self.to_json())


@dataclass(frozen=True)
class Order(Document):
    """Run one container. `lower` are the image's directories, topmost first; `resolver` its DNS server.

    `before` are containers that run to their end first, one after the other, and `others` those that run beside it:
    orders themselves, as JSON.
    """

    directory: str
    container: str
    hostname: str
    lower: list[str]
    hosts: dict[str, str]
    resolver: str
    runc_root: str
    cgroup: str
    before: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Reply(Document):
    """How an order went; `error` is empty when the container runs."""

    error: str = ""


@dataclass(frozen=True)
class ShimIdentity(Document):
    """A process that cannot be mistaken for a later one with the same id (`ticks`: start since boot)."""

    pid: int
    ticks: int


@dataclass(frozen=True)
class Started(Document):
    """When the container's first process began; ISO 8601, UTC."""

    time: str


@dataclass(frozen=True)
class Exit(Document):
    """How the container ended. `reason` is the `detailStatus` of the wire; times as in `Started`.

    `event` names what happened to the whole group, where it was that.
    """

    exit_code: int
    reason: str
    finished: str
    started: str | None = None
    message: str = ""
    event: str = ""


def write_private(path: Path, text: str) -> None:
    """Write a file with mode 0600 so that readers see the old or the new text, never a part."""
    draft = path.with_name(f".{path.name}.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - the mode is given at creation
        file.write(text)
    draft.replace(path)

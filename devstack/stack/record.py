"""What runs now: the file by which `./dev` finds a running stack."""

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from devstack import files
from devstack.stack.processes import ProcessId


class Phase(StrEnum):
    """Where the stack stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class ServiceRecord(BaseModel):
    """One service: its process, and how often it had to be started again."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    started: int
    ready: bool = False
    restarts: int = 0

    @property
    def process(self) -> ProcessId:
        """The process of the service."""
        return ProcessId(self.pid, self.started)


class StackRecord(BaseModel):
    """The supervisor and its services."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: int
    base: int
    phase: Phase
    services: tuple[ServiceRecord, ...] = ()

    @property
    def supervisor(self) -> ProcessId:
        """The process that keeps the stack."""
        return ProcessId(self.pid, self.started)


def read(path: Path) -> StackRecord | None:
    """Read the record of a stack; None when there is none that can be read."""
    try:
        return StackRecord.model_validate_json(path.read_text())
    except (OSError, ValidationError):
        return None


def write(path: Path, record: StackRecord) -> None:
    """Replace the record."""
    files.write(path, record.model_dump_json(indent=2))

"""At most one automatic run of a task at a time: one queued, which serves all causes, or one under way.

A row beside the task's decisions names the request of the latest automatic run. Whoever wants to start one
replaces that row first, by ETag, and starts the run under that request afterwards: two that want the same see each
other, and a process that dies in between blocks the task for a moment only.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.errors import Conflict, PreconditionFailed
from shared.runs.model import Run, Status
from shared.storage import Row, Table

_KEY = "a"
_STARTING = timedelta(minutes=2)
"""How long a run may take from its reservation to its row."""


class Runs(Protocol):
    """Finds runs by the request that made them."""

    def by_request(self, registry: str, request_key: str) -> Run | None:
        """Answer the run of a request; None when there is none, or none that is remembered (a day at least)."""


@dataclass(frozen=True)
class Standing:
    """What automatic runs a task has at this moment."""

    registry: str
    task: str
    request: str = ""
    run: Run | None = None
    """The latest one that is not over."""
    is_starting: bool = False
    """Whether one was reserved just now and has no row yet."""
    row: Row | None = None

    @property
    def is_free(self) -> bool:
        """Whether another one may start."""
        return self.run is None and not self.is_starting

    @property
    def queued(self) -> Run | None:
        """The run that waits for a builder and so can serve another cause."""
        return self.run if self.run is not None and self.run.status is Status.QUEUED else None

    def is_for(self, request: str) -> bool:
        """Whether the reservation is for this request and nothing else is under way."""
        return self.request == request and self.run is None


class AutomaticRuns:
    """Reads and reserves automatic runs."""

    def __init__(self, table: Table, runs: Runs) -> None:
        self._table = table
        self._runs = runs

    def look(self, registry: str, task: str, now: datetime) -> Standing:
        """Answer what a task has queued or under way."""
        row = self._table.find(_partition(registry, task), _KEY)
        if row is None:
            return Standing(registry, task)
        request, at = str(row.values["request"]), datetime.fromtimestamp(float(row.values["at"]), UTC)
        run = self._runs.by_request(registry, request)
        if run is not None and run.is_terminal:
            return Standing(registry, task, request, row=row)
        return Standing(registry, task, request, run, run is None and now < at + _STARTING, row)

    def reserve(self, standing: Standing, request: str, now: datetime) -> bool:
        """Announce the start of a run under `request`. False when somebody else was first."""
        partition = _partition(standing.registry, standing.task)
        values = _values(request, now)
        try:
            if standing.row is None:
                self._table.insert(partition, _KEY, values)
            else:
                self._table.replace(standing.row, values)
        except (Conflict, PreconditionFailed):
            return False
        return True


def _values(request: str, now: datetime) -> dict[str, str | float]:
    return {"request": request, "at": now.timestamp()}


def _partition(registry: str, task: str) -> str:
    return f"{registry}|{task.lower()}"

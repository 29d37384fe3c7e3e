"""Runs in the `runs` table.

Partition = registry. Rows, by the first letter of their key:

    r{inverted id}   the run itself, newest first
    a{id}            beside each run that has not been closed: what dispatch and reconcile must look at, oldest first
    s{nn}            a slot that a run holds; there are as many as runs may be executed at the same time
    p{pool}~{nn}     the same for runs in an agent pool, of which there are as many as the pool has builders
    q{hash}          the request that made a run, so that a repeated one answers the same run

They change together in transactions of one partition.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from shared.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from shared.runs.ids import newest_first
from shared.runs.model import Run
from shared.storage import Change, Delete, Insert, Replace, Row, Table
from shared.storage.tables import Scalar

_CHANGE_ATTEMPTS = 20


@dataclass(frozen=True)
class Active:
    """What is known of a run that has not been closed. Times in seconds since 1970; 0 means never."""

    registry: str
    run_id: str
    lane: str = ""
    """Storage key of the agent pool whose slots the run takes; empty for the registry's own."""
    slot: int = -1
    lease: float = 0.0
    """When its builder was last heard of."""
    position: int = 0
    """The place in the queue that its log last told, counted from 1."""
    rank: int = 0
    """The class of its cause, 0 first; see `line.RANKS`."""
    task: str = ""
    """Storage key of the task that it is a run of."""
    reason: str = ""
    """Why no builder could be started for it at the last attempt."""
    row: Row | None = None

    @property
    def has_slot(self) -> bool:
        """Whether the run holds a place among those being executed."""
        return self.slot >= 0

    def values(self) -> dict[str, Scalar]:
        """Answer the row's columns."""
        return {
            "lane": self.lane,
            "slot": self.slot,
            "lease": self.lease,
            "position": self.position,
            "rank": self.rank,
            "task": self.task,
            "reason": self.reason,
        }

    @property
    def slot_key(self) -> str:
        """The row of the slot that it holds."""
        return _slot_key(self.lane, self.slot)


class RunStore:
    """Reads and changes runs; every change is by insert-if-absent or ETag."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def insert(self, run: Run, request_key: str, rank: int = 0) -> None:
        """Add a new run. Raises Conflict when its id is taken or the request has made a run already."""
        active = Active(run.registry, run.id, run.lane, rank=rank, task=(run.task or "").lower())
        self._table.transaction(
            [
                Insert(run.registry, f"r{newest_first(run.id)}", _columns(run)),
                Insert(run.registry, f"a{run.id}", active.values()),
                Insert(run.registry, f"q{request_key}", {"run": run.id, "created": run.created.timestamp()}),
            ]
        )

    def by_request(self, registry: str, request_key: str) -> Run | None:
        """Answer the run that a request has made, if any."""
        row = self._table.find(registry, f"q{request_key}")
        return self.get(registry, str(row.values["run"])) if row else None

    def get(self, registry: str, run_id: str) -> Run:
        """Read a run. Raises NotFound."""
        return _run(self._read(registry, run_id))

    def newest(self, registry: str, *, after: str | None = None) -> Iterator[Run]:
        """Read the runs of a registry, newest first, beginning after a run id."""
        first = f"r{newest_first(after)}~" if after else "r"
        return (_run(row) for row in self._table.query(registry, first, "s"))

    def change(self, registry: str, run_id: str, step: Callable[[Run], Run | None]) -> Run | None:
        """Apply `step` to the run as it stands; None from it means no change and is answered as None.

        `step` is called again when somebody else was faster. Raises NotFound, or Unavailable when the row
        never holds still.
        """
        for _ in range(_CHANGE_ATTEMPTS):
            row = self._read(registry, run_id)
            changed = step(_run(row))
            if changed is None:
                return None
            try:
                self._table.replace(row, _columns(changed))
            except PreconditionFailed:
                continue
            return changed
        raise Unavailable(f"The run {run_id} is being changed by too many at once.")

    def active(self, registry: str) -> list[Active]:
        """Read what is known of the runs that are not closed, oldest first."""
        return [_active(row) for row in self._table.query(registry, "a", "b")]

    def find_active(self, registry: str, run_id: str) -> Active | None:
        """Read the same of one run; None when it is closed."""
        row = self._table.find(registry, f"a{run_id}")
        return _active(row) if row else None

    def take_slot(self, active: Active, limit: int) -> Active | None:
        """Give the run one of `limit` slots; None when all are taken or somebody else is at this run."""
        if active.has_slot:
            return active
        taken = self._taken(active)
        for slot in (number for number in range(limit) if number not in taken):
            held = replace(active, slot=slot)
            try:
                self._table.transaction(
                    [
                        Insert(active.registry, held.slot_key, {"run": active.run_id}),
                        Replace(_row(active), held.values()),
                    ]
                )
            except Conflict:
                continue
            except (PreconditionFailed, NotFound):
                return None
            return self.find_active(active.registry, active.run_id)
        return None

    def leave_slot(self, active: Active) -> None:
        """Give the slot back while the run still waits."""
        waiting = replace(active, slot=-1)
        self._try([Replace(_row(active), waiting.values()), Delete(active.registry, active.slot_key)])

    def note(
        self,
        active: Active,
        *,
        lease: datetime | None = None,
        position: int | None = None,
        reason: str | None = None,
    ) -> bool:
        """Note a sign of life or how a run waits. False when somebody else changed the row first."""
        noted = replace(
            active,
            lease=lease.timestamp() if lease else active.lease,
            position=active.position if position is None else position,
            reason=active.reason if reason is None else reason,
        )
        return self._try([Replace(_row(active), noted.values())])

    def close(self, registry: str, run_id: str) -> None:
        """Forget that the run was active and give its slot back. Closing twice is fine."""
        active = self.find_active(registry, run_id)
        while active is not None:
            changes: list[Change] = [Delete(registry, f"a{run_id}", _row(active).etag)]
            changes += [Delete(registry, active.slot_key)] if active.has_slot else []
            if self._try(changes):
                return
            active = self.find_active(registry, run_id)

    def remove(self, run: Run) -> None:
        """Delete an ended run's row."""
        self._table.delete(run.registry, f"r{newest_first(run.id)}")

    def forget_requests(self, registry: str, before: datetime) -> None:
        """Delete the memory of requests that are too old to be repeated."""
        for row in self._table.query(registry, "q", "r"):
            if float(row.values["created"]) < before.timestamp():
                self._table.delete(registry, row.key)

    def _taken(self, active: Active) -> set[int]:
        prefix = _slot_prefix(active.lane)
        rows = self._table.query(active.registry, prefix, f"{prefix}~")
        return {int(row.key.removeprefix(prefix)) for row in rows}

    def _read(self, registry: str, run_id: str) -> Row:
        return self._table.get(registry, f"r{newest_first(run_id)}")

    def _try(self, changes: list[Change]) -> bool:
        try:
            self._table.transaction(changes)
        except (Conflict, NotFound, PreconditionFailed):
            return False
        return True


def _slot_prefix(lane: str) -> str:
    return f"p{lane}~" if lane else "s"


def _slot_key(lane: str, slot: int) -> str:
    return f"{_slot_prefix(lane)}{slot:03d}"


def _columns(run: Run) -> dict[str, Scalar]:
    return {"run": run.model_dump_json(), "status": run.status.value, "task": run.task or ""}


def _run(row: Row) -> Run:
    return Run.model_validate_json(str(row.values["run"]))


def _active(row: Row) -> Active:
    values = row.values
    return Active(
        registry=row.partition,
        run_id=row.key[1:],
        lane=str(values.get("lane", "")),
        slot=int(values["slot"]),
        lease=float(values["lease"]),
        position=int(values["position"]),
        rank=int(values.get("rank", 0)),
        task=str(values.get("task", "")),
        reason=str(values.get("reason", "")),
        row=row,
    )


def _row(active: Active) -> Row:
    if active.row is None:
        raise ValueError("only what was read can be changed")
    return active.row

"""Runs in the `runs` table.

Partition = registry. Rows, by the first letter of their key:

    r{inverted id}        the run itself, newest first
    w{pool}~{turn}        beside each run that waits for a place, in the order of its line; see `line.turn`
    a{id}                 beside each run that has a place and is not closed, oldest first
    s{nn}                 a slot that a run holds; there are as many as runs may be executed at the same time
    p{pool}~{nn}          the same for runs in an agent pool, of which there are as many as the pool has builders
    q{hash}               the request that made a run, so that a repeated one answers the same run

They change together in transactions of one partition: a run that gets a place loses its row in the line with it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, islice

from shared.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from shared.runs.ids import newest_first
from shared.runs.line import run_of, turn
from shared.runs.model import Run
from shared.storage import Change, Delete, Insert, Replace, Row, Table
from shared.storage.tables import Scalar

FRONT = 200
"""How many of those that wait are read at once."""
TOGETHER = 33
"""How many runs, of three rows each, one transaction can add."""
_CHANGE_ATTEMPTS = 20


@dataclass(frozen=True)
class Active:
    """What is known of a run that has not been closed. Times in seconds since 1970; 0 means never."""

    registry: str
    run_id: str
    turn: str
    """Its place in the order of its line, whether it still stands there or not."""
    lane: str = ""
    """Storage key of the agent pool whose slots the run takes; empty for the registry's own."""
    slot: int = -1
    since: float = 0.0
    """When it got its place."""
    lease: float = 0.0
    """When its builder was last heard of."""
    position: int = 0
    """The place in the queue that its log last told, counted from 1."""
    task: str = ""
    """Storage key of the task that it is a run of."""
    reason: str = ""
    """What its log last told of why there is no builder."""
    platform: str = ""
    """What it is to be run on, like `linux/arm64`; empty for amd64."""
    is_untrusted: bool = False
    """Whether a stranger wrote what it builds."""
    row: Row | None = None

    @classmethod
    def of(cls, run: Run) -> "Active":
        """Answer what is known of a run that was queued just now."""
        return cls(
            run.registry,
            run.id,
            turn(run.id, run.cause.kind),
            run.lane,
            task=(run.task or "").lower(),
            platform=str(run.platform),
            is_untrusted=run.is_untrusted,
        )

    @property
    def key(self) -> str:
        """Its row: in the line, or among those that have a place."""
        return f"a{self.run_id}" if self.has_slot else f"{_line(self.lane)}{self.turn}"

    @property
    def has_slot(self) -> bool:
        """Whether the run holds a place among those being executed."""
        return self.slot >= 0

    def values(self) -> dict[str, Scalar]:
        """Answer the row's columns."""
        return {
            "lane": self.lane,
            "slot": self.slot,
            "since": self.since,
            "lease": self.lease,
            "position": self.position,
            "turn": self.turn,
            "task": self.task,
            "reason": self.reason,
            "platform": self.platform,
            "untrusted": self.is_untrusted,
        }

    @property
    def slot_key(self) -> str:
        """The row of the slot that it holds."""
        return _slot_key(self.lane, self.slot)


class RunStore:
    """Reads and changes runs; every change is by insert-if-absent or ETag."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def insert(self, run: Run, request_key: str) -> None:
        """Add a new run. Raises Conflict when its id is taken or the request has made a run already."""
        self._table.transaction(_new_rows(run, request_key))

    def insert_all(self, runs: Mapping[str, Run]) -> None:
        """Add new runs of one registry, at most `TOGETHER`, by the keys of their requests: all or none.

        Raises Conflict when one of their ids is taken or one of the requests has made a run already.
        """
        self._table.transaction([row for key, run in runs.items() for row in _new_rows(run, key)])

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

    def active(self, registry: str) -> Iterator[Active]:
        """Read what is known of the runs that are not closed: those that have a place, then those that wait."""
        yield from self.placed(registry)
        yield from self.waiting(registry)

    def placed(self, registry: str) -> list[Active]:
        """Read those that have a place, oldest first."""
        return [_active(row) for row in self._table.query(registry, "a", "b")]

    def waiting(self, registry: str) -> Iterator[Active]:
        """Read those that wait, line by line, whoever is next first."""
        return map(_active, self._table.query(registry, "w", "x"))

    def line(self, registry: str, lane: str) -> Iterator[Active]:
        """Read those that wait in one line, whoever is next first."""
        return map(_active, self._table.query(registry, _line(lane), f"{_line(lane)}~"))

    def fronts(self, registry: str) -> dict[str, list[Active]]:
        """Read the front of every line in which somebody waits: at most `FRONT` of each, whoever is next first.

        One request while no more than `FRONT` wait in all; otherwise one more for each further line.
        """
        found: dict[str, list[Active]] = {}
        rows = self._table.first(registry, "w", "x", FRONT)
        while rows:
            for lane, waiting in groupby(map(_active, rows), key=lambda active: active.lane):
                found[lane] = list(waiting)
            cut = _active(rows[-1]).lane
            if len(rows) < FRONT or not cut:  # the registry's own line is the last one
                break
            if len(found[cut]) < FRONT:
                found[cut] = list(map(_active, self._table.first(registry, _line(cut), f"{_line(cut)}~", FRONT)))
            rows = self._table.first(registry, f"{_line(cut)}~", "x", FRONT)
        return found

    def count(self, registry: str, most: int) -> int:
        """Answer how many runs are not closed, or `most` when there are as many."""
        return sum(1 for _ in islice(self.active(registry), most))

    def find_placed(self, registry: str, run_id: str) -> Active | None:
        """Read what is known of a run that has a place; None of any other."""
        row = self._table.find(registry, f"a{run_id}")
        return _active(row) if row else None

    def find_waiting(self, run: Run) -> Active | None:
        """Read what is known of a run that waits; None of any other."""
        row = self._table.find(run.registry, Active.of(run).key)
        return _active(row) if row else None

    def find_active(self, run: Run) -> Active | None:
        """Read what is known of a run; None when it is closed."""
        waiting = Active.of(run)
        for key in (waiting.key, replace(waiting, slot=0).key, waiting.key):  # it may change sides in between
            if row := self._table.find(run.registry, key):
                return _active(row)
        return None

    def take_slot(self, waiting: Active, taken: set[int], limit: int, now: datetime) -> Active | None:
        """Give a run that waits one of `limit` slots, and add it to those known to be taken.

        None when all are taken, as `taken` says then, or when somebody else is at this run.
        """
        for slot in range(limit):
            if slot in taken:
                continue
            taken.add(slot)
            held = replace(waiting, slot=slot, since=now.timestamp(), row=None)
            changes: list[Change] = [
                Delete(waiting.registry, waiting.key, _row(waiting).etag),
                Insert(held.registry, held.slot_key, {"run": held.run_id}),
                Insert(held.registry, held.key, held.values()),
            ]
            try:
                self._table.transaction(changes)
            except Conflict:
                continue
            except (PreconditionFailed, NotFound):
                taken.discard(slot)
                return None
            return held
        return None

    def leave_slot(self, held: Active) -> None:
        """Give the slot back and let the run stand in its line again."""
        waiting = replace(held, slot=-1)
        changes: list[Change] = [
            Delete(held.registry, held.key),
            Delete(held.registry, held.slot_key),
            Insert(waiting.registry, waiting.key, waiting.values()),
        ]
        self._try(changes)

    def note(self, known: Active) -> bool:
        """Keep what is known of a run now: a sign of life, what its log tells. False when somebody else was first."""
        return self._try([Replace(_row(known), known.values())])

    def close(self, run: Run) -> None:
        """Forget that the run was active and give its slot back. Closing twice is fine."""
        active = self.find_active(run)
        while active is not None and not self.drop(active):
            active = self.find_active(run)

    def drop(self, active: Active) -> bool:
        """Forget what was read of an active run. False when somebody else changed it first."""
        changes: list[Change] = [Delete(active.registry, active.key, _row(active).etag)]
        changes += [Delete(active.registry, active.slot_key)] if active.has_slot else []
        return self._try(changes)

    def remove(self, run: Run) -> None:
        """Delete an ended run's row."""
        self._table.delete(run.registry, f"r{newest_first(run.id)}")

    def forget_requests(self, registry: str, before: datetime) -> None:
        """Delete the memory of requests that are too old to be repeated."""
        for row in self._table.query(registry, "q", "r"):
            if float(row.values["created"]) < before.timestamp():
                self._table.delete(registry, row.key)

    def _read(self, registry: str, run_id: str) -> Row:
        return self._table.get(registry, f"r{newest_first(run_id)}")

    def _try(self, changes: list[Change]) -> bool:
        try:
            self._table.transaction(changes)
        except (Conflict, NotFound, PreconditionFailed):
            return False
        return True


def _new_rows(run: Run, request_key: str) -> list[Change]:
    active = Active.of(run)
    return [
        Insert(run.registry, f"r{newest_first(run.id)}", _columns(run)),
        Insert(run.registry, active.key, active.values()),
        Insert(run.registry, f"q{request_key}", {"run": run.id, "created": run.created.timestamp()}),
    ]


def _line(lane: str) -> str:
    """Answer how the keys of a line begin; `~` comes after all that may follow."""
    return f"w{lane}~"


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
    word = str(values["turn"])
    return Active(
        registry=row.partition,
        run_id=run_of(word),
        turn=word,
        lane=str(values["lane"]),
        slot=int(values["slot"]),
        since=float(values["since"]),
        lease=float(values["lease"]),
        position=int(values["position"]),
        task=str(values["task"]),
        reason=str(values["reason"]),
        platform=str(values.get("platform", "")),
        is_untrusted=bool(values.get("untrusted", False)),
        row=row,
    )


def _row(active: Active) -> Row:
    if active.row is None:
        raise ValueError("only what was read can be changed")
    return active.row

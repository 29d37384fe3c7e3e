"""Rebuilds that are due, and those that were: the record by which each generation is followed once by each task.

Partition = registry and one of sixteen shards · key = task|base|generation and turn. A row is inserted when it must
not exist and stays for a day after it is done, so a repeated fan-out inserts nothing. `live` marks rows not done.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import batched, groupby
from typing import Any

from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.storage import Insert, Row, Table
from shared.storage.tables import Scalar
from shared.triggers.base_images.model import BaseTag, Pending, Stage, TaskKey

TRANSACTION = 100
_REMEMBERED = timedelta(days=1)
_ROUNDS = 5


class PendingStore:
    """Inserts and moves the rebuilds of tasks. Thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, pending: Iterable[Pending]) -> int:
        """Add rebuilds, those of one shard in transactions of a hundred; answers how many were new."""
        parts = groupby(
            sorted(pending, key=lambda one: (partition(one.task), one.key)), lambda one: partition(one.task)
        )
        return sum(self._add(name, some) for name, group in parts for some in batched(group, TRANSACTION, strict=False))

    def of_task(self, task: TaskKey) -> list[Pending]:
        """Read the rebuilds of a task that are not done."""
        rows = self._table.query(partition(task), f"{task.task}|", f"{task.task}}}")
        return [one for one in map(_pending, rows) if one.stage is not Stage.DONE]

    def of_generation(self, task: TaskKey, base: str, generation: int) -> list[Pending]:
        """Read the rebuilds of a task for one generation of one base image, done or not."""
        first = f"{task.task}|{base}|{generation:08d}."
        return [_pending(row) for row in self._table.query(partition(task), first, f"{first}~")]

    def is_busy(self, task: TaskKey) -> bool:
        """Whether a task owes a rebuild or is at one."""
        return bool(self.of_task(task))

    def live(self, registry: str, shard: str = "") -> Iterator[Pending]:
        """Read the rebuilds of a registry, or of one shard of it, that are not done; those of a task together."""
        first = f"{registry}|{shard}"
        return map(_pending, self._table.marked(first, f"{first}~", "live"))

    def move(self, pending: Pending, moved: Pending) -> Pending | None:
        """Put `moved` in place of a rebuild as it was read; None when somebody else moved it first."""
        try:
            return replace(moved, row=self._table.replace(_row(pending), _values(moved)))
        except (PreconditionFailed, NotFound):
            return None

    def purge(self, registry: str, now: datetime) -> None:
        """Forget the rebuilds that are done and a day old."""
        rows = self._table.across(f"{registry}|", f"{registry}|~", "", "~")
        old = (one for one in map(_pending, rows) if one.stage is Stage.DONE and one.created < now - _REMEMBERED)
        for name, group in groupby(old, lambda one: partition(one.task)):
            self._table.delete_all(name, [one.key for one in group])

    def _add(self, name: str, pending: Sequence[Pending]) -> int:
        missing = list(pending)
        for _ in range(_ROUNDS):
            if not missing:
                return 0
            try:
                self._table.transaction([Insert(name, one.key, _values(one)) for one in missing])
            except Conflict:
                known = self._keys(name, missing)
                missing = [one for one in missing if one.key not in known]
            else:
                return len(missing)
        return sum(self._add_one(name, one) for one in missing)

    def _add_one(self, name: str, pending: Pending) -> bool:
        try:
            self._table.insert(name, pending.key, _values(pending))
        except Conflict:
            return False
        return True

    def _keys(self, name: str, pending: Sequence[Pending]) -> set[str]:
        keys = [one.key for one in pending]
        return {row.key for row in self._table.query(name, min(keys), f"{max(keys)}~")}


def partition(task: TaskKey) -> str:
    """Answer where the rebuilds of a task lie."""
    return f"{task.registry}|{task.shard}"


def _row(pending: Pending) -> Row:
    if pending.row is None:
        raise ValueError("only what was read can be changed")
    return pending.row


def _values(one: Pending) -> dict[str, Scalar]:
    return {
        "registry": one.tag.registry,
        "repository": one.tag.repository,
        "tag": one.tag.tag,
        "digest": one.digest,
        "created": one.created.timestamp(),
        "due": one.due.timestamp(),
        "stage": one.stage.value,
        "live": one.stage is not Stage.DONE,
        "claimed": one.claimed.timestamp() if one.claimed else 0.0,
        "run": one.run,
    }


def _pending(row: Row) -> Pending:
    values: Any = row.values
    registry = row.partition.partition("|")[0]
    task, base, place = row.key.split("|")
    generation, _, turn = place.partition(".")
    return Pending(
        task=TaskKey(registry, task),
        base=base,
        generation=int(generation),
        turn=int(turn),
        tag=BaseTag(values["registry"], values["repository"], values["tag"]),
        digest=values["digest"],
        created=_moment(values["created"]),
        due=_moment(values["due"]),
        stage=Stage(values["stage"]),
        claimed=_moment(values["claimed"]) if values["claimed"] else None,
        run=values["run"],
        row=row,
    )


def _moment(value: Scalar) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)

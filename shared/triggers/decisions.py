"""Why a run did or did not start: one row per cause and decision, newest first for each task.

Partition = registry and task. A decision is identified by its time and key, so that recording it again after a
crash adds nothing. What is written here is read by people: reasons are sentences and hold no secret.
"""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import Conflict
from shared.metrics import Metric, count
from shared.runs.causes import CauseKind
from shared.runs.context import Workshop
from shared.storage import Row, Table

MAX_REASON = 2000
_FIRST, _END = "d", "e"
_HORIZON = 10**14
"""Milliseconds since 1970 that no decision reaches: keys count down from it."""
_MILLISECOND = timedelta(milliseconds=1)
_READ = 1000


class Verdict(StrEnum):
    """What became of a cause."""

    STARTED = "started"
    JOINED = "joined"
    """A run of the task was queued already and serves this cause too."""
    WAITS = "waits"
    """Something has to end first; the cause is looked at again."""
    SUPPRESSED = "suppressed"
    """By a rule no run comes of it."""
    REFUSED = "refused"
    """A run was wanted but the request for it did not hold."""


class Decision(BaseModel):
    """One decision about one cause of one task."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    """The registry's storage key."""
    task: str
    at: datetime
    """When it was taken; the same whenever the same decision is recorded again."""
    verdict: Verdict
    cause: CauseKind
    trigger: str
    """The name of the task's trigger that the cause came through."""
    subject: str
    """What happened, in the words of its kind: an occurrence, a commit, an image and its digest."""
    stands_for: int = 1
    """How many causes of the same kind and trigger the decision was taken for at once."""
    reason: str = Field(max_length=MAX_REASON)
    run_id: str | None = None
    """The run that was started or joined, or that is waited for."""

    @property
    def key(self) -> str:
        """The row's key: newest first, and the same for the same decision."""
        words = (self.verdict, self.cause, self.trigger, self.subject, self.run_id or "")
        return _number(self.at) + hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]


class DecisionStore:
    """Reads and adds decisions."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def record(self, decision: Decision) -> None:
        """Add a decision; one that is there already is fine."""
        try:
            partition = _partition(decision.registry, decision.task)
            self._table.insert(partition, decision.key, {"decision": decision.model_dump_json()})
        except Conflict:
            return
        outcome, cause = decision.verdict.value, decision.cause.value
        count(Metric.DECISIONS, registry=decision.registry, outcome=outcome, cause=cause)

    def newest(self, registry: str, task: str, limit: int = 20) -> list[Decision]:
        """Read the latest decisions about a task, newest first."""
        rows = self._table.query(_partition(registry, task), _FIRST, _END)
        return [_decision(row) for row in islice(rows, limit)]

    def of_run(self, registry: str, task: str, run_id: str, since: datetime) -> list[Decision]:
        """Read the decisions since a moment that name a run, newest first; of a busy task the latest thousand."""
        rows = self._table.query(_partition(registry, task), _FIRST, _number(since - _MILLISECOND))
        return [found for found in map(_decision, islice(rows, _READ)) if found.run_id == run_id]

    def purge(self, registry: str, before: datetime) -> None:
        """Delete the decisions of a registry that were taken before a moment."""
        first = _number(before - _MILLISECOND)
        old = self._table.across(f"{registry}|", f"{registry}}}", first, _END)
        for partition, rows in _by_partition(old):
            self._table.delete_all(partition, [row.key for row in rows])


def purge_decisions(shop: Workshop) -> None:
    """Delete the decisions of every registry that are past the retention of its runs."""
    before = shop.clock() - timedelta(days=shop.settings.retention_days)
    for registry in shop.settings.registries:
        DecisionStore(shop.storage.decisions).purge(registry.name.lower(), before)


def _partition(registry: str, task: str) -> str:
    return f"{registry}|{task.lower()}"


def _number(moment: datetime) -> str:
    """Answer how the keys of a moment's decisions begin; those of an earlier moment are greater."""
    return f"{_FIRST}{_HORIZON - int(moment.timestamp() * 1000):015d}"


def _by_partition(rows: Iterator[Row]) -> Iterator[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.partition, []).append(row)
    return iter(found.items())


def _decision(row: Row) -> Decision:
    text: Any = row.values["decision"]
    return Decision.model_validate_json(text)

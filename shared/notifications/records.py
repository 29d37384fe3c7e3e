"""What was told to whom, and how it was taken: one row for each event and receiver, newest first.

Partition = registry. Beside a delivery that is not settled there is a row `o`, which goes in the same transaction that
settles it: so what is still to be told is found without reading what has been.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from pydantic import BaseModel, ConfigDict

from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.runs.ids import newest_first
from shared.settings import Notice
from shared.storage import Delete, Insert, Replace, Row, Table


class Fate(StrEnum):
    """What became of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver does not want it, and would not later."""
    GIVEN_UP = "givenUp"
    """It was not taken within its time."""


class Delivery(BaseModel):
    """One event for one receiver."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    """The registry's storage key."""
    run_id: str
    notice: Notice
    receiver: str
    fate: Fate = Fate.PENDING
    made: datetime
    """When it was first to be told."""
    due: datetime
    """When it is told again; after its last attempt, when that was."""
    attempts: int = 0
    answer: str = ""
    """What the last attempt came to: `HTTP 204`, or why there was no answer."""

    @property
    def key(self) -> str:
        """The row's key: the newest run first."""
        return f"d{newest_first(self.run_id)}-{self.notice}-{self.receiver}"


@dataclass(frozen=True)
class Recorded:
    """A delivery and the row that it was read from."""

    delivery: Delivery
    row: Row


class DeliveryStore:
    """Adds, reads and settles deliveries."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, delivery: Delivery) -> bool:
        """Add a delivery; False when it is there already."""
        try:
            self._table.transaction(
                [
                    Insert(delivery.registry, delivery.key, _columns(delivery)),
                    Insert(delivery.registry, _open(delivery), {"key": delivery.key}),
                ]
            )
        except Conflict:
            return False
        return True

    def find(self, registry: str, key: str) -> Recorded | None:
        """Read one delivery."""
        row = self._table.find(registry, key)
        return Recorded(_delivery(row), row) if row else None

    def note(self, known: Recorded, now: Delivery) -> bool:
        """Keep how a delivery stands now. False when somebody else was faster."""
        changes: list[Replace | Delete] = [Replace(known.row, _columns(now))]
        if now.fate is not Fate.PENDING:
            changes.append(Delete(now.registry, _open(now)))
        try:
            self._table.transaction(changes)
        except (NotFound, PreconditionFailed):
            return False
        return True

    def pending(self, registry: str) -> Iterator[Delivery]:
        """Read what is still to be told."""
        for row in self._table.query(registry, "o", "p"):
            known = self.find(registry, str(row.values["key"]))
            if known is not None:
                yield known.delivery

    def newest(self, registry: str, most: int, run_id: str = "") -> list[Delivery]:
        """Read the latest deliveries of a registry, or those of one run."""
        first, end = (f"d{newest_first(run_id)}-", f"d{newest_first(run_id)}~") if run_id else ("d", "e")
        return [_delivery(row) for row in islice(self._table.query(registry, first, end), most)]

    def purge(self, registry: str, before: datetime) -> None:
        """Delete what was settled before a moment."""
        rows = self._table.query(registry, "d", "e")
        self._table.delete_all(registry, (row.key for row in rows if _is_over(_delivery(row), before)))


def _is_over(delivery: Delivery, before: datetime) -> bool:
    return delivery.fate is not Fate.PENDING and delivery.due < before


def _open(delivery: Delivery) -> str:
    return f"o{delivery.key[1:]}"


def _columns(delivery: Delivery) -> dict[str, str | int | float | bool]:
    return {"delivery": delivery.model_dump_json()}


def _delivery(row: Row) -> Delivery:
    return Delivery.model_validate_json(str(row.values["delivery"]))

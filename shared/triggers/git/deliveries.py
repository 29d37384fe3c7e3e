"""Deliveries that were accepted: each once, and each kept until everything that follows from it is done.

Partition = registry. A row `d…` for each delivery of the last seven days, which must not exist when it comes: the
protection against replay. Beside it, in the same transaction, a row `p…` with what is still to be done, oldest
first. Deliveries that come at the same time share the transaction and that row.
"""

import base64
import logging
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pydantic import TypeAdapter

from shared.errors import Conflict, NotFound, PreconditionFailed
from shared.storage import Change, Delete, Insert, Row, Table
from shared.triggers.git.events import Delivery, Event, Fact, Push
from shared.triggers.git.together import Together

REMEMBERED = timedelta(days=7)
_ACCEPTED, _ACCEPTED_END, _PENDING, _PENDING_END = "d", "e", "p", "q"
_PER_TRANSACTION = 100
_TOGETHER = _PER_TRANSACTION - 1
_CALLS = 2
"""Transactions of a registry at once: while one is on its way, the next one is written."""
_CELL = 32_000
_CELLS = 12
_MAX_EVENTS = 1000
_KNOWN = 20_000
_LOG = logging.getLogger(__name__)


class Accepted(Fact):
    """A delivery that is known to come from the host of its hook."""

    registry: str
    hook: str
    key: str
    """The same for each repetition of the delivery, see `GitHost.key`."""
    at: datetime
    delivery: Delivery

    @property
    def row_key(self) -> str:
        """The key of the row that must not exist."""
        return f"{_ACCEPTED}{self.hook}|{self.key}"


_LIST = TypeAdapter(tuple[Accepted, ...])


@dataclass(frozen=True)
class Pending:
    """Deliveries of one row from which something has still to follow."""

    row: Row
    deliveries: tuple[Accepted, ...]


class DeliveryStore:
    """Keeps deliveries. Thread-safe."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._writers: dict[str, Together[Accepted, bool]] = {}
        self._known: OrderedDict[str, None] = OrderedDict()

    def accept(self, accepted: Accepted) -> bool:
        """Keep a delivery durably; False when it is a repetition. Raises Unavailable."""
        if self._knows(accepted):
            return False
        with self._lock:
            writer = self._writers.setdefault(accepted.registry, Together(self._insert_new, _TOGETHER, _CALLS))
        is_new = writer.do(accepted)
        self._remember(accepted)
        return is_new

    def pending(self, registry: str) -> Iterator[Pending]:
        """Read the deliveries that are not done, oldest first."""
        return (Pending(row, _deliveries(row)) for row in self._table.query(registry, _PENDING, _PENDING_END))

    def finish(self, pending: Pending, left: Sequence[Accepted] = ()) -> None:
        """Note that nothing more follows from these but from those that are `left`.

        When another process was first, its note stands: what it left comes again.
        """
        row = pending.row
        try:
            if left:
                self._table.replace(row, _row_values(left))
            else:
                self._table.transaction([Delete(row.partition, row.key, row.etag)])
        except (NotFound, PreconditionFailed):
            return

    def purge(self, registry: str, now: datetime) -> None:
        """Forget deliveries that are older than seven days."""
        oldest = (now - REMEMBERED).timestamp()
        rows = self._table.query(registry, _ACCEPTED, _ACCEPTED_END)
        old = (row.key for row in rows if float(row.values["at"]) < oldest)
        self._table.delete_all(registry, old)

    def _insert_new(self, deliveries: Sequence[Accepted]) -> list[bool]:
        """Insert those that are new, of equal ones the first."""
        unique = {one.row_key: one for one in reversed(deliveries)}
        new = {id(one) for one in self._insert(tuple(unique.values()))}
        return [id(one) in new for one in deliveries]

    def _insert(self, deliveries: tuple[Accepted, ...]) -> tuple[Accepted, ...]:
        """Insert all in one transaction, or halves of them when that is too much or one of them is known."""
        is_one = len(deliveries) == 1
        cells = _cells(deliveries)
        if is_one and cells is None:
            cells = _cells((_without_commits(deliveries[0]),))
        if cells is not None:
            try:
                self._table.transaction(_inserts(deliveries, cells))
            except Conflict:
                if is_one:
                    return ()
            else:
                return deliveries
        middle = len(deliveries) // 2
        return (*self._insert(deliveries[:middle]), *self._insert(deliveries[middle:]))

    def _knows(self, accepted: Accepted) -> bool:
        with self._lock:
            return f"{accepted.registry}|{accepted.row_key}" in self._known

    def _remember(self, accepted: Accepted) -> None:
        """Note a delivery whose row is known to exist, so that its repetition costs nothing here."""
        with self._lock:
            self._known[f"{accepted.registry}|{accepted.row_key}"] = None
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)


def _inserts(deliveries: Sequence[Accepted], cells: Mapping[str, str]) -> list[Change]:
    first = min(one.at for one in deliveries)
    registry = deliveries[0].registry
    pending = f"{_PENDING}{int(first.timestamp() * 1000):015d}|{uuid4().hex}"
    rows: list[Change] = [Insert(registry, one.row_key, {"at": one.at.timestamp()}) for one in deliveries]
    return [*rows, Insert(registry, pending, cells)]


def _row_values(deliveries: Sequence[Accepted]) -> Mapping[str, str]:
    """Write deliveries that came from one row and so fit into it."""
    return _cells(deliveries) or {}


def _cells(deliveries: Sequence[Accepted]) -> dict[str, str] | None:
    """Write deliveries into the cells of a row, or None when they do not fit."""
    text = base64.b64encode(zlib.compress(_LIST.dump_json(tuple(deliveries)), 1)).decode()
    if len(text) > _CELL * _CELLS:
        return None
    return {f"e{start // _CELL}": text[start : start + _CELL] for start in range(0, len(text), _CELL)}


def _without_commits(accepted: Accepted) -> Accepted:
    def smaller(event: Event) -> Event:
        if isinstance(event, Push):
            return event.model_copy(update={"commits": (), "is_complete": False})
        return event

    events = accepted.delivery.events
    if len(events) > _MAX_EVENTS:
        _LOG.error("hook %s sent %d events at once; the first %d are kept", accepted.hook, len(events), _MAX_EVENTS)
    kept = tuple(smaller(event) for event in events[:_MAX_EVENTS])
    return accepted.model_copy(update={"delivery": accepted.delivery.model_copy(update={"events": kept})})


def _deliveries(row: Row) -> tuple[Accepted, ...]:
    values = row.values
    text = "".join(str(values[f"e{number}"]) for number in range(_CELLS) if f"e{number}" in values)
    try:
        return _LIST.validate_json(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        _LOG.exception("the deliveries in row %s cannot be read", row.key)
        return ()


def taken_at(pending: Pending) -> datetime:
    """Answer when the oldest delivery of a row came, by the row's key."""
    milliseconds = pending.row.key[len(_PENDING) :].partition("|")[0]
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)

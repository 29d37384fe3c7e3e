"""Deliveries that were accepted: each once, and each kept until everything that follows from it is done.

Partition = registry. A row `d…` for each delivery of the last seven days, which must not exist when it comes: the
protection against replay. A row `p…` beside it with what the delivery says, oldest first, until that is done.
Both are inserted in one transaction, and those of deliveries that come at the same time in the same one.
"""

import base64
import logging
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched

from shared.errors import Conflict, NotFound
from shared.storage import Change, Delete, Insert, Row, Table
from shared.triggers.git.events import Delivery, Event, Ignored, Push
from shared.triggers.git.together import Together

REMEMBERED = timedelta(days=7)
_ACCEPTED, _ACCEPTED_END, _PENDING, _PENDING_END = "d", "e", "p", "q"
_PER_TRANSACTION = 100
_TOGETHER = _PER_TRANSACTION // 2
_TRANSACTION_CHARACTERS = 1_500_000
"""A transaction has at most 4 MiB, in which a character takes up to two bytes."""
_CELL = 32_000
_CELLS = 12
_MAX_EVENTS = 1000
_KNOWN = 20_000
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Accepted:
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


@dataclass(frozen=True)
class Pending:
    """An accepted delivery from which everything has still to follow."""

    accepted: Accepted
    row_key: str


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
            writer = self._writers.setdefault(accepted.registry, Together(self._insert_new, _TOGETHER))
        is_new = writer.do(accepted)
        self._remember(accepted)
        return is_new

    def pending(self, registry: str) -> Iterator[Pending]:
        """Read the deliveries that are not done, oldest first."""
        return (_pending(row) for row in self._table.query(registry, _PENDING, _PENDING_END))

    def finish(self, registry: str, done: Sequence[Pending]) -> None:
        """Note that nothing more follows from these; those noted already are fine."""
        for some in batched(done, _PER_TRANSACTION, strict=False):
            self._remove(registry, [one.row_key for one in some])

    def purge(self, registry: str, now: datetime) -> None:
        """Forget deliveries that are older than seven days."""
        oldest = (now - REMEMBERED).timestamp()
        rows = self._table.query(registry, _ACCEPTED, _ACCEPTED_END)
        old = (row.key for row in rows if float(row.values["at"]) < oldest)
        for some in batched(old, _PER_TRANSACTION, strict=False):
            self._remove(registry, list(some))

    def _insert_new(self, deliveries: Sequence[Accepted]) -> list[bool]:
        """Insert those that are new, of equal ones the first."""
        unique = {one.row_key: one for one in reversed(deliveries)}
        new = {id(one) for part in _parts(list(unique.values())) for one in self._insert(part)}
        return [id(one) in new for one in deliveries]

    def _insert(self, deliveries: Sequence[tuple[Accepted, Sequence[Change]]]) -> list[Accepted]:
        """Insert all in one transaction, or halves of them until the repetitions stand alone."""
        try:
            changes = [change for _, some in deliveries for change in some]
            self._table.transaction(changes)
        except Conflict:
            if len(deliveries) == 1:
                return []
            middle = len(deliveries) // 2
            return [*self._insert(deliveries[:middle]), *self._insert(deliveries[middle:])]
        return [one for one, _ in deliveries]

    def _knows(self, accepted: Accepted) -> bool:
        with self._lock:
            return f"{accepted.registry}|{accepted.row_key}" in self._known

    def _remember(self, accepted: Accepted) -> None:
        """Note a delivery whose row is known to exist, so that its repetition costs nothing here."""
        with self._lock:
            self._known[f"{accepted.registry}|{accepted.row_key}"] = None
            while len(self._known) > _KNOWN:
                self._known.popitem(last=False)

    def _remove(self, registry: str, keys: list[str]) -> None:
        try:
            self._table.transaction([Delete(registry, key) for key in keys])
        except NotFound:
            for key in keys:
                self._table.delete(registry, key)


_Prepared = tuple[Accepted, Sequence[Change]]


def _parts(deliveries: Sequence[Accepted]) -> Iterator[list[_Prepared]]:
    part: list[_Prepared] = []
    size = 0
    for one in deliveries:
        cells = _cells(one.delivery)
        length = sum(map(len, cells.values())) + 1000
        if part and size + length > _TRANSACTION_CHARACTERS:
            yield part
            part, size = [], 0
        part.append((one, _inserts(one, cells)))
        size += length
    if part:
        yield part


def _inserts(accepted: Accepted, cells: dict[str, str]) -> list[Change]:
    at = accepted.at.timestamp()
    values: dict[str, str | float] = {"hook": accepted.hook, "key": accepted.key, "at": at, **cells}
    pending = f"{_PENDING}{int(at * 1000):015d}|{accepted.hook}|{accepted.key}"
    return [
        Insert(accepted.registry, accepted.row_key, {"at": at}),
        Insert(accepted.registry, pending, values),
    ]


def _cells(delivery: Delivery) -> dict[str, str]:
    """Write a delivery into cells of a row, without its commits when it would not fit with them."""
    for fitting in (delivery, _without_commits(delivery)):
        text = base64.b64encode(zlib.compress(fitting.model_dump_json().encode(), 1)).decode()
        if len(text) <= _CELL * _CELLS:
            break
    return {f"e{number}": "".join(part) for number, part in enumerate(batched(text, _CELL, strict=False))}


def _without_commits(delivery: Delivery) -> Delivery:
    def smaller(event: Event) -> Event:
        if isinstance(event, Push):
            return event.model_copy(update={"commits": (), "is_complete": False})
        return event

    return delivery.model_copy(update={"events": tuple(smaller(event) for event in delivery.events[:_MAX_EVENTS])})


def _pending(row: Row) -> Pending:
    values = row.values
    text = "".join(str(values[f"e{number}"]) for number in range(_CELLS) if f"e{number}" in values)
    try:
        delivery = Delivery.model_validate_json(zlib.decompress(base64.b64decode(text)))
    except (ValueError, zlib.error):
        _LOG.exception("the delivery in row %s cannot be read", row.key)
        delivery = Delivery(events=(Ignored(reason="The row of the delivery cannot be read."),))
    at = datetime.fromtimestamp(float(values["at"]), UTC)
    return Pending(Accepted(row.partition, str(values["hook"]), str(values["key"]), at, delivery), row.key)

"""A log that answers when there is something new.

az reads a log as an append blob: it asks for size and metadata, reads what is new in 4 KiB pieces, and sleeps
two to fifteen seconds whenever there was nothing new. Here the question for the size is held until the log
has grown beyond what this reader knows, or is complete, so az sleeps only while nothing is written. A reader
may know more than it was told: its last piece reaches into what was written since.
What a reader knows is remembered by this process alone; another one simply does not hold the first answer.
"""

import re
import threading
from collections import OrderedDict
from dataclasses import dataclass

from shared.runs.context import Workshop
from shared.runs.logs import log_name
from shared.storage.blobs import BlobState

_READERS = 2000
_POSITION = re.compile("[0-9]{1,18}")
MAX_PIECE = 4 * 1024 * 1024
"""Most bytes that one answer carries."""


@dataclass(frozen=True)
class Piece:
    """A part of a log: its first byte's position, the bytes, and the size of the whole."""

    start: int
    data: bytes
    size: int


class Readers:
    """How far each reader has been told or has read; the oldest are forgotten."""

    def __init__(self) -> None:
        self._told: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def knows(self, reader: str, size: int) -> bool:
        """Whether a log of this size has nothing new for the reader."""
        with self._lock:
            return size <= self._told.get(reader, -1)

    def tell(self, reader: str, size: int) -> None:
        """Remember that the reader knows of this many bytes, by their number or because it has read them."""
        with self._lock:
            self._told[reader] = max(size, self._told.get(reader, 0))
            self._told.move_to_end(reader)
            while len(self._told) > _READERS:
                self._told.popitem(last=False)


def log_state(shop: Workshop, registry: str, run_id: str) -> BlobState:
    """Answer a log's size and metadata. Raises NotFound."""
    return shop.storage.blobs.state("logs", log_name(registry, run_id))


def is_complete(state: BlobState) -> bool:
    """Whether nothing will be added any more."""
    return any(name.lower() == "complete" for name in state.metadata)


def read_piece(shop: Workshop, registry: str, run_id: str, asked: str | None) -> Piece | None:
    """Answer the bytes that a `bytes=first-last` header asks for; None when there are none. Raises NotFound."""
    state = log_state(shop, registry, run_id)
    start, length = _range(asked, state.size)
    if length <= 0:
        return None
    data = shop.storage.blobs.read("logs", log_name(registry, run_id), offset=start, length=length)
    return Piece(start, data, state.size)


def _range(asked: str | None, size: int) -> tuple[int, int]:
    first, _, last = (asked or "").removeprefix("bytes=").partition("-")
    start = int(first) if _POSITION.fullmatch(first) else 0
    end = int(last) if _POSITION.fullmatch(last) else size - 1
    return start, min(end, size - 1, start + MAX_PIECE - 1) - start + 1

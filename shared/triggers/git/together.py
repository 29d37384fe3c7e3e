"""Does at once what several threads ask for at the same time, as databases commit in groups.

A thread that comes alone acts alone and at once. Those that come while others act wait, and one of them then acts
for all that wait. Storage is asked once for many, and nobody waits for anything but a call that is under way.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class _Ticket[Item, Result]:
    item: Item
    is_called: threading.Event = field(default_factory=threading.Event)
    is_done: bool = False
    result: Result | None = None
    fault: Exception | None = None


class Together[Item, Result]:
    """Calls `act` for at most `limit` items, at most `calls` times at once. Thread-safe.

    The results of `act` stand in the order of its items.
    """

    def __init__(self, act: Callable[[Sequence[Item]], Sequence[Result]], limit: int, calls: int = 1) -> None:
        self._act = act
        self._limit = limit
        self._free = calls
        self._lock = threading.Lock()
        self._waiting: list[_Ticket[Item, Result]] = []

    def do(self, item: Item) -> Result:
        """Answer the result of one item. Raises whatever the call raised that it was part of."""
        ticket: _Ticket[Item, Result] = _Ticket(item)
        with self._lock:
            self._waiting.append(ticket)
            acts = self._free > 0
            self._free -= acts
        if not acts:
            ticket.is_called.wait()
        if not ticket.is_done:
            self._act_for_all()
        if ticket.fault is not None:
            raise ticket.fault
        return ticket.result  # type: ignore[return-value] # done without a fault: it holds the result

    def _act_for_all(self) -> None:
        """Act for the first that wait, this thread's own ticket among them, then call the next one to act."""
        with self._lock:
            tickets, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        try:
            for ticket, result in zip(tickets, self._act([one.item for one in tickets]), strict=True):
                ticket.result = result
        except Exception as fault:  # noqa: BLE001 - it belongs to those who wait, and each of them raises it
            for ticket in tickets:
                ticket.fault = fault
        with self._lock:
            following = self._waiting[0] if self._waiting else None
            self._free += following is None
        for ticket in tickets:
            ticket.is_done = True
            ticket.is_called.set()
        if following is not None:
            following.is_called.set()

"""The DNS server of one group: its own names are answered here, the rest goes to the host's resolvers."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from devstack.container_groups.dns import Question, answer_own, parse_query, refuse

_LARGEST_MESSAGE = 65_535
_TRY_SECONDS = 2.0
_OPEN_QUERIES = 256


@dataclass
class _Pending:
    """A query that waits for a resolver: whose turn it is, and until when (monotonic seconds)."""

    question: Question
    message: bytes
    client: tuple[str, int]
    turn: int
    deadline: float


@dataclass
class Resolver:
    """Answers on `datagrams` (bound inside the namespace) until the process ends.

    Upstream sockets are made on the thread that calls `start`, or one that it starts: on the host.
    """

    datagrams: socket.socket
    hosts: Mapping[str, str]
    upstream: tuple[tuple[str, int], ...]
    _selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _pending: dict[socket.socket, _Pending] = field(default_factory=dict)

    def start(self) -> None:
        """Serve on a thread of its own."""
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        self._selector.register(self.datagrams, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(self._wait()):
                if key.fileobj is self.datagrams:
                    self._take_query()
                elif isinstance(key.fileobj, socket.socket):
                    self._take_answer(key.fileobj)
            self._give_up_late()

    def _wait(self) -> float | None:
        if not self._pending:
            return None
        earliest = min(pending.deadline for pending in self._pending.values())
        return max(0.0, earliest - time.monotonic())

    def _take_query(self) -> None:
        message, client = self.datagrams.recvfrom(_LARGEST_MESSAGE)
        question = parse_query(message)
        if question is None:
            return
        own = answer_own(question, self.hosts)
        if own is not None:
            self._reply(own, client)
        elif len(self._pending) < _OPEN_QUERIES:
            self._ask(question, message, client, turn=0)
        else:
            self._reply(refuse(question), client)

    def _ask(self, question: Question, message: bytes, client: tuple[str, int], turn: int) -> None:
        for number in range(turn, len(self.upstream)):
            with contextlib.suppress(OSError):
                address = self.upstream[number]
                family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
                upstream = socket.socket(family, socket.SOCK_DGRAM)
                try:
                    upstream.connect(address)
                    upstream.send(message)
                except OSError:
                    upstream.close()
                    raise
                deadline = time.monotonic() + _TRY_SECONDS
                self._pending[upstream] = _Pending(question, message, client, number, deadline)
                self._selector.register(upstream, selectors.EVENT_READ)
                return
        self._reply(refuse(question), client)

    def _take_answer(self, upstream: socket.socket) -> None:
        pending = self._pending.get(upstream)
        if pending is None:
            return
        try:
            message = upstream.recv(_LARGEST_MESSAGE)
        except OSError:
            self._next(upstream)
            return
        if message[:2] == pending.message[:2]:
            self._close(upstream)
            self._reply(message, pending.client)

    def _give_up_late(self) -> None:
        now = time.monotonic()
        for upstream in [key for key, pending in self._pending.items() if pending.deadline <= now]:
            self._next(upstream)

    def _next(self, upstream: socket.socket) -> None:
        pending = self._close(upstream)
        self._ask(pending.question, pending.message, pending.client, pending.turn + 1)

    def _close(self, upstream: socket.socket) -> _Pending:
        self._selector.unregister(upstream)
        upstream.close()
        return self._pending.pop(upstream)

    def _reply(self, message: bytes, client: tuple[str, int]) -> None:
        with contextlib.suppress(OSError):
            self.datagrams.sendto(message, client)

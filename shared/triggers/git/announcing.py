"""Tells the queue that there is something to do, off the path of the answer.

The first message leaves at once; while more comes, one message every quarter of a second stands for all. A
message that is lost costs a minute: the sweep finds what it was about.
"""

import logging
import threading

from shared.errors import SlipwayError
from shared.storage import Queue

_PACE_SECONDS = 0.25
_LOG = logging.getLogger(__name__)


class Announcer:
    """Sends a message for each registry that has new deliveries. Thread-safe."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._registries: set[str] = set()
        self._sender: threading.Thread | None = None

    def announce(self, registry: str) -> None:
        """Have a message sent; returns at once."""
        with self._lock:
            self._registries.add(registry)
            if self._sender is None:
                self._sender = threading.Thread(target=self._send, name="git-announcer", daemon=True)
                self._sender.start()

    def wait(self, seconds: float) -> None:
        """Wait until everything announced so far has been sent."""
        sender = self._sender
        if sender is not None:
            sender.join(seconds)

    def _send(self) -> None:
        pause = threading.Event()
        while registries := self._taken():
            for registry in registries:
                try:
                    self._queue.send({"registry": registry})
                except SlipwayError as fault:
                    _LOG.warning("no message for the deliveries of %s: %s", registry, fault.message)
            pause.wait(_PACE_SECONDS)

    def _taken(self) -> set[str]:
        with self._lock:
            registries, self._registries = self._registries, set()
            if not registries:
                self._sender = None
            return registries

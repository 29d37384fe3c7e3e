"""Do what follows from the deliveries that were accepted, oldest first.

An event may be handed on more than once, when a process dies in between or two of them work at the same time;
it is never handed on less than once. So whoever listens acts under the event's key.
"""

import logging
import threading
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.triggers.git.deliveries import Accepted, DeliveryStore, taken_at
from shared.triggers.git.events import Event
from shared.triggers.git.hooks import Hook, KnownHooks

_GIVEN_UP = timedelta(days=1)
_OVERDUE = timedelta(seconds=15)
_LOG = logging.getLogger(__name__)


class EventListener(Protocol):
    """What follows from an event."""

    def on_event(self, registry: str, hook: Hook, event: Event, key: str) -> None:
        """Start the runs that the event causes, or record why none.

        `registry` is a storage key. `key` is the same whenever the same event comes again: what is done under it
        is done once. Whatever this raises leaves the event for a later try, within a day.
        """
        ...


class Drain:
    """Hands the events of a registry's deliveries on; in one process once at a time. Thread-safe."""

    def __init__(self, store: DeliveryStore, hooks: KnownHooks, listener: EventListener, clock: Clock) -> None:
        self._store = store
        self._hooks = hooks
        self._listener = listener
        self._clock = clock
        self._lock = threading.Lock()
        self._working: set[str] = set()
        self._again: set[str] = set()

    def run(self, registry: str) -> None:
        """Work until nothing new is pending; returns at once when that is under way already."""
        with self._lock:
            if registry in self._working:
                self._again.add(registry)
                return
            self._working.add(registry)
        try:
            self._pass(registry)
            while self._goes_on(registry):
                self._pass(registry)
        except BaseException:
            self._stop(registry)
            raise

    def _goes_on(self, registry: str) -> bool:
        with self._lock:
            if registry in self._again:
                self._again.remove(registry)
                return True
            self._working.remove(registry)
            return False

    def _stop(self, registry: str) -> None:
        with self._lock:
            self._working.discard(registry)
            self._again.discard(registry)

    def sweep(self, registry: str) -> None:
        """Work when something has been pending for so long that nobody can have been told of it."""
        oldest = next(self._store.pending(registry), None)
        if oldest is not None and self._clock() - taken_at(oldest) > _OVERDUE:
            self.run(registry)

    def _pass(self, registry: str) -> None:
        for pending in self._store.pending(registry):
            self._store.finish(pending, [one for one in pending.deliveries if not self._is_done(one)])

    def _is_done(self, accepted: Accepted) -> bool:
        try:
            self._hand_on(accepted)
        except Exception:  # noqa: BLE001 - whatever it was, it must not keep the others waiting
            _LOG.exception("a delivery of hook %s failed", accepted.hook)
            return self._is_given_up(accepted)
        return True

    def _hand_on(self, accepted: Accepted) -> None:
        hook = self._hooks.find(accepted.hook)
        if hook is None:
            _LOG.info("a delivery of hook %s came to nothing: the hook was deleted", accepted.hook)
            return
        for number, event in enumerate(accepted.delivery.events):
            self._listener.on_event(accepted.registry, hook, event, f"{accepted.key[:24]}-{number}")

    def _is_given_up(self, accepted: Accepted) -> bool:
        if self._clock() - accepted.at <= _GIVEN_UP:
            return False
        _LOG.error("a delivery of hook %s is given up after a day of tries", accepted.hook)
        return True

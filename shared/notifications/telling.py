"""From a run to its receivers: deliveries are recorded once, tried again with growing pauses, and settled in a day.

A message names a run, or one delivery, and is only ever a hint: what there is to tell follows from the run's row, and
what is still to be told from the records. Events of one run may overtake each other; their `time` orders them.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.arm.names import parse_registry_id
from shared.errors import NotFound, SlipwayError
from shared.metrics import Metric, count
from shared.notifications.events import cloud_event, notices, wants
from shared.notifications.receivers import Answer, Courier, Result
from shared.notifications.records import Delivery, DeliveryStore, Fate, Recorded
from shared.runs.context import Workshop

if TYPE_CHECKING:
    from shared.settings import Receiver

PATIENCE: Final = timedelta(hours=24)
"""How long an event is told again to a receiver that does not take it."""
_FIRST_PAUSE: Final = timedelta(seconds=10)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_DOUBLINGS: Final = 9
_OVERDUE: Final = timedelta(minutes=2)
"""After so long without the message that was to come, a delivery is tried by the sweep."""
_FATES: Final = {Result.TAKEN: Fate.DELIVERED, Result.NEVER: Fate.REFUSED, Result.LATER: Fate.PENDING}
_LOG = logging.getLogger(__name__)


def pause(attempts: int) -> timedelta:
    """Answer how long to wait after so many attempts: ten seconds, twice as long each time, an hour at most."""
    return min(_FIRST_PAUSE * (1 << min(attempts - 1, _DOUBLINGS)), _LONGEST_PAUSE)


@dataclass(frozen=True)
class Teller:
    """Records and delivers."""

    shop: Workshop
    courier: Courier

    @property
    def deliveries(self) -> DeliveryStore:
        """The records."""
        return DeliveryStore(self.shop.storage.notifications)

    def plan(self, registry: str, run_id: str) -> int:
        """Record what is to be told of a run by now and is not recorded yet, and have it told; answer how much."""
        try:
            run = self.shop.store.get(registry, run_id)
        except NotFound:
            return 0
        now, added = self.shop.clock(), 0
        for notice in notices(run):
            for receiver in self.shop.settings.notifications:
                if not wants(receiver, run, notice):
                    continue
                delivery = Delivery(
                    registry=registry, run_id=run.id, notice=notice, receiver=receiver.name, made=now, due=now
                )
                if self.deliveries.add(delivery):
                    added += 1
                    self._hint(delivery, timedelta(0))
        return added

    def deliver(self, registry: str, key: str) -> Delivery | None:
        """Try a delivery that is due; answer how it stands, None when there is nothing to do."""
        known = self.deliveries.find(registry, key)
        if known is None or known.delivery.fate is not Fate.PENDING or known.delivery.due > self.shop.clock():
            return None
        claimed = self._claim(known)
        if claimed is None:
            return None
        tried = self._tried(claimed.delivery, self._attempt(claimed.delivery))
        self.deliveries.note(claimed, tried)
        outcome = "failed" if tried.fate is Fate.PENDING else tried.fate.value
        count(Metric.NOTIFICATIONS, registry=registry, outcome=outcome)
        _LOG.info("run %s: %s to %s: %s (%s)", tried.run_id, tried.notice, tried.receiver, tried.fate, tried.answer)
        if tried.fate is Fate.PENDING:
            self._hint(tried, tried.due - self.shop.clock())
        return tried

    def sweep(self, registry: str) -> None:
        """Try what no message came for."""
        overdue = self.shop.clock() - _OVERDUE
        for delivery in self.deliveries.pending(registry):
            if delivery.due < overdue:
                self._hint(delivery, timedelta(0))

    def purge(self, registry: str) -> None:
        """Forget deliveries that are past the retention of runs."""
        self.deliveries.purge(registry, self.shop.clock() - timedelta(days=self.shop.settings.retention_days))

    def _claim(self, known: Recorded) -> Recorded | None:
        """Put the next attempt into the record before it is made: of two that are told at once one goes on."""
        delivery = known.delivery
        attempts = delivery.attempts + 1
        now = delivery.model_copy(update={"attempts": attempts, "due": self.shop.clock() + pause(attempts)})
        if not self.deliveries.note(known, now):
            return None
        return self.deliveries.find(delivery.registry, delivery.key)

    def _attempt(self, delivery: Delivery) -> Answer:
        receivers = self.shop.settings.notifications
        receiver: Receiver | None = next((one for one in receivers if one.name == delivery.receiver), None)
        if receiver is None:
            return Answer(Result.NEVER, "the deployment does not name this receiver any more")
        try:
            run = self.shop.store.get(delivery.registry, delivery.run_id)
        except NotFound:
            return Answer(Result.NEVER, "the run was deleted")
        registry = parse_registry_id(self.shop.registry(delivery.registry).id)
        return self.courier.tell(receiver, cloud_event(registry, run, delivery.notice))

    def _tried(self, delivery: Delivery, answer: Answer) -> Delivery:
        now, fate = self.shop.clock(), _FATES[answer.result]
        due = now + max(pause(delivery.attempts), answer.wait)
        if fate is Fate.PENDING and due > delivery.made + PATIENCE:
            fate = Fate.GIVEN_UP
        moment = due if fate is Fate.PENDING else now
        return delivery.model_copy(update={"fate": fate, "answer": answer.text[:300], "due": moment})

    def _hint(self, delivery: Delivery, wait: timedelta) -> None:
        """Have a delivery tried at its time, rather a second later than too early."""
        seconds = int(wait.total_seconds()) + 1 if wait > timedelta(0) else 0
        try:
            message = {"registry": delivery.registry, "delivery": delivery.key}
            self.shop.storage.notices.send(message, delay_seconds=seconds)
        except SlipwayError:
            _LOG.exception("a notification of run %s waits for the sweep", delivery.run_id)

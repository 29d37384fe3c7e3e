"""What a process has counted, on its way into the queue `telemetry`.

A thread hands the counts on half a minute after the first of them: one small message, whatever was counted, and no
process that counts loads anything that sends. One that is killed loses its last half minute.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import batched
from threading import Timer
from typing import Final

from pydantic import BaseModel

from shared.clock import Clock
from shared.errors import SlipwayError
from shared.metrics import Counted, Tally
from shared.storage.queues import Queue

_MOST: Final = 150
"""Counts in one message, which holds 48 KiB at most."""
PAUSE: Final = timedelta(seconds=30)
_LOG = logging.getLogger(__name__)


class Counts(BaseModel):
    """What was counted between two moments, as the message holds it."""

    begin: datetime
    at: datetime
    counted: tuple[Counted, ...]


@dataclass(frozen=True)
class Counting:
    """Hands on what a tally holds."""

    tally: Tally
    queue: Queue
    clock: Clock

    def start(self) -> None:
        """Have the tally count from now on."""
        self.tally.listen(self._wait)

    def _wait(self) -> None:
        timer = Timer(PAUSE.total_seconds(), self.hand_on, [self.clock()])
        timer.daemon = True
        timer.start()

    def hand_on(self, begin: datetime) -> None:
        """Send what was counted since `begin`; what cannot be sent now goes along the next time."""
        for counted in batched(self.tally.take(), _MOST, strict=False):
            counts = Counts(begin=begin, at=self.clock(), counted=counted)
            try:
                self.queue.send({"counts": counts.model_dump_json(), "attempt": "1"})
            except SlipwayError:
                _LOG.warning("what was counted is told later")
                for one in counted:
                    self.tally.add(one.metric, one.number, one.labels)

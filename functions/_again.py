"""Messages that come again later: for what may be away for a while."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import azure.functions as func

from shared.storage.queues import Queue

_LONGEST_DELAY: Final = 900


@dataclass(frozen=True)
class Errand:
    """What a message of a queue asks for, and how often it has come."""

    told: Mapping[str, str]

    @property
    def registry(self) -> str:
        """The storage key of the registry that it names, empty where it names none."""
        return self.told.get("registry", "")

    @property
    def run(self) -> str:
        """The run that it names."""
        return self.told.get("run", "")

    @property
    def attempt(self) -> int:
        """How often it has come, this time included."""
        return int(self.told.get("attempt", "1"))

    def again(self, queue: Queue, *, most: int = 8, first: int = 10, **changes: str) -> None:
        """Send it again, unless it has come `most` times: after `first` seconds, then twice as long, up to 900."""
        if self.attempt < most:
            message = {**self.told, **changes, "attempt": str(self.attempt + 1)}
            queue.send(message, delay_seconds=min(first << (self.attempt - 1), _LONGEST_DELAY))


def read_errand(msg: func.QueueMessage) -> Errand:
    """Read a message of one of our own queues."""
    return Errand({name: str(value) for name, value in json.loads(msg.get_body()).items()})

"""The queue of telemetry: to whom each message goes, and what comes again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import sight
from shared.errors import Unavailable
from shared.metrics import Metric, Point, Tally
from shared.runs.trace import Trace
from shared.sight.counting import Counting, Counts
from shared.sight.showing import Show
from shared.storage import Queue

T0 = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@dataclass
class Messages(Queue):
    fault: bool = False
    sent: list[tuple[dict[str, str], int]] = field(default_factory=list)

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        if self.fault:
            raise Unavailable("storage is away")
        self.sent.append((dict(message), delay_seconds))


@dataclass
class Sink:
    name: str
    is_away: bool = False
    points: list[Point] = field(default_factory=list)

    def send_trace(self, trace: Trace) -> None:
        raise AssertionError(trace)

    def send_points(self, points: Sequence[Point]) -> None:
        if self.is_away:
            raise Unavailable(f"{self.name} is away")
        self.points += points


@dataclass
class Yard:
    queue: Messages
    near: Sink
    far: Sink

    def come(self, message: Mapping[str, str]) -> None:
        built: Any = sight.sight_queue
        door = built.build(func.AuthLevel.ANONYMOUS).get_user_function()
        door(func.QueueMessage(body=json.dumps(dict(message)).encode()))


@pytest.fixture
def yard(monkeypatch: pytest.MonkeyPatch) -> Yard:
    made = Yard(Messages(), Sink("near"), Sink("far", is_away=True))
    shop: Any = SimpleNamespace(storage=SimpleNamespace(telemetry=made.queue))
    monkeypatch.setattr(sight, "shows", lambda: (Show(shop, made.near), Show(shop, made.far)))
    return made


def counts(queue: Messages) -> dict[str, str]:
    tally = Tally()
    counting = Counting(tally, queue, lambda: T0)
    tally.listen(lambda: None)
    tally.add(Metric.CHECKS, 3, {"outcome": "same"})
    counting.hand_on(T0)
    ((message, _),) = queue.sent
    queue.sent.clear()
    return message


def test_only_who_did_not_take_it_gets_it_again(yard: Yard) -> None:
    message = counts(yard.queue)
    yard.come(message)

    assert [(point.metric, point.value, dict(point.labels)) for point in yard.near.points] == [
        (Metric.CHECKS, 3, {"outcome": "same"})
    ]
    ((again, delay),) = yard.queue.sent
    assert (again, delay) == (message | {"to": "far", "attempt": "2"}, 10)
    yard.far.is_away = False
    yard.come(again)
    assert (len(yard.near.points), len(yard.far.points), len(yard.queue.sent)) == (1, 1, 1)


def test_after_eight_attempts_it_is_left(yard: Yard) -> None:
    message = counts(yard.queue)
    delays = []
    while True:
        yard.come(message)
        if not yard.queue.sent:
            break
        ((message, delay),) = yard.queue.sent
        yard.queue.sent.clear()
        delays.append(delay)
    assert delays == [10, 20, 40, 80, 160, 320, 640]


def test_what_cannot_be_queued_goes_along_the_next_time() -> None:
    queue, tally = Messages(fault=True), Tally()
    counting = Counting(tally, queue, lambda: T0)
    tally.listen(lambda: None)
    tally.add(Metric.CHECKS, 2, {"outcome": "same"})
    counting.hand_on(T0)
    tally.add(Metric.CHECKS, 1, {"outcome": "same"})
    queue.fault = False
    counting.hand_on(T0)

    ((message, _),) = queue.sent
    assert [one.number for one in Counts.model_validate_json(message["counts"]).counted] == [3]


def test_many_counts_go_in_messages_that_a_queue_takes() -> None:
    queue, tally = Messages(), Tally()
    counting = Counting(tally, queue, lambda: T0)
    tally.listen(lambda: None)
    for number in range(1000):
        tally.add(
            Metric.DECISIONS, 10**6, {"registry": f"{number:050}", "outcome": "suppressed", "cause": "Image Update"}
        )
    counting.hand_on(T0)

    sent = [json.dumps(message) for message, _ in queue.sent]
    assert max(len(one) for one in sent) < 48 * 1024
    assert sum(len(Counts.model_validate_json(message["counts"]).counted) for message, _ in queue.sent) == 1000

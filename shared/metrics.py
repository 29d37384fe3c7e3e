"""All that is measured, under fixed names with few labels, and the counts that one process keeps until they are told.

Whoever works counts (`count`); nobody sends. Where telemetry is told somewhere the counts of a process are taken from
it now and then (`Tally.listen`) and go the way of everything else that is told, by queue. Otherwise counting is off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from threading import Lock
from typing import Final

from pydantic import BaseModel, ConfigDict


class Shape(StrEnum):
    """How values add up: to a sum, to a distribution, or not at all."""

    SUM = "sum"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


class Metric(StrEnum):
    """The name of each."""

    RUNS = "slipway.runs"
    """Runs that have ended."""
    WAIT = "slipway.run.wait"
    """From being queued to a builder's claim."""
    DURATION = "slipway.run.duration"
    """From the claim to the end."""
    BUILDERS = "slipway.run.builders"
    """Builders that a run was given: more than one each where they are lost."""
    CPU = "slipway.run.cpu"
    """Seconds of one core."""
    QUEUED = "slipway.queue.length"
    """Runs that wait."""
    ACTIVE = "slipway.queue.active"
    """Runs that have a place."""
    CREATIONS = "slipway.group.creations"
    """Container groups that Azure was asked for."""
    DELIVERIES = "slipway.git.deliveries"
    """What git hosts have delivered."""
    DECISIONS = "slipway.decisions"
    """What triggers have decided, as `explain` of a task tells it."""
    CHECKS = "slipway.base_image.checks"
    """Looks at tags of base images."""
    NOTIFICATIONS = "slipway.notifications"
    """Attempts to tell a receiver."""
    SCHEDULES = "slipway.schedules"
    """Times of timers that have come."""


@dataclass(frozen=True)
class Instrument:
    """What the values of a metric are; `unit` by UCUM, `labels` the only ones that they have."""

    shape: Shape
    labels: tuple[str, ...]
    unit: str = "1"


_RUN: Final = ("registry", "outcome", "cause")
INSTRUMENTS: Final[Mapping[Metric, Instrument]] = {
    Metric.RUNS: Instrument(Shape.SUM, _RUN),
    Metric.WAIT: Instrument(Shape.HISTOGRAM, _RUN, "s"),
    Metric.DURATION: Instrument(Shape.HISTOGRAM, _RUN, "s"),
    Metric.BUILDERS: Instrument(Shape.SUM, _RUN),
    Metric.CPU: Instrument(Shape.SUM, _RUN, "s"),
    Metric.QUEUED: Instrument(Shape.GAUGE, ("registry", "pool")),
    Metric.ACTIVE: Instrument(Shape.GAUGE, ("registry", "pool")),
    Metric.CREATIONS: Instrument(Shape.SUM, ("region", "outcome")),
    Metric.DELIVERIES: Instrument(Shape.SUM, ("host", "outcome")),
    Metric.DECISIONS: Instrument(Shape.SUM, _RUN),
    Metric.CHECKS: Instrument(Shape.SUM, ("outcome",)),
    Metric.NOTIFICATIONS: Instrument(Shape.SUM, ("registry", "outcome")),
    Metric.SCHEDULES: Instrument(Shape.SUM, ("registry", "outcome")),
}


@dataclass(frozen=True)
class Point:
    """One value, of the time from `begin` to `at`; labels as the metric's instrument has them."""

    metric: Metric
    value: float
    begin: datetime
    at: datetime
    labels: Mapping[str, str]


class Counted(BaseModel):
    """One count, as it travels in a message."""

    model_config = ConfigDict(frozen=True)

    metric: Metric
    labels: dict[str, str]
    number: int


class Tally:
    """Counts by metric and labels until they are taken. Thread-safe; off until somebody listens."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: dict[tuple[Metric, tuple[tuple[str, str], ...]], int] = {}
        self._wake: Callable[[], None] | None = None

    def listen(self, wake: Callable[[], None] | None) -> None:
        """Have `wake` called with the first count after each taking; None switches counting off."""
        with self._lock:
            self._wake = wake

    def add(self, metric: Metric, number: int, labels: Mapping[str, str]) -> None:
        """Count. Never raises over what is counted: work goes before its measure."""
        with self._lock:
            if self._wake is None:
                return
            is_first = not self._counts
            key = (metric, tuple(sorted(labels.items())))
            self._counts[key] = self._counts.get(key, 0) + number
        if is_first:
            self._wake()

    def take(self) -> list[Counted]:
        """Answer what was counted since the last time, and begin anew."""
        with self._lock:
            taken, self._counts = self._counts, {}
        return [
            Counted(metric=metric, labels=dict(labels), number=number) for (metric, labels), number in taken.items()
        ]


TALLY: Final = Tally()
"""The counts of this process."""


def count(metric: Metric, number: int = 1, **labels: str) -> None:
    """Count something that has happened."""
    TALLY.add(metric, number, labels)

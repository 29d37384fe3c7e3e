"""From runs to a collector: a trace and a few values when a run has ended, the lengths of queues meanwhile."""

from dataclasses import dataclass
from datetime import datetime

from shared.errors import NotFound
from shared.runs.context import Workshop
from shared.runs.cost import cost
from shared.runs.model import Run
from shared.runs.results import read_result
from shared.runs.trace import Trace, trace
from shared.sight.otlp import Collector, Metric, Point, Shape


def trace_of(shop: Workshop, run: Run) -> Trace:
    """Answer a run's trace, with what its latest builder told of itself."""
    told = read_result(shop, run)
    return trace(run, told.spans if told else (), shop.clock())


@dataclass(frozen=True)
class Show:
    """Sends what there is to see."""

    shop: Workshop
    collector: Collector

    def ended(self, registry: str, run_id: str) -> None:
        """Send trace and values of a run that has ended. Raises Unavailable when the collector is away."""
        try:
            run = self.shop.store.get(registry, run_id)
        except NotFound:
            return
        if run.is_terminal:
            self.collector.send_trace(trace_of(self.shop, run))
            used = cost(run, self.shop.settings, self.shop.clock())
            self.collector.send_points(points(run, used.cpu_seconds))

    def queues(self, registry: str, begin: datetime) -> None:
        """Send how many runs wait and are under way. Raises Unavailable when the collector is away."""
        waiting = sum(1 for _ in self.shop.store.waiting(registry))
        placed = len(self.shop.store.placed(registry))
        now, labels = self.shop.clock(), {"registry": registry}
        self.collector.send_points(
            [
                Point(Metric.QUEUED, Shape.GAUGE, waiting, begin, now, labels),
                Point(Metric.ACTIVE, Shape.GAUGE, placed, begin, now, labels),
            ]
        )


def points(run: Run, cpu_seconds: float) -> list[Point]:
    """Answer what a run that has ended adds to the metrics. Its own name is no label: that would be a series each."""
    end = run.finished or run.updated
    labels = {"registry": run.registry, "outcome": run.status.value, "cause": run.cause.kind.value}

    def point(metric: Metric, shape: Shape, value: float) -> Point:
        return Point(metric, shape, value, run.created, end, labels)

    made = [
        point(Metric.RUNS, Shape.SUM, 1),
        point(Metric.GROUPS, Shape.SUM, run.attempt),
        point(Metric.CPU, Shape.SUM, cpu_seconds),
        point(Metric.WAIT, Shape.HISTOGRAM, ((run.started or end) - run.created).total_seconds()),
    ]
    if run.started:
        made.append(point(Metric.DURATION, Shape.HISTOGRAM, (end - run.started).total_seconds()))
    return made

"""From runs to where telemetry goes: a trace and values when a run has ended, queues and counts meanwhile."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import NotFound
from shared.metrics import Counted, Metric, Point
from shared.runs.context import Workshop
from shared.runs.cost import cost
from shared.runs.model import Run
from shared.runs.results import read_result
from shared.runs.trace import Trace, trace
from shared.sight.sinks import Sink


def trace_of(shop: Workshop, run: Run) -> Trace:
    """Answer a run's trace, with what its latest builder told of itself."""
    told = read_result(shop, run)
    return trace(run, told.spans if told else (), shop.clock())


@dataclass(frozen=True)
class Show:
    """Sends what there is to see to one sink; each method raises Unavailable while the sink is away."""

    shop: Workshop
    sink: Sink

    def ended(self, registry: str, run_id: str) -> None:
        """Send trace and values of a run that has ended."""
        try:
            run = self.shop.store.get(registry, run_id)
        except NotFound:
            return
        if run.is_terminal:
            self.sink.send_trace(trace_of(self.shop, run))
            used = cost(run, self.shop.settings, self.shop.clock())
            self.sink.send_points(points(run, used.cpu_seconds))

    def counted(self, counts: Iterable[Counted], begin: datetime, at: datetime) -> None:
        """Send what a process has counted."""
        self.sink.send_points([Point(one.metric, one.number, begin, at, one.labels) for one in counts])


@dataclass(frozen=True)
class QueueLengths:
    """How many runs wait and are under way, in each registry's own line and in that of each agent pool."""

    shop: Workshop
    points: list[Point] = field(default_factory=list)

    def look(self, registry: str) -> None:
        """Add those of a registry."""
        waiting = Counter(active.lane for active in self.shop.store.waiting(registry))
        placed = Counter(active.lane for active in self.shop.store.placed(registry))
        pools = {"", *(pool.key for pool in self.shop.agent_pools.all(registry))}
        now = self.shop.clock()
        for metric, counts in ((Metric.QUEUED, waiting), (Metric.ACTIVE, placed)):
            for pool in sorted(pools | counts.keys()):
                self.points.append(Point(metric, counts[pool], now, now, {"registry": registry, "pool": pool}))


def points(run: Run, cpu_seconds: float) -> list[Point]:
    """Answer what a run that has ended adds to the metrics. Its own name is no label: that would be a series each."""
    end = run.finished or run.updated
    labels = {"registry": run.registry, "outcome": run.status.value, "cause": run.cause.kind.value}
    values = {
        Metric.RUNS: 1.0,
        Metric.BUILDERS: float(run.attempt),
        Metric.CPU: cpu_seconds,
        Metric.WAIT: ((run.started or end) - run.created).total_seconds(),
    }
    if run.started:
        values[Metric.DURATION] = (end - run.started).total_seconds()
    return [Point(metric, value, run.created, end, labels) for metric, value in values.items()]

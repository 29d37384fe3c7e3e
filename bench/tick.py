"""What the minute tick costs with ten thousand timers, and that none is missed when all are due at once.

    .venv/bin/python -m bench.tick [--timers 10000] [--rounds 5]

An Azurite of its own. With nothing due the tick is compared with a naive one, in interleaved rounds: that reads
every timer and asks its schedule. Then an hour comes at which all are due; each run is one transaction in the
table of runs, contexts and logs are left out, and ticks go on until nothing is due any more.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import Any

from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableServiceClient

from devstack.setup.azurite_account import azurite_account
from shared.runs.causes import Cause
from shared.runs.model import Requester, Run
from shared.runs.store import RunStore
from shared.schedule_language import parse
from shared.storage import Insert, Table
from shared.triggers.automatic import AutomaticRuns
from shared.triggers.decisions import DecisionStore
from shared.triggers.timers.armed import ArmedTimer, Hint, TimerStore
from shared.triggers.timers.scheduler import Scheduler
from shared.triggers.timers.schedules import TimedTask
from shared.triggers.timers.tick import tick

REGISTRY = "bench"
START = datetime(2026, 11, 21, 10, 30, 1, tzinfo=UTC)
DUE = datetime(2026, 11, 21, 11, 0, 1, tzinfo=UTC)
EACH = 100


@dataclass(frozen=True)
class Timer:
    """A timer trigger."""

    name: str
    schedule: str
    is_enabled: bool = True


@dataclass(frozen=True)
class Task:
    """A task with one timer, due at eleven."""

    name: str
    timers: tuple[Timer, ...]
    registry: str = REGISTRY
    is_enabled: bool = True


class Tasks:
    """The tasks, in memory."""

    def __init__(self, count: int) -> None:
        dice = random.Random(7)  # noqa: S311 - repeatable schedules, no secret
        schedules = [f"0 11 * * {dice.choice(('*', 'sat', '0,6', '*/2'))}" for _ in range(count)]
        self.known = {
            f"task{number:05d}": Task(f"task{number:05d}", (Timer("t1", schedule),))
            for number, schedule in enumerate(schedules)
        }

    def find(self, registry: str, name: str) -> Task | None:
        """Answer a task by name."""
        return self.known.get(name) if registry == REGISTRY else None

    def timed(self, registry: str) -> Iterator[Task]:
        """Answer all tasks."""
        return iter(self.known.values() if registry == REGISTRY else ())


class Counting(RequestsTransport):  # type: ignore[misc]  # the SDK gives this name no type
    """Counts requests to storage; threads may lose a few."""

    requests = 0

    def send(self, request: Any, **options: Any) -> Any:  # noqa: ANN401 - the SDK's own types overlap
        """Count one and send it."""
        self.requests += 1
        return super().send(request, **options)


class Bench:
    """A scheduler on real tables, and its clock."""

    def __init__(self, service: TableServiceClient, counting: Counting, count: int) -> None:
        self.counting = counting
        self.now = START
        self.tasks = Tasks(count)
        self.tables = {name: Table(service.create_table(name)) for name in ("timers", "due", "decisions", "runs")}
        self.runs = RunStore(self.tables["runs"])
        self.scheduler = Scheduler(
            timers=TimerStore(self.tables["timers"], self.tables["due"]),
            decisions=DecisionStore(self.tables["decisions"]),
            automatic=AutomaticRuns(self.tables["decisions"], self.runs),
            tasks=self.tasks,
            runs=self.runs,
            start=self.start,
            clock=lambda: self.now,
            patience=timedelta(hours=12),
            spread=timedelta(0),
        )
        self.numbers = {name: f"c{number:07d}" for number, name in enumerate(self.tasks.known)}

    def start(self, task: TimedTask, cause: Cause, key: str) -> Run:
        """Queue a run: the transaction of its row, its active row and its request."""
        run = Run(
            id=self.numbers[task.name],
            registry=REGISTRY,
            task=task.name,
            cause=cause,
            created=self.now,
            updated=self.now,
            timeout_seconds=3600,
            requester=Requester(name="Slipway", kind="Application"),
        )
        self.runs.insert(run, key)
        return run

    def arm(self) -> None:
        """Arm every timer, in transactions."""
        timers = [
            ArmedTimer(REGISTRY, task.name, timer.name, timer.schedule).waiting(
                parse(timer.schedule).next_after(self.now), timedelta(0)
            )
            for task in self.tasks.known.values()
            for timer in task.timers
        ]
        for some in batched(timers, EACH, strict=False):
            self.tables["timers"].transaction([Insert(REGISTRY, timer.key, timer.values()) for timer in some])
        hints = [Hint.of(timer) for timer in timers if timer.due]
        for minute in {hint.minute for hint in hints}:
            rows = [f"{hint.registry}|{hint.timer}" for hint in hints if hint.minute == minute]
            for keys in batched(rows, EACH, strict=False):
                self.tables["due"].transaction([Insert(minute, key, {}) for key in keys])

    def naive(self) -> int:
        """Read every timer and ask its schedule; answer how many are due."""
        last, due = self.now - timedelta(minutes=1), 0
        for row in self.tables["timers"].query(REGISTRY, "", "~"):
            following = parse(str(row.values["schedule"])).next_after(last)
            due += following is not None and following <= self.now
        return due


def timed(use: Callable[[], object]) -> tuple[float, float]:
    """Answer the wall and processor seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    use()
    return time.perf_counter() - wall, time.process_time() - cpu


def none_due(bench: Bench, rounds: int) -> None:
    """Compare the two ticks when nothing is due."""
    rows = []
    for _ in range(rounds):
        bench.now += timedelta(minutes=1)
        ours = timed(lambda: tick(bench.scheduler))
        rows.append((*ours, *timed(bench.naive)))
    wall, cpu, naive_wall, naive_cpu = (statistics.median(row[column] for row in rows) for column in range(4))
    print(f"none due   tick {wall * 1000:.1f} ms ({cpu * 1000:.1f} ms CPU)", end="  ")
    print(f"naive {naive_wall * 1000:.0f} ms ({naive_cpu * 1000:.0f} ms CPU)", end="  ")
    print(f"ratio 1/{naive_wall / wall:.0f} (CPU 1/{naive_cpu / cpu:.0f})")


def all_due(bench: Bench, first: datetime) -> None:
    """Let all come due, tick until nothing is, and count."""
    expected = sum(
        parse(task.timers[0].schedule).next_after(first) == DUE.replace(second=0) for task in bench.tasks.known.values()
    )
    bench.now, ticks, before = DUE, 0, bench.counting.requests
    began = time.perf_counter()
    while any(True for _ in bench.scheduler.timers.due(bench.now)):
        tick(bench.scheduler)
        ticks += 1
    seconds = time.perf_counter() - began
    each = (bench.counting.requests - before) / expected
    made = [run.task for run in bench.runs.newest(REGISTRY)]
    missed, extra = expected - len(set(made)), len(made) - len(set(made))
    print(f"all due    {expected} runs in {seconds:.1f} s ({expected / seconds:.0f}/s, {ticks} ticks)", end="  ")
    print(f"requests to storage each {each:.2f}", end="  ")
    print(f"missed {missed}  extra {extra}")
    waiting = sum(1 for timer in bench.scheduler.timers.of_registry(REGISTRY) if timer.next and timer.next > bench.now)
    print(f"afterwards {waiting} timers wait for their next time, {len(list(bench.scheduler.timers.hints()))} hints")


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    counting = Counting()
    with (
        azurite_account() as azurite,
        TableServiceClient.from_connection_string(azurite.connection, transport=counting) as service,
    ):
        bench = Bench(service, counting, given.timers)
        bench.arm()
        none_due(bench, given.rounds)
        all_due(bench, START)


if __name__ == "__main__":
    main()

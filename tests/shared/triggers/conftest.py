"""A scheduler over tables in memory or on a real Azurite, whose every step can fail, and tasks and runs as values."""

import base64
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any, Protocol

import pytest
from azure.data.tables import TableServiceClient

from shared.access.builder_tokens import BuilderTokens
from shared.access.callers import Caller
from shared.access.keys import Keys
from shared.arm.names import parse_registry_id
from shared.container_groups.pool import GroupPool
from shared.container_groups.service import GroupState
from shared.container_groups.spec import GroupRequest
from shared.errors import Conflict, NotFound, PreconditionFailed, SlipwayError, Throttled
from shared.grant import RegistryLogin
from shared.runs.causes import Cause
from shared.runs.context import Workshop
from shared.runs.dispatch import dispatch
from shared.runs.model import Requester, Run, Status
from shared.runs.store import RunStore
from shared.settings import RegistrySettings, Settings
from shared.storage import Change, Delete, Insert, Replace, Row, Table, open_storage
from shared.storage.tables import Scalar
from shared.tasks.changes import Setting, put_task
from shared.tasks.record import Task
from shared.triggers.automatic import AutomaticRuns
from shared.triggers.decisions import Decision, DecisionStore
from shared.triggers.timers.armed import ArmedTimer, TimerStore
from shared.triggers.timers.arming import arm
from shared.triggers.timers.scheduler import Scheduler, open_scheduler
from shared.triggers.timers.schedules import TimedTask
from shared.triggers.timers.tick import tick

START = datetime(2026, 11, 21, 10, 0, 30, tzinfo=UTC)
REGISTRY = "reg"
_NAMES = count(1)

Step = Callable[[], None]


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


def _nothing() -> None:
    return


class MemoryTable(Table):
    """A table with the laws of the real one: keys in order, ETags, transactions."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._etags = count(1)

    def find(self, partition: str, key: str) -> Row | None:
        return self._rows.get((partition, key))

    def get(self, partition: str, key: str) -> Row:
        row = self.find(partition, key)
        if row is None:
            raise NotFound(key)
        return row

    def insert(self, partition: str, key: str, values: Mapping[str, Scalar]) -> None:
        if (partition, key) in self._rows:
            raise Conflict(key)
        self._rows[partition, key] = Row(partition, key, dict(values), str(next(self._etags)))

    def replace(self, row: Row, values: Mapping[str, Scalar]) -> Row:
        if self.get(row.partition, row.key).etag != row.etag:
            raise PreconditionFailed(row.key)
        changed = Row(row.partition, row.key, dict(values), str(next(self._etags)))
        self._rows[row.partition, row.key] = changed
        return changed

    def delete(self, partition: str, key: str) -> None:
        self._rows.pop((partition, key), None)

    def query(self, partition: str, first: str, end: str) -> Iterator[Row]:
        return self.across(partition, partition + "\0", first, end)

    def first(self, partition: str, first: str, end: str, most: int) -> list[Row]:
        return list(islice(MemoryTable.query(self, partition, first, end), most))

    def across(self, partition: str, partition_end: str, first: str, end: str) -> Iterator[Row]:
        for key in sorted(self._rows):
            if partition <= key[0] < partition_end and first <= key[1] < end and key in self._rows:
                yield self._rows[key]

    def transaction(self, changes: Sequence[Change]) -> None:
        before = dict(self._rows)
        try:
            for change in changes:
                self._make(change)
        except SlipwayError:
            self._rows = before
            raise

    def replace_all(self, changes: Sequence[Replace]) -> list[Row]:
        self.transaction(changes)
        return [self.get(change.row.partition, change.row.key) for change in changes]

    def _make(self, change: Change) -> None:
        match change:
            case Insert():
                self.insert(change.partition, change.key, change.values)
            case Replace():
                self.replace(change.row, change.values)
            case Delete():
                row = self.get(change.partition, change.key)
                if change.etag and row.etag != change.etag:
                    raise PreconditionFailed(change.key)
                self.delete(change.partition, change.key)


class SteppedTable(Table):
    """Another table, with a step before and after everything that is asked of it."""

    def __init__(self, table: Table, step: Step) -> None:
        self._table = table
        self._step = step

    def find(self, partition: str, key: str) -> Row | None:
        return self._stepped(lambda: self._table.find(partition, key))

    def get(self, partition: str, key: str) -> Row:
        return self._stepped(lambda: self._table.get(partition, key))

    def insert(self, partition: str, key: str, values: Mapping[str, Scalar]) -> None:
        self._stepped(lambda: self._table.insert(partition, key, values))

    def replace(self, row: Row, values: Mapping[str, Scalar]) -> Row:
        return self._stepped(lambda: self._table.replace(row, values))

    def delete(self, partition: str, key: str) -> None:
        self._stepped(lambda: self._table.delete(partition, key))

    def query(self, partition: str, first: str, end: str) -> Iterator[Row]:
        return iter(self._stepped(lambda: list(self._table.query(partition, first, end))))

    def first(self, partition: str, first: str, end: str, most: int) -> list[Row]:
        return self._stepped(lambda: self._table.first(partition, first, end, most))

    def across(self, partition: str, partition_end: str, first: str, end: str) -> Iterator[Row]:
        return iter(self._stepped(lambda: list(self._table.across(partition, partition_end, first, end))))

    def transaction(self, changes: Sequence[Change]) -> None:
        self._stepped(lambda: self._table.transaction(changes))

    def replace_all(self, changes: Sequence[Replace]) -> list[Row]:
        return self._stepped(lambda: self._table.replace_all(changes))

    def _stepped[Kind](self, use: Callable[[], Kind]) -> Kind:
        self._step()
        answer = use()
        self._step()
        return answer


@dataclass(frozen=True)
class TimerValue:
    name: str
    schedule: str
    is_enabled: bool = True


@dataclass(frozen=True)
class TaskValue:
    name: str
    timers: tuple[TimerValue, ...] = ()
    is_enabled: bool = True
    registry: str = REGISTRY

    def with_disabled(self, timer: str) -> "TaskValue":
        timers = tuple(replace(one, is_enabled=one.name != timer and one.is_enabled) for one in self.timers)
        return replace(self, timers=timers)

    def disabled(self) -> "TaskValue":
        return replace(self, is_enabled=False)


@dataclass
class Tasks:
    """The tasks of one registry."""

    known: dict[str, TaskValue] = field(default_factory=dict)

    def find(self, registry: str, name: str) -> TaskValue | None:
        return self.known.get(name.lower()) if registry == REGISTRY else None

    def timed(self, registry: str) -> Iterator[TimedTask]:
        return iter([task for task in self.known.values() if registry == REGISTRY and task.timers])

    def put(self, task: TaskValue) -> None:
        self.known[task.name.lower()] = task


@dataclass
class Runs:
    """Runs by request. `life` says what becomes of a run by the minutes that have passed since it was queued."""

    clock: Callable[[], datetime]
    made: dict[str, Run] = field(default_factory=dict)
    causes: dict[str, Cause] = field(default_factory=dict)
    queued_for: timedelta = timedelta(0)
    works_for: timedelta = timedelta(0)
    fault: SlipwayError | None = None
    step: Step = _nothing
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def by_request(self, registry: str, request_key: str) -> Run | None:
        assert registry == REGISTRY
        run = self.made.get(request_key)
        return run and self._now(run)

    def start(self, task: TimedTask, cause: Cause, request_key: str) -> Run:
        self.step()
        if self.fault:
            raise self.fault
        with self.one_at_a_time:
            self._start(task, cause, request_key)
        self.step()
        return self._now(self.made[request_key])

    def _start(self, task: TimedTask, cause: Cause, request_key: str) -> None:
        if request_key in self.made:
            return
        beside = [run.id for run in map(self._now, self.made.values()) if run.task == task.name and not run.is_terminal]
        assert not beside, f"{task.name} would run beside {beside}"
        self.made[request_key] = Run(
            id=f"c{len(self.made):07d}",
            registry=task.registry,
            task=task.name,
            created=self.clock(),
            updated=self.clock(),
            timeout_seconds=300,
            requester=Requester(name="Timer", kind="Trigger"),
        )
        self.causes[request_key] = cause

    def _now(self, run: Run) -> Run:
        age = self.clock() - run.created
        status = Status.QUEUED if age < self.queued_for else Status.RUNNING
        over = age >= self.queued_for + self.works_for
        return run.model_copy(update={"status": Status.SUCCEEDED if over else status})


@dataclass
class House:
    """A scheduler, and what a test does with it."""

    scheduler: Scheduler
    tasks: Tasks
    runs: Runs
    now: list[datetime]
    step: list[Step]
    tables: tuple[Table, Table, Table]

    def later(self, **change: float) -> None:
        self.now[0] += timedelta(**change)

    def put(self, task: TaskValue) -> None:
        self.tasks.put(task)
        arm(self.scheduler, REGISTRY, task.name)

    def tick(self, skew: timedelta = timedelta(0)) -> None:
        """Look at every due timer in order, with a clock that is wrong by `skew`."""
        scheduler = replace(self.scheduler, clock=lambda: self.now[0] + skew)
        tick(scheduler, threads=1)

    @contextmanager
    def failing(self, steps: int, fault: Callable[[], BaseException]) -> Iterator["Fuse"]:
        """Let the n-th step raise, and go on behind it."""
        before = self.step[0]
        fuse = self.step[0] = Fuse(fault, steps)
        with suppress(Crash, SlipwayError):
            yield fuse
        self.step[0] = before

    @contextmanager
    def crashing(self, steps: int) -> Iterator["Fuse"]:
        """Let the process end at the n-th step."""
        with self.failing(steps, Crash) as fuse:
            yield fuse

    def timer(self, task: str, name: str = "t1") -> ArmedTimer | None:
        return next((one for one in self.scheduler.timers.of_task(REGISTRY, task) if one.name == name), None)

    def decisions(self, task: str) -> list[Decision]:
        return self.scheduler.decisions.newest(REGISTRY, task, 10_000)

    def hints(self) -> list[str]:
        return [hint.minute for hint in self.scheduler.timers.hints()]


def build(tables: tuple[Table, Table, Table], spread: timedelta = timedelta(0)) -> House:
    """Make a house on three tables: timers, due, decisions."""
    now, step = [START], [_nothing]

    def clock() -> datetime:
        return now[0]

    def one_step() -> None:
        step[0]()

    def stepped(table: Table) -> Table:
        return SteppedTable(table, one_step)

    tasks, runs = Tasks(), Runs(clock, step=one_step)
    decisions = stepped(tables[2])
    scheduler = Scheduler(
        timers=TimerStore(stepped(tables[0]), stepped(tables[1])),
        decisions=DecisionStore(decisions),
        automatic=AutomaticRuns(decisions, runs),
        tasks=tasks,
        runs=runs,
        start=runs.start,
        clock=clock,
        patience=timedelta(hours=12),
        spread=spread,
    )
    return House(scheduler, tasks, runs, now, step, tables)


class MakeHouse(Protocol):
    def __call__(self, spread: timedelta = timedelta(0)) -> House: ...


class MakeTask(Protocol):
    def __call__(self, name: str, **schedules: str) -> TaskValue: ...


@pytest.fixture
def make_task() -> MakeTask:
    """Answer what makes a task of timers by name."""
    return task_value


def task_value(name: str, **schedules: str) -> TaskValue:
    return TaskValue(name, tuple(TimerValue(timer, schedule) for timer, schedule in schedules.items()))


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Raises at the n-th step of the thread that lit it; `steps` is what is left."""

    fault: Callable[[], BaseException]
    steps: int
    thread: int = field(default_factory=threading.get_ident)

    def __call__(self) -> None:
        if threading.get_ident() != self.thread:
            return
        self.steps -= 1
        if self.steps == 0:
            raise self.fault()


@pytest.fixture
def make_house() -> MakeHouse:
    """Answer what makes a scheduler over tables in memory."""

    def make(spread: timedelta = timedelta(0)) -> House:
        return build((MemoryTable(), MemoryTable(), MemoryTable()), spread)

    return make


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    """Answer a scheduler over tables in memory."""
    return make_house()


@pytest.fixture
def real_house(azurite: Connected) -> Iterator[House]:
    """Answer a scheduler over tables of its own on Azurite."""
    number = next(_NAMES)
    with TableServiceClient.from_connection_string(azurite.connection) as service:
        names = [f"{kind}{number}" for kind in ("schedtimers", "scheddue", "scheddecisions")]
        timers, due, decisions = (Table(service.create_table(name)) for name in names)
        yield build((timers, due, decisions))


class Crowded:
    """Container Instances without room: every run waits."""

    def start(self, request: GroupRequest) -> None:
        raise Throttled(f"No room for {request.name}.")

    def state(self, name: str) -> GroupState:
        assert name
        return GroupState.ABSENT

    def loss(self, name: str) -> None:
        assert name

    def delete(self, name: str) -> None:
        assert name

    def names(self) -> list[str]:
        return []


@dataclass
class App:
    """Stored tasks and runs on real storage, and what a test does with them."""

    shop: Workshop
    scheduler: Scheduler
    registry: RegistrySettings
    now: list[datetime]

    @property
    def partition(self) -> str:
        return self.registry.name.lower()

    def later(self, **change: float) -> None:
        self.now[0] += timedelta(**change)

    def put(self, name: str, **changes: object) -> Task:
        """Make a task whose timers are `changes`: a schedule, or None for a disabled one that comes each minute."""
        timers = [
            {"name": timer, "schedule": schedule or "* * * * *", "status": "Enabled" if schedule else "Disabled"}
            for timer, schedule in changes.items()
        ]
        content = base64.b64encode(b"version: v1.1.0\nsteps:\n  - cmd: busybox\n").decode()
        step = {"type": "EncodedTask", "encodedTaskContent": content}
        body = {"location": "local", "properties": {"step": step, "trigger": {"timerTriggers": timers}}}
        caller = Caller("me", "User", frozenset())
        setting = Setting(parse_registry_id(self.registry.id), "local", "tenant", caller, self.now[0])
        task = put_task(self.shop.tasks, setting, name, body)
        arm(self.scheduler, self.partition, name)
        return task

    def tick(self) -> list[Run]:
        """Look at what is due, dispatch, and answer all runs, newest first."""
        for registry in tick(self.scheduler):
            dispatch(self.shop, registry)
        return list(self.shop.store.newest(self.partition))


def _no_login(registry: RegistrySettings, pull: tuple[str, ...], push: tuple[str, ...]) -> RegistryLogin:
    raise AssertionError(f"nobody logs in to {registry.name} for {pull} or {push} here")


@pytest.fixture
def app(azurite: Connected) -> Iterator[App]:
    """Answer stored tasks and runs of a registry of its own on Azurite."""
    name = f"timed{next(_NAMES)}"
    registry = RegistrySettings(
        id=f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/{name}",
        login_server=f"{name}.slipway.test",
        location="local",
    )
    values: dict[str, Any] = {"storage_connection": azurite.connection, "registries": (registry,)}
    known = Settings.model_construct(**values)
    now, storage, tokens = [START], open_storage(known), BuilderTokens(b"k" * 32)
    shop = Workshop(
        settings=known,
        storage=storage,
        store=RunStore(storage.runs),
        pool=GroupPool(storage.groups, Crowded(), tokens, lambda: now[0]),
        keys=Keys(bytes(32)),
        tokens=tokens,
        issue_login=_no_login,
        clock=lambda: now[0],
    )
    made = App(shop, open_scheduler(shop), registry, now)
    yield made
    for timer in list(made.scheduler.timers.of_registry(made.partition)):
        made.scheduler.timers.remove(timer)
    for hint in list(made.scheduler.timers.hints()):
        made.scheduler.timers.forget(hint)

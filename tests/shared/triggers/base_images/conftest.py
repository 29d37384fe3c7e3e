"""A watch over tables in memory or on Azurite, with a registry, tasks and runs as values."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import pytest
from azure.data.tables import TableServiceClient

from shared.arm.wire import BaseImage
from shared.errors import NotFound, SlipwayError
from shared.grant import Image, Platform
from shared.runs.causes import MANUAL, Cause
from shared.runs.model import ANY_REPOSITORY, Requester, Run, Status
from shared.storage import Queue, Row, Table
from shared.triggers.automatic import AutomaticRuns
from shared.triggers.base_images.deciding import Limits, Trigger
from shared.triggers.base_images.looking import fan_out, hint, look, poll
from shared.triggers.base_images.looks import Rhythm
from shared.triggers.base_images.model import Base, BaseTag, Found, Kind, TaskKey
from shared.triggers.base_images.pending import PendingStore
from shared.triggers.base_images.recording import record
from shared.triggers.base_images.serving import serve
from shared.triggers.base_images.store import BaseStore, DependencyStore
from shared.triggers.base_images.watch import Watch
from shared.triggers.decisions import Decision, DecisionStore, Verdict
from tests.shared.triggers.conftest import MemoryTable, SteppedTable

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
REGISTRY, HOST = "reg", "reg.example"
_NAMES = count(1)


class Connected(Protocol):
    @property
    def connection(self) -> str: ...


class MarkedTable(MemoryTable):
    """A table in memory that also reads marked rows."""

    def marked(self, partition: str, partition_end: str, column: str) -> Iterator[Row]:
        return (row for row in self.across(partition, partition_end, "", "~") if row.values[column])


class MarkedSteps(SteppedTable):
    """The same for a table with steps."""

    def marked(self, partition: str, partition_end: str, column: str) -> Iterator[Row]:
        return iter(self._stepped(lambda: list(self._table.marked(partition, partition_end, column))))


@dataclass
class Messages(Queue):
    """A queue as a list, of messages and when they are visible."""

    clock: Callable[[], datetime]
    waiting: list[tuple[datetime, dict[str, str]]] = field(default_factory=list)
    sent: int = 0

    def send(self, message: Mapping[str, str], *, delay_seconds: int = 0) -> None:
        self.sent += 1
        self.waiting.append((self.clock() + timedelta(seconds=delay_seconds), dict(message)))

    def take(self) -> dict[str, str] | None:
        due = [one for one in self.waiting if one[0] <= self.clock()]
        if not due:
            return None
        self.waiting.remove(due[0])
        return due[0][1]


def digest_of(*words: str) -> str:
    return f"sha256:{hashlib.sha256('|'.join(words).encode()).hexdigest()}"


def tag(repository: str, name: str = "1") -> BaseTag:
    return BaseTag(HOST, repository, name)


@dataclass
class Registry:
    """What tags stand for now; `content` are the images of indexes."""

    tags: dict[BaseTag, str] = field(default_factory=dict)
    content: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, SlipwayError] = field(default_factory=dict)
    heads: list[BaseTag] = field(default_factory=list)

    def push(self, repository: str, *words: str, images: Mapping[str, str] | None = None) -> str:
        digest = digest_of(repository, *words)
        self.tags[tag(repository)] = digest
        if images:
            self.content[digest] = dict(images)
        return digest

    def look(self, tag: BaseTag, known: str, login: str) -> Found | None:
        assert login in {"", f"{REGISTRY}|private"}
        self.heads.append(tag)
        if tag.registry in self.faults:
            raise self.faults[tag.registry]
        if tag not in self.tags:
            raise NotFound(f"{tag} is not there.")
        digest = self.tags[tag]
        return None if digest == known else self.read(tag, digest, login)

    def read(self, tag: BaseTag, digest: str, login: str) -> Found:
        assert login in {"", f"{REGISTRY}|private"}
        if tag.registry in self.faults:
            raise self.faults[tag.registry]
        return Found(digest, self.content.get(digest, {}))


@dataclass
class Task:
    """A task that builds `product` on `bases`, of which those in `buildtime` serve the build alone."""

    name: str
    bases: tuple[str, ...]
    product: str = ""
    buildtime: tuple[str, ...] = ()
    follows: Kind = Kind.RUNTIME
    is_enabled: bool = True
    has_trigger: bool = True
    platform: Platform = field(default_factory=Platform)
    built_for: tuple[Platform, ...] = ()


@dataclass
class Runs:
    """Runs by id and by request."""

    clock: Callable[[], datetime]
    step: Callable[[], None]
    known: dict[str, Run] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    fault: SlipwayError | None = None

    def by_request(self, registry: str, request_key: str) -> Run | None:
        assert registry == REGISTRY
        return self.known.get(self.requests.get(request_key, ""))

    def get(self, registry: str, run_id: str) -> Run:
        if registry != REGISTRY or run_id not in self.known:
            raise NotFound(run_id)
        return self.known[run_id]

    def change(self, registry: str, run_id: str, step: Callable[[Run], Run | None]) -> Run | None:
        changed = step(self.get(registry, run_id))
        if changed is not None:
            self.known[run_id] = changed
        return changed

    def start(self, task: TaskKey, cause: Cause, request_key: str) -> Run:
        self.step()
        if self.fault:
            raise self.fault
        if request_key not in self.requests:
            self._insert(task, cause, request_key)
        self.step()
        return self.known[self.requests[request_key]]

    def manual(self, task: TaskKey) -> Run:
        return self._insert(task, MANUAL, f"manual{len(self.known)}")

    def _insert(self, task: TaskKey, cause: Cause, key: str) -> Run:
        run = Run(
            id=f"c{len(self.known):07d}",
            registry=REGISTRY,
            task=task.task,
            cause=cause,
            created=self.clock(),
            updated=self.clock(),
            timeout_seconds=300,
            requester=Requester(name="me", kind="User"),
            push_repositories=(ANY_REPOSITORY,),
        )
        self.known[run.id], self.requests[key] = run, run.id
        return run


@dataclass
class Yard:
    """A watch, and what a test does with it."""

    watch: Watch
    registry: Registry
    runs: Runs
    queue: Messages
    now: list[datetime]
    step: list[Callable[[], None]]
    tasks: dict[str, Task]
    pinned: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each run resolved its bases to, by run id."""
    built_on: dict[str, dict[str, str]] = field(default_factory=dict)
    """What each task's product stands on, by task."""
    overtaken: set[str] = field(default_factory=set)
    """Runs whose bases had moved on when they were recorded."""
    is_reproducible: bool = True
    notifies: bool = True

    def find(self, task: TaskKey) -> Trigger | None:
        known = self.tasks.get(task.task)
        if known is None or not known.has_trigger:
            return None
        return Trigger("base", known.is_enabled, known.follows)

    def exists(self, task: TaskKey) -> bool:
        return task.task in self.tasks

    def later(self, **change: float) -> None:
        self.now[0] += timedelta(**change)

    def put(self, *tasks: Task) -> None:
        self.tasks |= {task.name: task for task in tasks}

    def push(self, repository: str, *words: str, images: Mapping[str, str] | None = None) -> str:
        digest = self.registry.push(repository, *words, images=images)
        if self.notifies:
            hint(self.watch, [tag(repository)])
        return digest

    def manual(self, name: str) -> Run:
        return self.runs.manual(TaskKey(REGISTRY, name))

    def begin(self, run: Run) -> None:
        """Let a queued run resolve its base images."""
        task = self.tasks[run.task or ""]
        self.pinned[run.id] = {
            base: self.registry.tags[tag(base)]
            for base in (*task.bases, *task.buildtime)
            if tag(base) in self.registry.tags
        }
        self._change(run, status=Status.RUNNING)

    def end(self, run: Run, status: Status = Status.SUCCEEDED) -> None:
        """Let a run that is under way publish, end and be recorded by message."""
        task, pinned = self.tasks[run.task or ""], self.pinned[run.id]
        images: tuple[Image, ...] = ()
        if status is Status.SUCCEEDED:
            self.built_on[task.name] = pinned
            if task.product:
                own = () if self.is_reproducible else (run.id,)
                digest = self.push(task.product, *sorted(pinned.values()), *own)
                images = (Image(registry=HOST, repository=task.product, tag="1", digest=digest),)
        told = [("Runtime", base) for base in task.bases] + [("Buildtime", base) for base in task.buildtime]
        bases = tuple(
            BaseImage.model_validate(
                {"type": kind, "registry": HOST, "repository": base, "tag": "1", "digest": pinned[base]}
            )
            for kind, base in told
            if base in pinned
        )
        self._change(
            run,
            status=status,
            output_images=images,
            base_images=bases,
            platform=task.platform,
            built_for=task.built_for,
        )
        self.queue.send({"ended": run.id})

    def first_run(self, name: str) -> None:
        """Run a task once by hand, and have it recorded."""
        run = self.manual(name)
        self.begin(run)
        self.end(self.runs.known[run.id])
        self.work()

    def work(self) -> int:
        """Work on all messages that are visible."""
        done = 0
        while self.work_once():
            done += 1
        return done

    def settle(self) -> None:
        """Work, let the quiet period of what that made pass, and work on."""
        self.work()
        self.later(seconds=6)
        self.work()

    def work_once(self, *, twice: bool = False) -> bool:
        message = self.queue.take()
        if message is None:
            return False
        try:
            for _ in range(1 + twice):
                self.do(message)
        except SlipwayError:
            self.queue.send(message, delay_seconds=10)
        return True

    def do(self, message: Mapping[str, str]) -> None:
        match message:
            case {"look": key}:
                look(self.watch, key)
            case {"base": key, "generation": generation, "after": after}:
                fan_out(self.watch, key, int(generation), after)
            case {"serve": _, "shards": shards}:
                self.serve(shards)
            case {"ended": run}:
                if any(self.registry.tags[tag(base)] != digest for base, digest in self.pinned[run].items()):
                    self.overtaken.add(run)
                record(self.watch, HOST, self.runs.known[run])

    def serve(self, shards: Sequence[str] = ("",)) -> list[Run]:
        served = serve(self.watch, REGISTRY, shards)
        for _, run in served.lost:
            record(self.watch, HOST, self.runs.known[run])
        return served.started

    def poll(self) -> None:
        poll(self.watch)

    def rest(self, rounds: int = 60) -> None:
        """Let time pass, runs run and messages arrive until nothing is left to do."""
        for _ in range(rounds):
            self.later(seconds=40)
            self.work()
            self.serve()
            for run in self.active():
                if run.status is Status.QUEUED:
                    self.begin(run)
                else:
                    self.end(run)
            if not self.queue.waiting and not self.active() and not list(self.watch.pending.live(REGISTRY)):
                return
        raise AssertionError(f"no rest: {list(self.watch.pending.live(REGISTRY))} {self.queue.waiting} {self.active()}")

    def active(self) -> list[Run]:
        return [run for run in self.runs.known.values() if not run.is_terminal]

    def automatic(self, name: str) -> list[Run]:
        return [run for run in self.runs.known.values() if run.task == name and not run.cause.is_manual]

    def base(self, repository: str) -> Base:
        base = self.watch.bases.find(tag(repository).key)
        assert base is not None
        return base

    def decisions(self, name: str) -> list[Decision]:
        return self.watch.decisions.newest(REGISTRY, name, 10_000)

    def verdicts(self, name: str) -> list[Verdict]:
        return [decision.verdict for decision in self.decisions(name)]

    def stale(self) -> list[str]:
        """Answer the tasks whose product does not stand on what their bases are now."""
        return [
            name
            for name, pinned in self.built_on.items()
            if any(self.registry.tags[tag(base)] != digest for base, digest in pinned.items())
        ]

    def _change(self, run: Run, **changes: object) -> None:
        self.runs.known[run.id] = self.runs.known[run.id].model_copy(update={"updated": self.now[0], **changes})


def build(tables: Sequence[Table]) -> Yard:
    """Make a yard on five tables."""
    now: list[datetime] = [START]
    step: list[Callable[[], None]] = [lambda: None]

    def clock() -> datetime:
        return now[0]

    def one_step() -> None:
        step[0]()

    stepped = [MarkedSteps(table, one_step) for table in tables]
    runs, registry, queue = Runs(clock, one_step), Registry(), Messages(clock)
    tasks: dict[str, Task] = {}
    made: list[Yard] = []

    class Triggers:
        def find(self, task: TaskKey) -> Trigger | None:
            return made[0].find(task)

        def exists(self, task: TaskKey) -> bool:
            return made[0].exists(task)

    watch = Watch(
        bases=BaseStore(stepped[0]),
        dependencies=DependencyStore(stepped[1], stepped[2]),
        pending=PendingStore(stepped[3]),
        decisions=DecisionStore(stepped[4]),
        automatic=AutomaticRuns(stepped[4], runs),
        runs=runs,
        triggers=Triggers(),
        lookout=registry,
        start=runs.start,
        queue=queue,
        clock=clock,
        rhythm=Rhythm(timedelta(minutes=15)),
        limits=Limits(quiet=timedelta(seconds=5), settle=timedelta(minutes=30), runs=1000),
        room=lambda _: 1000,
    )
    made.append(Yard(watch, registry, runs, queue, now, step, tasks))
    return made[0]


@pytest.fixture
def yard() -> Yard:
    """Answer a watch over tables in memory."""
    return build([MarkedTable() for _ in range(5)])


@pytest.fixture
def make_yard() -> Callable[[], Yard]:
    """Answer what makes a watch over tables in memory."""
    return lambda: build([MarkedTable() for _ in range(5)])


@pytest.fixture
def real_yard(azurite: Connected) -> Iterator[Yard]:
    """Answer a watch over tables of its own on Azurite."""
    number = next(_NAMES)
    with TableServiceClient.from_connection_string(azurite.connection) as service:
        names = [f"yard{kind}{number}" for kind in ("bases", "deps", "taskdeps", "pending", "decisions")]
        yield build([Table(service.create_table(name)) for name in names])

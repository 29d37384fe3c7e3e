"""What the use cases of base images work with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from shared.clock import Clock
from shared.runs.causes import Cause
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.of_tasks import Order, run_task
from shared.storage import Queue
from shared.tasks.model import Enabled
from shared.tasks.store import TaskStore
from shared.triggers.automatic import AutomaticRuns
from shared.triggers.base_images.deciding import Limits, Trigger
from shared.triggers.base_images.looks import Rhythm
from shared.triggers.base_images.model import BaseTag, Found, Kind, TaskKey
from shared.triggers.base_images.pending import PendingStore
from shared.triggers.base_images.store import BaseStore, DependencyStore
from shared.triggers.decisions import DecisionStore

StartRun = Callable[[TaskKey, Cause, str], Run]
"""Makes the queued run of a task for (task, cause, request key); called again it answers the same run.

Passing faults are Unavailable and Throttled; any other SlipwayError says that the task cannot be run as it is.
"""


class Lookout(Protocol):
    """Asks registries what a tag stands for now. Thread-safe; nothing is retried inside.

    `login` names the task, as `registry|task`, whose credentials open the registry. Faults are SlipwayErrors whose
    text is for the users of a task: Throttled when the registry asks for a pause, NotFound, Unavailable and so on.
    """

    def look(self, tag: BaseTag, known: str, login: str) -> Found | None:
        """Answer what the tag stands for, after one HEAD; None when that still is `known`."""

    def read(self, tag: BaseTag, digest: str, login: str) -> Found:
        """Answer what a digest of the tag's repository holds."""


class Runs(Protocol):
    """Finds and changes runs."""

    def by_request(self, registry: str, request_key: str) -> Run | None:
        """Answer the run of a request, if any."""

    def get(self, registry: str, run_id: str) -> Run:
        """Read a run. Raises NotFound."""

    def change(self, registry: str, run_id: str, step: Callable[[Run], Run | None]) -> Run | None:
        """Apply `step` to a run as it stands; None from it changes nothing."""


class Triggers(Protocol):
    """Reads the base image triggers of tasks; what it answers is the truth."""

    def find(self, task: TaskKey) -> Trigger | None:
        """Answer a task's trigger; None when it has none or is gone."""

    def exists(self, task: TaskKey) -> bool:
        """Whether the task is there."""


@dataclass(frozen=True)
class Watch:
    """The parts that base images are followed with; one per process."""

    bases: BaseStore
    dependencies: DependencyStore
    pending: PendingStore
    decisions: DecisionStore
    automatic: AutomaticRuns
    runs: Runs
    triggers: Triggers
    lookout: Lookout
    start: StartRun
    queue: Queue
    clock: Clock
    rhythm: Rhythm
    limits: Limits
    room: Callable[[str], int]
    """Answers how many more automatic runs may be queued in a registry now."""


class StoredTriggers:
    """Reads the triggers of stored tasks."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def find(self, task: TaskKey) -> Trigger | None:
        """Answer a task's trigger; None when it has none or is gone."""
        known = self._store.find(task.registry, task.task)
        trigger = known.properties.trigger.base_image_trigger if known else None
        if known is None or trigger is None:
            return None
        is_enabled = known.is_enabled and trigger.status is Enabled.ENABLED
        follows = Kind.BUILDTIME if trigger.base_image_trigger_type == "All" else Kind.RUNTIME
        return Trigger(trigger.name, is_enabled, follows)

    def exists(self, task: TaskKey) -> bool:
        """Whether the task is there."""
        return self._store.find(task.registry, task.task) is not None


_MOST_QUEUED = 100
"""Runs of a registry that are not over, beyond which base images start no more: they stay pending, which is cheap."""


def open_watch(shop: Workshop, lookout: Lookout) -> Watch:
    """Answer the watch over the stored tasks; its runs are queued but not dispatched."""
    storage, settings = shop.storage, shop.settings

    def start(task: TaskKey, cause: Cause, key: str) -> Run:
        return run_task(shop, shop.registry(task.registry), task.task, Order(cause=cause, dispatches=False), key)

    return Watch(
        bases=BaseStore(storage.bases),
        dependencies=DependencyStore(storage.dependents, storage.dependencies),
        pending=PendingStore(storage.pending),
        decisions=DecisionStore(storage.decisions),
        automatic=AutomaticRuns(storage.decisions, shop.store),
        runs=shop.store,
        triggers=StoredTriggers(shop.tasks),
        lookout=lookout,
        start=start,
        queue=storage.base_images,
        clock=shop.clock,
        rhythm=Rhythm(timedelta(minutes=settings.poll_minutes)),
        limits=Limits(
            quiet=timedelta(seconds=settings.base_image_quiet),
            settle=timedelta(minutes=settings.base_image_settle),
            runs=settings.base_image_runs,
        ),
        room=lambda registry: _MOST_QUEUED - shop.store.count(registry, _MOST_QUEUED),
    )

"""Stored tasks as schedules see them."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.tasks.model import Enabled, TimerTrigger
from shared.tasks.record import Task
from shared.tasks.store import TaskStore


@dataclass(frozen=True)
class StoredTimer:
    """A timer trigger of a stored task."""

    trigger: TimerTrigger

    @property
    def name(self) -> str:
        """Its name."""
        return self.trigger.name

    @property
    def schedule(self) -> str:
        """Its schedule."""
        return self.trigger.schedule

    @property
    def is_enabled(self) -> bool:
        """Whether it may start runs."""
        return self.trigger.status is Enabled.ENABLED


@dataclass(frozen=True)
class StoredTask:
    """A stored task and its timers."""

    task: Task

    @property
    def registry(self) -> str:
        """The registry's storage key."""
        return self.task.registry

    @property
    def name(self) -> str:
        """The task's name."""
        return self.task.name

    @property
    def is_enabled(self) -> bool:
        """Whether triggers may start runs of it."""
        return self.task.is_enabled

    @property
    def timers(self) -> tuple[StoredTimer, ...]:
        """Its timer triggers."""
        return tuple(map(StoredTimer, self.task.properties.trigger.timer_triggers))


class StoredTasks:
    """Reads the tasks of a store."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store

    def find(self, registry: str, name: str) -> StoredTask | None:
        """Answer a task by name in any case, or None."""
        task = self._store.find(registry, name)
        return StoredTask(task) if task else None

    def timed(self, registry: str) -> Iterator[StoredTask]:
        """Answer the tasks of a registry that have timers."""
        return (task for task in map(StoredTask, self._store.all(registry)) if task.timers)

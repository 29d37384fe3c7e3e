"""Who builds what others stand on: what a task waits for, and circles that must not turn for ever. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from shared.triggers.base_images.model import TaskKey

MAX_DEPTH = 16
MAX_TASKS = 500

Upstream = Callable[[TaskKey], Iterable[TaskKey]]
"""Answers the tasks that build what a task stands on."""


@dataclass
class Lineage:
    """Looks tasks up once each. What lies deeper than 16 builds or beyond 500 tasks does not count."""

    upstream: Upstream
    _known: dict[TaskKey, tuple[TaskKey, ...]] = field(default_factory=dict)

    def parents(self, task: TaskKey) -> tuple[TaskKey, ...]:
        """Answer the tasks that build what a task stands on, the task itself if it does."""
        if task not in self._known:
            self._known[task] = tuple(dict.fromkeys(self.upstream(task)))
        return self._known[task]

    def path(self, start: TaskKey, end: TaskKey) -> tuple[TaskKey, ...]:
        """Answer the shortest way from a task up to another one, both included; nothing when there is none."""
        ways: list[tuple[TaskKey, ...]] = [(start,)]
        reached = {start}
        if start == end:
            return (start,)
        for _ in range(MAX_DEPTH):
            further: list[tuple[TaskKey, ...]] = []
            for way in ways:
                for parent in self.parents(way[-1]):
                    if parent == end:
                        return (*way, parent)
                    if parent not in reached and len(reached) < MAX_TASKS:
                        reached.add(parent)
                        further.append((*way, parent))
            ways = further
        return ()

    def ancestors(self, task: TaskKey) -> tuple[TaskKey, ...]:
        """Answer the tasks above a task, the nearest first, without itself and without those in a circle with it."""
        found: dict[TaskKey, None] = {}
        level = [task]
        for _ in range(MAX_DEPTH):
            level = [one for below in level for one in self.parents(below) if one not in found and one != task]
            level = list(dict.fromkeys(level))[: MAX_TASKS - len(found)]
            found |= dict.fromkeys(level)
        return tuple(one for one in found if not self.path(one, task))

    def circle(self, task: TaskKey, producers: Iterable[TaskKey]) -> tuple[TaskKey, ...]:
        """Answer the circle in which the builders of an image stand on what a task builds; nothing when none does."""
        ways = (self.path(producer, task) for producer in producers)
        return next((way for way in ways if way), ())


def printed(circle: tuple[TaskKey, ...]) -> str:
    """Write a circle for people: each task stands on what the next one builds, the last on the first."""
    names = [task.task for task in circle]
    return " → ".join([*names[-1:], *names])

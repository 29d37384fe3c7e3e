"""Watches follow their tasks: at once when one changes; a sweep finds what a crash left behind.

Whoever follows a change reads the task again afterwards and repeats when it has changed meanwhile, so the last
change wins whatever the order in which the writers come by.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import SlipwayError, Unavailable
from shared.runs.context import Workshop
from shared.triggers.git.hooks import HookStore
from shared.triggers.git.triggers import watched
from shared.triggers.git.watches import WatchStore

_ATTEMPTS = 20
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Watching:
    """What watches are kept with."""

    shop: Workshop
    watches: WatchStore
    hooks: HookStore


def open_watching(shop: Workshop) -> Watching:
    """Answer the watches of the stored tasks."""
    return Watching(shop, WatchStore(shop.storage.watches), HookStore(shop.storage.hooks, shop.keys))


def follow(room: Watching, registry: str, task: str) -> bool:
    """Let watches be what a task says. Call it after every change of a task, its deletion included.

    A hook that no task uses any more is retired; answers whether there was one. Raises Unavailable when the task never
    holds still.
    """
    has_retired = False
    for _ in range(_ATTEMPTS):
        wanted = _wanted(room, registry, task)
        known = room.watches.of_task(registry, task)
        for repository in (wanted or set()) - known:
            room.watches.add(registry, repository, task)
        for repository in known - (wanted or set()):
            room.watches.remove(registry, repository, task)
            has_retired |= _remove_unused(room, registry, repository)
        if wanted is None and known:
            room.watches.forget_lines(registry, task)
        if _wanted(room, registry, task) == wanted:
            return has_retired
    raise Unavailable(f"The triggers of task {task} are being changed by too many at once.")


def _wanted(room: Watching, registry: str, task: str) -> set[str] | None:
    found = room.shop.tasks.find(registry, task)
    return {one.repository for one in watched(found.properties, room.shop.settings.git_hosts)} if found else None


def _remove_unused(room: Watching, registry: str, repository: str) -> bool:
    hooks = room.watches.hooks(registry, repository)
    if not hooks or room.watches.of_repository(registry, repository):
        return False
    removed = [row for row in hooks if room.watches.remove_hook(row)]
    for row in removed:
        room.hooks.retire(str(row.values["hook"]), room.shop.clock())
    return bool(removed)


def sweep_watches(room: Watching, registries: Iterable[str]) -> None:
    """Let the watches of every task be what it says; they are unless something crashed."""
    for registry in registries:
        for repository in room.watches.repositories_with_hooks(registry):
            _remove_unused(room, registry, repository)
        names = {task.key for task in room.shop.tasks.all(registry) if task.properties.trigger.source_triggers}
        names |= {watch.task for watch in room.watches.of_registry(registry)}
        for name in sorted(names):
            try:
                follow(room, registry, name)
            except SlipwayError:
                _LOG.exception("the watches of %s in %s are left for the next sweep", name, registry)

"""What may be done to a task: make, change, delete, note what its images stand on."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from shared.access.callers import Caller
from shared.arm.names import RegistryId, parse_task_name
from shared.arm.wire import BaseImage, SystemData
from shared.errors import NotFound
from shared.tasks.checks import parse_task
from shared.tasks.identity import filled
from shared.tasks.merge import merge_task
from shared.tasks.model import TaskSpec
from shared.tasks.record import Task
from shared.tasks.store import Content, TaskStore

_MOST_PUBLISHED = 40
"""Repositories that are noted on a task; a row holds few long texts."""


@dataclass(frozen=True)
class Setting:
    """Where and by whom tasks are changed. `location` is the region that a task gets when none is given."""

    registry: RegistryId
    location: str
    tenant: str
    caller: Caller
    now: datetime

    def made(self) -> SystemData:
        """Answer the system data of what is made now."""
        return SystemData.made(self.caller.name, self.caller.kind, self.now)

    def changed(self, known: SystemData) -> SystemData:
        """Answer the system data of what is changed now."""
        return known.changed(self.caller.name, self.caller.kind, self.now)


Check = Callable[[TaskSpec], None]
"""Judges a task, its secrets included, before it is stored; what it raises is answered."""


def _nothing(_spec: TaskSpec) -> None:
    return


def put_task(store: TaskStore, setting: Setting, name: str, body: object, check: Check = _nothing) -> Task:
    """Make a task or replace it whole; when it was made stays. Raises InvalidRequest, and what `check` raises."""
    spec = _complete(setting, parse_task_name(name), parse_task(body))
    check(spec)

    def put(known: Content | None) -> Content:
        if known is not None:
            return Content(known.task.changed_to(spec, setting.changed(known.task.system_data)), spec)
        task = Task(
            registry=setting.registry.key,
            name=name,
            spec=spec,
            created=setting.now,
            system_data=setting.made(),
        )
        return Content(task, spec)

    store.change(setting.registry.key, name, put)
    return store.get(setting.registry.key, name)


def patch_task(store: TaskStore, setting: Setting, name: str, body: object, check: Check = _nothing) -> Task:
    """Change what is given and leave the rest. Raises NotFound or InvalidRequest, and what `check` raises."""

    def patch(known: Content | None) -> Content:
        if known is None:
            raise NotFound(f"The task {name} does not exist.")
        spec = _complete(setting, known.task.name, parse_task(merge_task(known.full.json_object(), body), known.full))
        check(spec)
        return Content(known.task.changed_to(spec, setting.changed(known.task.system_data)), spec)

    store.change(setting.registry.key, name, patch)
    return store.get(setting.registry.key, name)


def _complete(setting: Setting, name: str, spec: TaskSpec) -> TaskSpec:
    identity = filled(spec.identity, f"{setting.registry}/tasks/{name}", setting.tenant)
    return spec.model_copy(update={"identity": identity, "location": spec.location or setting.location})


def list_tasks(store: TaskStore, registry: str) -> list[Task]:
    """Answer the tasks of a registry without their secrets, oldest first."""
    return sorted(store.all(registry), key=lambda task: (task.created, task.key))


def record_dependencies(  # noqa: PLR0913 - a run in pieces: tasks know nothing of runs
    store: TaskStore,
    registry: str,
    name: str,
    run_id: str,
    base_images: Iterable[BaseImage],
    *,
    published: Iterable[str] = (),
) -> Task | None:
    """Note what the images of a successful run stand on and where they are, unless a later run has done so already.

    Answers the changed task; None when nothing changed or the task is gone. Calling again is fine.
    """
    images, repositories = tuple(base_images), tuple(dict.fromkeys(published))[:_MOST_PUBLISHED]

    def record(known: Content | None) -> Content | None:
        if known is None or known.task.base_images_run >= run_id:
            return None
        noted = {"base_images": images, "base_images_run": run_id, "published": repositories}
        return Content(known.task.model_copy(update=noted), known.full)

    return store.change(registry, name, record)

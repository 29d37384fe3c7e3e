"""Tasks in the `tasks` table: partition = registry, key = the task's name in lower case.

A row holds the task without its secrets as JSON and, when it has secrets, the whole of it sealed: one row, so that
one ETag guards both.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.access.keys import Keys
from shared.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from shared.storage import Row, Table
from shared.storage.pieces import join_text, split_text
from shared.storage.tables import Scalar
from shared.tasks.model import TaskSpec
from shared.tasks.record import Task
from shared.tasks.secrets import without_secrets

_CHANGE_ATTEMPTS = 20
_DOCUMENT, _SEALED = "document", "sealed"


@dataclass(frozen=True)
class Content:
    """A task and all that it holds, secrets included."""

    task: Task
    full: TaskSpec


Step = Callable[[Content | None], Content | None]
"""Answers what is to be stored in place of what is there (None: nothing is); None changes nothing."""


class TaskStore:
    """Reads and changes tasks; every change is by insert-if-absent or ETag. Thread-safe."""

    def __init__(self, table: Table, keys: Keys) -> None:
        self._table = table
        self._keys = keys

    def get(self, registry: str, name: str) -> Task:
        """Read a task without its secrets. Raises NotFound."""
        return _task(self._table.get(registry, name.lower()))

    def find(self, registry: str, name: str) -> Task | None:
        """Read a task without its secrets, or None."""
        row = self._table.find(registry, name.lower())
        return _task(row) if row else None

    def read(self, registry: str, name: str) -> Content:
        """Read a task with its secrets. Raises NotFound."""
        return self._content(self._table.get(registry, name.lower()))

    def all(self, registry: str) -> Iterator[Task]:
        """Read the tasks of a registry without their secrets, by name."""
        return (_task(row) for row in self._table.query(registry, "", "~"))

    def change(self, registry: str, name: str, step: Step) -> Task | None:
        """Make or change a task, again and again until nobody else came between; None when `step` did nothing.

        What `step` raises passes through. Raises TooLarge for a task that no row can hold.
        """
        for _ in range(_CHANGE_ATTEMPTS):
            row = self._table.find(registry, name.lower())
            made = step(self._content(row) if row else None)
            if made is None:
                return None
            try:
                self._write(row, made)
            except (Conflict, NotFound, PreconditionFailed):
                continue
            return made.task
        raise Unavailable(f"The task {name} is being changed by too many at once.")

    def delete(self, registry: str, name: str) -> bool:
        """Delete a task and its secrets; False when there is none."""
        if self._table.find(registry, name.lower()) is None:
            return False
        self._table.delete(registry, name.lower())
        return True

    def _write(self, row: Row | None, made: Content) -> None:
        columns = self._columns(made)
        if row is None:
            self._table.insert(made.task.registry, made.task.key, columns)
        else:
            self._table.replace(row, columns)

    def _columns(self, made: Content) -> dict[str, Scalar]:
        full, public = made.full, without_secrets(made.full)
        text = made.task.model_copy(update={"spec": public}).model_dump_json(by_alias=True, exclude_none=False)
        secret = full.model_dump_json(by_alias=True) if full != public else ""
        sealed = self._keys.seal(secret.encode(), _seal_name(made.task)).decode() if secret else ""
        return split_text(_DOCUMENT, text, "The task") | split_text(_SEALED, sealed, "The task")

    def _content(self, row: Row) -> Content:
        task, sealed = _task(row), join_text(_SEALED, row.values)
        if not sealed:
            return Content(task, task.spec)
        return Content(task, TaskSpec.model_validate_json(self._keys.open(sealed.encode(), _seal_name(task))))


def _seal_name(task: Task) -> str:
    return f"task/{task.registry}/{task.key}"


def _task(row: Row) -> Task:
    return Task.model_validate_json(join_text(_DOCUMENT, row.values))

"""Which tasks watch which repository, the hooks of repositories, and the lines of each trigger.

Partition = registry. Rows, by the first letter of their key:

    w{repository}|{task}   the task has a trigger for the repository
    t{task}|{repository}   the same, to be found by task; both change together
    h{repository}|{host}   the hook of the repository at a kind of host
    c{task}|{hash}         a line of one of the task's triggers

A repository is known by `addresses.repository_key`. Every change is by insert-if-absent or ETag.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from shared.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from shared.storage import Delete, Insert, Row, Table
from shared.triggers.git.events import HostKind
from shared.triggers.git.lines import Line

_ATTEMPTS = 20


@dataclass(frozen=True)
class Watch:
    """A task that has triggers for a repository."""

    registry: str
    repository: str
    """The repository's key."""
    task: str
    """The task's storage key."""
    looked: str = ""
    """What the last look was for; empty before the first one."""
    fault: str = ""
    """Why the last look failed, in a sentence; empty when it did not."""
    row: Row | None = None


class WatchStore:
    """Reads and changes watches, hooks of repositories, and lines."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def of_repository(self, registry: str, repository: str) -> list[Watch]:
        """Read the tasks that watch a repository."""
        return [_watch(row) for row in self._table.query(registry, f"w{repository}|", f"w{repository}}}")]

    def of_registry(self, registry: str) -> Iterator[Watch]:
        """Read all watches of a registry, those of one repository together."""
        return (_watch(row) for row in self._table.query(registry, "w", "x"))

    def of_task(self, registry: str, task: str) -> set[str]:
        """Answer the keys of the repositories that a task watches."""
        prefix = f"t{task.lower()}|"
        rows = self._table.query(registry, prefix, f"t{task.lower()}}}")
        return {row.key.removeprefix(prefix) for row in rows}

    def add(self, registry: str, repository: str, task: str) -> None:
        """Note that a task watches a repository; noting it again is fine."""
        watch, back = f"w{repository}|{task.lower()}", f"t{task.lower()}|{repository}"
        try:
            self._table.transaction(
                [Insert(registry, watch, {"looked": "", "fault": ""}), Insert(registry, back, {})],
            )
        except Conflict:
            return

    def remove(self, registry: str, repository: str, task: str) -> None:
        """Note that a task does not watch a repository any more."""
        keys = (f"w{repository}|{task.lower()}", f"t{task.lower()}|{repository}")
        try:
            self._table.transaction([Delete(registry, key) for key in keys])
        except NotFound:
            for key in keys:
                self._table.delete(registry, key)

    def note(self, watch: Watch, *, looked: str, fault: str) -> bool:
        """Note how a look went. False when somebody else was first or the watch is gone."""
        try:
            self._table.replace(_row(watch.row), {"looked": looked, "fault": fault})
        except (PreconditionFailed, NotFound):
            return False
        return True

    def hooks(self, registry: str, repository: str) -> list[Row]:
        """Read the rows of a repository's hooks; `values["hook"]` is the id."""
        return list(self._table.query(registry, f"h{repository}|", f"h{repository}}}"))

    def repositories_with_hooks(self, registry: str) -> set[str]:
        """Answer the keys of the repositories that have hooks."""
        return {row.key[1:].partition("|")[0] for row in self._table.query(registry, "h", "i")}

    def hook(self, registry: str, repository: str, host: HostKind, fresh: Callable[[], str]) -> str:
        """Answer the id of a repository's hook; `fresh` answers the one to be noted if there is none.

        The row changes each time, so that nobody removes the hook who looked before for tasks that use it.
        """
        key = f"h{repository}|{host.value}"
        for turn in range(_ATTEMPTS):
            row = self._table.find(registry, key)
            made = str(row.values["hook"]) if row else fresh()
            values = _hook_values(made, int(row.values["turn"]) + 1 if row else turn)
            try:
                if row:
                    self._table.replace(row, values)
                else:
                    self._table.insert(registry, key, values)
            except (Conflict, PreconditionFailed, NotFound):
                continue
            return made
        raise Unavailable("The hook of this repository is being changed by too many at once.")

    def remove_hook(self, row: Row) -> bool:
        """Forget a hook as it was read. False when it has been asked for since."""
        try:
            self._table.transaction([Delete(row.partition, row.key, row.etag)])
        except (PreconditionFailed, NotFound):
            return False
        return True

    def line(self, registry: str, task: str, trigger: str, name: str) -> tuple[Line, Row | None]:
        """Read a line, with the row to change it by; a new one when there is none."""
        row = self._table.find(registry, _line_key(task, trigger, name))
        return (_line(row), row) if row else (Line(trigger=trigger, name=name), None)

    def lines(self, registry: str, task: str) -> dict[tuple[str, str], tuple[Line, Row]]:
        """Read all lines of a task, with their rows, by trigger in lower case and name."""
        rows = self._table.query(registry, f"c{task.lower()}|", f"c{task.lower()}}}")
        return {(line.trigger.lower(), line.name): (line, row) for row in rows for line in (_line(row),)}

    def write(self, registry: str, task: str, line: Line, row: Row | None) -> bool:
        """Put a line in place of what was read. False when somebody else was first."""
        values = {"line": line.model_dump_json()}
        try:
            if row is None:
                self._table.insert(registry, _line_key(task, line.trigger, line.name), values)
            else:
                self._table.replace(row, values)
        except (Conflict, PreconditionFailed, NotFound):
            return False
        return True

    def change(self, registry: str, task: str, known: Line, step: Callable[[Line], Line]) -> Line:
        """Change a line as it stands, again and again until nobody else comes between; answer it as it was before."""
        for _ in range(_ATTEMPTS):
            line, row = self.line(registry, task, known.trigger, known.name)
            changed = step(line)
            if changed == line or self.write(registry, task, changed, row):
                return line
        raise Unavailable("A line of this task is being changed by too many at once.")

    def forget_lines(self, registry: str, task: str) -> None:
        """Delete all lines of a task."""
        rows = self._table.query(registry, f"c{task.lower()}|", f"c{task.lower()}}}")
        self._table.delete_all(registry, (row.key for row in rows))


def _hook_values(hook: str, turn: int) -> dict[str, str | int]:
    return {"hook": hook, "turn": turn}


def _line_key(task: str, trigger: str, name: str) -> str:
    return f"c{task.lower()}|{hashlib.sha256(f'{trigger.lower()}\0{name}'.encode()).hexdigest()[:40]}"


def _watch(row: Row) -> Watch:
    repository, _, task = row.key[1:].partition("|")
    return Watch(row.partition, repository, task, str(row.values["looked"]), str(row.values["fault"]), row)


def _line(row: Row) -> Line:
    return Line.model_validate_json(str(row.values["line"]))


def _row(row: Row | None) -> Row:
    if row is None:
        raise ValueError("only what was read can be changed")
    return row

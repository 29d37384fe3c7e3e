"""Base images and who stands on them.

    bases      partition = two digits of the key · key = the tag's hash: what the tag stands for
               partition = `pauses` · key = a registry: until when it asked to be left alone
    deps       partition = base · `d` + shard + task: a dependent · `p` + task: who builds it
    taskdeps   partition = task · `d` + base: what it stands on · `p` + base: what it builds · `run`: as of which run

`taskdeps` says what has to be deleted from `deps` when a run of the task stands on something else. There are no
transactions between them, so `deps` may name more than holds, never less.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shared.errors import Conflict, NotFound, PreconditionFailed, Unavailable
from shared.images import platforms
from shared.storage import Delete, Insert, Row, Table
from shared.storage.tables import Scalar
from shared.triggers.base_images.model import Base, BaseTag, Dependent, Found, Kind, TaskKey, images_json

_ATTEMPTS = 20
_PAUSES = "pauses"
_HEX_END = "g"
_DEPENDENT, _PRODUCER, _RUN = "d", "p", "run"


class BaseStore:
    """Reads and changes base images; every change is by insert-if-absent or ETag."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, key: str) -> Base | None:
        """Read a base image by its key."""
        row = self._table.find(key[:2], key)
        return _base(row) if row else None

    def all(self) -> Iterator[Base]:
        """Read every base image."""
        return (_base(row) for row in self._table.across("", _HEX_END, "", _HEX_END))

    def add(self, base: Base) -> Base:
        """Add a base image, or answer the one that is there, marked as touched so that nobody removes it now."""
        key = base.tag.key
        for _ in range(_ATTEMPTS):
            known = self.find(key)
            if known is None:
                try:
                    self._table.insert(key[:2], key, _base_values(base))
                except Conflict:
                    continue
                known = self.find(key)
            touched = known and self.put(replace(known, login=base.login or known.login))
            if touched is not None:
                return touched
        raise Unavailable(f"The base image {base.tag} is being changed by too many at once.")

    def put(self, base: Base) -> Base | None:
        """Put a base image in place of itself as it was read; None when somebody else changed it first."""
        try:
            return replace(base, row=self._table.replace(_row(base.row), _base_values(base)))
        except (PreconditionFailed, NotFound):
            return None

    def change(self, key: str, step: Callable[[Base], Base | None]) -> Base | None:
        """Apply `step` to a base image as it stands; None when it is gone or `step` answers None."""
        for _ in range(_ATTEMPTS):
            known = self.find(key)
            changed = step(known) if known else None
            if changed is None:
                return None
            put = self.put(changed)
            if put is not None:
                return put
        raise Unavailable("A base image is being changed by too many at once.")

    def remove(self, base: Base) -> bool:
        """Forget a base image as it was read; False when somebody touched it since."""
        try:
            self._table.transaction([Delete(base.tag.key[:2], base.tag.key, _row(base.row).etag)])
        except (PreconditionFailed, NotFound):
            return False
        return True

    def pause(self, registry: str, until: datetime) -> None:
        """Note that a registry asked to be left alone."""
        self._table.delete(_PAUSES, _host(registry))
        try:
            self._table.insert(_PAUSES, _host(registry), {"until": until.timestamp()})
        except Conflict:
            return

    def paused(self, registry: str) -> datetime | None:
        """Answer until when a registry asked to be left alone."""
        row = self._table.find(_PAUSES, _host(registry))
        return _moment(row.values["until"]) if row else None


class DependencyStore:
    """Reads and replaces who stands on what, and who builds what."""

    def __init__(self, dependents: Table, dependencies: Table) -> None:
        self._inverse = dependents
        self._forward = dependencies

    def dependents(self, base: str, after: str = "") -> Iterator[tuple[str, Dependent]]:
        """Read who stands on a base image, by shard, beginning after a place; each with its place."""
        first = f"{after}\0" if after else _DEPENDENT
        for row in self._inverse.query(base, first, chr(ord(_DEPENDENT) + 1)):
            yield row.key, _dependent(row)

    def has_dependents(self, base: str) -> bool:
        """Whether any task stands on a base image."""
        return next(self.dependents(base), None) is not None

    def producers(self, base: str) -> list[TaskKey]:
        """Read the tasks whose last successful run built a base image."""
        rows = self._inverse.query(base, _PRODUCER, chr(ord(_PRODUCER) + 1))
        return [TaskKey.parse(row.key.removeprefix(_PRODUCER)) for row in rows]

    def of_task(self, task: TaskKey) -> dict[str, Dependent]:
        """Read what a task stands on, by key of the base image."""
        bases = (row.key.removeprefix(_DEPENDENT) for row in self._forward.query(str(task), _DEPENDENT, "e"))
        rows = ((base, self._inverse.find(base, _dependent_key(task))) for base in bases)
        return {base: _dependent(row) for base, row in rows if row}

    def bases_of(self, task: TaskKey) -> list[str]:
        """Read the keys of the base images of a task."""
        return [row.key.removeprefix(_DEPENDENT) for row in self._forward.query(str(task), _DEPENDENT, "e")]

    def products_of(self, task: TaskKey) -> list[str]:
        """Read the keys of the tags that a task's last successful run built."""
        return [row.key.removeprefix(_PRODUCER) for row in self._forward.query(str(task), _PRODUCER, "q")]

    def latest_run(self, task: TaskKey) -> tuple[str, str]:
        """Answer the run that the dependencies of a task are of, and the last update token given for the task."""
        row = self._forward.find(str(task), _RUN)
        return (str(row.values["run"]), str(row.values["token"])) if row else ("", "")

    def take_over(self, task: TaskKey, run: str, token: str) -> bool:
        """Note the run whose dependencies are about to be written; False when those of a later one are."""
        for _ in range(_ATTEMPTS):
            row = self._forward.find(str(task), _RUN)
            if row is not None and str(row.values["run"]) > run:
                return False
            values = {"run": run, "token": token or (str(row.values["token"]) if row else "")}
            try:
                if row is None:
                    self._forward.insert(str(task), _RUN, values)
                else:
                    self._forward.replace(row, values)
            except (Conflict, NotFound, PreconditionFailed):
                continue
            return True
        raise Unavailable(f"The dependencies of task {task.task} are being written by too many at once.")

    def put(self, dependent: Dependent) -> None:
        """Note that a task stands on a base image. The forward row comes first, so that it can always be taken back."""
        self._insert(self._forward, str(dependent.task), f"{_DEPENDENT}{dependent.base}")
        partition, key, values = dependent.base, _dependent_key(dependent.task), _dependent_values(dependent)
        for _ in range(_ATTEMPTS):
            row = self._inverse.find(partition, key)
            try:
                if row is None:
                    self._inverse.insert(partition, key, values)
                else:
                    self._inverse.replace(row, values)
            except (Conflict, NotFound, PreconditionFailed):
                continue
            return
        raise Unavailable(f"The dependencies of task {dependent.task.task} are being written by too many at once.")

    def produces(self, task: TaskKey, base: str) -> None:
        """Note that a task builds a tag."""
        self._insert(self._forward, str(task), f"{_PRODUCER}{base}")
        self._insert(self._inverse, base, f"{_PRODUCER}{task}")

    def keep_only(self, task: TaskKey, bases: set[str], products: set[str]) -> None:
        """Forget everything else that a task stood on or built."""
        for base in self.bases_of(task):
            if base not in bases:
                self._inverse.delete(base, _dependent_key(task))
                self._forward.delete(str(task), f"{_DEPENDENT}{base}")
        for product in self.products_of(task):
            if product not in products:
                self._inverse.delete(product, f"{_PRODUCER}{task}")
                self._forward.delete(str(task), f"{_PRODUCER}{product}")

    def forget(self, task: TaskKey) -> None:
        """Forget a task that is gone."""
        self.keep_only(task, set(), set())
        self._forward.delete(str(task), _RUN)

    def add_many(self, base: str, dependents: list[Dependent]) -> None:
        """Add up to a hundred dependents of one base image, in one transaction, for whoever moves in."""
        self._inverse.transaction(
            [Insert(base, _dependent_key(one.task), _dependent_values(one)) for one in dependents]
        )

    @staticmethod
    def _insert(table: Table, partition: str, key: str) -> None:
        try:
            table.insert(partition, key, {})
        except Conflict:
            return


def _host(registry: str) -> str:
    return registry.replace("/", "_")


def _dependent_key(task: TaskKey) -> str:
    return f"{_DEPENDENT}{task.shard}|{task}"


def _moment(value: Scalar) -> datetime:
    return datetime.fromtimestamp(float(value), UTC)


def _row(row: Row | None) -> Row:
    if row is None:
        raise ValueError("only what was read can be changed")
    return row


def _base_values(base: Base) -> dict[str, Scalar]:
    tag, before = base.tag, base.before
    return {
        "registry": tag.registry,
        "repository": tag.repository,
        "tag": tag.tag,
        "digest": base.found.digest,
        "images": images_json(base.found),
        "before": before.digest if before else "",
        "before_images": images_json(before) if before else "",
        "generation": base.generation,
        "fanned": base.fanned,
        "changed": base.changed.timestamp(),
        "checked": base.checked.timestamp() if base.checked else 0.0,
        "due": base.due.timestamp(),
        "looks": base.looks,
        "failures": base.failures,
        "error": base.error,
        "login": base.login,
    }


def _base(row: Row) -> Base:
    values: Any = row.values
    before = Found(values["before"], json.loads(values["before_images"])) if values["before"] else None
    return Base(
        tag=BaseTag(values["registry"], values["repository"], values["tag"]),
        found=Found(values["digest"], json.loads(values["images"])),
        changed=_moment(values["changed"]),
        due=_moment(values["due"]),
        generation=int(values["generation"]),
        before=before,
        fanned=int(values["fanned"]),
        checked=_moment(values["checked"]) if values["checked"] else None,
        looks=int(values.get("looks", 0)),
        failures=int(values["failures"]),
        error=values["error"],
        login=values["login"],
        row=row,
    )


def _dependent_values(one: Dependent) -> dict[str, Scalar]:
    return {
        "kind": one.kind.value,
        "platform": ",".join(map(str, one.platforms)),
        "digest": one.digest,
        "image": one.image,
        "generation": one.generation,
        "run": one.run,
    }


def _dependent(row: Row) -> Dependent:
    values: Any = row.values
    _, _, task = row.key.partition("|")
    return Dependent(
        base=row.partition,
        task=TaskKey.parse(task),
        kind=Kind(values["kind"]),
        platforms=tuple(map(platforms.parse, values["platform"].split(","))),
        digest=values["digest"],
        image=values["image"],
        generation=int(values["generation"]),
        run=values["run"],
    )

"""taskRuns resources: run requests that are resources of their own.

Table `taskruns`: partition = registry, key = the name in lower case. A row holds the resource without its secrets
as JSON and its request sealed. Source: TaskRun and TaskRunUpdateParameters of the published swagger.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from shared.access.keys import Keys
from shared.arm.names import REGISTRY_TYPE, RegistryId
from shared.arm.reading import Shape, as_object, read_as
from shared.arm.requests import AnyRunRequest, parse_any_run_request
from shared.arm.wire import SystemData
from shared.storage import Row, Table
from shared.storage.pieces import join_text, split_text
from shared.tasks.merge import merge

_WHAT = "The task run"
_DOCUMENT, _SEALED = "document", "sealed"


class _Properties(Shape):
    run_request: dict[str, Any]
    force_update_tag: str | None = Field(default=None, max_length=1024)


class TaskRunSpec(Shape):
    """The body of PUT. `properties.run_request` is a run request of any kind."""

    location: str | None = Field(default=None, max_length=100)
    tags: dict[str, str] = Field(default={}, max_length=50)
    properties: _Properties

    @property
    def request(self) -> AnyRunRequest:
        """The run request, judged. Raises InvalidRequest."""
        return parse_any_run_request(self.properties.run_request)

    @property
    def fingerprint(self) -> str:
        """What makes two bodies ask for the same run."""
        asked = [self.request.json_object(), self.properties.force_update_tag]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def parse_task_run(body: object) -> TaskRunSpec:
    """Read the body of PUT. Raises InvalidRequest that names the member at fault."""
    spec = read_as(TaskRunSpec, as_object(body, "a task run"), "task run")
    canonical = spec.properties.model_copy(update={"run_request": spec.request.json_object()})
    return spec.model_copy(update={"properties": canonical})


def patched_task_run(known: TaskRunSpec, patch: object) -> TaskRunSpec:
    """Answer a task run after a PATCH: objects merge, lists are replaced, another type replaces the request."""
    changes = as_object(patch, "the members to change")
    document = known.json_object()
    wanted = changes.get("properties")
    request = wanted.get("runRequest") if isinstance(wanted, dict) else None
    if isinstance(request, dict) and request.get("type") not in (None, known.properties.run_request.get("type")):
        document["properties"].pop("runRequest")
    return parse_task_run(merge(document, changes))


class TaskRun(BaseModel):
    """A stored task run without its secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    registry: str
    name: str
    spec: TaskRunSpec
    system_data: SystemData
    fingerprint: str
    nonce: str = ""
    """Makes the run of this content, and no other, found again by a writer that comes later."""
    run_id: str = ""
    """Empty until the run has been made."""
    is_update: bool = False

    @property
    def key(self) -> str:
        """The storage key within the registry."""
        return self.name.lower()

    def asking(self, spec: TaskRunSpec, system_data: SystemData) -> Self:
        """Answer the resource with another content, whose run is not made yet."""
        changes = {
            "spec": spec,
            "system_data": system_data,
            "fingerprint": spec.fingerprint,
            "nonce": secrets.token_hex(16),
            "run_id": "",
            "is_update": True,
        }
        return self.model_copy(update=changes)


@dataclass(frozen=True)
class StoredTaskRun:
    """A task run, its content with secrets, and the row by which it can be changed."""

    task_run: TaskRun
    full: TaskRunSpec
    row: Row = field(repr=False)


class TaskRunStore:
    """Reads and changes task runs; every change is by insert-if-absent or ETag. Thread-safe."""

    def __init__(self, table: Table, keys: Keys) -> None:
        self._table = table
        self._keys = keys

    def find(self, registry: str, name: str) -> StoredTaskRun | None:
        """Read a task run, or None."""
        row = self._table.find(registry, name.lower())
        return self._stored(row) if row else None

    def all(self, registry: str) -> Iterator[StoredTaskRun]:
        """Read the task runs of a registry by name."""
        return (self._stored(row) for row in self._table.query(registry, "", "~"))

    def write(self, known: StoredTaskRun | None, task_run: TaskRun, full: TaskRunSpec) -> None:
        """Add a task run or replace the one that was read. Raises Conflict, PreconditionFailed or NotFound."""
        text = task_run.model_copy(update={"spec": _public(full)}).model_dump_json(by_alias=True)
        sealed = self._keys.seal(full.model_dump_json(by_alias=True).encode(), _seal_name(task_run)).decode()
        columns = split_text(_DOCUMENT, text, _WHAT) | split_text(_SEALED, sealed, _WHAT)
        if known is None:
            self._table.insert(task_run.registry, task_run.key, columns)
        else:
            self._table.replace(known.row, columns)

    def delete(self, registry: str, name: str) -> bool:
        """Delete a task run; False when there is none. Its run stays."""
        if self._table.find(registry, name.lower()) is None:
            return False
        self._table.delete(registry, name.lower())
        return True

    def _stored(self, row: Row) -> StoredTaskRun:
        task_run = TaskRun.model_validate_json(join_text(_DOCUMENT, row.values))
        sealed = self._keys.open(join_text(_SEALED, row.values).encode(), _seal_name(task_run))
        return StoredTaskRun(task_run, TaskRunSpec.model_validate_json(sealed), row)


def _seal_name(task_run: TaskRun) -> str:
    return f"taskrun/{task_run.registry}/{task_run.key}"


def _public(spec: TaskRunSpec) -> TaskRunSpec:
    request = public_request(spec.properties.run_request)
    return spec.model_copy(update={"properties": spec.properties.model_copy(update={"run_request": request})})


def public_request(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a run request's JSON as anyone who may read it sees it: secret values and tokens gone, logins null."""
    shown: dict[str, Any] = {}
    for name, value in request.items():
        if name == "contextAccessToken":
            continue
        if name in {"arguments", "values"}:
            shown[name] = [one for one in value if not one.get("isSecret")]
        elif name == "customRegistries":
            shown[name] = dict.fromkeys(value)
        else:
            shown[name] = public_request(value) if isinstance(value, dict) else value
    return shown


def task_run_answer(registry: RegistryId, task_run: TaskRun, spec: TaskRunSpec, state: str) -> dict[str, Any]:
    """Answer the resource of a task run, with the secrets that `spec` holds. `runResult` is the caller's to add."""
    request = {name: value for name, value in spec.properties.run_request.items() if _is_told(name, value)}
    properties: dict[str, Any] = {"provisioningState": state, "runRequest": request}
    if spec.properties.force_update_tag is not None:
        properties["forceUpdateTag"] = spec.properties.force_update_tag
    return {
        "type": f"{REGISTRY_TYPE}/taskRuns",
        "id": f"{registry}/taskRuns/{task_run.name}",
        "name": task_run.name,
        "location": spec.location,
        "tags": dict(spec.tags),
        "properties": properties,
        "systemData": task_run.system_data.json_object(),
    }


def _is_told(name: str, value: object) -> bool:
    if name == "credentials":
        return isinstance(value, dict) and any(value.values())
    return name != "values" or bool(value)

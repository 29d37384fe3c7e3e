"""What may be done to taskRuns resources, and the runs that they make.

The resource is written before its run is made, under a key that it holds: whoever writes the same again, or finds
it without a run, gets to the same run.
"""

from collections.abc import Callable
from dataclasses import dataclass

from shared.access.callers import Caller
from shared.arm.names import RegistryId, parse_task_run_name
from shared.arm.requests import AnyRunRequest, TaskRunRequest
from shared.arm.wire import SystemData
from shared.errors import Conflict, NotFound, PreconditionFailed, SlipwayError, Unavailable
from shared.runs.context import Workshop
from shared.runs.model import Run, Status
from shared.runs.of_tasks import Order, run_task
from shared.runs.submit import Origin, request_key, submit
from shared.settings import RegistrySettings
from shared.tasks.task_runs import StoredTaskRun, TaskRun, TaskRunSpec, TaskRunStore, parse_task_run, patched_task_run

_CHANGE_ATTEMPTS = 20
_SERVER_ERRORS = 500
_STATES = {Status.SUCCEEDED: "Succeeded", Status.CANCELED: "Canceled"}


@dataclass(frozen=True)
class Asked:
    """Who asks for a run, and the key by which the same request is known again."""

    caller: Caller
    key: str
    trace_parent: str = ""
    """The caller's span (W3C Trace Context)."""


def submit_any(
    shop: Workshop, registry: RegistrySettings, owner: RegistryId, request: AnyRunRequest, asked: Asked
) -> Run:
    """Answer the queued run of a request of any kind. Raises as `submit` and `run_task` do."""
    if not isinstance(request, TaskRunRequest):
        origin = Origin(trace_parent=asked.trace_parent)
        return submit(shop, registry, request, asked.caller, asked.key, origin=origin)
    order = Order(
        caller=asked.caller,
        overrides=request.override_task_step_properties,
        agent_pool=request.agent_pool_name,
        log_template=request.log_template,
        is_archived=request.is_archive_enabled,
        trace_parent=asked.trace_parent,
    )
    return run_task(shop, registry, request.task_name(owner), order, asked.key)


@dataclass(frozen=True)
class Written:
    """A task run as it is after a write, its run unless that was purged, and whether it was made just now."""

    stored: StoredTaskRun
    run: Run | None
    is_new: bool


@dataclass(frozen=True)
class TaskRunKeeper:
    """Task runs of one registry in the hands of one caller."""

    shop: Workshop
    registry: RegistrySettings
    id: RegistryId
    caller: Caller

    @property
    def store(self) -> TaskRunStore:
        """The stored task runs."""
        return TaskRunStore(self.shop.storage.task_runs, self.shop.keys)

    def get(self, name: str) -> StoredTaskRun:
        """Answer a task run. Raises NotFound."""
        stored = self.store.find(self.id.key, parse_task_run_name(name))
        if stored is None:
            raise NotFound(f"The task run {name} does not exist.")
        return stored

    def all(self) -> list[StoredTaskRun]:
        """Answer the task runs of the registry, oldest first."""
        found = list(self.store.all(self.id.key))
        return sorted(found, key=lambda one: (str(one.task_run.system_data.created_at), one.task_run.key))

    def run_of(self, task_run: TaskRun) -> Run | None:
        """Answer the run of a task run; None when there is none yet, or none any more."""
        try:
            return self.shop.store.get(self.id.key, task_run.run_id) if task_run.run_id else None
        except NotFound:
            return None

    def put(self, name: str, body: object) -> Written:
        """Make a task run, or replace its content; the same content makes no new run. Raises InvalidRequest."""
        parse_task_run_name(name)
        spec = parse_task_run(body)
        return self._write(name, lambda _known: spec)

    def patch(self, name: str, body: object) -> Written:
        """Change what is given; the same content makes no new run. Raises NotFound or InvalidRequest."""
        self.get(name)

        def patched(known: StoredTaskRun | None) -> TaskRunSpec:
            if known is None:
                raise NotFound(f"The task run {name} does not exist.")
            return patched_task_run(known.full, body)

        return self._write(name, patched)

    def delete(self, name: str) -> bool:
        """Delete a task run; False when there is none. Its run goes on and stays in the lists."""
        return self.store.delete(self.id.key, parse_task_run_name(name))

    def _write(self, name: str, content: Callable[[StoredTaskRun | None], TaskRunSpec]) -> Written:
        for _ in range(_CHANGE_ATTEMPTS):
            known = self.store.find(self.id.key, name)
            spec = content(known)
            spec = spec.model_copy(update={"location": spec.location or self.registry.location})
            try:
                if known is not None and known.task_run.fingerprint == spec.fingerprint:
                    return self._with_run(known, previous=known, is_new=False)
                self.store.write(known, self._asking(name, known, spec), spec)
                return self._with_run(self.get(name), previous=known, is_new=True)
            except (Conflict, PreconditionFailed) as fault:
                if type(fault) is Conflict and fault.code != Conflict.code:
                    raise
        raise Unavailable(f"The task run {name} is being changed by too many at once.")

    def _asking(self, name: str, known: StoredTaskRun | None, spec: TaskRunSpec) -> TaskRun:
        now, caller = self.shop.clock(), self.caller
        if known is not None:
            system = known.task_run.system_data.changed(caller.name, caller.kind, now)
            return known.task_run.asking(spec, system)
        system = SystemData.made(caller.name, caller.kind, now)
        fresh = TaskRun(registry=self.id.key, name=name, spec=spec, system_data=system, fingerprint="")
        return fresh.asking(spec, system).model_copy(update={"is_update": False})

    def _with_run(self, stored: StoredTaskRun, *, previous: StoredTaskRun | None, is_new: bool) -> Written:
        run = self.run_of(stored.task_run)
        if not stored.task_run.run_id:
            run = self._made_run(stored, previous)
            noted = stored.task_run.model_copy(update={"run_id": run.id})
            self.store.write(stored, noted, stored.full)
            stored = self.get(stored.task_run.name)
        return Written(stored, run, is_new)

    def _made_run(self, stored: StoredTaskRun, previous: StoredTaskRun | None) -> Run:
        asked = Asked(self.caller, request_key(stored.task_run.nonce, f"{self.id}/taskRuns/{stored.task_run.key}", b""))
        try:
            return submit_any(self.shop, self.registry, self.id, stored.full.request, asked)
        except SlipwayError as fault:
            if fault.status < _SERVER_ERRORS and stored is not previous:
                self._undo(stored, previous)
            raise

    def _undo(self, stored: StoredTaskRun, previous: StoredTaskRun | None) -> None:
        if previous is None:
            self.store.delete(self.id.key, stored.task_run.name)
        else:
            self.store.write(stored, previous.task_run, previous.full)


def provisioning_state(task_run: TaskRun, run: Run | None) -> str:
    """Answer the provisioning state of a task run: it is provisioned when its run has ended."""
    if run is None and task_run.run_id:
        return "Succeeded"
    if run is None or not run.is_terminal:
        return "Updating" if task_run.is_update else "Creating"
    return _STATES.get(run.status, "Failed")

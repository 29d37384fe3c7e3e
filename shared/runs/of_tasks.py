"""A task becomes a run: asked for by somebody, or started by one of its triggers."""

from dataclasses import dataclass

from shared.access.callers import Caller
from shared.arm.requests import Overrides
from shared.errors import Conflict, NotFound
from shared.runs.causes import MANUAL, Cause
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.submit import SLIPWAY, Origin, submit
from shared.settings import RegistrySettings
from shared.tasks.requests import request_of, without_privileges

UNCHANGED = Overrides()


@dataclass(frozen=True)
class Order:
    """How one run of a task differs from the others. What is absent is as the task says."""

    caller: Caller = SLIPWAY
    overrides: Overrides = UNCHANGED
    cause: Cause = MANUAL
    agent_pool: str | None = None
    log_template: str | None = None
    is_archived: bool = False
    is_untrusted: bool = False
    """Whether a stranger wrote what is built: the run gets none of the task's secrets and publishes nothing."""
    trace_parent: str = ""
    """The caller's span (W3C Trace Context)."""
    dispatches: bool = True
    """Whether the run is dispatched at once; who queues many dispatches once, afterwards."""


def run_task(shop: Workshop, registry: RegistrySettings, task: str, order: Order, key: str) -> Run:
    """Answer the queued run of a task; the same `key` answers the same run.

    Raises NotFound, InvalidRequest for a task that cannot be run, Conflict for a disabled one. The key of a trigger
    follows from what triggered, so that a replay is harmless.
    """
    partition = registry.name.lower()
    known = shop.store.by_request(partition, key)
    if known:
        return known
    try:
        content = shop.tasks.read(partition, task)
    except NotFound:
        raise NotFound(f"The task '{task}' does not exist in the registry {registry.name}.") from None
    if not content.task.is_enabled:
        raise Conflict(f"The task '{task}' is disabled; enable it before it is run.", code="TaskDisabled")
    request = request_of(content.task.name, content.full, order.overrides)
    if order.is_untrusted:
        request = without_privileges(request)
    changes = {
        "agent_pool_name": order.agent_pool or request.agent_pool_name,
        "log_template": order.log_template or request.log_template,
        "is_archive_enabled": order.is_archived,
    }
    origin = Origin(
        content.task.name, order.cause, order.overrides.update_trigger_token, order.is_untrusted, order.trace_parent
    )
    return submit(
        shop,
        registry,
        request.model_copy(update=changes),
        order.caller,
        key,
        origin=origin,
        dispatches=order.dispatches,
    )

"""Why a task did or did not run, when it will, and where its run is in the queue."""

from datetime import timedelta
from itertools import islice

from shared.arm.wire import ArmTime, Wire
from shared.errors import NotFound
from shared.runs.context import Workshop
from shared.runs.model import Run, Status
from shared.runs.store import Active
from shared.tasks.record import Task
from shared.triggers.base_images.facts import BaseImageFacts, base_image_facts
from shared.triggers.base_images.model import Kind, TaskKey
from shared.triggers.base_images.watch import StoredTriggers
from shared.triggers.decisions import Decision
from shared.triggers.scheduler import Scheduler
from shared.triggers.stored_tasks import StoredTask

_DECISIONS = 50
_LOOKED_AT = 200
"""Waiting runs that are read to find those of one task."""

_BEFORE = timedelta(days=1)
"""How much earlier than its run a decision may have been taken: an outage can lie in between."""


class DecisionFacts(Wire):
    """One decision about one cause."""

    time: ArmTime
    verdict: str
    cause: str
    trigger: str
    subject: str
    stands_for: int
    reason: str
    run_id: str | None = None


class TimerFacts(Wire):
    """A timer trigger, and the occurrence that it waits for; none when it or its task is disabled."""

    name: str
    schedule: str
    status: str
    next: ArmTime | None = None


class QueueFacts(Wire):
    """A run that waits for a builder: its place, counted from 1, among those that wait for the same slots."""

    run_id: str
    position: int
    under_way: int
    """Runs that hold those slots now."""


class TaskExplanation(Wire):
    """What is known about why and when a task runs. Decisions are newest first."""

    task: str
    status: str
    decisions: tuple[DecisionFacts, ...]
    timers: tuple[TimerFacts, ...]
    base_images: tuple[BaseImageFacts, ...] = ()
    """What its last successful run stands on; empty before that."""
    queue: QueueFacts | None = None
    """Of the task's oldest waiting run."""


class RunExplanation(Wire):
    """Why a run exists and what it waits for."""

    run_id: str
    status: str
    cause: str
    reason: str
    decisions: tuple[DecisionFacts, ...]
    queue: QueueFacts | None = None


def explain_task(shop: Workshop, scheduler: Scheduler, task: Task) -> TaskExplanation:
    """Gather the facts about a task."""
    armed = {timer.name: timer for timer in scheduler.timers.of_task(task.registry, task.key)}
    timers = StoredTask(task).timers
    return TaskExplanation(
        task=task.name,
        status=task.properties.status.value,
        decisions=tuple(map(_facts, scheduler.decisions.newest(task.registry, task.key, _DECISIONS))),
        timers=tuple(
            TimerFacts(
                name=timer.name,
                schedule=timer.schedule,
                status=timer.trigger.status.value,
                next=armed[timer.name].next if timer.name in armed else None,
            )
            for timer in timers
        ),
        base_images=base_image_facts(shop.storage, TaskKey.of(task.registry, task.key), _followed(shop, task)),
        queue=_queue_of_task(shop, task),
    )


def _followed(shop: Workshop, task: Task) -> Kind | None:
    trigger = StoredTriggers(shop.tasks).find(TaskKey.of(task.registry, task.key))
    return trigger.follows if trigger and trigger.is_enabled else None


def explain_run(shop: Workshop, scheduler: Scheduler, run: Run) -> RunExplanation:
    """Gather the facts about a run."""
    since = run.created - _BEFORE
    decisions = scheduler.decisions.of_run(run.registry, run.task, run.id, since) if run.task else []
    return RunExplanation(
        run_id=run.id,
        status=run.status.value,
        cause=run.cause.kind.value,
        reason=_reason(run, decisions),
        decisions=tuple(map(_facts, decisions)),
        queue=_place(shop.store.active(run.registry), run) if run.status is Status.QUEUED else None,
    )


def _reason(run: Run, decisions: list[Decision]) -> str:
    if run.cause.is_manual:
        return f"{run.requester.name} asked for it."
    return decisions[-1].reason if decisions else f"It was started by a trigger: {run.cause.kind.value}."


def _queue_of_task(shop: Workshop, task: Task) -> QueueFacts | None:
    active = shop.store.active(task.registry)
    for waiting in islice((one for one in active if not one.has_slot), _LOOKED_AT):
        try:
            run = shop.store.get(task.registry, waiting.run_id)
        except NotFound:
            continue
        if run.task == task.name and run.status is Status.QUEUED:
            return _place(active, run)
    return None


def _place(active: list[Active], run: Run) -> QueueFacts | None:
    lane = [one for one in active if one.lane == run.lane]
    waiting = [one.run_id for one in lane if not one.has_slot]
    if run.id not in waiting:
        return None
    return QueueFacts(run_id=run.id, position=waiting.index(run.id) + 1, under_way=len(lane) - len(waiting))


def _facts(decision: Decision) -> DecisionFacts:
    known = decision.model_dump(exclude={"registry", "task", "at"})
    return DecisionFacts.model_validate({**known, "time": decision.at})

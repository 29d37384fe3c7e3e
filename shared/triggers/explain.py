"""Why a task did or did not run, when it will, and where its run is in the queue."""

from datetime import timedelta
from itertools import takewhile

from shared.arm.wire import ArmTime, Wire
from shared.runs.context import Workshop
from shared.runs.cost import cost
from shared.runs.model import Run, Status
from shared.runs.pool_line import platform_of
from shared.runs.setbacks import Setback
from shared.runs.store import Active
from shared.tasks.record import Task
from shared.triggers.base_images.facts import BaseImageFacts, base_image_facts
from shared.triggers.base_images.model import Kind, TaskKey
from shared.triggers.base_images.watch import StoredTriggers
from shared.triggers.decisions import Decision
from shared.triggers.timers.scheduler import Scheduler
from shared.triggers.timers.stored_tasks import StoredTask

_DECISIONS = 50
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
    waits_for: str


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


class CostFacts(Wire):
    """What a run has used of its builder by now: an estimate. `amount` is in the currency of the settings' prices."""

    cpu_seconds: float
    memory_gb_seconds: float
    amount: float | None = None


class SetbackFacts(Wire):
    """A builder that the run has lost by no fault of its own."""

    time: ArmTime
    kind: str
    region: str
    reason: str
    had_begun: bool
    """Whether it had begun to execute the run."""


class RunExplanation(Wire):
    """Why a run exists and what it waits for."""

    run_id: str
    status: str
    cause: str
    reason: str
    decisions: tuple[DecisionFacts, ...]
    queue: QueueFacts | None = None
    cost: CostFacts | None = None
    """None before it has a builder."""
    setbacks: tuple[SetbackFacts, ...] = ()
    """Oldest first, the latest ten."""


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
        queue=_queue_of_run(shop, run) if run.status is Status.QUEUED else None,
        cost=_cost(shop, run) if run.placed or run.started or run.group_seconds else None,
        setbacks=tuple(map(_setback, run.setbacks)),
    )


def _setback(one: Setback) -> SetbackFacts:
    return SetbackFacts(time=one.at, kind=one.kind.value, region=one.region, reason=one.reason, had_begun=one.had_begun)


def _cost(shop: Workshop, run: Run) -> CostFacts:
    used = cost(run, shop.settings, shop.clock())
    return CostFacts(cpu_seconds=used.cpu_seconds, memory_gb_seconds=used.memory_gb_seconds, amount=used.amount)


def _reason(run: Run, decisions: list[Decision]) -> str:
    if run.cause.is_manual:
        return f"{run.requester.name} asked for it."
    return decisions[-1].reason if decisions else f"It was started by a trigger: {run.cause.kind.value}."


def _queue_of_task(shop: Workshop, task: Task) -> QueueFacts | None:
    """Answer the place of the task's run that comes first."""
    waiting = (one for one in shop.store.waiting(task.registry) if one.task == task.key)
    first = next(waiting, None)
    return _place(shop, first) if first else None


def _queue_of_run(shop: Workshop, run: Run) -> QueueFacts | None:
    waiting = shop.store.find_waiting(run)
    if waiting is None:
        return None
    place = _place(shop, waiting)
    told = run.setbacks[-1].reason if run.setbacks else ""
    if not told or told in place.waits_for:
        return place
    return place.model_copy(update={"waits_for": f"{told} {place.waits_for}"})


def _place(shop: Workshop, waiting: Active) -> QueueFacts:
    registry, lane = waiting.registry, waiting.lane
    position = 1 + sum(1 for _ in takewhile(lambda one: one.turn < waiting.turn, shop.store.line(registry, lane)))
    under_way = sum(one.lane == lane for one in shop.store.placed(registry))
    rest = shop.pool.rest(shop.settings.regions(shop.registry(registry)))
    return QueueFacts(
        run_id=waiting.run_id,
        position=position,
        under_way=under_way,
        waits_for=_waits_for_pool(shop, waiting, position)
        if lane
        else rest.reason
        if rest
        else _waits_for(position, under_way),
    )


def _waits_for(position: int, under_way: int) -> str:
    return f"It waits for one of the registry's places: {under_way} runs are under way, {position - 1} come before it."


def _waits_for_pool(shop: Workshop, waiting: Active, position: int) -> str:
    """Tell what of its pool a run waits for: a builder that is free, or any that could execute it at all."""
    pool = shop.agent_pools.usable(waiting.registry, waiting.lane)
    builders = [one for one in shop.pool.groups(waiting.registry) if one.agent_pool == waiting.lane]
    machines, platform = [one for one in builders if one.machine], platform_of(waiting)
    count, groups = pool.count if pool else 0, len(builders) - len(machines)
    what = f"a builder of the agent pool {waiting.lane}"
    if not (count and platform.os == "linux") and not any(one.takes(platform) for one in builders):
        return f"It waits for {what} that can run {platform}: none of its {len(machines)} machines does."
    has = f"{groups} of {count} container groups are there, {len(machines)} machines serve it"
    told = f"It waits for {what}: {has}, {position - 1} runs come before it."
    rest = shop.pool.rest(shop.settings.regions(shop.registry(waiting.registry)))
    return f"{told} {rest.reason}" if rest and groups < count else told


def _facts(decision: Decision) -> DecisionFacts:
    known = decision.model_dump(exclude={"registry", "task", "at"})
    return DecisionFacts.model_validate({**known, "time": decision.at})

"""Rebuilds that are due become runs: one run of a task for all that it owes.

A rebuild is claimed before its run is asked for, under a request that follows from the rebuild, so whoever repeats
the work after a crash comes to the same run.
"""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from shared.arm.wire import ImageDescriptor, ImageUpdateCause
from shared.errors import NotFound, SlipwayError, Throttled, Unavailable
from shared.log_context import about
from shared.runs.causes import Cause, CauseKind
from shared.runs.model import Run, Status
from shared.triggers.base_images.deciding import Answer, Facts, Trigger, decide
from shared.triggers.base_images.graph import Lineage
from shared.triggers.base_images.model import Pending, Stage, TaskKey
from shared.triggers.base_images.watch import Watch
from shared.triggers.decisions import MAX_REASON, Decision, Verdict

WORK = timedelta(minutes=4)
"""Longest that one call begins new work; the sweep takes up the rest."""
_LOST = timedelta(minutes=2)
"""How long after its end a run's message may take; then the sweep does its work."""
_LOOKED_AT = 100
_MAX_IMAGES = 40
_TRIGGER = "base image"
_LOG = logging.getLogger(__name__)


@dataclass
class Served:
    """What a pass over pending rebuilds came to."""

    started: list[Run]
    """Runs that were queued."""
    lost: list[tuple[str, str]]
    """Registry and id of runs that ended without anybody recording it."""


def serve(watch: Watch, registry: str, shards: Iterable[str] = ("",)) -> Served:
    """Look at the rebuilds of a registry that are not done, or of some shards of it."""
    began, served = watch.clock(), Served([], [])
    lineage = Lineage(lambda task: _upstream(watch, task))
    room = watch.room(registry)
    for shard in shards:
        for task, group in groupby(list(watch.pending.live(registry, shard)), lambda one: one.task):
            rows = list(group)
            served.lost += _lost(watch, rows)
            if watch.clock() > began + WORK or len(served.started) >= room:
                continue
            with about({"registry": registry, "task": task.task}):
                try:
                    run = serve_task(watch, task, rows, lineage)
                except SlipwayError:
                    _LOG.exception("the rebuilds of the task are looked at again later")
                    continue
            served.started += [run] if run else []
    return served


def serve_task(watch: Watch, task: TaskKey, rows: list[Pending], lineage: Lineage) -> Run | None:
    """Do what is to be done about the rebuilds of a task; answers the run that was queued, if one was."""
    now = watch.clock()
    rows = [one for one in rows if one.stage is Stage.OPEN]
    if not rows or min(one.due for one in rows) > now:
        return None
    trigger = watch.triggers.find(task)
    name = trigger.name if trigger else _TRIGGER
    rows = [known for one in rows if (known := _adopted(watch, one, name)) and known.stage is Stage.OPEN]
    if not rows:
        return None
    facts = _facts(watch, task, tuple(rows), trigger, lineage)
    resolution = decide(facts, watch.limits)
    for answer in resolution.answers:
        _answer(watch, answer, name)
    if trigger is None and not watch.triggers.exists(task):
        watch.dependencies.forget(task)
    if resolution.join is not None:
        _join(watch, resolution.join, resolution.rest, name)
    elif resolution.start:
        return _start(watch, task, resolution.rest, facts, name)
    return None


def _adopted(watch: Watch, pending: Pending, trigger: str) -> Pending | None:
    """Answer a rebuild; one whose run was made before a crash could be noted is noted now."""
    if pending.stage is not Stage.OPEN or pending.claimed is None:
        return pending
    run = watch.runs.by_request(pending.task.registry, pending.request)
    if run is None:
        return pending
    return _started(watch, pending, run, trigger)


def _facts(watch: Watch, task: TaskKey, rows: tuple[Pending, ...], trigger: Trigger | None, lineage: Lineage) -> Facts:
    now = watch.clock()
    if trigger is None or not trigger.is_enabled:
        return Facts(now, rows, trigger, watch.automatic.look(task.registry, task.task, now), {})
    circles = {one.base: lineage.circle(task, watch.dependencies.producers(one.base)) for one in rows}
    return Facts(
        now=now,
        open=rows,
        trigger=trigger,
        standing=watch.automatic.look(task.registry, task.task, now),
        dependents=watch.dependencies.of_task(task),
        circles=circles,
        busy=tuple(one for one in lineage.ancestors(task) if _is_unsettled(watch, one)),
        recent=_recent(watch, task),
    )


def _upstream(watch: Watch, task: TaskKey) -> Iterable[TaskKey]:
    return (producer for base in watch.dependencies.bases_of(task) for producer in watch.dependencies.producers(base))


def _is_unsettled(watch: Watch, task: TaskKey) -> bool:
    """Whether a task owes a rebuild, is at one, or will owe one as soon as a fan-out gets to it."""
    if watch.pending.is_busy(task):
        return True
    bases = (watch.bases.find(key) for key in watch.dependencies.bases_of(task))
    return any(base is not None and not base.is_told for base in bases)


def _recent(watch: Watch, task: TaskKey) -> tuple[datetime, ...]:
    limit = max(_LOOKED_AT, watch.limits.runs * 4)
    decisions = watch.decisions.newest(task.registry, task.task, limit)
    return tuple(one.at for one in decisions if one.cause is CauseKind.IMAGE_UPDATE and one.verdict is Verdict.STARTED)


def _answer(watch: Watch, answer: Answer, trigger: str) -> None:
    pending = answer.pending
    at = pending.created if answer.verdict is Verdict.WAITS else pending.due
    _record(watch, answer, at, trigger)
    if answer.is_final:
        watch.pending.move(pending, pending.done())


def _join(watch: Watch, run: Run, rest: tuple[Pending, ...], trigger: str) -> None:
    """Let a queued run serve rebuilds too, if it still is queued; its cause names their images."""

    def told(known: Run) -> Run | None:
        cause = known.cause.image_update_trigger
        if known.status is not Status.QUEUED:
            return None
        if cause is None:
            return known
        images = tuple(dict.fromkeys((*cause.images, *map(_image, rest))))[:_MAX_IMAGES]
        return known.model_copy(
            update={
                "cause": known.cause.model_copy(
                    update={"image_update_trigger": cause.model_copy(update={"images": images})}
                )
            }
        )

    if watch.runs.change(run.registry, run.id, told) is None:
        return
    for pending in rest:
        reason = f"The run {run.id} of this task was queued already: it serves this change too."
        _record(watch, Answer(pending, Verdict.JOINED, reason, run.id), pending.due, trigger)
        watch.pending.move(pending, pending.started(run.id))


def _start(watch: Watch, task: TaskKey, rest: tuple[Pending, ...], facts: Facts, trigger: str) -> Run | None:
    lead, now = rest[0], watch.clock()
    claimed = lead if lead.claimed else watch.pending.move(lead, replace(lead, claimed=now))
    if claimed is None:
        return None
    if facts.standing.request != lead.request and not watch.automatic.reserve(facts.standing, lead.request, now):
        return None
    try:
        run = watch.start(task, _cause(rest, now), lead.request)
    except (Throttled, Unavailable):
        raise
    except SlipwayError as error:
        for pending in (claimed, *rest[1:]):
            reason = f"The image has changed, but the task cannot be run as it is: {error.message}"
            _answer(watch, Answer(pending, Verdict.REFUSED, reason), trigger)
        return None
    _started(watch, claimed, run, trigger)
    if rest[1:]:
        _join(watch, run, rest[1:], trigger)
    return run


def _started(watch: Watch, pending: Pending, run: Run, trigger: str) -> Pending | None:
    at = pending.claimed or pending.due
    _record(watch, Answer(pending, Verdict.STARTED, "The image has changed.", run.id), at, trigger)
    return watch.pending.move(pending, pending.started(run.id))


def _cause(rest: tuple[Pending, ...], now: datetime) -> Cause:
    images = tuple(dict.fromkeys(map(_image, rest)))[:_MAX_IMAGES]
    identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, rest[0].request))
    return Cause(
        kind=CauseKind.IMAGE_UPDATE,
        image_update_trigger=ImageUpdateCause(id=identifier, timestamp=now, images=images),
    )


def _image(pending: Pending) -> ImageDescriptor:
    tag = pending.tag
    return ImageDescriptor(registry=tag.registry, repository=tag.repository, tag=tag.tag, digest=pending.digest)


def _lost(watch: Watch, rows: list[Pending]) -> list[tuple[str, str]]:
    """Answer the runs that serve rebuilds and ended a while ago, or are not there any more."""
    lost: list[tuple[str, str]] = []
    for one in rows:
        if one.stage is not Stage.STARTED:
            continue
        try:
            run = watch.runs.get(one.task.registry, one.run)
        except NotFound:
            watch.pending.move(one, one.done())
            continue
        if run.is_terminal and run.updated + _LOST < watch.clock():
            lost.append((run.registry, run.id))
    return lost


def _record(watch: Watch, answer: Answer, at: datetime, trigger: str) -> None:
    pending = answer.pending
    watch.decisions.record(
        Decision(
            registry=pending.task.registry,
            task=pending.task.task,
            at=at,
            verdict=answer.verdict,
            cause=CauseKind.IMAGE_UPDATE,
            trigger=trigger,
            subject=pending.subject,
            reason=answer.reason[:MAX_REASON],
            run_id=answer.run or None,
        )
    )

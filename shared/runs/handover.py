"""The end of one builder's part: the run ends as it tells, or is handed over to another one.

What a run needs is often known to its builder alone, which has the Dockerfile or the task file. A confined builder
that finds, before it has done anything, that it cannot do it, reports that; the run is queued again, keeps its place,
and its next group is a full one. One that reads a task with `cmd` steps asks the same way for a group with a container
for each. The state moves first: what is left undone then is found by the reconciler.
"""

import logging

from shared.errors import SlipwayError
from shared.grant import Report
from shared.runs.context import Workshop
from shared.runs.dispatch import start
from shared.runs.finish import Ending, finish
from shared.runs.kinds import may_hand_over
from shared.runs.model import Run, Status
from shared.runs.told import ending, fits

_LOG = logging.getLogger(__name__)


def conclude(shop: Workshop, run: Run, told: Report) -> Run:
    """Do what the report of a run's present builder says. A report of an older epoch changes nothing."""
    if told.needs_full and may_hand_over(shop.settings, run):
        return _hand_over(shop, run, told.epoch, needs_full=True, steps=())
    if told.steps and not run.steps and fits(told.steps):
        return _hand_over(shop, run, told.epoch, steps=told.steps)
    return finish(shop, run.registry, run.id, _ending(shop, run, told), epoch=told.epoch)


def _ending(shop: Workshop, run: Run, told: Report) -> Ending:
    if told.steps and not run.steps:
        return Ending(Status.FAILED, "failed during run, err: the task has more steps than a container group can hold")
    return ending(run, shop.registry(run.registry).login_server, told)


def _hand_over(shop: Workshop, run: Run, epoch: int, **needs: object) -> Run:
    def again(current: Run) -> Run | None:
        if current.status is not Status.RUNNING or current.epoch != epoch:
            return None
        return current.moved(Status.QUEUED, shop.clock(), group=None, **needs)

    queued = shop.store.change(run.registry, run.id, again)
    if queued is None:
        return shop.store.get(run.registry, run.id)
    try:
        if run.group:
            shop.pool.release(run.registry, run.group)
        active = shop.store.find_placed(run.registry, run.id)
        if active is not None:
            start(shop, queued, active)
    except SlipwayError:
        _LOG.exception("run %s waits for the reconciler to give it another builder", run.id)
    return queued

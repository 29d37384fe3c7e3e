"""A run whose container group Azure let fall: it goes back to the line, is executed once more, or ends with the reason.

A run that nobody had begun has lost nothing. One that was being executed in a Spot group is executed once more, in a
regular group, where that cannot be noticed from outside: a build that had no login to push with yet. Steps may have
done anything, so a run with steps ends, as in Azure, unless the settings allow it.
"""

import logging
from datetime import UTC, datetime, timedelta

from shared.arm.requests import DockerBuildRequest
from shared.container_groups.loss import Loss, LossKind
from shared.errors import SlipwayError
from shared.runs.context import Workshop
from shared.runs.dispatch import start
from shared.runs.finish import Ending, finish
from shared.runs.logs import say
from shared.runs.model import Run, Status
from shared.runs.sealed import open_request
from shared.runs.setbacks import KEPT, Setback, is_hopeless, pause
from shared.runs.store import Active

_HEARD = timedelta(seconds=3)
"""A builder that is heard of so long after its claim has had the grant and has begun."""
_LOG = logging.getLogger(__name__)


def is_own_fault(run: Run, loss: Loss) -> bool:
    """Whether a group fell for an image that the run's own steps name."""
    return loss.kind is LossKind.IMAGE and loss.image in {step.image for step in run.steps}


def wait_again(shop: Workshop, run: Run, active: Active, loss: Loss) -> None:
    """Put a run whose group fell before a builder claimed it back into its line; the region is left alone for a while.

    The state moves first: what is left undone then is found by the reconciler.
    """
    setback = Setback.of(loss, shop.clock())

    def again(current: Run) -> Run | None:
        if current.status is not Status.STARTED or current.group != run.group:
            return None
        known = _set_back(current, setback)
        if loss.kind is not LossKind.EVICTED:
            known = known.model_copy(update={"placed": None})  # it never ran, so it cost nothing
        return known.moved(Status.QUEUED, shop.clock(), group=None)

    queued = shop.store.change(run.registry, run.id, again)
    if queued is None:
        return
    _LOG.warning("run %s: its container group %s fell: %s", run.id, run.group, loss.reason)
    if rest := pause(queued.setbacks):
        shop.pool.leave_alone(loss, rest)
    shop.pool.release_after(run.registry, run.group or "", run.id)
    if is_hopeless(queued.setbacks):
        error = f"no builder could be started: {loss.reason}"
        finish(shop, run.registry, run.id, Ending(Status.ERROR, error))
        return
    if active.has_slot:
        shop.store.leave_slot(active)
    _say(shop, queued, f"{loss.reason} The run waits for another builder; this counts as no attempt of its own.")


def repeat(shop: Workshop, run: Run, active: Active, loss: Loss) -> None:
    """Execute a run once more whose Spot group was taken away, or end it with the reason."""
    if why := obstacle(shop, run):
        error = f"the builder was lost: {loss.reason} {why}"
        finish(shop, run.registry, run.id, Ending(Status.ERROR, error), epoch=run.epoch)
        shop.pool.release_after(run.registry, run.group or "", run.id)
        return
    setback = Setback.of(loss, shop.clock(), had_begun=True)

    def again(current: Run) -> Run | None:
        if current.status is not Status.RUNNING or current.epoch != run.epoch or current.may_have_pushed:
            return None
        return _set_back(current, setback).moved(Status.QUEUED, shop.clock(), group=None)

    queued = shop.store.change(run.registry, run.id, again)
    if queued is None:
        return
    shop.pool.release_after(run.registry, run.group or "", run.id)
    _say(shop, queued, f"{loss.reason} Nothing had been pushed: the run is executed once more, in a regular one.")
    if active.has_slot:
        start(shop, queued, active)


def obstacle(shop: Workshop, run: Run) -> str:
    """Answer why a run that was being executed is not executed once more; empty when it may be."""
    if run.may_have_pushed:
        return "It may have pushed already, so it is not executed once more."
    if any(one.had_begun for one in run.setbacks):
        return "It was executed once more already."
    if not shop.settings.repeats_tasks and not isinstance(open_request(shop, run), DockerBuildRequest):
        return "Its steps may have had effects that cannot be repeated, so it is not executed once more."
    return ""


def has_begun(run: Run, active: Active | None) -> bool:
    """Whether the run's builder has been heard of since its claim."""
    return active is not None and datetime.fromtimestamp(active.lease, UTC) - run.updated > _HEARD


def noted_again(run: Run, loss: Loss, now: datetime) -> Run:
    """Answer a run that the same group claims anew after Azure has taken it away and started it again."""
    return _set_back(run, Setback.of(loss, now, had_begun=True))


def _set_back(run: Run, setback: Setback) -> Run:
    return run.model_copy(update={"let_down": run.let_down + 1, "setbacks": (*run.setbacks, setback)[-KEPT:]})


def _say(shop: Workshop, run: Run, line: str) -> None:
    try:
        say(shop, run, line)
    except SlipwayError:
        _LOG.exception("run %s could not be told that its builder is another one", run.id)

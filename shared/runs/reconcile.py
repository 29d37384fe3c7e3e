"""What was lost on the way is found again: messages, builders, reports, half-finished ends.

A builder is declared lost only after its container group's real state and its result have been read, in that
order of doubt: a group that runs is waited for until the run's own deadline has passed.
"""

import logging
from datetime import UTC, datetime, timedelta
from itertools import islice

from shared.container_groups.loss import LossKind
from shared.container_groups.service import GroupState
from shared.errors import NotFound, SlipwayError
from shared.log_context import about
from shared.runs.context import Workshop
from shared.runs.dispatch import MAX_ATTEMPTS, dispatch, start
from shared.runs.finish import Ending, close, finish
from shared.runs.handover import conclude
from shared.runs.losses import is_own_fault, repeat, wait_again
from shared.runs.model import Run, Status
from shared.runs.results import read_result
from shared.runs.store import Active

LEASE = timedelta(seconds=20)
"""Silence after which a builder is looked at; heartbeats come every two seconds."""
START_PATIENCE = timedelta(minutes=10)
"""Longest time from a group's request to its builder's claim; Azure's cold starts take one to two minutes."""
_WAITING_LOOKED_AT = 100
_DEADLINE_GRACE = timedelta(minutes=2)
_LOG = logging.getLogger(__name__)


def reconcile(shop: Workshop, registry: str) -> None:
    """Look at every run of a registry that has a place, and dispatch. One fault never hides the next run.

    Of those that wait only the first are looked at: one that has ended in between is closed when its turn comes.
    """
    waiting = islice(shop.store.waiting(registry), _WAITING_LOOKED_AT)
    for active in [*shop.store.placed(registry), *waiting]:
        with about({"registry": registry, "run": active.run_id}):
            try:
                _settle(shop, active)
            except Exception:  # noqa: BLE001 - what a builder told is part of it: one run's fault is nobody else's
                _LOG.exception("run %s could not be reconciled now", active.run_id)
    dispatch(shop, registry)


def _settle(shop: Workshop, active: Active) -> None:
    try:
        run = shop.store.get(active.registry, active.run_id)
    except NotFound:
        shop.store.drop(active)
        return
    if run.is_terminal:
        close(shop, run)
    elif run.status is Status.QUEUED and active.has_slot:
        _settle_placed(shop, run, active)
    elif run.status is Status.STARTED:
        _settle_started(shop, run, active)
    elif run.status is Status.RUNNING:
        _settle_running(shop, run, active)


def _settle_placed(shop: Workshop, run: Run, active: Active) -> None:
    """Start a run when whoever gave it its place got no further."""
    if shop.clock() - datetime.fromtimestamp(active.since, UTC) >= LEASE:
        start(shop, run, active)


def _settle_started(shop: Workshop, run: Run, active: Active) -> None:
    waited = shop.clock() - run.updated
    if waited < LEASE:
        return
    state = shop.pool.state(run.registry, run.group or "")
    if state in {GroupState.STARTING, GroupState.RUNNING} and waited < START_PATIENCE:
        return
    loss = shop.pool.loss(run.registry, run.group or "")
    if loss is not None and not is_own_fault(run, loss):
        wait_again(shop, run, active, loss)
        return
    _LOG.warning("run %s: its builder %s never came up (%s)", run.id, run.group, state)
    if run.attempt - run.let_down >= MAX_ATTEMPTS:
        error = f"no builder came up in {MAX_ATTEMPTS} attempts" + (f": {loss.reason}" if loss else "")
        finish(shop, run.registry, run.id, Ending(Status.ERROR, error))
        return

    def again(current: Run) -> Run | None:
        if current.status is not Status.STARTED or current.group != run.group:
            return None
        return current.moved(Status.QUEUED, shop.clock(), group=None)

    queued = shop.store.change(run.registry, run.id, again)
    if queued is None:
        return
    if run.group:
        shop.pool.release_after(run.registry, run.group, run.id)
    if active.has_slot:
        start(shop, queued, active)


def _settle_running(shop: Workshop, run: Run, active: Active) -> None:
    now = shop.clock()
    if now - datetime.fromtimestamp(active.lease, UTC) < LEASE:
        return
    state = shop.pool.state(run.registry, run.group or "", active.lease)
    overdue = now > (run.started or run.created) + timedelta(seconds=run.timeout_seconds) + _DEADLINE_GRACE
    if _conclude(shop, run, must_end=overdue):
        return
    if overdue:
        error = "failed during run, err: context deadline exceeded"
        finish(shop, run.registry, run.id, Ending(Status.TIMEOUT, error), epoch=run.epoch)
    elif state in {GroupState.ENDED, GroupState.ABSENT}:
        loss = shop.pool.loss(run.registry, run.group or "")
        if loss is not None and loss.kind is LossKind.EVICTED:
            repeat(shop, run, active, loss)
            return
        error = "the builder was lost before it could report; nothing more is known"
        finish(shop, run.registry, run.id, Ending(Status.ERROR, error), epoch=run.epoch)
        shop.pool.release_after(run.registry, run.group or "", run.id)


def _conclude(shop: Workshop, run: Run, *, must_end: bool) -> bool:
    """Do what the builder's result says, if there is one; one that cannot be kept does not hold up a run for ever."""
    told = read_result(shop, run)
    if told is None:
        return False
    try:
        conclude(shop, run, told)
    except SlipwayError:
        if not must_end:
            raise
        _LOG.exception("run %s: its result cannot be kept", run.id)
        return False
    return True

"""Queued runs get a builder: in order, as many at a time as the registry has slots.

A slot is taken before the group is asked for and the status moves after it, so a crash in between leaves a
queued run with a slot, which the next dispatch takes up again under the same group name.
"""

import logging
from collections import Counter

from shared.errors import Conflict, NotFound, SlipwayError, Throttled
from shared.runs.context import Workshop
from shared.runs.finish import Ending, finish
from shared.runs.logs import say
from shared.runs.model import Run, Status
from shared.runs.store import Active

MAX_ATTEMPTS = 3
_LOG = logging.getLogger(__name__)


def announce(shop: Workshop, registry: str, *, delay_seconds: int = 5) -> None:
    """Make sure that somebody dispatches later, whatever becomes of this process."""
    shop.storage.dispatch.send({"registry": registry}, delay_seconds=delay_seconds)


def dispatch(shop: Workshop, registry: str) -> None:
    """Start the registry's queued runs, oldest first in each lane, while there are slots."""
    waiting: Counter[str] = Counter()
    slots = _Slots(shop, registry)
    for active in shop.store.active(registry):
        run = _queued(shop, active)
        if run is None:
            continue
        limit = slots.of(active.lane)
        if limit is None:
            error = f"the agent pool {run.agent_pool} does not exist any more"
            finish(shop, registry, run.id, Ending(Status.ERROR, error))
            continue
        held = None if waiting[active.lane] else shop.store.take_slot(active, limit)
        if held is None or not _start(shop, run, held):
            waiting[active.lane] += 1
            _tell_position(shop, run, active, waiting[active.lane])


class _Slots:
    """How many runs of a registry, and of each of its agent pools, may be executed at the same time."""

    def __init__(self, shop: Workshop, registry: str) -> None:
        self._shop = shop
        self._registry = registry
        self._known: dict[str, int | None] = {"": shop.settings.run_concurrency}

    def of(self, lane: str) -> int | None:
        """Answer the number of slots; None for an agent pool that does not exist."""
        if lane not in self._known:
            pool = self._shop.agent_pools.usable(self._registry, lane)
            self._known[lane] = None if pool is None else pool.count
        return self._known[lane]


def _queued(shop: Workshop, active: Active) -> Run | None:
    try:
        run = shop.store.get(active.registry, active.run_id)
    except NotFound:
        return None
    return run if run.status is Status.QUEUED else None


def _start(shop: Workshop, run: Run, held: Active) -> bool:
    """Give the run a builder. False when it must go on waiting."""
    try:
        group, attempt = _group(shop, run)
    except Throttled as error:
        shop.store.leave_slot(held)
        announce(shop, run.registry, delay_seconds=error.retry_after)
        _LOG.warning("run %s waits: %s", run.id, error.message)
        return False
    except Conflict as error:
        _LOG.exception("run %s cannot be started", run.id)
        finish(shop, run.registry, run.id, Ending(Status.ERROR, f"no builder could be started: {error.message}"))
        return True

    def started(current: Run) -> Run | None:
        if current.status is not Status.QUEUED:
            return None
        return current.moved(Status.STARTED, shop.clock(), group=group, attempt=attempt)

    shop.store.change(run.registry, run.id, started)
    return True


def _group(shop: Workshop, run: Run) -> tuple[str, int]:
    warm = shop.pool.assign_idle(run.registry, run.id, run.lane)
    if warm is not None:
        return warm, run.attempt + 1
    registry = shop.registry(run.registry)
    location = shop.settings.builder_location or registry.location
    attempt = run.attempt + 1
    return shop.pool.start_for(registry, run.id, attempt, location, run.lane), attempt


def _tell_position(shop: Workshop, run: Run, active: Active, position: int) -> None:
    if active.position == position:
        return
    try:
        fresh = shop.store.find_active(run.registry, run.id)
        if fresh is not None and not fresh.has_slot and shop.store.note(fresh, position=position):
            say(shop, run, f"Waiting for a builder. Position in the queue: {position}.")
    except SlipwayError:
        _LOG.exception("the queue position of run %s could not be told", run.id)

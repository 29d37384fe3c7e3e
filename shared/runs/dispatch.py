"""Queued runs get a builder: in the order of `line`, as many at a time as the registry has slots.

A slot is taken before the group is asked for and the status moves after it, so a crash in between leaves a
queued run with a slot, which the next dispatch takes up again under the same group name.
"""

import logging

from shared.errors import Conflict, NotFound, SlipwayError, Throttled
from shared.runs.context import Workshop
from shared.runs.finish import Ending, close, finish
from shared.runs.line import is_news, lines
from shared.runs.logs import say
from shared.runs.model import Run, Status
from shared.runs.store import Active

MAX_ATTEMPTS = 3
_MOST_TOLD = 50
"""Runs whose log one dispatch writes to; the others read their place a little later."""
_LOG = logging.getLogger(__name__)


def announce(shop: Workshop, registry: str, *, delay_seconds: int = 5) -> None:
    """Make sure that somebody dispatches later, whatever becomes of this process."""
    shop.storage.dispatch.send({"registry": registry}, delay_seconds=delay_seconds)


def dispatch(shop: Workshop, registry: str) -> None:
    """Start the registry's queued runs, in the order of their lines, while there are places.

    However many wait, only those are read for which there may be a place.
    """
    actives = shop.store.active(registry)
    for held in (one for one in actives if one.has_slot and not one.lease):
        if run := _queued(shop, held):  # whoever took its slot got no further
            _start(shop, run, held)
    slots = _Slots(shop, registry)
    for lane, line in lines(actives, shop.clock()).items():
        limit = slots.of(lane)
        if limit is None:
            _end_lane(shop, line)
        else:
            _serve(shop, line, limit)


def _serve(shop: Workshop, line: list[Active], limit: int) -> None:
    is_full, position, told = False, 0, 0
    for active in line:
        if not is_full:
            run = _queued(shop, active)
            if run is None:
                continue
            held = shop.store.take_slot(active, limit)
            if held is not None and _start(shop, run, held):
                continue
            is_full = True
        position += 1
        if told < _MOST_TOLD and is_news(active.position, position):
            told += 1
            text = f"Waiting for a builder. Position in the queue: {position}."
            _tell(shop, active, text, position=position)


def _end_lane(shop: Workshop, line: list[Active]) -> None:
    for active in line:
        if run := _queued(shop, active):
            error = f"the agent pool {run.agent_pool} does not exist any more"
            finish(shop, run.registry, run.id, Ending(Status.ERROR, error))


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
    """Answer a run that still is queued; one that has ended without being closed is closed."""
    try:
        run = shop.store.get(active.registry, active.run_id)
    except NotFound:
        return None
    if run.is_terminal:
        close(shop, run)
    return run if run.status is Status.QUEUED else None


def _start(shop: Workshop, run: Run, held: Active) -> bool:
    """Give the run a builder. False when it must go on waiting."""
    try:
        group, attempt = _group(shop, run)
    except Throttled as error:
        shop.store.leave_slot(held)
        announce(shop, run.registry, delay_seconds=error.retry_after)
        _LOG.warning("run %s waits: %s", run.id, error.message)
        _tell_reason(shop, run, error.message)
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


def _tell_reason(shop: Workshop, run: Run, reason: str) -> None:
    """Say once why no builder can be had."""
    active = shop.store.find_active(run.registry, run.id)
    if active is not None and active.reason != reason:
        _tell(shop, active, f"Waiting for a builder: {reason}", reason=reason)


def _tell(shop: Workshop, active: Active, text: str, *, position: int | None = None, reason: str | None = None) -> None:
    """Note first, then say: a line may be lost, but none is said twice."""
    try:
        fresh = shop.store.find_active(active.registry, active.run_id)
        if fresh is None or fresh.has_slot or not shop.store.note(fresh, position=position, reason=reason):
            return
        run = shop.store.get(active.registry, active.run_id)
        if run.status is Status.QUEUED:
            say(shop, run, text)
    except SlipwayError:
        _LOG.exception("what run %s waits for could not be told", active.run_id)

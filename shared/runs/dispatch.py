"""Queued runs get a builder: in the order of `line`, as many at a time as the registry has slots.

A slot is taken before the group is asked for and the status moves after it, so a crash in between leaves a
queued run with a slot, which the reconciler takes up again under the same group name.
"""

import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from shared.container_groups.agent_pools import AgentPool
from shared.container_groups.group import Group
from shared.container_groups.pool import Wanted
from shared.errors import Conflict, NotFound, SlipwayError, Throttled
from shared.log_context import about
from shared.runs.context import Workshop
from shared.runs.finish import Ending, close, finish
from shared.runs.kinds import is_spot, needed_kind, started_kind
from shared.runs.line import is_news
from shared.runs.logs import say
from shared.runs.model import Run, Status
from shared.runs.pool_line import share, suits
from shared.runs.setbacks import wants_regular
from shared.runs.step_logins import step_logins
from shared.runs.store import FRONT, Active
from shared.settings import BuilderKind

MAX_ATTEMPTS = 3
_MOST_TOLD = 50
"""Runs whose log one dispatch writes to; the others read their place a little later."""
_SIDE_BY_SIDE = 8
_LOG = logging.getLogger(__name__)


def announce(shop: Workshop, registry: str, *, delay_seconds: int = 5) -> None:
    """Make sure that somebody dispatches later, whatever becomes of this process."""
    shop.storage.dispatch.send({"registry": registry}, delay_seconds=delay_seconds)


def dispatch(shop: Workshop, registry: str) -> None:
    """Start the registry's queued runs, in the order of their lines, while there are places.

    However many wait, only the fronts of the lines are read, and of the runs those for which there may be a place.
    """
    fronts = shop.store.fronts(registry)
    if not fronts:
        return
    placed = shop.store.placed(registry)
    for lane, front in fronts.items():
        taken = {active.slot for active in placed if active.lane == lane}
        if not lane:
            _tell_waiting(shop, _start_first(shop, front, taken, shop.settings.run_concurrency))
        elif pool := shop.agent_pools.usable(registry, lane):
            _tell_waiting(shop, _start_in_pool(shop, pool, front, taken))
        else:
            _end(shop, front)


@dataclass(frozen=True)
class _Waiting:
    """Who goes on waiting in a line, and why Azure gives no builder, if that is the reason."""

    line: list[Active]
    reason: str = ""


def _start_in_pool(shop: Workshop, pool: AgentPool, front: list[Active], taken: set[int]) -> _Waiting:
    """Start those for whom the pool has a builder or may have one more."""
    groups = [group for group in shop.pool.groups(pool.registry) if group.agent_pool == pool.key]
    machines = sum(bool(group.machine) for group in groups)
    shared = share(front, groups, pool.count - (len(groups) - machines))
    for group in shared.given_up:
        shop.pool.retire(group)
    chosen, known, reason = set[str](), dict[str, Active](), ""
    for some in filter(None, (shared.given, shared.seated)):
        left = _start_first(shop, list(some), taken, pool.count + machines)
        chosen |= {active.run_id for active in some}
        known |= {active.run_id: active for active in left.line}
        reason = left.reason or reason
    waiting = [known.get(one.run_id, one) for one in front if one.run_id in known or one.run_id not in chosen]
    return _Waiting(waiting, reason)


def _start_first(shop: Workshop, front: list[Active], taken: set[int], limit: int) -> _Waiting:
    """Start whoever is next, a few side by side: Azure takes a moment for each."""
    line = deque(front)
    if len(taken) >= limit:
        return _Waiting(front)
    if reason := _obstacle(shop, front[0]):
        return _Waiting(front, reason)
    while line and len(taken) < limit:
        most = min(_SIDE_BY_SIDE, max(1, shop.pool.room()))
        chosen = _choose(shop, line, min(most, limit - len(taken)), taken, limit)
        refusals = [(run, refused) for run, refused in _start_together(shop, chosen) if refused]
        if refusals:
            again = [shop.store.find_waiting(run) for run, _ in refusals]
            line.extendleft(reversed([active for active in again if active]))
            refused = refusals[0][1]
            announce(shop, front[0].registry, delay_seconds=refused.retry_after)
            return _Waiting(list(line), refused.message)
    return _Waiting(list(line))


def _choose(shop: Workshop, line: deque[Active], most: int, taken: set[int], limit: int) -> list[tuple[Run, Active]]:
    """Take the next few out of the line and give each a place."""
    chosen: list[tuple[Run, Active]] = []
    while line and len(taken) < limit and len(chosen) < most:
        active = line.popleft()
        run = _queued(shop, active)
        held = shop.store.take_slot(active, taken, limit, shop.clock()) if run else None
        if run and held:
            chosen.append((run, held))
    return chosen


def _start_together(shop: Workshop, chosen: list[tuple[Run, Active]]) -> list[tuple[Run, Throttled | None]]:
    def begin(one: tuple[Run, Active]) -> tuple[Run, Throttled | None]:
        run, held = one
        with about({"registry": run.registry, "task": run.task or "", "run": run.id}):
            return run, start(shop, run, held)

    if len(chosen) <= 1:
        return [begin(one) for one in chosen]
    with ThreadPoolExecutor(len(chosen)) as pool:
        return list(pool.map(begin, chosen))


def _obstacle(shop: Workshop, first: Active) -> str:
    """Answer why no run of a line can be given a builder now, without asking Azure."""
    rest = shop.pool.rest(shop.settings.regions(shop.registry(first.registry)))
    run = _queued(shop, first) if rest else None
    if rest is None or run is None or shop.pool.has_idle(first.registry, first.lane, kind=needed_kind(run)):
        return ""
    return rest.reason


def _end(shop: Workshop, front: list[Active]) -> None:
    for active in front:
        if run := _queued(shop, active):
            error = f"the agent pool {run.agent_pool} does not exist any more"
            finish(shop, run.registry, run.id, Ending(Status.ERROR, error))
    if len(front) == FRONT:
        announce(shop, front[0].registry, delay_seconds=0)


def _queued(shop: Workshop, active: Active) -> Run | None:
    """Answer a run that still is queued; one that has ended without being closed is closed."""
    try:
        run = shop.store.get(active.registry, active.run_id)
    except NotFound:
        return None
    if run.is_terminal:
        close(shop, run)
    return run if run.status is Status.QUEUED else None


def start(shop: Workshop, run: Run, held: Active) -> Throttled | None:
    """Give a run that has a place a builder, or take the place away again and answer why it must go on waiting."""
    try:
        group, attempt = _group(shop, run)
    except Throttled as error:
        shop.store.leave_slot(held)
        _LOG.warning("run %s waits: %s", run.id, error.message)
        return error
    except Conflict as error:
        _LOG.exception("run %s cannot be started", run.id)
        finish(shop, run.registry, run.id, Ending(Status.ERROR, f"no builder could be started: {error.message}"))
        return None

    def started(current: Run) -> Run | None:
        if current.status is not Status.QUEUED:
            return None
        now = shop.clock()
        return current.moved(Status.STARTED, now, placed=now, group=group, attempt=attempt)

    shop.store.change(run.registry, run.id, started)
    return None


def _group(shop: Workshop, run: Run) -> tuple[str, int]:
    kind = needed_kind(run)

    def fits(group: Group) -> bool:
        if run.steps and not run.needs_full:
            return False  # its group has containers that no group has that was made before
        if group.is_spot and wants_regular(run.setbacks, shop.settings.spot_losses):
            return False
        return group.can(kind) and suits(group, run.platform, is_untrusted=run.is_untrusted)

    warm = shop.pool.assign_idle(run.registry, run.id, run.lane, fits)
    if warm is not None:
        return warm, run.attempt + 1
    registry = shop.registry(run.registry)
    regions, attempt = shop.settings.regions(registry), run.attempt + 1
    turned = run.attempt % len(regions)  # where no builder came up, the next attempt is made elsewhere
    regions = regions[turned:] + regions[:turned]
    pool = shop.agent_pools.usable(run.registry, run.lane) if run.lane else None
    wanted = Wanted(regions, run.lane, started_kind(shop.settings, run.lane, kind), pool.count if pool else 0)
    if run.steps:
        wanted = replace(wanted, kind=BuilderKind.CONFINED, steps=run.steps, logins=step_logins(shop, run))
    wanted = replace(wanted, is_spot=is_spot(shop.settings, wanted.kind, run.setbacks))
    return shop.pool.start_for(registry, run.id, attempt, wanted), attempt


def _tell_waiting(shop: Workshop, waiting: _Waiting) -> None:
    told = 0
    for position, active in enumerate(waiting.line, 1):
        known, lines = active, list[str]()
        if is_news(active.position, position):
            known = replace(known, position=position)
            lines.append(f"Waiting for a builder. Position in the queue: {position}.")
        if waiting.reason not in ("", active.reason):
            known = replace(known, reason=waiting.reason)
            lines.append(f"Waiting for a builder: {waiting.reason}")
        if lines:
            told += 1
            _tell(shop, known, lines)
        if told == _MOST_TOLD:
            return


def tell_of_crowd(shop: Workshop, run: Run) -> None:
    """Say to a run that was queued just now, when the last dispatch did not come to it, that it has to wait."""
    active = shop.store.find_waiting(run)
    if active is not None and active.position == 0:
        known = replace(active, position=FRONT + 1)
        _tell(shop, known, [f"Waiting for a builder. At least {_MOST_TOLD} runs come before it."])


def _tell(shop: Workshop, known: Active, lines: list[str]) -> None:
    """Note what a log tells, then say it: a line may be lost, but none is said twice."""
    try:
        if not shop.store.note(known):
            return
        run = shop.store.get(known.registry, known.run_id)
        if run.status is Status.QUEUED:
            say(shop, run, *lines)
    except SlipwayError:
        _LOG.exception("what run %s waits for could not be told", known.run_id)

"""Housekeeping: warm builders, groups without a run, runs past their retention."""

import contextlib
import logging
from datetime import datetime, timedelta

from shared.container_groups.agent_pools import AgentPool
from shared.container_groups.group import Group
from shared.container_groups.loss import LossKind
from shared.container_groups.pool import WARM_LIFE, SeatsTaken, Wanted
from shared.container_groups.service import GroupState
from shared.errors import NotFound, SlipwayError
from shared.runs.context import Workshop
from shared.runs.finish import lingers, note_release
from shared.runs.kinds import is_spot, started_kind
from shared.runs.logs import delete_log
from shared.runs.model import Run
from shared.runs.results import delete_results
from shared.runs.reuse import is_old
from shared.runs.sources import purge_sources
from shared.settings import RegistrySettings

_WARM_START = timedelta(minutes=10)
_BROKEN_WARM_REST = timedelta(minutes=2)
"""A builder that cannot start is not started again at once: Azure counts group creations by the hour."""
_RETURN_PATIENCE = timedelta(minutes=2)
"""Longest time in which a builder makes itself clean after a run."""
_REQUEST_MEMORY = timedelta(days=1)
_LOG = logging.getLogger(__name__)


def keep_warm(shop: Workshop, registry: RegistrySettings) -> None:
    """Have as many groups waiting as the settings and the agent pools ask for; replace what is too old or gone.

    A pool's groups that execute a run count as its own. A pool whose deletion was shown long enough is forgotten.
    """
    key, regions, missing = registry.name.lower(), shop.settings.regions(registry), list[Wanted]()
    groups = list(shop.pool.groups(key))
    waiting = shop.settings.warm_builders if registry.warm_builders is None else registry.warm_builders
    kind = started_kind(shop.settings, "")
    usual = Wanted(regions, "", kind, is_spot=is_spot(shop.settings, kind))
    missing += [usual] * (waiting - _kept(shop, groups, waiting))
    pools = {pool.key: pool for pool in shop.agent_pools.all(key)}
    if any(group.machine for group in groups):
        shop.pool.look(key)
    for pool in pools.values():
        own = [group for group in groups if group.agent_pool == pool.key]
        kind = started_kind(shop.settings, pool.key)
        wanted = Wanted(regions, pool.key, kind, pool.count, is_spot=is_spot(shop.settings, kind))
        missing += [wanted] * (_minimum(shop, pool) - _kept_in_pool(shop, pool, own))
    for group in groups:
        if group.agent_pool and group.agent_pool not in pools and group.is_waiting:
            shop.pool.retire(group)
    _forget_pools(shop, key)
    if missing and shop.pool.rest(regions):
        return
    for wanted in missing:
        with contextlib.suppress(SeatsTaken):  # somebody else was faster
            shop.pool.start_warm(registry, wanted)


def _kept(shop: Workshop, groups: list[Group], wanted: int) -> int:
    """Remove what is too many of the groups outside of pools; answer how many wait."""
    held = 0
    for group in groups:
        if group.agent_pool or not group.is_waiting:
            continue
        if held < wanted and not _is_stale(shop, group):
            held += 1
        else:
            shop.pool.release(group.registry, group.name)
    return held


def _minimum(shop: Workshop, pool: AgentPool) -> int:
    return pool.minimum(shop.settings.pool_minimum)


def _kept_in_pool(shop: Workshop, pool: AgentPool, groups: list[Group]) -> int:
    """Remove a pool's builders that are too many, idle for too long, or gone; answer how many groups it has.

    More are started by dispatch, as runs ask for them, up to the pool's count.
    """
    held, now = sum(not group.machine for group in groups), shop.clock().timestamp()
    for group in groups:
        if not group.is_waiting:
            continue
        if group.machine:
            if pool.deleted or shop.pool.is_silent(group, group.seen):
                shop.pool.retire(group)
            continue
        is_idle = now - group.since > shop.settings.pool_idle_minutes * 60
        is_surplus = held > pool.count or (held > _minimum(shop, pool) and is_idle)
        is_too_old = is_old(shop.settings, group, shop.clock())
        if (is_surplus or is_too_old or _is_stale(shop, group)) and shop.pool.retire(group):
            held -= 1
    return held


def _forget_pools(shop: Workshop, registry: str) -> None:
    for pool in list(shop.agent_pools.all(registry)):
        if pool.is_gone(shop.clock()):
            shop.agent_pools.remove(pool)


def sweep_groups(shop: Workshop) -> None:
    """Remove the groups whose run has ended or that nobody knows."""
    registries = [registry.name.lower() for registry in shop.settings.registries]
    for registry in registries:
        for group in list(shop.pool.groups(registry)):
            is_over = _run_is_over(shop, group) if group.run_id else group.is_spent
            if is_over and shop.pool.retire(group) and group.run_id:
                note_release(shop, registry, group.run_id, group.name)
    for name in shop.pool.leftovers(registries):
        _LOG.warning("the container group %s belongs to no run and is deleted", name)
        shop.pool.delete(name)


def purge(shop: Workshop, registry: str) -> None:
    """Delete ended runs past their retention, unless archived, and contexts and requests nobody needs."""
    now = shop.clock()
    before = now - timedelta(days=shop.settings.retention_days)
    for run in list(shop.store.newest(registry)):
        if _is_expired(run, before):
            delete_log(shop, run)
            delete_results(shop, run)
            shop.store.remove(run)
    shop.store.forget_requests(registry, now - _REQUEST_MEMORY)
    purge_sources(shop, registry)


def _is_expired(run: Run, before: datetime) -> bool:
    return run.is_terminal and not run.is_archived and run.updated < before


def _is_stale(shop: Workshop, group: Group) -> bool:
    age = shop.clock() - group.created
    if age > WARM_LIFE:
        return True
    try:
        is_gone = shop.pool.state(group.registry, group.name) in {GroupState.ENDED, GroupState.ABSENT}
    except SlipwayError:
        return False
    if group.seen:
        return is_gone
    if is_gone:
        _LOG.warning("the warm container group %s ended before its builder asked for work", group.name)
        if _is_let_down(shop, group):
            return True
    return age > (_BROKEN_WARM_REST if is_gone else _WARM_START)


def _is_let_down(shop: Workshop, group: Group) -> bool:
    """Whether Azure let a warm group fall; then its region is left alone, and another one may be asked at once."""
    try:
        loss = shop.pool.loss(group.registry, group.name)
        if loss is None or loss.kind is LossKind.EVICTED:
            return False
        shop.pool.leave_alone(loss, _BROKEN_WARM_REST)
    except SlipwayError:
        return False
    return True


def _run_is_over(shop: Workshop, group: Group) -> bool:
    try:
        run = shop.store.get(group.registry, group.run_id)
    except NotFound:
        return True
    if not run.is_terminal and run.group in {None, group.name}:
        return False
    if lingers(run, shop.clock()):
        return False
    return not group.may_return or shop.clock() - (run.finished or run.updated) > _RETURN_PATIENCE

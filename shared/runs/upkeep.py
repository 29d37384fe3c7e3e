"""Housekeeping: warm builders, groups without a run, runs past their retention."""

import logging
from collections import Counter
from datetime import datetime, timedelta

from shared.container_groups.pool import WARM_LIFE, Group, Wanted
from shared.container_groups.service import GroupState
from shared.errors import NotFound, SlipwayError
from shared.runs.context import Workshop
from shared.runs.kinds import started_kind
from shared.runs.logs import delete_log
from shared.runs.model import Run
from shared.runs.results import delete_results
from shared.runs.sources import purge_sources
from shared.settings import RegistrySettings

_WARM_START = timedelta(minutes=10)
_BROKEN_WARM_REST = timedelta(minutes=2)
"""A builder that cannot start is not started again at once: Azure counts group creations by the hour."""
_REQUEST_MEMORY = timedelta(days=1)
_LOG = logging.getLogger(__name__)


def keep_warm(shop: Workshop, registry: RegistrySettings) -> None:
    """Have as many groups waiting as the settings and the agent pools ask for; replace what is too old or gone.

    A pool's groups that execute a run count as its own. A pool whose deletion was shown long enough is forgotten.
    """
    key, held = registry.name.lower(), Counter[str]()
    waiting = shop.settings.warm_builders if registry.warm_builders is None else registry.warm_builders
    wanted = {"": waiting} | {pool.key: pool.count for pool in shop.agent_pools.all(key)}
    groups = list(shop.pool.groups(key))
    held.update(group.agent_pool for group in groups if group.run_id and group.agent_pool)
    for group in groups:
        if not group.is_waiting:
            continue
        if held[group.agent_pool] < wanted.get(group.agent_pool, 0) and not _is_stale(shop, group):
            held[group.agent_pool] += 1
        else:
            shop.pool.release(group.registry, group.name)
    _forget_pools(shop, key)
    regions = shop.settings.regions(registry)
    missing = [lane for lane, count in wanted.items() for _ in range(count - held[lane])]
    if missing and shop.pool.rest(regions):
        return
    for lane in missing:
        shop.pool.start_warm(registry, Wanted(regions, lane, started_kind(shop.settings, lane)))


def _forget_pools(shop: Workshop, registry: str) -> None:
    for pool in list(shop.agent_pools.all(registry)):
        if pool.is_gone(shop.clock()):
            shop.agent_pools.remove(pool)


def sweep_groups(shop: Workshop) -> None:
    """Remove the groups whose run has ended or that nobody knows."""
    registries = [registry.name.lower() for registry in shop.settings.registries]
    for registry in registries:
        for group in list(shop.pool.groups(registry)):
            if group.run_id and _run_is_over(shop, group):
                shop.pool.release(registry, group.name)
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
        is_gone = shop.pool.state(group.name) in {GroupState.ENDED, GroupState.ABSENT}
    except SlipwayError:
        return False
    if group.seen:
        return is_gone
    if is_gone:
        _LOG.warning("the warm container group %s ended before its builder asked for work", group.name)
    return age > (_BROKEN_WARM_REST if is_gone else _WARM_START)


def _run_is_over(shop: Workshop, group: Group) -> bool:
    try:
        run = shop.store.get(group.registry, group.run_id)
    except NotFound:
        return True
    return run.is_terminal or (run.group is not None and run.group != group.name)

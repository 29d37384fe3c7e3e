"""Housekeeping: warm builders, groups without a run, runs past their retention."""

import logging
from datetime import datetime, timedelta

from shared.container_groups.pool import WARM_LIFE, Group
from shared.container_groups.service import GroupState
from shared.errors import NotFound, SlipwayError
from shared.runs.context import Workshop
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
    """Have as many groups waiting as the settings ask for; replace those that are too old or have gone."""
    waiting = 0
    for group in list(shop.pool.groups(registry.name.lower())):
        if not group.is_warm or group.run_id:
            continue
        if waiting < shop.settings.warm_builders and not _is_stale(shop, group):
            waiting += 1
        else:
            shop.pool.release(group.registry, group.name)
    for _ in range(shop.settings.warm_builders - waiting):
        shop.pool.start_warm(registry, shop.settings.builder_location or registry.location)


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

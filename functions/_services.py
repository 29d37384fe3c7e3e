"""The parts of the app, made once per process from its settings."""

import os
from dataclasses import dataclass
from functools import cache, partial

from shared.access.builder_tokens import BuilderTokens
from shared.access.callers import Callers
from shared.access.keys import read_keys
from shared.access.log_tokens import LogTokens
from shared.access.vaults import KeyVaults
from shared.clock import utc_now
from shared.container_groups.pool import GroupPool, Limits
from shared.container_groups.ration import Ration
from shared.container_groups.service import ContainerGroups
from shared.images.logins import LoginIssuer
from shared.runs.context import Workshop
from shared.runs.model import Run
from shared.runs.store import RunStore
from shared.settings import Settings, read_settings
from shared.storage import Storage, open_storage


@dataclass(frozen=True)
class Services:
    """What doors need."""

    settings: Settings
    callers: Callers
    shop: Workshop
    log_tokens: LogTokens


@cache
def settings() -> Settings:
    """Answer the app's settings. Raises SettingsError."""
    return read_settings(os.environ)


@cache
def services() -> Services:
    """Open everything. Raises Unavailable while storage does not answer; the next call tries again."""
    known = settings()
    keys = read_keys(known)
    storage = open_storage(known)
    tokens = BuilderTokens(keys.token_key)
    limits = Limits(Ration(known.groups_per_5_minutes, known.groups_per_hour), known.pool_silence)
    pool = GroupPool(storage.groups, ContainerGroups(known), tokens, utc_now, limits)
    shop = Workshop(
        settings=known,
        storage=storage,
        store=RunStore(storage.runs),
        pool=pool,
        keys=keys,
        tokens=tokens,
        issue_login=LoginIssuer(known),
        clock=utc_now,
        vault=KeyVaults(known),
        on_end=partial(_tell_of_end, storage, known.is_signing),
    )
    return Services(known, Callers(known), shop, LogTokens(keys.token_key))


def _tell_of_end(storage: Storage, is_signing: bool, run: Run) -> None:  # noqa: FBT001 - bound once, by position
    """Have it recorded what follows from a run: what its task stands on, the images that it pushed, and how."""
    if run.task or run.output_images:
        storage.base_images.send({"ended": run.id, "registry": run.registry})
    if run.output_images and is_signing:
        storage.provenance.send({"run": run.id, "registry": run.registry, "attempt": "1"})

"""The parts of the app, made once per process from its settings."""

import logging
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
from shared.errors import SlipwayError
from shared.images.logins import LoginIssuer
from shared.metrics import TALLY
from shared.runs.context import Workshop
from shared.runs.finish import LINGERING
from shared.runs.model import Run
from shared.runs.store import RunStore
from shared.settings import Settings, read_settings
from shared.sight.counting import Counting
from shared.storage import Storage, open_storage
from shared.triggers.git.statuses import concerns

_LOG = logging.getLogger(__name__)


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
    issuer = LoginIssuer(known)
    shop = Workshop(
        settings=known,
        storage=storage,
        store=RunStore(storage.runs),
        pool=pool,
        keys=keys,
        tokens=tokens,
        issue_login=issuer,
        identity_login=issuer.by_identity,
        clock=utc_now,
        vault=KeyVaults(known),
        on_end=partial(_tell_of_end, storage, known),
        on_progress=partial(_tell_of_progress, storage, known),
    )
    if known.tells_telemetry:
        Counting(TALLY, storage.telemetry, utc_now).start()
    return Services(known, Callers(known), shop, LogTokens(keys.token_key))


def registry_keys() -> list[str]:
    """Answer the storage keys of the registries that are served."""
    return [registry.name.lower() for registry in settings().registries]


def _tell_of_progress(storage: Storage, known: Settings, run: Run) -> None:
    """Have others told that a run is queued, or running: receivers, the commit's host; the run goes on without."""
    try:
        _tell_receivers(storage, known, run)
        _tell_host(storage, known, run)
    except SlipwayError:
        _LOG.exception("run %s: others are told later that it goes on", run.id)


def _tell_receivers(storage: Storage, known: Settings, run: Run) -> None:
    if known.notifications:
        storage.notices.send({"run": run.id, "registry": run.registry})


def _tell_host(storage: Storage, known: Settings, run: Run) -> None:
    if known.git_hooks and concerns(run):
        storage.git_statuses.send({"run": run.id, "registry": run.registry, "attempt": "1"})


def _tell_of_end(storage: Storage, known: Settings, run: Run) -> None:
    """Have it recorded what follows from a run: what its task stands on, the images that it pushed, and how."""
    _tell_receivers(storage, known, run)
    _tell_host(storage, known, run)
    if known.tells_telemetry:
        storage.telemetry.send({"run": run.id, "registry": run.registry, "attempt": "1"})
    if run.task or run.output_images:
        storage.base_images.send({"ended": run.id, "registry": run.registry})
    if run.output_images and known.is_signing:
        message = {"run": run.id, "registry": run.registry, "attempt": "1"}
        # What the builder tells of the images brings a message too: both are attached in one go then.
        storage.provenance.send(message, delay_seconds=LINGERING.seconds if run.tells_contents else 0)

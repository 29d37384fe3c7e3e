"""The life of a builder: start the engine, wait for a run, execute it; then leave, or get clean and wait again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from builder.clean import Network, clean
from builder.contents.telling import tell_contents
from builder.control import ControlPlane
from builder.engine.protocol import Engine, Kind
from builder.environment import Environment, Paths
from builder.faults import Dismissed, Fenced
from builder.run import Tools, execute
from shared.errors import SlipwayError

_log = logging.getLogger("slipway.builder")


@dataclass(frozen=True)
class Life:
    """What a builder lives with. `engine` makes a new one for each run; `network` is as it was before the first.

    Once `draining` is set no further run is claimed.
    """

    paths: Paths
    engine: Callable[[], Engine]
    http: httpx.AsyncClient
    network: Network | None = None
    draining: asyncio.Event = field(default_factory=asyncio.Event)


async def serve(environment: Environment, life: Life) -> int:
    """Execute a run, further ones for as long as the app says so, and return the exit status of the program.

    Status 1 means that the report of a run could not be delivered, or that the builder could not be made clean;
    being told to leave or to stop is no fault.
    """
    control = ControlPlane(life.http, environment)
    while True:
        engine = life.engine()
        status = await _one_run(control, engine, life)
        if status is not None:
            return status
        try:
            await clean(life.paths, life.network)
        except SlipwayError as fault:
            _log.error("leaving: %s", fault.message)
            await control.leave()
            return 1
        life.http.cookies.clear()


async def _one_run(control: ControlPlane, engine: Engine, life: Life) -> int | None:
    """Execute a run; None when another one is to be claimed.

    The engine starts while the claim is under way, so a builder that waits has it up.
    """
    starting = asyncio.create_task(_warm_up(engine))
    try:
        return await _claimed(control, engine, life)
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await engine.stop()


async def _claimed(control: ControlPlane, engine: Engine, life: Life) -> int | None:
    goes_on = False
    try:
        grant = await control.claim(life.draining.is_set)
        if grant is None:
            _log.info("leaving: no further run is wanted")
            await control.leave()
            return 0
        goes_on = grant.claims_again and engine.kind is Kind.FULL
        _log.info("run %s, epoch %s", grant.run_id, grant.epoch)
        link = control.run(grant)
        report = await execute(Tools(engine, life.http, life.paths), link, grant)
    except Dismissed as fault:
        _log.info("leaving: %s", fault.message)
        return 0
    except Fenced as fault:
        _log.info("stopped: %s", fault.message)
    except SlipwayError as fault:
        _log.error("%s", fault.message)
        return 1
    else:
        _log.info("run %s %s", report.run_id, report.outcome)
        if report.tells_contents:
            await tell_contents(engine.blob, link, grant, report)
            if not goes_on:
                await control.leave()
    return None if goes_on else 0


async def _warm_up(engine: Engine) -> None:
    """Start the engine early; whoever needs it hears of a failure then."""
    with contextlib.suppress(SlipwayError):
        await engine.start()

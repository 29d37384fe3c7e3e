"""The life of a builder: start the engine, wait for a run, execute it, leave."""

import asyncio
import contextlib
import logging

import httpx

from builder.control import ControlPlane
from builder.engine.protocol import Engine
from builder.environment import Environment, Paths
from builder.faults import Dismissed, Fenced
from builder.run import Tools, execute
from shared.errors import SlipwayError

_log = logging.getLogger("slipway.builder")


async def serve(environment: Environment, paths: Paths, engine: Engine, http: httpx.AsyncClient) -> int:
    """Execute at most one run and return the exit status of the program.

    The engine starts while the first claim is under way, so a builder that waits has it up. Status 1 means
    that the report of a run could not be delivered; being told to leave or to stop is no fault.
    """
    starting = asyncio.create_task(_warm_up(engine))
    try:
        return await _one_run(environment, Tools(engine, http, paths))
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        await engine.stop()


async def _one_run(environment: Environment, tools: Tools) -> int:
    control = ControlPlane(tools.http, environment)
    try:
        grant = await control.claim()
        _log.info("run %s, epoch %s", grant.run_id, grant.epoch)
        report = await execute(tools, control.run(grant), grant)
    except Dismissed as fault:
        _log.info("leaving: %s", fault.message)
    except Fenced as fault:
        _log.info("stopped: %s", fault.message)
    except SlipwayError as fault:
        _log.error("%s", fault.message)
        return 1
    else:
        _log.info("run %s %s", report.run_id, report.outcome)
    return 0


async def _warm_up(engine: Engine) -> None:
    """Start the engine early; whoever needs it hears of a failure then."""
    with contextlib.suppress(SlipwayError):
        await engine.start()

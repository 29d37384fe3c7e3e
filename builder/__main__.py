"""`python3 -m builder`: what a container group or a machine of an agent pool starts, as root."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import httpx

from builder import process
from builder.agent import Life, serve
from builder.clean import Network
from builder.engine.kaniko import EXECUTOR_SETTING, KanikoEngine
from builder.engine.moby import MobyEngine
from builder.engine.protocol import Engine
from builder.engine.sandbox import Sandbox
from builder.environment import Environment, Paths, confined, take
from builder.faults import Dismissed
from builder.pool import POOL, PoolEnvironment, register, take_pool
from builder.trust import BUNDLE, authorities, tls, write_bundle
from shared.errors import InvalidRequest

_REFUSED = 2
_TERMINATED = 128 + signal.SIGTERM


async def _main(told: Environment | PoolEnvironment, executor: Path | None) -> int:
    paths = confined(executor) if executor else Paths()
    paths.private.mkdir(mode=0o700, parents=True, exist_ok=True)
    bundle = write_bundle(paths.private / BUNDLE, told.ca_bundle, authorities(executor))
    async with httpx.AsyncClient(verify=tls(bundle), trust_env=False, timeout=30) as http:
        network = None if executor else Network.now()
        life = Life(paths, lambda: _engine(paths, bundle, executor, http), http, network)
        task = asyncio.ensure_future(_live(told, life))
        _heed_signals(task, life.draining if isinstance(told, PoolEnvironment) else None)
        try:
            return await task
        except asyncio.CancelledError:
            return _TERMINATED


async def _live(told: Environment | PoolEnvironment, life: Life) -> int:
    if isinstance(told, Environment):
        return await serve(told, life)
    try:
        environment = await register(life.http, told)
    except Dismissed as fault:
        print(fault.message)
        return _REFUSED
    logging.getLogger("slipway.builder").info("serving the agent pool %s as %s", told.pool, environment.group)
    return await serve(environment, life)


def _heed_signals(task: asyncio.Future[int], draining: asyncio.Event | None) -> None:
    """Let SIGTERM end a group's builder at once, and a machine's after its run; a second one ends it, too."""

    def heed() -> None:
        if draining is None or draining.is_set():
            task.cancel()
        else:
            draining.set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, heed)


def _engine(paths: Paths, bundle: Path, executor: Path | None, http: httpx.AsyncClient) -> Engine:
    if executor is None:
        return MobyEngine(paths.private, paths.images, bundle, Sandbox(paths))
    process.hide_memory()
    return KanikoEngine(executor, paths.private, paths.shared, bundle, http)


def _start() -> int:
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("slipway.builder").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(prog="builder", description=__doc__)
    parser.add_argument("--pool", default="", metavar="REGISTRY/POOL", help="serve an agent pool, by its token")
    pool = parser.parse_args().pool
    told: Environment | PoolEnvironment
    try:
        told = take_pool(os.environ, pool) if pool or POOL in os.environ else take(os.environ)
    except InvalidRequest as fault:
        print(fault.message)
        return _REFUSED
    executor = os.environ.get(EXECUTOR_SETTING)
    return asyncio.run(_main(told, Path(executor) if executor else None))


sys.exit(_start())

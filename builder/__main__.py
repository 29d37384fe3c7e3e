"""`python3 -m builder`: what a container group starts, as root."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import httpx

from builder import process
from builder.agent import serve
from builder.engine.kaniko import EXECUTOR_SETTING, KanikoEngine
from builder.engine.moby import MobyEngine
from builder.engine.protocol import Engine
from builder.engine.sandbox import Sandbox
from builder.environment import Environment, Paths, confined, take
from builder.trust import BUNDLE, authorities, tls, write_bundle
from shared.errors import InvalidRequest

_TERMINATED = 128 + signal.SIGTERM


async def _main(environment: Environment, executor: Path | None) -> int:
    paths = confined(executor) if executor else Paths()
    paths.private.mkdir(mode=0o700, parents=True, exist_ok=True)
    bundle = write_bundle(paths.private / BUNDLE, environment.ca_bundle, authorities(executor))
    async with httpx.AsyncClient(verify=tls(bundle), trust_env=False, timeout=30) as http:
        engine = _engine(paths, bundle, executor, http)
        task = asyncio.ensure_future(serve(environment, paths, engine, http))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return _TERMINATED


def _engine(paths: Paths, bundle: Path, executor: Path | None, http: httpx.AsyncClient) -> Engine:
    if executor is None:
        return MobyEngine(paths.private, paths.images, bundle, Sandbox(paths))
    process.hide_memory()
    return KanikoEngine(executor, paths.private, bundle, http)


def _start() -> int:
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("slipway.builder").setLevel(logging.INFO)
    try:
        environment = take(os.environ)
    except InvalidRequest as fault:
        print(fault.message)
        return 2
    executor = os.environ.get(EXECUTOR_SETTING)
    return asyncio.run(_main(environment, Path(executor) if executor else None))


sys.exit(_start())

"""`python3 -m builder`: what a container group starts, as root."""

import asyncio
import logging
import os
import signal
import sys

import httpx

from builder.agent import serve
from builder.engine.moby import MobyEngine
from builder.engine.sandbox import Sandbox
from builder.environment import Environment, Paths, take
from builder.trust import BUNDLE, tls, write_bundle
from shared.errors import InvalidRequest

_TERMINATED = 128 + signal.SIGTERM


async def _main(environment: Environment) -> int:
    paths = Paths()
    paths.private.mkdir(mode=0o700, parents=True, exist_ok=True)
    bundle = write_bundle(paths.private / BUNDLE, environment.ca_bundle)
    engine = MobyEngine(paths.private, paths.images, bundle, Sandbox(paths))
    async with httpx.AsyncClient(verify=tls(bundle), trust_env=False, timeout=30) as http:
        task = asyncio.ensure_future(serve(environment, paths, engine, http))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return _TERMINATED


def _start() -> int:
    logging.basicConfig(stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    logging.getLogger("slipway.builder").setLevel(logging.INFO)
    try:
        environment = take(os.environ)
    except InvalidRequest as fault:
        print(fault.message)
        return 2
    return asyncio.run(_main(environment))


sys.exit(_start())

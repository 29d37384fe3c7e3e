"""Runs functions, counts those under way and writes one line for each that ended."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from devstack.functions_host import worker
from devstack.functions_host.protos import InvocationResponse, StatusResult, TypedData
from devstack.functions_host.triggers import Function
from devstack.functions_host.worker import Invocation

log = logging.getLogger("functions_host")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended; `error` is the exception's stack trace when it failed."""

    succeeded: bool
    return_value: TypedData | None = None
    error: str = ""


class Invoker:
    """Runs functions on the event loop. Not thread-safe."""

    def __init__(self, timeout: timedelta) -> None:
        self._timeout = timeout.total_seconds()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """How many invocations are under way."""
        return self._running

    async def run(self, function: Function, call: Invocation) -> Outcome:
        """Run a function; its exceptions and its timeout become a failed Outcome."""
        started = time.perf_counter()
        self._running += 1
        self._idle.clear()
        try:
            outcome = await self._run(function, call)
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        if not outcome.succeeded:
            log.error("%s failed: %s", function.name, outcome.error)
        log.info("%s %s %.1f ms", function.name, _status(outcome), (time.perf_counter() - started) * 1000)
        return outcome

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing runs; False when something still does after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _run(self, function: Function, call: Invocation) -> Outcome:
        try:
            async with asyncio.timeout(self._timeout):
                response = await worker.invoke(function.id, function.parameter, call)
        except TimeoutError:
            # The platform restarts the worker process here; the thread of a synchronous function runs on.
            return Outcome(succeeded=False, error=f"The timeout of {self._timeout:g} s was exceeded.")
        return _outcome(response)


def _outcome(response: InvocationResponse) -> Outcome:
    if response.result.status == StatusResult.Success:
        return Outcome(succeeded=True, return_value=response.return_value)
    failure = response.result.exception
    return Outcome(succeeded=False, error=failure.stack_trace or failure.message)


def _status(outcome: Outcome) -> str:
    if not outcome.succeeded:
        return "Failed"
    if outcome.return_value is not None and outcome.return_value.WhichOneof("data") == "http":
        return str(outcome.return_value.http.status_code)
    return "Succeeded"

"""Starts the services in order, keeps them running, and stops them so that nothing is lost."""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack.errors import StackError
from devstack.stack import record as records
from devstack.stack.layout import CHECKOUT
from devstack.stack.processes import identify, start_time
from devstack.stack.readiness import until_ready
from devstack.stack.record import Phase, ServiceRecord, StackRecord
from devstack.stack.services import START_SECONDS, Service, stop_order

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
STEADY_SECONDS = 30.0
"""A service that ran this long is taken for healthy: its next restart comes at once."""
LOG_BYTES = 10 * 1024 * 1024

type Say = Callable[[str], None]


def next_pause(pause: float, ran_seconds: float) -> float:
    """Choose the pause before a restart, in seconds: doubled each time, small again after a steady time."""
    if ran_seconds >= STEADY_SECONDS or pause == 0:
        return FIRST_PAUSE_SECONDS
    return min(pause * 2, LONGEST_PAUSE_SECONDS)


@dataclass
class _Child:
    """A service and the process that is it now."""

    service: Service
    log: Path
    process: asyncio.subprocess.Process | None = None
    ready: bool = False
    restarts: int = 0
    since: float = 0.0

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.service.argv,
                cwd=CHECKOUT,
                env=dict(self.service.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal must reach the supervisor alone: it knows the order.
                start_new_session=True,
            )
        self.since = time.monotonic()

    async def until_ready(self) -> None:
        """Wait for readiness; raises `StackError` when the process ends first or takes too long."""
        assert self.process is not None  # noqa: S101 - start() came first
        ready = asyncio.create_task(until_ready(self.service.ready))
        ended = asyncio.create_task(self.process.wait())
        tasks: set[asyncio.Task[None] | asyncio.Task[int]] = {ready, ended}
        await asyncio.wait(tasks, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        if ended.done() and not ended.cancelled():
            raise StackError(
                f"The {self.service.title} ended at its start (exit {self.process.returncode}); see {self.log}."
            )
        if not ready.done():
            raise StackError(f"The {self.service.title} was not ready after {START_SECONDS} s; see {self.log}.")
        self.ready = True

    async def stop(self) -> bool:
        """Ask the process to end and wait; tells whether it did so unforced."""
        process = self.process
        self.ready = False
        if process is None or process.returncode is not None:
            return True
        process.terminate()
        try:
            async with asyncio.timeout(self.service.stop_seconds):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            return False
        return True

    def record(self) -> ServiceRecord | None:
        known = identify(self.process.pid) if self.process and self.process.returncode is None else None
        if known is None:
            return None
        return ServiceRecord(
            name=self.service.name,
            pid=known.pid,
            started=known.started,
            ready=self.ready,
            restarts=self.restarts,
        )


@dataclass
class Supervisor:
    """Runs the services of one stack until it is told to stop."""

    services: Sequence[Service]
    base: int
    logs: Path
    record: Path
    say: Say
    prepare: Callable[[], None] = lambda: None
    """Called on a thread once all services are up, before the stack counts as running."""
    on_running: Callable[[], None] = lambda: None
    _children: list[_Child] = field(default_factory=list)
    _phase: Phase = Phase.STARTING
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Start all, keep them until SIGINT or SIGTERM, stop all. Raises `StackError` when one cannot start."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop.set)
        self.logs.mkdir(parents=True, exist_ok=True)
        keepers: list[asyncio.Task[None]] = []
        try:
            if await self._start_all():
                await asyncio.to_thread(self.prepare)
                self._enter(Phase.RUNNING)
                self.on_running()
                keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
                await self._stop.wait()
        finally:
            self._enter(Phase.STOPPING)
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._stop_all()
            self.record.unlink(missing_ok=True)

    async def _start_all(self) -> bool:
        for service in self.services:
            if self._stop.is_set():
                return False
            child = _Child(service, _log_file(self.logs, service.name))
            self._children.append(child)
            begun = time.monotonic()
            await child.start()
            self._write()
            await self._unless_stopped(child.until_ready())
            if self._stop.is_set():
                return False
            self.say(f"{service.title} is up ({time.monotonic() - begun:.1f} s)")
        return True

    async def _unless_stopped(self, waiting: Coroutine[Any, Any, None]) -> None:
        work = asyncio.create_task(waiting)
        stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if work.done():
            work.result()
        else:
            work.cancel()

    async def _keep(self, child: _Child) -> None:
        pause = 0.0
        while child.process is not None:
            code = await child.process.wait()
            child.ready = False
            pause = next_pause(pause, time.monotonic() - child.since)
            self.say(f"{child.service.title} died (exit {code}, see {child.log}); starting it again in {pause:.1f} s")
            self._write()
            await asyncio.sleep(pause)
            child.restarts += 1
            await child.start()
            self._write()
            try:
                await child.until_ready()
            except StackError as error:
                self.say(str(error))
                await child.stop()
            else:
                self.say(f"{child.service.title} is up again")
            self._write()

    async def _stop_all(self) -> None:
        children = {child.service.name: child for child in self._children}
        for service in stop_order(tuple(child.service for child in self._children)):
            begun = time.monotonic()
            if await children[service.name].stop():
                self.say(f"{service.title} has stopped ({time.monotonic() - begun:.1f} s)")
            else:
                self.say(f"{service.title} did not stop within {service.stop_seconds:.0f} s and was killed")
            self._write()

    def _enter(self, phase: Phase) -> None:
        self._phase = phase
        self._write()

    def _write(self) -> None:
        pid = os.getpid()
        known = [one for child in self._children if (one := child.record())]
        records.write(
            self.record,
            StackRecord(
                pid=pid,
                started=start_time(pid) or 0,
                base=self.base,
                phase=self._phase,
                services=tuple(known),
            ),
        )


def _log_file(logs: Path, name: str) -> Path:
    """Name a service's log; a large one of earlier starts is moved aside."""
    log = logs / f"{name}.log"
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(logs / f"{name}.log.1")
    return log

"""The host as a whole: serves a loaded app and stops its parts in order."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import uvicorn

from devstack.functions_host import worker
from devstack.functions_host.admin import Admin
from devstack.functions_host.app import App, apply_settings, host_id, load, route_table
from devstack.functions_host.errors import HostError
from devstack.functions_host.event_grid import EventGridWebhook
from devstack.functions_host.http_front import HttpFront
from devstack.functions_host.invoker import Invoker, log
from devstack.functions_host.queue_listener import QueueListener
from devstack.functions_host.singleton import Singleton
from devstack.functions_host.storage import AzureQueue, HostBlobs, Threads
from devstack.functions_host.timer_listener import StatusBlob, TimerListener
from devstack.functions_host.triggers import EventGridTrigger, Function, QueueTrigger, TimerTrigger

if TYPE_CHECKING:
    from uvicorn._types import ASGIApplication

GRACE_SECONDS = 30
"""How long running invocations may take after the host was told to stop."""

_KEEP_ALIVE_SECONDS = 130
"""Kestrel's idle timeout: longer than any client's pool keeps a connection."""

_HEADER_BYTES = 32 * 1024
"""Kestrel's limit for all headers of a request."""

_BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says. Port 0 takes a free one."""

    root: Path
    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    settings: Path | None = None
    master_key: str = field(default="", repr=False)
    grace_seconds: float = GRACE_SECONDS


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the host stops its parts in its own order."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(options: Options) -> bool:
    """Load and serve an app until SIGTERM or SIGINT; False when a part failed or invocations were abandoned.

    Raises HostError when the app cannot be loaded, the certificate not be read or the port not be had.
    """
    apply_settings(options.root, options.settings, port=options.port)
    app = await load(options.root)
    with _listening_socket(options) as listening:
        return await _Host(app, options, _stop_signal()).run(listening)


class _Host:
    def __init__(self, app: App, options: Options, stopping: asyncio.Event) -> None:
        self._id = host_id(options.root)
        self._app = app
        self._threads = Threads()
        self._invoker = Invoker(app.host_json.function_timeout)
        self._stopping = stopping
        self._grace = options.grace_seconds
        self._server = _Server(self._config(options))
        self._scheme = "http" if options.certificate is None else "https"
        self._failed = False

    async def run(self, listening: socket.socket) -> bool:
        listeners = list(self._listeners())
        tasks = [asyncio.create_task(listener.listen(self._stopping)) for listener in listeners]
        tasks.append(asyncio.create_task(self._server.serve(sockets=[listening])))
        for task in tasks:
            task.add_done_callback(self._part_ended)
        host, port = listening.getsockname()[:2]
        sys.stdout.write(f"Listening on {self._scheme}://{host}:{port}\n")
        sys.stdout.flush()
        log.info("%d functions loaded; host id %s", len(self._app.functions), self._id)
        await self._stopping.wait()
        log.info("stopping: %d invocations under way", self._invoker.running)
        self._server.should_exit = True
        return await self._finish(tasks)

    def _part_ended(self, task: asyncio.Task[None]) -> None:
        """Stop everything when one part ends by itself: half a host is worse than none."""
        if self._stopping.is_set() or task.cancelled():
            return
        log.error("a part of the host ended unexpectedly", exc_info=task.exception())
        self._failed = True
        self._stopping.set()

    async def _finish(self, tasks: list[asyncio.Task[None]]) -> bool:
        clock = asyncio.get_running_loop().time
        deadline = clock() + self._grace
        _, late = await asyncio.wait(tasks, timeout=self._grace)
        drained = await self._invoker.drain(deadline - clock()) and await worker.stop(deadline - clock())
        self._threads.close()
        if late or not drained:
            log.error("stopped with invocations still running")
        return not (late or self._failed) and drained

    def _config(self, options: Options) -> uvicorn.Config:
        config = uvicorn.Config(
            cast("ASGIApplication", self._front(options)),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, round(options.grace_seconds)),
            h11_max_incomplete_event_size=_HEADER_BYTES,
            ssl_certfile=options.certificate,
            ssl_keyfile=options.key,
        )
        try:
            config.load()
        except OSError as error:
            raise HostError(f"The certificate or its key cannot be used: {error.strerror or error}.") from error
        return config

    def _front(self, options: Options) -> HttpFront:
        enabled = {function.name: function for function in self._app.enabled()}
        events = {name: found for name, found in enabled.items() if isinstance(found.trigger, EventGridTrigger)}
        admin = Admin(
            self._id,
            self._app.functions,
            self._invoker,
            is_running=lambda: not self._stopping.is_set(),
            master_key=options.master_key,
        )
        webhook = EventGridWebhook(events, self._invoker)
        return HttpFront(route_table(enabled.values()), enabled, self._invoker, admin, webhook)

    def _listeners(self) -> Iterator[QueueListener | TimerListener]:
        for function in self._app.enabled():
            match function.trigger:
                case QueueTrigger() as trigger:
                    queue = AzureQueue(self._threads, trigger.connection, trigger.queue)
                    options = self._app.host_json.extensions.queues
                    yield QueueListener(function, queue, options, self._invoker.run)
                case TimerTrigger() as trigger:
                    yield self._timer(function, trigger)
                case _:
                    continue

    def _timer(self, function: Function, trigger: TimerTrigger) -> TimerListener:
        blobs = HostBlobs(self._threads, trigger.connection)
        lock = Singleton(blobs, self._id, function.name)
        # A schedule under a minute would write its status all the time for nothing.
        monitored = trigger.use_monitor and not trigger.schedule.is_frequent(datetime.now(UTC))
        remembered = StatusBlob(blobs, self._id, function.name) if monitored else None
        return TimerListener(function, trigger, lock, remembered, self._invoker.run)


def _stop_signal() -> asyncio.Event:
    stopping = asyncio.Event()

    def stop() -> None:
        if stopping.is_set():
            os._exit(130)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _listening_socket(options: Options) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # With the protocol named, asyncio sets TCP_NODELAY on what it accepts; without, each answer takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((options.host, options.port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise HostError(f"Port {options.port} of {options.host} cannot be had: {error.strerror}.") from error
    return listening

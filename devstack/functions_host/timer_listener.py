"""The timer trigger: runs a function on its schedule, in one host at a time."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from devstack.functions_host.invoker import Outcome, log
from devstack.functions_host.protos import TypedData
from devstack.functions_host.schedule_status import ScheduleStatus, after_run, on_start
from devstack.functions_host.singleton import Singleton
from devstack.functions_host.storage import HostBlobs, StorageAway
from devstack.functions_host.triggers import Function, TimerTrigger
from devstack.functions_host.waiting import pause
from devstack.functions_host.worker import Invocation

_LONGEST_NAP_SECONDS = 30
"""A suspended machine stops the loop's clock: the wall clock is looked at this often."""

Run = Callable[[Function, Invocation], Awaitable[Outcome]]


class StatusBlob:
    """Remembers one timer's status in `timers/<host id>/Host.Functions.<function>/status`."""

    def __init__(self, blobs: HostBlobs, host_id: str, function: str) -> None:
        self._blobs = blobs
        self._blob = f"timers/{host_id}/Host.Functions.{function}/status"

    async def read(self) -> ScheduleStatus | None:
        """Return what is recorded; raises StorageAway."""
        content = await self._blobs.read(self._blob)
        return None if content is None else ScheduleStatus.from_json(content)

    async def write(self, status: ScheduleStatus) -> None:
        """Record a status; best effort: a lost one costs at most a past due run."""
        try:
            await self._blobs.write(self._blob, status.to_json())
        except StorageAway as error:
            log.warning("%s could not be written (%s)", self._blob, error)


class TimerListener:
    """Fires one function. A failed run neither stops the schedule nor is repeated.

    Without a status blob nothing is remembered and no run is ever past due; so it is for schedules that
    fire more than once a minute.
    """

    def __init__(
        self, function: Function, trigger: TimerTrigger, lock: Singleton, remembered: StatusBlob | None, run: Run
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._lock = lock
        self._remembered = remembered
        self._run = run

    async def listen(self, stopping: asyncio.Event) -> None:
        """Hold the lock and keep the schedule until `stopping` is set; then finish the run under way."""
        while await self._lock.acquire(stopping):
            lost = asyncio.Event()
            holding = asyncio.create_task(self._lock.hold(lost, stopping))
            try:
                await self._keep_schedule(lost, stopping)
            finally:
                holding.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await holding
                await self._lock.release()

    async def _keep_schedule(self, lost: asyncio.Event, stopping: asyncio.Event) -> None:
        try:
            recorded = None if self._remembered is None else await self._remembered.read()
        except StorageAway:
            await pause(1, lost, stopping)
            return
        status, past_due = on_start(self._trigger.schedule, recorded, _now())
        if status != recorded:
            await self._record(status)
        if past_due or self._trigger.run_on_startup:
            status = await self._fire(status, past_due=past_due, on_time=False)
        while True:
            seconds = (status.due - _now()).total_seconds()
            if await pause(min(seconds, _LONGEST_NAP_SECONDS), lost, stopping):
                return
            if _now() >= status.due:
                status = await self._fire(status, past_due=False, on_time=True)

    async def _fire(self, status: ScheduleStatus, *, past_due: bool, on_time: bool) -> ScheduleStatus:
        started = _now()
        await self._run(self._function, Invocation(TypedData(json=self._timer_info(status, past_due=past_due))))
        following = after_run(self._trigger.schedule, status, started, on_time=on_time)
        await self._record(following)
        return following

    def _timer_info(self, status: ScheduleStatus, *, past_due: bool) -> str:
        known = json.loads(status.to_json()) if self._remembered is not None else None
        return json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": known, "IsPastDue": past_due})

    async def _record(self, status: ScheduleStatus) -> None:
        if self._remembered is not None:
            await self._remembered.write(status)


def _now() -> datetime:
    return datetime.now(UTC)

"""One holder at a time: the blob lease under which a timer runs.

As in the platform the lock is `locks/<host id>/Host.Functions.<function>.Listener`, leased for 60 seconds
and renewed at half. A host that was killed cannot give its lease back. The lock names its owner's process,
so that the next host on the same machine sees that it is dead and need not wait the lease out.
"""

import asyncio
import contextlib
import os
from pathlib import Path

from devstack.functions_host.invoker import log
from devstack.functions_host.storage import HostBlobs, StorageAway
from devstack.functions_host.waiting import pause

LEASE_SECONDS = 60
_RETRY_SECONDS = 5


class Singleton:
    """The lock of one listener. Lives on one event loop."""

    def __init__(self, blobs: HostBlobs, host_id: str, function: str, *, lease_seconds: int = LEASE_SECONDS) -> None:
        self._blobs = blobs
        self._blob = f"locks/{host_id}/Host.Functions.{function}.Listener"
        self._lease_seconds = lease_seconds
        self._owner = process_identity(os.getpid())
        self._lease = ""

    async def acquire(self, stopping: asyncio.Event) -> bool:
        """Wait for the lock; False when `stopping` came first."""
        noted = False
        while not stopping.is_set():
            try:
                if await self._try():
                    return True
            except StorageAway as error:
                if not noted:
                    log.warning("lock %s: storage does not answer (%s); trying again", self._blob, error)
                    noted = True
            await pause(_RETRY_SECONDS, stopping)
        return False

    async def hold(self, lost: asyncio.Event, stopping: asyncio.Event) -> None:
        """Renew the lease until `stopping`; set `lost` when it is no longer certain to be ours."""
        loop = asyncio.get_running_loop()
        valid_until = loop.time() + self._lease_seconds
        seconds = self._lease_seconds / 2
        while not await pause(seconds, stopping):
            asked = loop.time()
            try:
                if not await self._blobs.renew(self._blob, self._lease):
                    break
                valid_until, seconds = asked + self._lease_seconds, self._lease_seconds / 2
            except StorageAway:
                seconds = min(_RETRY_SECONDS, self._lease_seconds / 4)
            if loop.time() >= valid_until:
                break
        if not stopping.is_set():
            log.warning("lock %s was lost", self._blob)
            lost.set()

    async def release(self) -> None:
        """Give the lock back; best effort, the lease ends by itself."""
        with contextlib.suppress(StorageAway):
            await self._blobs.release(self._blob, self._lease)

    async def _try(self) -> bool:
        lease = await self._blobs.acquire(self._blob, self._lease_seconds, self._owner)
        if lease is None and is_dead(await self._blobs.owner(self._blob)):
            await self._blobs.break_lease(self._blob)
            lease = await self._blobs.acquire(self._blob, self._lease_seconds, self._owner)
        self._lease = lease or ""
        return lease is not None


def process_identity(pid: int) -> str:
    """Name a process for good: boot, PID namespace, id and start time; an empty text where Linux is not."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The command, in parentheses, may itself hold blanks; start time is the 20th field after it.
        started = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}/{pid}/{started}"
    except (OSError, IndexError):
        return ""


def is_dead(owner: str) -> bool:
    """Tell whether `owner` was a process of this machine and namespace that is no more."""
    here = process_identity(os.getpid()).split("/")
    there = owner.split("/")
    if len(there) != len(here) or there[:2] != here[:2] or not there[2].isdigit():
        return False
    return process_identity(int(there[2])) != owner

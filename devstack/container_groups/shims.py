"""Start shims, hand them their orders, notice their end.

One spare shim with a finished network waits for the next group, which hides most of a group's start.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devstack.container_groups.orders import Order, Reply, ShimIdentity
from devstack.container_groups.shim.network import NetworkPlan

_CHECKOUT = Path(__file__).resolve().parents[2]
_REPLY_SECONDS = 60.0
_LONGEST_REPLY = 65_536


@dataclass(frozen=True)
class ShimProcess:
    """A shim of this service or of an earlier one, held by a descriptor that outlives its process id."""

    identity: ShimIdentity
    descriptor: int

    @property
    def alive(self) -> bool:
        """Whether the process still runs; a dead child counts as gone before it is reaped."""
        waiting = select.poll()
        waiting.register(self.descriptor, select.POLLIN)
        return not waiting.poll(0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process still runs."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.descriptor, number)

    async def gone(self) -> None:
        """Return when the process has ended."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        copy = os.dup(self.descriptor)
        loop.add_reader(copy, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(copy)
            os.close(copy)

    def close(self) -> None:
        """Reap the process if it was a child, and let the descriptor go."""
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self.descriptor, os.WEXITED | os.WNOHANG)
        os.close(self.descriptor)


@dataclass(frozen=True)
class _Spare:
    process: ShimProcess
    channel: socket.socket


@dataclass
class Shims:
    """Makes shims for one network plan; their complaints go to `log`."""

    plan: NetworkPlan
    log: Path
    _spare: _Spare | None = field(default=None, init=False)

    def warm(self) -> None:
        """See that a spare shim waits."""
        if self._spare is None:
            self._spare = self._spawn()

    def take(self) -> "Lease":
        """Return a shim that waits for its order."""
        spare, self._spare = self._spare, None
        if spare is not None and not spare.process.alive:
            spare.channel.close()
            spare.process.close()
            spare = None
        spare = spare or self._spawn()
        return Lease(spare.process, spare.channel)

    async def close(self) -> None:
        """Let the spare go; shims with a group are not touched."""
        if self._spare is not None:
            self._spare.channel.close()
            await self._spare.process.gone()
            self._spare.process.close()
            self._spare = None

    def _spawn(self) -> _Spare:
        ours, theirs = socket.socketpair()
        command = [sys.executable, "-s", "-E", "-S", "-m", "devstack.container_groups.shim", str(self.log)]
        with theirs, self.log.open("ab") as log:
            popen = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=_CHECKOUT,
                start_new_session=True,
            )
        popen.returncode = 0  # `ShimProcess` reaps the child; `Popen` must neither wait nor warn
        ours.settimeout(0)
        ours.send(json.dumps(asdict(self.plan)).encode() + b"\n")
        return _Spare(_open(popen.pid), ours)


@dataclass(frozen=True)
class Lease:
    """A shim that is about to get its order."""

    process: ShimProcess
    channel: socket.socket

    async def run(self, order: Order) -> Reply:
        """Send the order; return when the container runs or could not be started."""
        loop = asyncio.get_running_loop()
        with self.channel as channel:
            try:
                await loop.sock_sendall(channel, order.to_json().encode() + b"\n")
                answer = await asyncio.wait_for(loop.sock_recv(channel, _LONGEST_REPLY), _REPLY_SECONDS)
            except (OSError, TimeoutError) as error:
                return Reply(error=f"The group's process does not answer: {type(error).__name__}.")
        if not answer:
            return Reply(error="The group's process ended before the container ran; shims.log says why.")
        return Reply.from_json(answer)


def find_shim(identity: ShimIdentity) -> ShimProcess | None:
    """Return the process of an earlier service, unless it is gone."""
    try:
        process = _open(identity.pid)
    except ProcessLookupError:
        return None
    if process.identity != identity or not process.alive:
        process.close()
        return None
    return process


def _open(pid: int) -> ShimProcess:
    descriptor = os.pidfd_open(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        os.close(descriptor)
        raise ProcessLookupError from None
    started = stat.rpartition(")")[2].split()[19]
    return ShimProcess(ShimIdentity(pid, int(started)), descriptor)

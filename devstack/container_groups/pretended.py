"""Containers that are only pretended: for tests and benchmarks of what surrounds them."""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import override

from devstack.container_groups.bundle import Machine
from devstack.container_groups.config import RESOLVER, Image, Limits
from devstack.container_groups.groups import ContainerGroups
from devstack.container_groups.orders import Exit, Order, Reply, ShimIdentity, Started
from devstack.container_groups.pulling import Puller
from devstack.container_groups.quota import Quota
from devstack.container_groups.shim.network import NetworkPlan
from devstack.container_groups.shims import Lease, ShimProcess, Shims
from devstack.container_groups.state import StateDirectory

TIME = "2026-01-02T03:04:05.000Z"
"""When every pretended container has begun and ended."""


@dataclass(frozen=True)
class PretendedProcess(ShimProcess):
    """A process that ends when it is told to."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    orders: list[Order] = field(default_factory=list)

    @override
    def signal(self, number: signal.Signals) -> None:
        self.end(137, "Error")

    def end(self, code: int, reason: str) -> None:
        """End with an exit code."""
        for order in self.orders:
            Exit(code, reason, TIME, TIME).save(Path(order.directory) / "exit.json")
        self.ended.set()

    @override
    async def gone(self) -> None:
        await self.ended.wait()

    @override
    def close(self) -> None:
        pass


@dataclass(frozen=True)
class PretendedLease(Lease):
    """Writes what a shim writes."""

    process: PretendedProcess
    told: Callable[[Order], None]

    @override
    async def run(self, order: Order) -> Reply:
        self.channel.close()
        self.process.orders.append(order)
        Started(TIME).save(Path(order.directory) / "started.json")
        self.told(order)
        return Reply()


def _nobody(_order: Order) -> None:
    return


@dataclass
class PretendedShims(Shims):
    """Hands out pretended processes, remembers them, and tells of each container that has begun."""

    made: list[PretendedProcess] = field(default_factory=list)
    told: Callable[[Order], None] = _nobody

    @override
    def warm(self) -> None:
        pass

    @override
    def take(self) -> Lease:
        process = PretendedProcess(ShimIdentity(1, 1), -1)
        self.made.append(process)
        return PretendedLease(process, socket.socket(), self.told)

    @override
    async def close(self) -> None:
        pass


def pretended_groups(
    folder: Path, image: str, clock: Callable[[], float], told: Callable[[Order], None] = _nobody
) -> ContainerGroups:
    """Answer container groups of one image, kept in a folder, of which nothing is real but their rules."""
    return ContainerGroups(
        state=StateDirectory(folder),
        images={image: Image(lower=(folder,), command=("/start",))},
        hosts={},
        machine=Machine(frozenset(), 1024, ()),
        shims=PretendedShims(NetworkPlan((), {}, RESOLVER), folder / "shims.log", told=told),
        quota=Quota(Limits(), clock),
        pulls=Puller((), folder / "pulled"),
    )

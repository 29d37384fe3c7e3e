"""A container-group service in this process whose containers are only pretended."""

import asyncio
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, override

import httpx

from devstack.container_groups.app import App
from devstack.container_groups.bundle import Machine
from devstack.container_groups.config import RESOLVER, Image, Limits
from devstack.container_groups.groups import ContainerGroups
from devstack.container_groups.orders import Exit, Order, Reply, ShimIdentity, Started
from devstack.container_groups.quota import Quota
from devstack.container_groups.shim.network import NetworkPlan
from devstack.container_groups.shims import Lease, ShimProcess, Shims
from devstack.container_groups.state import StateDirectory
from devstack.container_groups.tokens import TokenCheck

TIME = "2026-01-02T03:04:05.000Z"


@dataclass(frozen=True)
class FakeProcess(ShimProcess):
    """A process that ends when it is told to."""

    ended: asyncio.Event = field(default_factory=asyncio.Event)
    orders: list[Order] = field(default_factory=list)

    @override
    def signal(self, number: signal.Signals) -> None:
        self.end(137, "Error")

    def end(self, code: int, reason: str) -> None:
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
class FakeLease(Lease):
    """Writes what a shim writes."""

    process: FakeProcess

    @override
    async def run(self, order: Order) -> Reply:
        self.channel.close()
        self.process.orders.append(order)
        Started(TIME).save(Path(order.directory) / "started.json")
        return Reply()


@dataclass
class FakeShims(Shims):
    """Hands out fake processes and remembers them."""

    made: list[FakeProcess] = field(default_factory=list)

    @override
    def warm(self) -> None:
        pass

    @override
    def take(self) -> Lease:
        process = FakeProcess(ShimIdentity(1, 1), -1)
        self.made.append(process)
        return FakeLease(process, socket.socket())

    @override
    async def close(self) -> None:
        pass


class Service:
    """The application on a client of its own; use as an asynchronous context."""

    def __init__(self, folder: Path, *, check: TokenCheck | None = None, clock: float = 0.0) -> None:
        self.now = clock
        self.shims = FakeShims(NetworkPlan((), {}, RESOLVER), folder / "shims.log")
        self.groups = ContainerGroups(
            state=StateDirectory(folder),
            images={"img": Image(lower=(folder,), command=("/start",))},
            hosts={},
            machine=Machine(frozenset(), 1024, ()),
            shims=self.shims,
            quota=Quota(Limits(), lambda: self.now),
        )
        transport = httpx.ASGITransport(app=App(self.groups, check))
        self.client = httpx.AsyncClient(transport=transport, base_url="https://aci.test", params={"api-version": "1"})

    async def __aenter__(self) -> Self:
        await self.groups.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.groups.close(stop_groups=True)
        await self.client.aclose()

    async def started(self, path: str) -> None:
        """Return when the group's container runs or has failed to."""
        await self._until(path, lambda properties: properties["provisioningState"] != "Creating")

    async def ended(self, path: str) -> Mapping[str, Any]:
        """Return the container's current state once it is Terminated."""
        properties = await self._until(path, lambda now: now["instanceView"]["state"] not in ("Pending", "Running"))
        state: Mapping[str, Any] = properties["containers"][0]["properties"]["instanceView"]["currentState"]
        return state

    async def _until(self, path: str, done: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any]:
        """Ask again after each turn of the event loop; the test's time limit ends it."""
        while True:
            properties: Mapping[str, Any] = (await self.client.get(path)).json()["properties"]
            if done(properties):
                return properties
            await asyncio.sleep(0)

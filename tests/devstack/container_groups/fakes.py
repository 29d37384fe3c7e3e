"""A container-group service in this process whose containers are only pretended."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import httpx

from devstack.container_groups.app import App
from devstack.container_groups.pretended import PretendedShims, pretended_groups
from devstack.container_groups.tokens import TokenCheck


class Service:
    """The application on a client of its own; use as an asynchronous context."""

    def __init__(self, folder: Path, *, check: TokenCheck | None = None, clock: float = 0.0) -> None:
        self.now = clock
        self.groups = pretended_groups(folder, "img", lambda: self.now)
        assert isinstance(self.groups.shims, PretendedShims)
        self.shims = self.groups.shims
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

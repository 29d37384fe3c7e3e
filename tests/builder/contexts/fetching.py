"""Fetch a remote context as a builder does: from a grant alone."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from builder.contexts.choose import Means, source_of
from builder.contexts.gate import Resolve, resolve
from builder.contexts.source import Context
from shared.grant import Grant, Limits, LoginRequest, RegistryLogin, RunVariables, Source, Work
from tests.builder.contexts.web import Site


@dataclass
class Fetch:
    """Fetches below `folder`. The grant allows the site, as an operator of such a site would have to."""

    folder: Path
    bundle: Path
    allowed: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    logins: tuple[RegistryLogin, ...] = ()
    registry: str = "own.registry.example"
    resolver: Resolve = resolve
    asked: list[LoginRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root = self.folder / "context"
        self.private = self.folder / "private"
        self.private.mkdir()

    @classmethod
    def of(cls, site: Site, folder: Path) -> "Fetch":
        return cls(folder, site.bundle, site.allowed)

    def __call__(self, location: str, token: str | None = None) -> Context:
        self.root.mkdir()
        return asyncio.run(asyncio.wait_for(self._fetch(self._grant(location, token)), 60))

    def _grant(self, location: str, token: str | None) -> Grant:
        values: dict[str, Any] = {"run_id": "ca1", "group": "g1", "epoch": 1, "run_token": "r", "timeout_seconds": 600}
        urls = {"log_url": "https://blobs.example/log", "result_url": "https://blobs.example/result"}
        variables = RunVariables(id="ca1", registry=self.registry, registry_name="own", date="")
        return Grant(
            **values,
            **urls,
            work=Work(),
            source=Source(location=location, token=token),
            variables=variables,
            logins=self.logins,
            limits=self.limits,
            allowed_hosts=self.allowed,
        )

    async def _fetch(self, grant: Grant) -> Context:
        async with httpx.AsyncClient() as http:
            source = source_of(grant, Means(http, self.private, self.bundle, self._login, self.resolver))
            assert source
            return await source.fetch(self.root)

    async def _login(self, request: LoginRequest) -> RegistryLogin:
        self.asked.append(request)
        return RegistryLogin(registry=self.registry, username="owner", password="opensesame")

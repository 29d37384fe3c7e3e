"""What the steps of one run work with, what they make, and how they ask for a login."""

from dataclasses import dataclass
from pathlib import Path

import httpx

from builder.contexts.choose import Means
from builder.control import RunLink
from builder.engine.protocol import Engine
from builder.log import RunLog
from builder.spans import Spans
from shared.grant import Grant, Image, ImageDependency, LoginRequest, Platform, RegistryLogin


@dataclass(frozen=True, slots=True)
class Made:
    """What a run has made: the images that were pushed, and what every built image stands on."""

    images: tuple[Image, ...] = ()
    dependencies: tuple[ImageDependency, ...] = ()
    platforms: tuple[Platform, ...] = ()


@dataclass(frozen=True, slots=True)
class Shop:
    """What the steps of one run work with. `home` is the home directory of steps, `means` fetches contexts."""

    grant: Grant
    engine: Engine
    link: RunLink
    http: httpx.AsyncClient
    log: RunLog
    home: Path
    means: Means
    spans: Spans
    deadline: float
    """When the run must have ended, in the time of the running loop."""

    @property
    def registry(self) -> str:
        """The login server of the run's own registry."""
        return self.grant.variables.registry

    async def login(self, request: LoginRequest, *, quiet: bool = False) -> RegistryLogin:
        """Ask for a login of the run's own registry; its secrets are masked from now on.

        Raises Fenced when the run is no longer ours: asking right before a push is the fence.
        """
        if not quiet:
            self.log.line(f"Logging in to registry: {self.registry}")
        login = await self.link.login(request)
        self.log.hide(*(secret for secret in (login.token, login.password) if secret))
        if not quiet:
            self.log.line(f"Successfully logged into {self.registry}")
        return login

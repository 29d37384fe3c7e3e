"""The layers of earlier builds, kept in the registry: where they are, whether they are there, and keeping them.

A build reads them from one tag and, when it was worth it, writes them there after its image has been pushed: by then
the registry has all layers of the image, so that keeping them costs little more than a manifest. Nothing here ever
fails a run.
"""

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Final

from builder.bases import session
from builder.engine.protocol import ImageBuild
from builder.faults import StepFailed, reason
from builder.shop import Shop
from shared.errors import SlipwayError
from shared.grant import DockerBuild, LayerCache, LoginRequest, RegistryLogin
from shared.images.client import perform_async
from shared.images.distribution import head
from shared.images.references import Reference

WORTH_SECONDS: Final = 5.0
"""A build that takes less is repeated faster than its layers are fetched."""
_SAVE_SECONDS: Final = 600
_RENAMED: Final = re.compile(r"^[0-9a-f]{32}_")
"""How az renames a Dockerfile that it puts into an archive, anew for each build."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which builds share layers: those of one Dockerfile, target and platforms for one repository."""

    dockerfile: str
    target: str
    platform: str

    @property
    def tag(self) -> str:
        """The tag under which the layers lie: one for each scope, so that old ones are replaced."""
        parts = [_RENAMED.sub("", self.dockerfile), self.target, self.platform]
        return f"cache-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def place(cache: LayerCache | None, registry: str, tags: tuple[Reference, ...], scope: Scope) -> Reference | None:
    """Return where the layers of a build lie: beside its first image in the run's own registry. Pure."""
    own = next((tag for tag in tags if tag.registry == registry), None)
    if cache is None or own is None:
        return None
    return Reference(registry, cache.repository.replace("{repository}", own.repository), scope.tag)


def place_of(shop: Shop, request: DockerBuild, tags: tuple[Reference, ...]) -> Reference | None:
    """Return where the layers of a Docker build lie; None where it is to use none."""
    if request.no_cache:
        return None
    scope = Scope(request.docker_file_path, request.target or "", str(shop.grant.platform))
    return place(shop.grant.cache, shop.registry, tags, scope)


async def is_there(shop: Shop, cache: Reference, logins: tuple[RegistryLogin, ...]) -> bool:
    """Tell whether layers have been kept. Whatever the registry answers otherwise is a no."""
    try:
        await perform_async(shop.http, head(session(logins), cache))
    except SlipwayError:
        return False
    return True


def may_keep(shop: Shop, build: ImageBuild, seconds: float) -> bool:
    """Tell whether a build of so many seconds is to be kept.

    One with a secret argument is not: what a `RUN` made of it would be kept as well. Secret mounts never are.
    """
    cache = shop.grant.cache
    has_secrets = any(argument.is_secret for argument in build.arguments)
    return cache is not None and cache.is_writable and not has_secrets and seconds >= WORTH_SECONDS


async def keep(shop: Shop, build: ImageBuild, cache: Reference) -> None:
    """Keep the layers of a build, its intermediate stages included. Raises Fenced alone."""
    shop.log.line(f"Keeping the layers of this build in {cache}")
    request = LoginRequest(pull=(cache.repository,), push=(cache.repository,))
    try:
        async with asyncio.timeout(_SAVE_SECONDS):
            login = await shop.login(request, quiet=True)
            logins = (*(one for one in build.logins if one.registry != shop.registry), login)
            await shop.engine.save_cache(build, cache, logins)
    except TimeoutError:
        shop.log.line("The layers of this build could not be kept: timed out")
    except StepFailed as fault:
        shop.log.line(f"The layers of this build could not be kept: {reason(fault)}")

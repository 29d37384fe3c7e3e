"""The layers of earlier builds, kept in the registry: where they are, whether they are there, and keeping them.

A build reads them from one tag and, when it was worth it, writes them there after its image has been pushed: by then
the registry has all layers of the image, so that keeping them costs little more than a manifest. Nothing here ever
fails a run.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from builder.bases import session
from builder.engine.protocol import ImageBuild, Kind, TextBuild
from builder.faults import Fenced, StepFailed, reason
from builder.shop import Shop
from shared.errors import LanguageError, SlipwayError
from shared.grant import DockerBuild, LayerCache, LayersUse, LoginRequest, Platform, RegistryLogin
from shared.images.client import perform_async
from shared.images.distribution import get, has_blob
from shared.images.references import Reference
from shared.language import BuildStep, Plan

WORTH_SECONDS: Final = 5.0
"""A build that takes less is repeated faster than its layers are fetched."""
_SAVE_SECONDS: Final = 600
_MARGIN: Final = 5.0
"""Seconds that are left for the end of a run."""
_MOST_LAYERS: Final = 1000
_QUESTIONS: Final = 16
"""How many layers are asked for at a time."""
_OWN_WORD: Final = frozenset({"--no-cache", "--cache-from", "--cache-to", "--no-cache-filter"})
"""Flags of a `build` step by which a task says itself what is remembered."""
OUTPUTS: Final = frozenset({"--output", "-o", "--push", "--load", "--iidfile", "--metadata-file"})
"""Flags that ask for more than layers: such a build is not repeated."""
_RENAMED: Final = re.compile(r"^[0-9a-f]{32}_")
"""How az renames a Dockerfile that it puts into an archive, anew for each build."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which builds share layers: those of one Dockerfile, target, platforms and kind of engine for one repository."""

    dockerfile: str
    target: str
    platform: str
    kind: Kind = Kind.FULL

    @property
    def tag(self) -> str:
        """The tag under which the layers lie: one for each scope, so that old ones are replaced."""
        parts = [_RENAMED.sub("", self.dockerfile), self.target, self.platform]
        # What one kind of engine keeps the other cannot read.
        parts += [] if self.kind is Kind.FULL else [self.kind]
        return f"cache-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]}"


def joined(platforms: tuple[Platform, ...]) -> str:
    """Return platforms as a scope names them."""
    return ",".join(map(str, platforms))


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
    platforms = request.platforms or (shop.grant.platform,)
    scope = Scope(request.docker_file_path, request.target or "", joined(platforms), shop.engine.kind)
    return place(shop.grant.cache, shop.registry, tags, scope)


@dataclass(frozen=True, slots=True)
class Kept:
    """What lies where layers are kept: the digest there, if any, and whether the registry has all of it."""

    place: Reference
    digest: str = ""
    is_whole: bool = False


async def look_up(shop: Shop, cache: Reference, logins: tuple[RegistryLogin, ...]) -> Kept:
    """Tell what has been kept. Whatever the registry answers otherwise is nothing.

    A build that is told of layers which the registry has lost would fail, so each is asked for.
    """
    known = session(logins)
    try:
        manifest = await perform_async(shop.http, get(known, cache))
    except SlipwayError:
        return Kept(cache)
    if len(manifest.layers) > _MOST_LAYERS or manifest.config is None:
        return Kept(cache, manifest.digest)
    one_of_few = asyncio.Semaphore(_QUESTIONS)

    async def is_there(digest: str) -> bool:
        async with one_of_few:
            try:
                return await perform_async(shop.http, has_blob(known, cache, digest))
            except SlipwayError:
                return False

    digests = dict.fromkeys(layer.digest for layer in (manifest.config, *manifest.layers))
    if not all(await asyncio.gather(*map(is_there, digests))):
        shop.log.line(f"The layers that an earlier build has kept in {cache} are not complete and are not used")
        return Kept(cache, manifest.digest)
    shop.log.line(f"Using the layers that an earlier build has kept in {cache}")
    return Kept(cache, manifest.digest, is_whole=True)


def place_of_text(shop: Shop, step: BuildStep, dockerfile: str, platforms: tuple[Platform, ...]) -> Reference | None:
    """Return where the layers of a `build` step lie; None where it, or the task, says something else about caches."""
    command = step.command
    if (
        shop.engine.kind is Kind.CONFINED
        or step.cache
        or step.cache_disabled
        or not _OWN_WORD.isdisjoint(command.flags)
    ):
        return None
    tags = tuple(tag for text in command.tags if (tag := _reference(text)))
    return place(shop.grant.cache, shop.registry, tags, Scope(dockerfile, command.target, joined(platforms)))


def _reference(text: str) -> Reference | None:
    try:
        return Reference.parse(text)
    except LanguageError:
        return None


def may_keep_text(shop: Shop, plan: Plan, step: BuildStep, seconds: float) -> bool:
    """Tell whether a `build` step of so many seconds is to be kept: not where secrets may have gone into it."""
    grant = shop.grant
    task = grant.work.encoded_task or grant.work.file_task
    has_secrets = bool(plan.secrets) or any(value.is_secret for value in (task.values if task else ()))
    is_writable = grant.cache is not None and grant.cache.is_writable
    # What the shell computes may be another value the second time, and then nothing would be taken from the layers.
    is_fixed = "$(" not in step.build and "`" not in step.build and OUTPUTS.isdisjoint(step.command.flags)
    return is_writable and not has_secrets and seconds >= WORTH_SECONDS and is_fixed


def may_keep(shop: Shop, build: ImageBuild, seconds: float) -> bool:
    """Tell whether a build of so many seconds is to be kept.

    One with a secret argument is not: what a `RUN` made of it would be kept as well. Secret mounts never are.
    """
    cache = shop.grant.cache
    has_secrets = any(argument.is_secret for argument in build.arguments)
    return cache is not None and cache.is_writable and not has_secrets and seconds >= WORTH_SECONDS


async def keep(shop: Shop, build: ImageBuild, kept: Kept) -> None:
    """Keep the layers of a build, its intermediate stages included, replacing what lies there. Raises Fenced alone."""

    async def save(logins: tuple[RegistryLogin, ...]) -> None:
        await shop.engine.save_cache(build, kept.place, logins)

    await _keep(shop, kept, (build.logins, shop.deadline), save)


async def keep_text(shop: Shop, build: TextBuild, kept: Kept, deadline: float) -> None:
    """Keep those of a `build` step that must end by `deadline`, a time of the running loop. Raises Fenced alone."""

    async def save(logins: tuple[RegistryLogin, ...]) -> None:
        again = replace(build, cache=None, keeps=kept.place, logins=logins)
        if status := await shop.engine.containers.build(again, lambda _: None):
            raise StepFailed(f"exit status {status}")

    await _keep(shop, kept, (build.logins, min(deadline, shop.deadline)), save)


async def _keep(
    shop: Shop,
    kept: Kept,
    means: tuple[tuple[RegistryLogin, ...], float],
    save: Callable[[tuple[RegistryLogin, ...]], Awaitable[None]],
) -> None:
    """Keep layers with the logins and by the deadline of `means`: a run that has pushed must not end as timed out."""
    (known, deadline), cache = means, kept.place
    shop.log.line(f"Keeping the layers of this build in {cache}")
    use = LayersUse(repository=cache.repository, tag=cache.tag or "", replaced=kept.digest)
    request = LoginRequest(pull=(cache.repository,), push=(cache.repository,), layers=use)
    now = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(min(now + _SAVE_SECONDS, deadline - _MARGIN)):
            login = await shop.login(request, quiet=True)
            await save((*(one for one in known if one.registry != shop.registry), login))
    except TimeoutError:
        shop.log.line("The layers of this build could not be kept: timed out")
    except Fenced:
        raise
    except SlipwayError as fault:
        shop.log.line(f"The layers of this build could not be kept: {reason(fault)}")
    except OSError as fault:
        shop.log.line(f"The layers of this build could not be kept: {type(fault).__name__}")

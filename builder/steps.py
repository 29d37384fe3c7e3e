"""The steps of a Docker build request: `build`, then `push`, in the words of ACR Tasks' log."""

import asyncio
import math
import time
from collections.abc import Awaitable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from builder.annotations import annotations
from builder.bases import values
from builder.contexts.source import Context
from builder.dependencies import block, dependencies
from builder.engine.protocol import ImageBuild
from builder.faults import EngineUnavailable, Fenced, NeedsFull, StepFailed, reason
from builder.layer_cache import Kept, keep, look_up, may_keep, place_of
from builder.log import RunLog
from builder.publish import image, published, push
from builder.scan import Scanned, Subject, scan
from builder.shop import Made, Shop
from shared.errors import SlipwayError
from shared.grant import (
    DockerBuild,
    Image,
    ImageDependency,
    LoginRequest,
    NamedValue,
    Platform,
    RunVariables,
    SpanName,
)
from shared.images.references import Reference
from shared.images.targets import render, target

_BUILD_SECONDS: Final = 28_800
_PUSH_SECONDS: Final = 3_600


@dataclass(slots=True)
class _Step:
    """One step of the log: when it began and how long it took, in seconds."""

    log: RunLog
    id: str
    seconds: int
    began: float = field(default_factory=time.monotonic)
    took: float = 0.0

    async def run[T](self, work: Awaitable[T]) -> T:
        """Wait for a part of the step; what goes wrong becomes StepFailed and an undated line."""
        try:
            async with asyncio.timeout(self.seconds - self.took):
                return await work
        except TimeoutError:
            why = "timed out"
        except (Fenced, EngineUnavailable, NeedsFull):
            raise
        except SlipwayError as fault:
            why = reason(fault)
        finally:
            self.took = time.monotonic() - self.began
        self.log.plain(f"failed to run step ID: {self.id}: {why}")
        raise StepFailed(why)

    def begin(self) -> None:
        self.log.line(f"Executing step ID: {self.id}. Timeout(sec): {self.seconds}, Working directory: '', Network: ''")

    def sum_up(self) -> None:
        self.log.line(f"Step ID: {self.id} marked as successful (elapsed time in seconds: {self.took:.6f})")


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A build that is ready for the engine."""

    build: ImageBuild
    scanned: Scanned
    kept: Kept | None


async def docker_build(shop: Shop, request: DockerBuild, context: Context) -> Made:
    """Build, push, and tell what the images stand on.

    Raises StepFailed, whose message has been said in the log, and Fenced as soon as the run is no longer
    ours, which is asked right before the push.
    """
    build, push_step = _Step(shop.log, "build", _BUILD_SECONDS), None
    build.begin()
    prepared = await build.run(_prepare(shop, request, context))
    digest = await build.run(_build(shop, prepared.build))
    tags = prepared.build.tags
    images = tuple(image(tag) for tag in tags)
    if request.is_push_enabled and tags:
        push_step = _Step(shop.log, "push", _PUSH_SECONDS)
        push_step.begin()
        with shop.spans.span(SpanName.PUSH):
            images = await push_step.run(_push(shop, tags, digest))
        if prepared.kept and may_keep(shop, prepared.build, build.took):
            with shop.spans.span(SpanName.KEEP_LAYERS):
                await keep(shop, prepared.build, prepared.kept)
    found = dependencies(images, prepared.scanned.bases, prepared.scanned.digests, context.commit)
    _sum_up(shop.log, build, push_step, found)
    return Made(images if push_step else (), found, prepared.build.platforms)


def _sum_up(log: RunLog, build: _Step, push_step: _Step | None, found: tuple[ImageDependency, ...]) -> None:
    build.sum_up()
    log.line(f"Populating digests for step ID: {build.id}...")
    log.line(f"Successfully populated digests for step ID: {build.id}")
    if push_step:
        push_step.sum_up()
    say_dependencies(log, found)


def say_dependencies(log: RunLog, found: tuple[ImageDependency, ...]) -> None:
    """Write the block that ends the log of a run that has built something."""
    log.line("The following dependencies were found:")
    log.line()
    log.plain(block(found))


async def _prepare(shop: Shop, request: DockerBuild, context: Context) -> _Prepared:
    """Read and scan the Dockerfile and pin its bases."""
    grant, log = shop.grant, shop.log
    known = [login.registry for login in grant.logins]
    variables = context.told(grant.variables)
    tags = tuple(dict.fromkeys(target(name, variables, known) for name in request.image_names))
    arguments = _arguments(request, variables)
    log.line("Scanning for dependencies...")
    cache, platforms = place_of(shop, request, tags), request.platforms or (grant.platform,)
    subject = Subject(
        root=context.root,
        path=request.docker_file_path,
        arguments=values(arguments),
        platforms=platforms,
        target=request.target,
        logins=grant.logins,
        layers=cache,
    )
    with shop.spans.span(SpanName.SCAN):
        scanned = await scan(shop, subject)
    log.line("Successfully scanned dependencies")
    await warn_of_emulation(shop, platforms)
    kept = await look_up(shop, cache, scanned.logins) if cache else None
    build = ImageBuild(
        context=context.root,
        dockerfile=scanned.text,
        ignore=scanned.ignore,
        tags=tags,
        arguments=arguments,
        target=request.target,
        platforms=platforms,
        no_cache=request.no_cache,
        logins=scanned.logins,
        cache=kept.place if kept and kept.is_whole else None,
        annotations=annotations(scanned, context, subject.arguments, datetime.now(UTC), platforms=len(platforms)),
    )
    keeps = kept is not None and request.is_push_enabled and may_keep(shop, build, math.inf)
    return _Prepared(replace(build, keeps=keeps), scanned, kept)


async def warn_of_emulation(shop: Shop, platforms: Iterable[Platform]) -> None:
    """See that programs of the platforms run here, or say in the log that they do not."""
    for platform in platforms:
        if why := await shop.engine.emulate(platform):
            shop.log.line(f"WARNING: {why}: a RUN for it will fail. An agent pool of such machines can build it.")


def _arguments(request: DockerBuild, variables: RunVariables) -> tuple[NamedValue, ...]:
    return tuple(
        one if one.is_secret else one.model_copy(update={"value": render(one.value, variables)})
        for one in request.arguments
    )


async def _build(shop: Shop, build: ImageBuild) -> str:
    shop.log.line("Launching container with name: build")
    with shop.spans.span(SpanName.BUILD), shop.log.output() as output:
        digest = await shop.engine.build(build, output)
    shop.log.line("Successfully executed container: build")
    return digest


async def _push(shop: Shop, tags: tuple[Reference, ...], digest: str) -> tuple[Image, ...]:
    """Push each tag and read its digest back from the registry."""
    known = {login.registry: login for login in shop.grant.logins}
    repositories = tuple(dict.fromkeys(tag.repository for tag in tags if tag.registry == shop.registry))
    if repositories:
        known[shop.registry] = await shop.login(LoginRequest(pull=repositories, push=repositories))
    images = []
    for tag in tags:
        login = known.get(tag.registry)
        if login is None:
            raise StepFailed(f"the run has no login for the registry {tag.registry}")
        await push(shop, tag, login)
        images.append(await published(shop, tag, login, digest))
    return tuple(images)
